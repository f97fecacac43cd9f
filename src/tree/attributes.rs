//! What `getfattr -d` shows: the row of an artifact as `user.swamp.*`.

use swamp_mount::TreeError;

use crate::catalog::{Catalog, Name, Record};
use crate::data::layout::{Location, Part};
use crate::namespace::Namespace;
use crate::path::RelPath;

/// The longest value, in bytes: Linux takes no more than 64 KiB for all of a file's together.
const VALUE_BYTES_MAX: usize = 32 * 1024;

/// Attributes: full names and values.
pub(super) type Attributes = Vec<(String, String)>;

/// Returns the attributes of a version, or of the newest one; none if there is no such row.
pub(super) fn of_version(
    catalog: &Catalog,
    namespace: &str,
    name: &Name,
    version: Option<u64>,
) -> Result<Attributes, TreeError> {
    let namespace = owner_of(namespace)?;
    let Some(record) = catalog.find(namespace.as_ref(), name, version)? else { return Ok(Vec::new()) };
    let mut attributes = of_record(&record);
    attributes.extend(last_synced(catalog, namespace.as_ref())?);
    Ok(attributes)
}

/// Returns the attributes of the directory of a namespace.
pub(super) fn of_namespace(catalog: &Catalog, namespace: &str) -> Result<Attributes, TreeError> {
    let namespace = owner_of(namespace)?;
    let mut attributes = Vec::new();
    push(&mut attributes, "namespace", namespace.as_ref().map_or("", Namespace::as_str));
    attributes.extend(last_synced(catalog, namespace.as_ref())?);
    Ok(attributes)
}

/// Returns the attributes of a file of our own namespace, given relative to it; none for one that is no artifact's.
pub(super) fn of_path(catalog: &Catalog, namespace: &str, path: &RelPath) -> Result<Attributes, TreeError> {
    let Some(Location { artifact, part }) = Location::parse(path) else { return Ok(Vec::new()) };
    let name = Name {
        type_normalized: artifact.model_type().as_str().to_owned(),
        model_id: artifact.model_id().as_str().to_owned(),
        data_name: artifact.name().as_str().to_owned(),
    };
    let version = match part {
        Part::Raw(version) | Part::Metadata(version) => Some(version.get()),
        Part::Latest => None,
    };
    of_version(catalog, namespace, &name, version)
}

/// Returns a slug as the catalog's functions want it.
fn owner_of(namespace: &str) -> Result<Option<Namespace>, TreeError> {
    if namespace.is_empty() {
        return Ok(None);
    }
    namespace.parse().map(Some).or(Err(TreeError::NotFound))
}

fn last_synced(catalog: &Catalog, namespace: Option<&Namespace>) -> Result<Attributes, TreeError> {
    let mut attributes = Vec::new();
    if let Some(namespace) = namespace
        && let Some(state) = catalog.foreign_state(namespace)?
    {
        push(&mut attributes, "last_synced", &state.last_synced.to_string());
    }
    Ok(attributes)
}

fn of_record(record: &Record) -> Attributes {
    let owner = match record.owner_ref.as_str() {
        "" => record.owner_type.clone(),
        reference => format!("{}:{reference}", record.owner_type),
    };
    let mut attributes = Vec::new();
    for (name, value) in [
        ("namespace", record.namespace.as_ref().map_or("", Namespace::as_str)),
        ("model", &record.model_name),
        ("model_id", &record.model_id),
        ("type", &record.type_normalized),
        ("data_name", &record.data_name),
        ("version", &record.version.to_string()),
        ("id", &record.id),
        ("content_type", &record.content_type),
        ("data_type", &record.data_type),
        ("lifetime", &record.lifetime),
        ("created", &record.created_at.to_string()),
        ("owner", &owner),
        ("workflow", &record.workflow_name),
        ("workflow_run_id", &record.workflow_run_id),
        ("step", &record.step_name),
        ("tags", &serde_json::to_string(&record.tags).unwrap_or_default()),
    ] {
        push(&mut attributes, name, value);
    }
    attributes
}

/// Adds an attribute that says something and is not too long to be one.
fn push(attributes: &mut Attributes, name: &str, value: &str) {
    if (1..=VALUE_BYTES_MAX).contains(&value.len()) {
        attributes.push((format!("user.swamp.{name}"), value.to_owned()));
    }
}
