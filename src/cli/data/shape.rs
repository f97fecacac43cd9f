//! The JSON that data commands print: names and order are those of the existing swamp (formats.md 8.7).

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;
use swamp::catalog::{Model, Record};
use swamp::data::metadata::{Metadata, Owner};
use swamp::data::period::GarbageCollection;

use super::model::shown_name;

/// One version in full.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Version {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) model: ModelKeys,
    pub(super) version: u64,
    pub(super) content_type: String,
    pub(super) lifetime: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) garbage_collection: Option<Value>,
    pub(super) streaming: bool,
    pub(super) tags: IndexMap<String, String>,
    pub(super) owner_definition: OwnerKeys,
    pub(super) created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) checksum: Option<String>,
    pub(super) content_path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<Value>,
}

/// Which model, as most documents begin.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ModelKeys {
    pub(super) model_id: String,
    pub(super) model_name: String,
    pub(super) model_type: String,
}

impl From<&Model> for ModelKeys {
    fn from(model: &Model) -> Self {
        Self {
            model_id: model.id.clone(),
            model_name: shown_name(model).to_owned(),
            model_type: model.type_normalized.clone(),
        }
    }
}

/// Who wrote a version.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OwnerKeys {
    #[serde(skip_serializing_if = "Option::is_none")]
    definition_hash: Option<String>,
    owner_type: String,
    owner_ref: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow_run_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

impl From<&Owner> for OwnerKeys {
    fn from(owner: &Owner) -> Self {
        Self {
            definition_hash: owner.definition_hash.clone(),
            owner_type: owner.owner_type.as_str().to_owned(),
            owner_ref: owner.owner_ref.clone(),
            workflow_id: owner.workflow_id.clone(),
            workflow_run_id: owner.workflow_run_id.clone(),
            workflow_name: owner.workflow_name.clone(),
            job_name: owner.job_name.clone(),
            step_name: owner.step_name.clone(),
            source: owner.source.clone(),
        }
    }
}

impl From<&Record> for OwnerKeys {
    fn from(record: &Record) -> Self {
        let present = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Self {
            definition_hash: None,
            owner_type: record.owner_type.clone(),
            owner_ref: record.owner_ref.clone(),
            // No column has it, but a version that a workflow made has it as a tag.
            workflow_id: record.tags.get("workflowId").and_then(|id| present(id)),
            workflow_run_id: present(&record.workflow_run_id),
            workflow_name: present(&record.workflow_name),
            job_name: present(&record.job_name),
            step_name: present(&record.step_name),
            source: present(&record.source),
        }
    }
}

impl Version {
    /// Returns a version of ours, as its metadata describe it.
    pub(super) fn of_metadata(model: &Model, name: &str, metadata: &Metadata, content_path: String) -> Self {
        Self {
            id: metadata.id.clone(),
            name: name.to_owned(),
            model: model.into(),
            version: metadata.version.get(),
            content_type: metadata.content_type.clone(),
            lifetime: metadata.lifetime.to_string(),
            garbage_collection: Some(match &metadata.garbage_collection {
                GarbageCollection::Newest(count) => Value::from(*count),
                GarbageCollection::Within(period) => Value::from(period.to_string()),
            }),
            streaming: metadata.streaming,
            tags: metadata.tags.clone(),
            owner_definition: (&metadata.owner).into(),
            created_at: metadata.created_at.to_string(),
            size: metadata.size,
            checksum: metadata.checksum.clone(),
            content_path,
            content: None,
        }
    }

    /// Returns a version of another namespace, as far as its row describes it.
    pub(super) fn of_record(model: &Model, record: &Record, content_path: String) -> Self {
        Self {
            id: record.id.clone(),
            name: record.data_name.clone(),
            model: model.into(),
            version: record.version,
            content_type: record.content_type.clone(),
            lifetime: record.lifetime.clone(),
            garbage_collection: None,
            streaming: record.streaming,
            tags: record.tags.clone(),
            owner_definition: record.into(),
            created_at: record.created_at.to_string(),
            size: Some(record.size),
            checksum: None,
            content_path,
            content: None,
        }
    }
}
