//! Reading `metadata.yaml`: every scalar by its text, every refusal with field, value and rule.

use std::str::FromStr;

use indexmap::IndexMap;

use crate::clock::Timestamp;
use crate::yaml::{self, Limits, Mapping, Node};

use super::super::name::DataName;
use super::super::period::InvalidPeriod;
use super::{Lifecycle, METADATA_BYTES_MAX, Metadata, MetadataError, Owner, OwnerType};

impl Metadata {
    /// Reads and checks a whole `metadata.yaml`.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetadataError> {
        let text = std::str::from_utf8(bytes).map_err(|source| MetadataError::Encoding { source })?;
        let limits =
            Limits { bytes_max: usize::try_from(METADATA_BYTES_MAX).unwrap_or(usize::MAX), ..Limits::default() };
        let node = yaml::parse(text, limits).map_err(|source| MetadataError::Yaml { source })?;
        let fields = Fields { prefix: "", mapping: node.as_mapping() };
        let metadata = Self {
            id: fields.required("id", read_text)?,
            name: fields.required("name", read_name)?,
            version: fields
                .required("version", |text| text.parse().map_err(|_strict| "a whole number from 1".into()))?,
            content_type: fields.required("contentType", read_text)?,
            lifetime: fields.required("lifetime", read_period)?,
            garbage_collection: fields.required("garbageCollection", read_period)?,
            streaming: fields.optional("streaming", read_bool)?.unwrap_or(false),
            tags: fields.texts("tags")?,
            owner: Owner::read(fields.get("ownerDefinition"))?,
            created_at: fields.required("createdAt", read_time)?,
            size: fields.optional("size", |text| text.parse().map_err(|_strict| "a length in bytes".into()))?,
            checksum: fields.optional("checksum", read_text)?,
            lifecycle: fields.optional("lifecycle", read_lifecycle)?,
            renamed_to: fields.optional("renamedTo", read_name)?,
        };
        metadata.check()?;
        Ok(metadata)
    }
}

impl Owner {
    fn read(node: Option<&Node>) -> Result<Self, MetadataError> {
        let Some(node) = node else { return Err(MetadataError::Missing { field: "ownerDefinition".to_owned() }) };
        let fields = Fields { prefix: "ownerDefinition.", mapping: node.as_mapping() };
        Ok(Self {
            definition_hash: fields.optional("definitionHash", read_text)?,
            owner_type: fields.required("ownerType", read_owner_type)?,
            owner_ref: fields.required("ownerRef", read_text)?,
            workflow_id: fields.optional("workflowId", read_text)?,
            workflow_run_id: fields.optional("workflowRunId", read_text)?,
            workflow_name: fields.optional("workflowName", read_text)?,
            job_name: fields.optional("jobName", read_text)?,
            step_name: fields.optional("stepName", read_text)?,
            source: fields.optional("source", read_text)?,
        })
    }
}

/// The entries of one mapping, with the name under which messages speak of them.
struct Fields<'a> {
    prefix: &'static str,
    mapping: Option<&'a Mapping>,
}

impl<'a> Fields<'a> {
    fn get(&self, key: &str) -> Option<&'a Node> {
        self.mapping?.get(key).filter(|node| !node.is_null())
    }

    fn name(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn required<T>(&self, key: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<T, MetadataError> {
        self.optional(key, read)?.ok_or_else(|| MetadataError::Missing { field: self.name(key) })
    }

    fn optional<T>(&self, key: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, MetadataError> {
        let Some(node) = self.get(key) else { return Ok(None) };
        let text = text_of(node, || self.name(key))?;
        match read(text) {
            Ok(value) => Ok(Some(value)),
            Err(rule) => Err(MetadataError::Value { field: self.name(key), value: text.to_owned(), rule }),
        }
    }

    fn texts(&self, key: &str) -> Result<IndexMap<String, String>, MetadataError> {
        let Some(node) = self.get(key) else { return Err(MetadataError::Missing { field: self.name(key) }) };
        let Some(mapping) = node.as_mapping() else {
            let value = node.as_text().unwrap_or("a list").to_owned();
            return Err(MetadataError::Value { field: self.name(key), value, rule: "keys and texts".to_owned() });
        };
        let read = |(tag, node): (&str, &Node)| {
            let text = text_of(node, || format!("{}.{tag}", self.name(key)))?;
            Ok((tag.to_owned(), text.to_owned()))
        };
        mapping.iter().map(read).collect()
    }
}

fn text_of(node: &Node, field: impl Fn() -> String) -> Result<&str, MetadataError> {
    node.as_text().ok_or_else(|| MetadataError::Value {
        field: field(),
        value: "a list or a mapping".to_owned(),
        rule: "one value".to_owned(),
    })
}

#[expect(clippy::unnecessary_wraps, reason = "one of the readers of a field")]
fn read_text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

fn read_name(text: &str) -> Result<DataName, String> {
    text.parse().map_err(|_rule| "a name without `/`, `\\`, `..` and NUL that is not `latest`".to_owned())
}

fn read_period<T: FromStr<Err = InvalidPeriod>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.rule().to_owned())
}

fn read_bool(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("`true` or `false`".to_owned()),
    }
}

fn read_time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_form| "a time in UTC such as `2026-08-22T10:15:30.123Z`".to_owned())
}

fn read_lifecycle(text: &str) -> Result<Lifecycle, String> {
    match text {
        "active" => Ok(Lifecycle::Active),
        "deleted" => Ok(Lifecycle::Deleted),
        _ => Err("`active` or `deleted`".to_owned()),
    }
}

fn read_owner_type(text: &str) -> Result<OwnerType, String> {
    match text {
        "model-method" => Ok(OwnerType::ModelMethod),
        "workflow-step" => Ok(OwnerType::WorkflowStep),
        "manual" => Ok(OwnerType::Manual),
        _ => Err("`model-method`, `workflow-step` or `manual`".to_owned()),
    }
}
