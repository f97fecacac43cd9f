//! What an I/O error in a tree means to a user of the bucket.

use std::io;
use std::path::Path;

use rustix::io::Errno;

use crate::bucket::BucketError;
use crate::path::RelPath;

/// Whether nothing is at a path, be it that a directory above it is missing or is a file.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Refuses a request for a reason of our own.
pub(super) fn refused(operation: &'static str, key: &RelPath, reason: &'static str) -> BucketError {
    BucketError::Invalid { operation, key: key.to_string(), source: reason.into() }
}

/// Returns a function that says what a failed system call means for a request.
pub(super) fn failed(operation: &'static str, key: &RelPath, root: &Path) -> impl FnOnce(io::Error) -> BucketError {
    move |error| classified(operation, key.as_str(), root, error)
}

/// Says what a failed system call means for a request.
pub(super) fn classified(operation: &'static str, key: &str, root: &Path, error: io::Error) -> BucketError {
    let invalid = |reason: &str| BucketError::Invalid { operation, key: key.to_owned(), source: reason.into() };
    match Errno::from_io_error(&error) {
        Some(Errno::NOENT) if operation != "write" => BucketError::NotFound { key: key.to_owned() },
        Some(Errno::LOOP) => invalid("the path leads through a symbolic link"),
        Some(Errno::XDEV) => invalid("the staging directory is on another file system"),
        Some(Errno::NOTDIR) => invalid("a part of the path is a file, so nothing can lie below it"),
        Some(Errno::ISDIR) => invalid("keys below it exist, and a directory cannot be a file too"),
        Some(Errno::NAMETOOLONG) => invalid("a part of the path is longer than this file system allows"),
        Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => BucketError::Denied {
            key: key.to_owned(),
            hint: Some(format!("check who may read and write `{}`", root.display())),
            source: error.into(),
        },
        _ => BucketError::Unavailable { operation, key: key.to_owned(), source: error.into() },
    }
}
