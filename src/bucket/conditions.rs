//! Conditions and ranges as pure decisions, for the backends that decide them on this machine.

use std::ops::Range;

use crate::path::RelPath;

use super::retry::Policy;
use super::{Bucket, BucketError, GetOptions, ObjectMeta, PutMode, Version};

impl GetOptions {
    /// Returns which bytes of the object to read, or why not to.
    pub(super) fn admit(&self, meta: &ObjectMeta) -> Result<Range<u64>, BucketError> {
        if self.if_match.as_ref().is_some_and(|expected| *expected != meta.version) {
            return Err(BucketError::Precondition { key: meta.key.to_string() });
        }
        if self.if_none_match.as_ref() == Some(&meta.version) {
            return Err(BucketError::NotModified { key: meta.key.to_string() });
        }
        match &self.range {
            None => Ok(0..meta.size),
            Some(range) if range.start < meta.size && range.start < range.end => {
                Ok(range.start..range.end.min(meta.size))
            }
            Some(range) => Err(unsatisfiable(&meta.key, range)),
        }
    }

    /// Refuses a range that no object could satisfy.
    pub(super) fn check(&self, key: &RelPath) -> Result<(), BucketError> {
        match &self.range {
            Some(range) if range.start >= range.end => Err(unsatisfiable(key, range)),
            _ => Ok(()),
        }
    }
}

fn unsatisfiable(key: &RelPath, range: &Range<u64>) -> BucketError {
    let source = format!("bytes {} to {} hold nothing", range.start, range.end).into();
    BucketError::Invalid { operation: "read", key: key.to_string(), source }
}

impl PutMode {
    /// Whether the mode allows to write over what is present.
    pub(super) fn admit(&self, key: &RelPath, present: Option<&Version>) -> Result<(), BucketError> {
        let holds = match self {
            Self::Overwrite => true,
            Self::Create => present.is_none(),
            Self::Update(expected) => present == Some(expected),
        };
        if holds { Ok(()) } else { Err(BucketError::Precondition { key: key.to_string() }) }
    }
}

/// Spares an upload whose condition fails already; the store decides again at its end.
pub(super) async fn refuse_early(
    bucket: &dyn Bucket,
    policy: &Policy,
    key: &RelPath,
    mode: &PutMode,
) -> Result<(), BucketError> {
    if *mode == PutMode::Overwrite {
        return Ok(());
    }
    match policy.run(|| bucket.head(key)).await.result {
        Ok(meta) => mode.admit(key, Some(&meta.version)),
        Err(BucketError::NotFound { .. }) => mode.admit(key, None),
        Err(error) => Err(error),
    }
}
