//! What can go wrong with a lock.

use std::time::Duration;

use super::Body;
use crate::bucket::BucketError;
use crate::error::{Failure, Kind};
use crate::path::RelPath;

/// A lock that could not be taken, kept or broken.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message is the documentation")]
pub enum LockError {
    #[error("lock `{key}` was still held by {} after {} s", described(.body.as_deref()), .waited.as_secs())]
    Timeout { key: RelPath, body: Option<Box<Body>>, waited: Duration },
    #[error("lock `{key}` was lost while working under it; nothing was committed after that")]
    Lost { key: RelPath },
    #[error("interrupted while using lock `{key}`")]
    Interrupted { key: RelPath },
    #[error("cannot {operation} lock `{key}`")]
    Store { operation: &'static str, key: RelPath, source: BucketError },
}

fn described(body: Option<&Body>) -> String {
    body.map_or_else(
        || "an unreadable lock file".to_owned(),
        |body| format!("{} (process {})", body.holder.escape_default(), body.pid),
    )
}

impl Failure for LockError {
    fn kind(&self) -> Kind {
        match self {
            Self::Timeout { .. } | Self::Lost { .. } | Self::Interrupted { .. } => Kind::Unavailable,
            Self::Store { source, .. } => source.kind(),
        }
    }

    fn code(&self) -> Option<&'static str> {
        match self {
            // The word of the existing swamp.
            Self::Timeout { .. } => Some("lock_timeout"),
            Self::Lost { .. } | Self::Interrupted { .. } | Self::Store { .. } => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Timeout { .. } => Some(
                "try again later; if the holder is certainly gone, `swamp datastore lock release --force` removes it"
                    .to_owned(),
            ),
            Self::Lost { .. } => Some("run the command again; what was uploaded is not uploaded twice".to_owned()),
            Self::Interrupted { .. } => None,
            Self::Store { source, .. } => source.hint(),
        }
    }
}
