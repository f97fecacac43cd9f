//! What can go wrong with the catalog.

use std::io;

use crate::error::{Failure, Kind};
use crate::fsutil::FileError;
use crate::namespace::Namespace;

/// A boxed cause.
pub type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// A failed operation on the catalog.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message is the documentation")]
pub enum CatalogError {
    #[error("cannot {operation} the catalog")]
    Database { operation: &'static str, kind: Kind, source: Source },
    #[error("cannot {operation} the catalog: there is no space left on its disk")]
    Full { operation: &'static str, source: Source },
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the catalog does not know everything of {} yet", shown(.namespace.as_ref()))]
    Incomplete { namespace: Option<Namespace> },
    #[error("cannot write the catalog export of namespace `{namespace}`")]
    Write { namespace: Namespace, source: io::Error },
    #[error("cannot read the catalog export of namespace `{namespace}`")]
    Read { namespace: Namespace, source: io::Error },
    #[error("the catalog export of namespace `{namespace}` is no list of rows: {reason}")]
    Malformed { namespace: Namespace, reason: &'static str },
    #[error("the catalog export of namespace `{namespace}` has more than {limit}")]
    TooLarge { namespace: Namespace, limit: String },
    #[error("namespace `{namespace}` is this repository's own and has no foreign rows")]
    Own { namespace: Namespace },
}

fn shown(namespace: Option<&Namespace>) -> String {
    namespace.map_or_else(|| "this repository".to_owned(), |namespace| format!("namespace `{namespace}`"))
}

impl Failure for CatalogError {
    fn kind(&self) -> Kind {
        match self {
            Self::Database { kind, .. } => *kind,
            Self::File(error) => error.kind(),
            Self::Full { .. } | Self::Incomplete { .. } | Self::Write { .. } | Self::Read { .. } => Kind::Unavailable,
            Self::Malformed { .. } | Self::TooLarge { .. } => Kind::Corrupt,
            Self::Own { .. } => Kind::Invalid,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Database { kind: Kind::Corrupt, .. } => {
                Some("delete the file `catalog.db` of this datastore's state; it is made again".to_owned())
            }
            Self::Database { kind: Kind::Unavailable, .. } => {
                Some("look whether the disk is full; if another process is writing the catalog, try again".to_owned())
            }
            Self::Full { .. } => Some("free some space on this disk".to_owned()),
            Self::File(error) => error.hint(),
            Self::Database { .. }
            | Self::Incomplete { .. }
            | Self::Write { .. }
            | Self::Read { .. }
            | Self::Malformed { .. }
            | Self::TooLarge { .. }
            | Self::Own { .. } => None,
        }
    }
}

/// Returns a function that says which operation an SQLite error stopped.
pub(super) fn failed(operation: &'static str) -> impl FnOnce(rusqlite::Error) -> CatalogError {
    move |source| {
        if is_full(&source) {
            return CatalogError::Full { operation, source: source.into() };
        }
        CatalogError::Database { operation, kind: kind_of(&source), source: source.into() }
    }
}

/// Whether there was no space. What SQLite shares between processes it cannot make without space either, and says so in
/// other words.
fn is_full(error: &rusqlite::Error) -> bool {
    let shared = rusqlite::ffi::SQLITE_IOERR_SHMSIZE;
    let is_shared = matches!(error, rusqlite::Error::SqliteFailure(failure, _) if failure.extended_code == shared);
    is_shared || error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
}

fn kind_of(error: &rusqlite::Error) -> Kind {
    use rusqlite::ErrorCode::{CannotOpen, DatabaseCorrupt, NotADatabase, PermissionDenied, ReadOnly};
    match error {
        // A stored value that does not decode: nobody but us writes the file.
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::Utf8Error(..) => Kind::Corrupt,
        rusqlite::Error::SqlInputError { .. } | rusqlite::Error::InvalidParameterCount(..) => Kind::Invalid,
        _ => match error.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => Kind::Corrupt,
            Some(PermissionDenied | ReadOnly | CannotOpen) => Kind::Denied,
            _ => Kind::Unavailable,
        },
    }
}
