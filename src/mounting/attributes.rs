//! What is known about an artifact, as extended attributes of its files.

use crate::catalog::{Catalog, CatalogError, Name, Record};
use crate::data::layout::{Location, Part};
use crate::namespace::Namespace;
use crate::path::RelPath;

/// Returns the attributes of a file of our own namespace; none for files that have no row.
pub(super) fn of_own(
    catalog: &Catalog,
    namespace: Option<&Namespace>,
    path: &RelPath,
) -> Result<Vec<(String, String)>, CatalogError> {
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
    Ok(catalog.find(namespace, &name, version)?.map(|record| of_record(&record)).unwrap_or_default())
}

fn of_record(record: &Record) -> Vec<(String, String)> {
    let Record { namespace, type_normalized, model_id, model_name, data_name, version, content_type, .. } = record;
    let model = if model_name.is_empty() { model_id } else { model_name };
    let tags = serde_json::to_string(&record.tags).unwrap_or_default();
    let all = [
        ("namespace", namespace.as_ref().map_or_else(String::new, ToString::to_string)),
        ("model", model.clone()),
        ("type", type_normalized.clone()),
        ("name", data_name.clone()),
        ("version", version.to_string()),
        ("content_type", content_type.clone()),
        ("tags", tags),
        ("created", record.created_at.to_string()),
        ("owner", record.owner_ref.clone()),
    ];
    let told = all.into_iter().filter(|(_, value)| !value.is_empty());
    told.map(|(name, value)| (format!("user.swamp.{name}"), value)).collect()
}
