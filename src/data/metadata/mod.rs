//! `metadata.yaml`: what is known about one version (formats.md 2.6).
//!
//! The reader takes scalars as text, quoted or not, because readers disagree on what plain ones mean; the writer
//! quotes every string, because an unquoted time makes the existing swamp drop the model (trap T21). Unknown keys are
//! ignored and not kept, as there.

mod read;

use std::fmt;

use indexmap::IndexMap;

use crate::clock::Timestamp;
use crate::error::{Failure, Kind};
use crate::yaml::{self, Mapping, Scalar, YamlError};

use super::name::{DataName, VersionNumber, shown};
use super::period::{GarbageCollection, Lifetime};

/// The longest metadata we read, in bytes.
pub const METADATA_BYTES_MAX: u64 = 1024 * 1024;

/// The content type that makes a version's content attributes.
pub const JSON_CONTENT_TYPE: &str = "application/json";

/// Metadata that breaks a rule.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message is the documentation")]
pub enum MetadataError {
    #[error("the metadata is no YAML document")]
    Yaml { source: YamlError },
    #[error("the metadata is not UTF-8")]
    Encoding { source: std::str::Utf8Error },
    #[error("the metadata has no `{field}`")]
    Missing { field: String },
    #[error("`{field}` of the metadata is `{}`: use {rule}", shown(.value))]
    Value { field: String, value: String, rule: String },
}

impl Failure for MetadataError {
    fn kind(&self) -> Kind {
        Kind::Corrupt
    }
}

/// What is known about one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// A UUID, new for every version; a tombstone keeps that of the version before it.
    pub id: String,
    /// The data name as the version's author knew it; the directory decides.
    pub name: DataName,
    /// The number; the directory decides.
    pub version: VersionNumber,
    /// The media type, compared as a whole with [`JSON_CONTENT_TYPE`].
    pub content_type: String,
    /// When the data name ends.
    pub lifetime: Lifetime,
    /// Which versions garbage collection leaves.
    pub garbage_collection: GarbageCollection,
    /// Whether the content may grow.
    pub streaming: bool,
    /// Free texts by key; `type` is always there.
    pub tags: IndexMap<String, String>,
    /// Who writes this data name.
    pub owner: Owner,
    /// When the version was made.
    pub created_at: Timestamp,
    /// Length of the content in bytes, if known.
    pub size: Option<u64>,
    /// Lower-case hexadecimal SHA-256 of the content, if known.
    pub checksum: Option<String>,
    /// Whether the data name still lives.
    pub lifecycle: Option<Lifecycle>,
    /// The data name that took over, if this version is the tombstone of a rename.
    pub renamed_to: Option<DataName>,
}

/// Whether a data name lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// It does; never written.
    Active,
    /// It was deleted or renamed.
    Deleted,
}

/// Who writes a data name, and on whose behalf.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, clippy::struct_field_names, reason = "the names of the fields are those of the format")]
pub struct Owner {
    pub definition_hash: Option<String>,
    pub owner_type: OwnerType,
    pub owner_ref: String,
    pub workflow_id: Option<String>,
    pub workflow_run_id: Option<String>,
    pub workflow_name: Option<String>,
    pub job_name: Option<String>,
    pub step_name: Option<String>,
    pub source: Option<String>,
}

impl Owner {
    /// Returns an owner without provenance.
    pub fn new(owner_type: OwnerType, owner_ref: &str) -> Self {
        Self {
            definition_hash: None,
            owner_type,
            owner_ref: owner_ref.to_owned(),
            workflow_id: None,
            workflow_run_id: None,
            workflow_name: None,
            job_name: None,
            step_name: None,
            source: None,
        }
    }

    /// Whether both may write the same data name: type and reference are equal, the rest does not matter.
    pub fn is_same(&self, other: &Self) -> bool {
        self.owner_type == other.owner_type && self.owner_ref == other.owner_ref
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.owner_type, self.owner_ref)
    }
}

/// What kind of thing writes data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OwnerType {
    /// A method of a model.
    ModelMethod,
    /// A step of a workflow.
    WorkflowStep,
    /// A person.
    Manual,
}

