//! A failed operation on the local file system.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::error::{Failure, Kind};

/// A failed operation on the local file system.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} `{}`", .path.display())]
pub struct FileError {
    /// What was tried: `read`, `write`, `list`, …
    pub operation: &'static str,
    /// On which path.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

impl FileError {
    /// Returns a function that adds operation and path to an [`io::Error`].
    pub fn at(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { operation, path: path.to_owned(), source }
    }

    /// Whether it is this path that cannot be, on any try, and nothing is said of others.
    pub fn is_about_path(&self) -> bool {
        let errno = Errno::from_io_error(&self.source);
        matches!(
            self.source.kind(),
            io::ErrorKind::InvalidFilename | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory
        ) || errno == Some(Errno::LOOP)
    }

    /// Whether the path does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
    }
}

impl Failure for FileError {
    fn kind(&self) -> Kind {
        match self.source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Kind::NotFound,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Kind::Denied,
            io::ErrorKind::AlreadyExists | io::ErrorKind::ResourceBusy => Kind::Conflict,
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename | io::ErrorKind::IsADirectory => Kind::Invalid,
            io::ErrorKind::InvalidData => Kind::Corrupt,
            _ => Kind::Unavailable,
        }
    }

    fn hint(&self) -> Option<String> {
        match self.source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Some("free some space on this disk".to_owned())
            }
            _ => None,
        }
    }
}
