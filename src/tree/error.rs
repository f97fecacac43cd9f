//! What failures mean to whoever uses a mount: one table for datastores, one for the names of error numbers.

use swamp_mount::TreeError;
use tracing::warn;

use crate::bucket::{BucketError, Outage};
use crate::catalog::CatalogError;
use crate::error::Kind;

/// A catalog that cannot be read is a failure of this machine.
impl From<CatalogError> for TreeError {
    fn from(error: CatalogError) -> Self {
        warn!(error = &error as &dyn std::error::Error, "catalog cannot be read");
        Self::Input
    }
}

/// Returns what a failed request means.
pub(super) fn of_bucket(error: &BucketError) -> TreeError {
    match error {
        // The catalog said it is there, as it was.
        BucketError::NotFound { .. } | BucketError::NotModified { .. } | BucketError::Precondition { .. } => {
            TreeError::Stale
        }
        BucketError::Denied { .. } => TreeError::Denied,
        BucketError::Unavailable { .. } => match error.outage() {
            Some(Outage::Unreachable) => TreeError::Unreachable,
            Some(Outage::TimedOut) => TreeError::TimedOut,
            Some(Outage::Failing) | None => TreeError::Input,
        },
        BucketError::Invalid { .. } | BucketError::TooLarge { .. } | BucketError::Corrupt { .. } => TreeError::Input,
    }
}

/// Returns what it means that a datastore cannot be opened.
pub(super) fn of_kind(kind: Kind) -> TreeError {
    match kind {
        Kind::Unavailable | Kind::Conflict => TreeError::Unreachable,
        Kind::Denied => TreeError::Denied,
        Kind::Invalid | Kind::NotFound | Kind::Corrupt => TreeError::Input,
    }
}

/// Returns the name of the error number that a failure becomes.
pub fn errno_name(error: TreeError) -> &'static str {
    match error {
        TreeError::NotFound => "ENOENT",
        TreeError::NotADirectory => "ENOTDIR",
        TreeError::IsADirectory => "EISDIR",
        TreeError::Stale => "ESTALE",
        TreeError::Denied => "EACCES",
        TreeError::Unreachable => "EHOSTUNREACH",
        TreeError::TimedOut => "ETIMEDOUT",
        TreeError::Input => "EIO",
    }
}

/// Returns a failure with all its causes and what to do, in one line.
pub(super) fn told(error: &dyn crate::error::Failure) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    if let Some(hint) = error.hint() {
        text.push_str("; ");
        text.push_str(&hint);
    }
    text
}
