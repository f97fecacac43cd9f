//! One row of the catalog: a version of an artifact with the 23 columns every swamp knows (formats.md 6.1).
//!
//! A [`Record`] that passed [`Record::check`] names a path of the data layout that cannot leave its namespace, and holds
//! no text with a NUL byte and none beyond the bounds below.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::namespace::Namespace;
use crate::path::{InvalidPath, RelPath};

/// The longest text of one column except `tags`, in bytes.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;

/// The longest tags of one row, keys and values together, in bytes.
pub const TAGS_BYTES_MAX: usize = 256 * 1024;

/// The greatest `version` and `size`: the greatest whole number every reader of the export holds exactly.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// How many refusals are kept with their reasons; the rest is only counted.
const REFUSALS_KEPT_MAX: usize = 1_000;

/// The longest reason of a refusal, in characters of the refused text.
const REASON_CHARACTERS_MAX: usize = 200;

/// Tags in the order in which they were written.
pub type Tags = IndexMap<String, String>;

/// A version of an artifact: serialises as one element of `.catalog-export.json`, names and order included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Whose artifact it is; `None`, written as `""`, in solo mode.
    #[serde(with = "super::codec::namespace")]
    pub namespace: Option<Namespace>,
    /// The model type as a path, `aws/ec2/vpc`.
    pub type_normalized: String,
    /// The model's id.
    pub model_id: String,
    /// The artifact's name.
    pub data_name: String,
    /// The id in the version's metadata.
    pub id: String,
    /// The version, from 1.
    #[serde(deserialize_with = "super::codec::whole")]
    pub version: u64,
    /// Whether it is the newest version that its workflow step wrote; the catalog computes it for own rows.
    #[serde(with = "super::codec::flag")]
    pub is_latest: bool,
    /// The tag `modelName`, or empty.
    pub model_name: String,
    /// The tag `specName`, or empty.
    pub spec_name: String,
    /// The tag `type`, or empty.
    pub data_type: String,
    /// The media type of the content.
    pub content_type: String,
    /// How long the artifact is kept.
    pub lifetime: String,
    /// What kind of thing owns the artifact.
    pub owner_type: String,
    /// Whether content is appended to it.
    #[serde(with = "super::codec::flag")]
    pub streaming: bool,
    /// Length of the content in bytes, 0 where unknown.
    #[serde(deserialize_with = "super::codec::whole")]
    pub size: u64,
    /// When the version was made.
    pub created_at: Timestamp,
    /// All tags, written as JSON inside a text.
    #[serde(with = "super::codec::tags")]
    pub tags: Tags,
    /// Who owns the artifact.
    pub owner_ref: String,
    /// The workflow run that made it, or empty.
    pub workflow_run_id: String,
    /// The workflow that made it, or empty.
    pub workflow_name: String,
    /// The job that made it, or empty.
    pub job_name: String,
    /// The step that made it, or empty.
    pub step_name: String,
    /// The owner's `source`, or empty.
    pub source: String,
}

/// A data name of one model: what identifies an artifact within a namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::struct_field_names, reason = "the names of the columns")]
pub struct Name {
    /// The model type as a path.
    pub type_normalized: String,
    /// The model's id.
    pub model_id: String,
    /// The artifact's name.
    pub data_name: String,
}

/// A row that was not taken, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which row of the input, from 0.
    pub index: u64,
    /// Why, short and without control characters.
    pub reason: String,
}

/// The rows that were not taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// How many there are.
    pub count: u64,
    /// The first of them, at most 1,000.
    pub first: Vec<Refused>,
}

impl Refusals {
    /// Adds those of another call.
    pub(super) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.first.extend(other.first);
        self.first.truncate(REFUSALS_KEPT_MAX);
    }

    /// Adds one.
    pub(super) fn push(&mut self, refused: Refused) {
        self.count += 1;
        if self.first.len() < REFUSALS_KEPT_MAX {
            self.first.push(refused);
        }
    }
}

