//! What the catalog says of a version, as one JSON object: what extended attributes would say if there were any.

use serde::Serialize;
use swamp_mount::TreeError;

use crate::catalog::{Catalog, Leaf, Record, Tags};
use crate::clock::Timestamp;
use crate::namespace::Namespace;

/// The object. What says nothing is left out, so that what is there can be relied upon.
#[derive(Debug, Serialize)]
struct Attributes<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    model: &'a str,
    model_id: &'a str,
    #[serde(rename = "type")]
    model_type: &'a str,
    data_name: &'a str,
    version: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    content_type: &'a str,
    streaming: bool,
    /// Left out where only opening tells it, as in `stat`.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    data_type: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    spec: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    lifetime: &'a str,
    created: Timestamp,
    #[serde(skip_serializing_if = "str::is_empty")]
    owner: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    source: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    workflow: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    workflow_run_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    job: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    step: &'a str,
    tags: &'a Tags,
    /// Of foreign namespaces only.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_synced: Option<Timestamp>,
}

/// Returns the text of the object of a version, `None` if there is no such row.
pub(super) fn of_version(catalog: &Catalog, leaf: &Leaf) -> Result<Option<String>, TreeError> {
    let namespace = owner_of(&leaf.namespace)?;
    let Some(record) = catalog.find(namespace.as_ref(), &leaf.name, Some(leaf.version))? else { return Ok(None) };
    rendered(&record, last_synced(catalog, namespace.as_ref())?).map(Some)
}

/// Returns a slug as the catalog's functions want it.
fn owner_of(namespace: &str) -> Result<Option<Namespace>, TreeError> {
    if namespace.is_empty() {
        return Ok(None);
    }
    namespace.parse().map(Some).or(Err(TreeError::NotFound))
}

fn last_synced(catalog: &Catalog, namespace: Option<&Namespace>) -> Result<Option<Timestamp>, TreeError> {
    let Some(namespace) = namespace else { return Ok(None) };
    Ok(catalog.foreign_state(namespace)?.map(|state| state.last_synced))
}

fn rendered(record: &Record, last_synced: Option<Timestamp>) -> Result<String, TreeError> {
    let owner = match record.owner_ref.as_str() {
        "" => record.owner_type.clone(),
        reference => format!("{}:{reference}", record.owner_type),
    };
    let attributes = Attributes {
        namespace: record.namespace.as_ref().map(Namespace::as_str),
        model: &record.model_name,
        model_id: &record.model_id,
        model_type: &record.type_normalized,
        data_name: &record.data_name,
        version: record.version,
        id: &record.id,
        content_type: &record.content_type,
        streaming: record.streaming,
        size: (!record.streaming).then_some(record.size),
        data_type: &record.data_type,
        spec: &record.spec_name,
        lifetime: &record.lifetime,
        created: record.created_at,
        owner: &owner,
        source: &record.source,
        workflow: &record.workflow_name,
        workflow_run_id: &record.workflow_run_id,
        job: &record.job_name,
        step: &record.step_name,
        tags: &record.tags,
        last_synced,
    };
    match serde_json::to_string_pretty(&attributes) {
        Ok(text) => Ok(text + "\n"),
        Err(_unwritable) => Err(TreeError::Input),
    }
}
