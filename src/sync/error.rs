//! What can go wrong with a synchronisation.

use std::time::Duration;

use crate::bucket::BucketError;
use crate::catalog::CatalogError;
use crate::data::store::StoreError;
use crate::error::{Failure, Kind};
use crate::fsutil::FileError;
use crate::index::IndexError;
use crate::lock::LockError;
use crate::manifest::ManifestError;
use crate::namespace::Namespace;
use crate::path::RelPath;

/// A synchronisation that did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message is the documentation")]
pub enum SyncError {
    #[error("{} of {total} files could not be {verb}: {}", .failures.len(), named(.failures))]
    Transfers { verb: &'static str, total: usize, failures: Vec<Failed>, source: BucketError },
    #[error("the {direction} did not end within {} s; nothing is lost and the next one resumes", .deadline.as_secs())]
    Deadline { direction: &'static str, deadline: Duration },
    #[error("interrupted; nothing is lost and the next {direction} resumes")]
    Interrupted { direction: &'static str },
    #[error("the index of {} has disappeared from the datastore", described(.namespace.as_ref()))]
    IndexGone { namespace: Option<Namespace> },
    #[error("another process has been synchronising this cache for {} s", .waited.as_secs())]
    Busy { waited: Duration },
    #[error("this cache belongs to {}, not to {}", described(.bound.as_ref()), described(.asked.as_ref()))]
    OtherNamespace { bound: Option<Namespace>, asked: Option<Namespace> },
    #[error("cannot pull the catalog of namespace `{namespace}`")]
    Foreign { namespace: Namespace, source: BucketError },
    #[error(transparent)]
    Part(#[from] PartError),
}

/// A failure of something a synchronisation is made of.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message is the documentation")]
pub enum PartError {
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Bucket(#[from] BucketError),
    #[error(transparent)]
    Data(#[from] StoreError),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

/// One file that was not transferred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Which file.
    pub path: RelPath,
    /// Why, in one line.
    pub reason: String,
}

/// How many paths a message names.
const NAMED_MAX: usize = 3;

fn named(failures: &[Failed]) -> String {
    let mut text: Vec<_> = failures.iter().take(NAMED_MAX).map(|failed| format!("`{}`", failed.path)).collect();
    if failures.len() > NAMED_MAX {
        text.push(format!("and {} more", failures.len() - NAMED_MAX));
    }
    text.join(", ")
}

fn described(namespace: Option<&Namespace>) -> String {
    namespace.map_or_else(|| "the solo datastore".to_owned(), |namespace| format!("namespace `{namespace}`"))
}

macro_rules! from_part {
    ($($error:ty),*) => {
        $(impl From<$error> for SyncError {
            fn from(error: $error) -> Self {
                Self::Part(error.into())
            }
        })*
    };
}

from_part!(IndexError, LockError, FileError, BucketError, StoreError, CatalogError, ManifestError);

impl PartError {
    fn failure(&self) -> &dyn Failure {
        match self {
            Self::Index(error) => error,
            Self::Lock(error) => error,
            Self::File(error) => error,
            Self::Bucket(error) => error,
            Self::Data(error) => error,
            Self::Catalog(error) => error,
            Self::Manifest(error) => error,
        }
    }
}

impl Failure for SyncError {
    fn kind(&self) -> Kind {
        match self {
            Self::Transfers { source, .. } | Self::Foreign { source, .. } => source.kind(),
            Self::Deadline { .. } | Self::Interrupted { .. } | Self::Busy { .. } => Kind::Unavailable,
            Self::IndexGone { .. } => Kind::Corrupt,
            Self::OtherNamespace { .. } => Kind::Invalid,
            Self::Part(part) => part.failure().kind(),
        }
    }

    fn code(&self) -> Option<&'static str> {
        if let Self::Part(part) = self { part.failure().code() } else { None }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Transfers { verb, source, .. } => source.hint().or_else(|| {
                let advice = match (*verb, source.kind()) {
                    ("downloaded", Kind::Corrupt | Kind::Invalid) => {
                        "everything else was exchanged; put the object right in the datastore, or delete its version with \
                         `swamp data delete` on a machine that has it"
                    }
                    ("downloaded", Kind::Unavailable) => {
                        "everything else was exchanged; move away what is in that place here, and run the command again"
                    }
                    _ => "run the command again; it continues where it stopped",
                };
                Some(advice.to_owned())
            }),
            Self::Foreign { source, .. } => source.hint(),
            Self::Deadline { .. } => {
                Some("run it again, or allow more with `--timeout` or SWAMP_DATASTORE_SYNC_TIMEOUT_MS".to_owned())
            }
            Self::IndexGone { .. } => Some(
                "nothing was deleted here; if the bucket is the right one, `swamp datastore sync --push` publishes \
                 this machine's files again"
                    .to_owned(),
            ),
            Self::Busy { .. } => Some("wait for it, or end it".to_owned()),
            Self::Interrupted { .. } | Self::OtherNamespace { .. } => None,
            Self::Part(part) => part.failure().hint(),
        }
    }
}