impl Refused {
    /// Returns a refusal whose reason is cut and escaped, because it may quote a hostile text.
    pub(super) fn new(index: u64, reason: &str) -> Self {
        let mut shown = String::new();
        for character in reason.chars().take(REASON_CHARACTERS_MAX) {
            if character.is_control() {
                shown.extend(character.escape_default());
            } else {
                shown.push(character);
            }
        }
        if reason.chars().nth(REASON_CHARACTERS_MAX).is_some() {
            shown.push('…');
        }
        Self { index, reason: shown }
    }
}

impl Record {
    /// Returns where the content lies below the namespace: `data/{type}/{model}/{name}/{version}/raw`.
    pub fn raw_path(&self) -> Result<RelPath, InvalidPath> {
        let Self { type_normalized, model_id, data_name, version, .. } = self;
        format!("data/{type_normalized}/{model_id}/{data_name}/{version}/raw").parse()
    }

    /// Returns the data name the row belongs to.
    pub fn name(&self) -> Name {
        Name {
            type_normalized: self.type_normalized.clone(),
            model_id: self.model_id.clone(),
            data_name: self.data_name.clone(),
        }
    }

    /// Whether the row belongs to `name`.
    pub(super) fn is_of(&self, name: &Name) -> bool {
        self.data_name == name.data_name
            && self.model_id == name.model_id
            && self.type_normalized == name.type_normalized
    }

    /// Returns why the row cannot be in a catalog, `Ok` if it can.
    pub fn check(&self) -> Result<(), String> {
        for (column, text) in self.texts() {
            if text.len() > TEXT_BYTES_MAX {
                return Err(format!("`{column}` has {} bytes, more than {TEXT_BYTES_MAX}", text.len()));
            }
            if text.contains('\0') {
                return Err(format!("`{column}` contains a NUL byte"));
            }
        }
        self.check_tags()?;
        if !(1..=INTEGER_MAX).contains(&self.version) {
            return Err(format!("`version` is {}, not 1 to {INTEGER_MAX}", self.version));
        }
        if self.size > INTEGER_MAX {
            return Err(format!("`size` is {}, more than {INTEGER_MAX}", self.size));
        }
        self.check_path()
    }

    fn check_tags(&self) -> Result<(), String> {
        let bytes: usize = self.tags.iter().map(|(key, value)| key.len() + value.len()).sum();
        if bytes > TAGS_BYTES_MAX {
            return Err(format!("`tags` has {bytes} bytes, more than {TAGS_BYTES_MAX}"));
        }
        if self.tags.iter().any(|(key, value)| key.contains('\0') || value.contains('\0')) {
            return Err("`tags` contains a NUL byte".to_owned());
        }
        Ok(())
    }

    /// The rules for names (formats.md 2.3), without which two rows could mean one path, or one row somebody else's.
    fn check_path(&self) -> Result<(), String> {
        if self.model_id.contains('/') {
            return Err(format!("`model_id` is `{}`, which is not one directory", self.model_id));
        }
        let name = &self.data_name;
        if name.contains(['/', '\\']) || name.contains("..") || name.eq_ignore_ascii_case("latest") {
            return Err(format!("`data_name` is `{name}`, which no artifact can be called"));
        }
        let path = self.raw_path().map_err(|error| error.to_string())?;
        match &self.namespace {
            Some(namespace) => namespace.to_path().child(path.as_str()).map_err(|error| error.to_string()).map(drop),
            None => Ok(()),
        }
    }

    /// Every text column that its type does not check already, with its name.
    fn texts(&self) -> [(&'static str, &str); 16] {
        [
            ("type_normalized", &self.type_normalized),
            ("model_id", &self.model_id),
            ("data_name", &self.data_name),
            ("id", &self.id),
            ("model_name", &self.model_name),
            ("spec_name", &self.spec_name),
            ("data_type", &self.data_type),
            ("content_type", &self.content_type),
            ("lifetime", &self.lifetime),
            ("owner_type", &self.owner_type),
            ("owner_ref", &self.owner_ref),
            ("workflow_run_id", &self.workflow_run_id),
            ("workflow_name", &self.workflow_name),
            ("job_name", &self.job_name),
            ("step_name", &self.step_name),
            ("source", &self.source),
        ]
    }
}
