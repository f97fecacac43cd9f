//! Writing over objects, and deleting them, each in the state that it is known to be in.
//!
//! The lock keeps others from changing what is rewritten in place, but a request can arrive after the lock that it was
//! sent under is lost: its sender was paused, or the network held it back. So every request says what it replaces, and
//! one that comes too late replaces nothing. Where the version of an object is the hash of its content, as in S3, an
//! object that was changed and changed back is taken for unchanged.

use crate::bucket::{Body, Bucket, BucketError, PutMode, Version};
use crate::lock::Held;
use crate::path::RelPath;

use super::{Entry, Known};

/// How often a request is sent with the state that is found then.
pub(crate) const ATTEMPTS_MAX: u32 = 4;

/// What an object is before it is replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Before {
    /// There is none, as far as the index tells.
    Absent,
    /// It is what this cache sent or fetched.
    Version(Version),
    /// It is what this cache created and no index names: another object in its place is somebody else's.
    Only(Version),
    /// It must be looked at.
    #[default]
    Unknown,
}

impl Before {
    /// Returns what is known of the object of an entry.
    pub(crate) fn of(entry: Option<&Entry>, known: Option<&Known>) -> Self {
        let Some(entry) = entry else { return Self::Absent };
        let known = known.filter(|known| known.last_modified == entry.last_modified);
        known.and_then(|known| known.version.clone()).map_or(Self::Unknown, Self::Version)
    }

    fn is_only(&self) -> bool {
        matches!(self, Self::Only(_))
    }

    /// Looks at the object.
    async fn seen(bucket: &dyn Bucket, path: &RelPath) -> Result<Self, BucketError> {
        match bucket.head(path).await {
            Ok(meta) => Ok(Self::Version(meta.version)),
            Err(BucketError::NotFound { .. }) => Ok(Self::Absent),
            Err(error) => Err(error),
        }
    }
}

/// Writes an object over what is there.
///
/// What was found only now is replaced if `held` is still held, and something that somebody else wrote meanwhile if the
/// store says so, too; else the answer is [`BucketError::Precondition`].
pub(crate) async fn put(
    bucket: &dyn Bucket,
    path: &RelPath,
    body: Body,
    mut before: Before,
    held: Option<&Held>,
) -> Result<Version, BucketError> {
    for attempt in 0..ATTEMPTS_MAX {
        if before == Before::Unknown {
            before = Before::seen(bucket, path).await?;
            if !is_ours(held, attempt).await {
                break;
            }
        }
        let mode = match &before {
            Before::Version(version) | Before::Only(version) => PutMode::Update(version.clone()),
            Before::Absent | Before::Unknown => PutMode::Create,
        };
        match bucket.put(path, body.clone(), mode).await {
            Err(BucketError::Precondition { .. } | BucketError::NotFound { .. }) if before.is_only() => break,
            Err(BucketError::Precondition { .. } | BucketError::NotFound { .. }) => before = Before::Unknown,
            outcome => return outcome,
        }
    }
    Err(BucketError::Precondition { key: path.to_string() })
}

/// Deletes what is there; `held` as for [`put`].
pub(crate) async fn delete(
    bucket: &dyn Bucket,
    path: &RelPath,
    mut before: Before,
    held: &Held,
) -> Result<(), BucketError> {
    for attempt in 0..ATTEMPTS_MAX {
        let expected = match &before {
            Before::Version(version) | Before::Only(version) => version.clone(),
            // The index never named it, or not what we know of it.
            Before::Absent | Before::Unknown => match Before::seen(bucket, path).await? {
                Before::Version(version) => version,
                Before::Absent | Before::Unknown | Before::Only(_) => return Ok(()),
            },
        };
        if matches!(before, Before::Absent | Before::Unknown) && !is_ours(Some(held), attempt).await {
            break;
        }
        match bucket.delete(path, Some(expected)).await {
            Err(BucketError::Precondition { .. }) if before.is_only() => return Ok(()),
            Err(BucketError::Precondition { .. }) => before = Before::Unknown,
            Err(BucketError::NotFound { .. }) => return Ok(()),
            outcome => return outcome,
        }
    }
    Err(BucketError::Precondition { key: path.to_string() })
}

/// Whether what is there is for us to replace; from the second attempt on, when somebody else has written, the store is
/// asked.
async fn is_ours(held: Option<&Held>, attempt: u32) -> bool {
    match held {
        Some(held) if attempt == 0 => held.check().is_ok(),
        Some(held) => held.confirm().await.is_ok(),
        None => false,
    }
}