impl OwnerType {
    /// Returns the word of the format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ModelMethod => "model-method",
            Self::WorkflowStep => "workflow-step",
            Self::Manual => "manual",
        }
    }
}

impl fmt::Display for OwnerType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Metadata {
    /// Checks the rules that the types do not.
    pub fn check(&self) -> Result<(), MetadataError> {
        check_value("id", &self.id, is_uuid, "a UUID")?;
        check_value("contentType", &self.content_type, |text| !text.is_empty(), "a media type")?;
        if !self.tags.contains_key("type") {
            return Err(MetadataError::Missing { field: "tags.type".to_owned() });
        }
        check_value("ownerDefinition.ownerRef", &self.owner.owner_ref, |text| !text.is_empty(), "some text")?;
        for (field, value) in [
            ("ownerDefinition.workflowId", &self.owner.workflow_id),
            ("ownerDefinition.workflowRunId", &self.owner.workflow_run_id),
        ] {
            if let Some(value) = value {
                check_value(field, value, is_uuid, "a UUID")?;
            }
        }
        Ok(())
    }

    /// Returns the file as it is written: keys in the order of the format, every string in double quotes.
    pub fn to_yaml(&self) -> String {
        let mut root = Mapping::default();
        root.insert("id", Scalar::quoted(&self.id));
        root.insert("name", Scalar::quoted(self.name.as_str()));
        root.insert("version", Scalar::bare(self.version));
        root.insert("contentType", Scalar::quoted(&self.content_type));
        root.insert("lifetime", Scalar::quoted(self.lifetime.to_string()));
        root.insert(
            "garbageCollection",
            match &self.garbage_collection {
                GarbageCollection::Newest(count) => Scalar::bare(count),
                GarbageCollection::Within(period) => Scalar::quoted(period.to_string()),
            },
        );
        root.insert("streaming", Scalar::bare(self.streaming));
        root.insert("tags", self.tags.iter().map(|(key, tag)| (key, Scalar::quoted(tag))).collect::<Mapping>());
        root.insert("ownerDefinition", self.owner.to_mapping());
        root.insert("createdAt", Scalar::quoted(self.created_at.to_string()));
        if let Some(size) = self.size {
            root.insert("size", Scalar::bare(size));
        }
        if let Some(checksum) = &self.checksum {
            root.insert("checksum", Scalar::quoted(checksum));
        }
        if self.lifecycle == Some(Lifecycle::Deleted) {
            root.insert("lifecycle", Scalar::quoted("deleted"));
        }
        if let Some(name) = &self.renamed_to {
            root.insert("renamedTo", Scalar::quoted(name.as_str()));
        }
        yaml::emit(&root.into())
    }

    /// Whether this version says that its data name was deleted or renamed.
    pub fn is_deleted(&self) -> bool {
        self.lifecycle == Some(Lifecycle::Deleted)
    }

    /// Returns the data name that took over, if this version is the tombstone of a rename.
    pub fn successor(&self) -> Option<&DataName> {
        self.renamed_to.as_ref().filter(|_| self.is_deleted())
    }

    /// Returns a tag, `""` where there is none, as the catalog wants it.
    pub fn tag(&self, key: &str) -> &str {
        self.tags.get(key).map_or("", String::as_str)
    }
}

impl Owner {
    fn to_mapping(&self) -> Mapping {
        let owner_type = Some(self.owner_type.as_str().to_owned());
        let owner_ref = Some(self.owner_ref.clone());
        let fields = [
            ("definitionHash", &self.definition_hash),
            ("ownerType", &owner_type),
            ("ownerRef", &owner_ref),
            ("workflowId", &self.workflow_id),
            ("workflowRunId", &self.workflow_run_id),
            ("workflowName", &self.workflow_name),
            ("jobName", &self.job_name),
            ("stepName", &self.step_name),
            ("source", &self.source),
        ];
        fields.into_iter().filter_map(|(key, value)| Some((key, Scalar::quoted(value.as_ref()?)))).collect()
    }
}

fn check_value(field: &str, value: &str, holds: impl Fn(&str) -> bool, rule: &str) -> Result<(), MetadataError> {
    if holds(value) {
        return Ok(());
    }
    Err(MetadataError::Value { field: field.to_owned(), value: value.to_owned(), rule: rule.to_owned() })
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests;
