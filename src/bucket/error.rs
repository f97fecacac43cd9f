//! What can go wrong between us and an object store.

use crate::error::{Failure, Kind};
use crate::fsutil::FileError;
use crate::path::RelPath;

/// A boxed cause.
pub type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// A failed request to an object store.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message is the documentation")]
pub enum BucketError {
    #[error("`{key}` does not exist")]
    NotFound { key: String },
    #[error("`{key}` has not changed")]
    NotModified { key: String },
    #[error("`{key}` was changed by somebody else")]
    Precondition { key: String },
    #[error("access to {} is denied", named(.key))]
    Denied { key: String, hint: Option<String>, source: Source },
    #[error("cannot {operation} {}", named(.key))]
    Unavailable { operation: &'static str, key: String, source: Source },
    #[error("the store refuses to {operation} {}", named(.key))]
    Invalid { operation: &'static str, key: String, source: Source },
    #[error("`{key}` is larger than {bytes_max} bytes")]
    TooLarge { key: String, bytes_max: u64 },
    #[error("`{key}` arrived damaged")]
    Corrupt { key: String, source: Source },
}

/// Returns what a person calls a key; listings begin at none.
fn named(key: &str) -> String {
    if key.is_empty() { "the datastore".to_owned() } else { format!("`{key}`") }
}

impl BucketError {
    /// Tells that the file to be written to `key` cannot be read on this machine.
    pub(super) fn unreadable(key: &RelPath, source: FileError) -> Self {
        Self::Unavailable { operation: "read the local file for", key: key.to_string(), source: source.into() }
    }

    /// Whether trying again may help: the store did not answer, or asked for patience.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { source, .. } if !source.is::<FileError>())
    }
}

impl Failure for BucketError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } => Kind::NotFound,
            Self::NotModified { .. } | Self::Precondition { .. } => Kind::Conflict,
            Self::Denied { .. } => Kind::Denied,
            Self::Unavailable { .. } => Kind::Unavailable,
            Self::Invalid { .. } => Kind::Invalid,
            Self::TooLarge { .. } | Self::Corrupt { .. } => Kind::Corrupt,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Denied { hint, .. } => hint.clone(),
            Self::Unavailable { source, .. } => match source.downcast_ref::<FileError>() {
                Some(local) => local.hint(),
                None => Some("check the network and the endpoint, then try again".to_owned()),
            },
            Self::NotFound { .. }
            | Self::NotModified { .. }
            | Self::Precondition { .. }
            | Self::Invalid { .. }
            | Self::TooLarge { .. }
            | Self::Corrupt { .. } => None,
        }
    }
}
