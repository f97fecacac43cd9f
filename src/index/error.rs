//! What can go wrong with an index.

use super::PartitionKey;
use super::entry::InvalidBody;
use crate::bucket::BucketError;
use crate::error::{Failure, Kind};
use crate::fsutil::FileError;
use crate::lock::LockError;

/// An index that could not be read or committed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message is the documentation")]
pub enum IndexError {
    #[error("cannot read the index")]
    Read(#[source] BucketError),
    #[error("cannot write the index")]
    Write(#[source] BucketError),
    #[error("index object `{location}` is damaged")]
    Damaged { location: String, source: InvalidBody },
    #[error("the index lists shard `{shard}`, but the datastore has no such object")]
    MissingShard { shard: PartitionKey },
    #[error("{count} index entries have no place in a sharded index: {}", .sample.join(", "))]
    Unpartitionable { count: usize, sample: Vec<String> },
    #[error("the index changed {attempts} times while committing to it")]
    Contended { attempts: u32 },
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("cannot keep the local copy of the index")]
    Mirror(#[from] FileError),
}

impl Failure for IndexError {
    fn kind(&self) -> Kind {
        match self {
            Self::Read(source) | Self::Write(source) => source.kind(),
            Self::Damaged { .. } | Self::MissingShard { .. } => Kind::Corrupt,
            Self::Unpartitionable { .. } => Kind::Invalid,
            Self::Contended { .. } => Kind::Unavailable,
            Self::Lock(source) => source.kind(),
            Self::Mirror(source) => source.kind(),
        }
    }

    fn code(&self) -> Option<&'static str> {
        match self {
            Self::Lock(source) => source.code(),
            Self::Read(_)
            | Self::Write(_)
            | Self::Damaged { .. }
            | Self::MissingShard { .. }
            | Self::Unpartitionable { .. }
            | Self::Contended { .. }
            | Self::Mirror(_) => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Read(source) | Self::Write(source) => source.hint(),
            Self::Damaged { location, .. } if location.ends_with(".datastore-index.json") => Some(
                "remove the damaged object, then run `swamp datastore sync --push` on a machine that has the data"
                    .to_owned(),
            ),
            Self::Damaged { .. } | Self::MissingShard { .. } => Some(
                "`swamp datastore migrate-index` writes missing and damaged shards again; run it on a machine that has \
                 the data, then `swamp datastore sync --push`"
                    .to_owned(),
            ),
            Self::Unpartitionable { .. } => {
                Some("delete or move these files, then run `swamp datastore migrate-index` again".to_owned())
            }
            Self::Contended { .. } => Some("another writer does not respect the lock; try again".to_owned()),
            Self::Lock(source) => source.hint(),
            Self::Mirror(source) => source.hint(),
        }
    }
}
