//! The content behind rows: what is needed of whoever has the bytes, and what expressions see of them.

use std::sync::LazyLock;

use cel::common::types::CelString;
use cel::common::value::Val;

use super::json_text;
use super::map::OrderedMap;
use super::row::Columns;
use crate::catalog::Column;
use crate::error::{Failure, Kind};
use crate::namespace::Namespace;
use crate::path::RelPath;

/// The largest content an expression is evaluated on, in bytes.
pub const CONTENT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Why content could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfetched {
    /// What happened, with its causes, in one line.
    pub reason: String,
    /// What a caller can do about it.
    pub kind: Kind,
    /// What a person can do about it.
    pub hint: Option<String>,
}

impl<E: Failure> From<E> for Unfetched {
    fn from(error: E) -> Self {
        let causes = std::iter::successors(error.source(), |cause| cause.source());
        let texts = std::iter::once(error.to_string()).chain(causes.map(ToString::to_string));
        Self { reason: texts.collect::<Vec<_>>().join(": "), kind: error.kind(), hint: error.hint() }
    }
}

/// A version of an artifact whose content is needed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Artifact {
    /// Whose it is; `None` in solo mode.
    pub namespace: Option<Namespace>,
    /// The file with the content, relative to the root of the namespace.
    pub path: RelPath,
    /// Its length in bytes, as the catalog says.
    pub size: u64,
}

/// Somebody who has the content of artifacts: of own ones in the tree, of foreign ones in the datastore.
pub trait Contents: Send + Sync {
    /// Returns the content of each artifact, in order; `None` for one that is gone.
    ///
    /// Whoever implements it fetches several at a time, within bounds of its own.
    fn fetch(&self, wanted: &[Artifact]) -> Vec<Result<Option<Vec<u8>>, Unfetched>>;
}

/// What kind of content a media type says there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Text,
    Opaque,
}

impl Form {
    pub(super) fn of(content_type: &str) -> Self {
        match content_type {
            "application/json" => Self::Json,
            "application/yaml" | "application/x-yaml" => Self::Text,
            other if other.starts_with("text/") => Self::Text,
            _ => Self::Opaque,
        }
    }
}

/// What expressions see of the content of a row.
#[derive(Debug)]
pub(super) struct Decoded {
    attributes: Option<Box<dyn Val>>,
    text: Option<CelString<'static>>,
}

static NO_ATTRIBUTES: LazyLock<OrderedMap> = LazyLock::new(OrderedMap::default);
static NO_TEXT: LazyLock<CelString<'static>> = LazyLock::new(|| CelString::from(""));

impl Decoded {
    pub(super) fn new(form: Form, bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let owned = || Some(CelString::from(text.to_owned()));
        match form {
            Form::Json => match json_text::parse(text) {
                Ok(attributes) => Self { attributes: Some(attributes), text: None },
                // Broken JSON has no attributes and is a text, as in the existing swamp.
                Err(broken) => {
                    let empty = OrderedMap::empty(&format!("its content is not JSON: {broken}"));
                    Self { attributes: Some(Box::new(empty)), text: owned() }
                }
            },
            Form::Text => Self { attributes: None, text: owned() },
            Form::Opaque => Self { attributes: None, text: None },
        }
    }

    pub(super) fn attributes(&self) -> &dyn Val {
        self.attributes.as_ref().map_or(&*NO_ATTRIBUTES, AsRef::as_ref)
    }

    pub(super) fn content(&self) -> &dyn Val {
        match (&self.attributes, &self.text) {
            (_, Some(text)) => text,
            (Some(attributes), None) => attributes.as_ref(),
            (None, None) => &*NO_TEXT,
        }
    }
}

/// Returns the artifact of a row, or why it cannot be fetched.
pub(super) fn artifact(row: &dyn Columns) -> Result<Artifact, String> {
    let size = u64::try_from(row.integer(Column::Size)).unwrap_or_default();
    if size > CONTENT_BYTES_MAX {
        return Err(format!("its content has {size} bytes, more than {CONTENT_BYTES_MAX}"));
    }
    let namespace = match row.text(Column::Namespace) {
        "" => None,
        slug => Some(slug.parse::<Namespace>().map_err(|error| error.to_string())?),
    };
    let [model_type, model, name] = [Column::Type, Column::ModelId, Column::DataName].map(|column| row.text(column));
    let path = format!("data/{model_type}/{model}/{name}/{}/raw", row.integer(Column::Version));
    let path = path.parse::<RelPath>().map_err(|error| error.to_string())?;
    Ok(Artifact { namespace, path, size })
}

/// Returns the tags of a row as a map.
pub(super) fn tags(text: &str) -> Box<dyn Val> {
    // The catalog keeps nothing but objects of texts here.
    json_text::parse(text).unwrap_or_else(|_damaged| Box::new(OrderedMap::default()))
}
