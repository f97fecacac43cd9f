//! Looking through directories.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::FileError;

/// One regular file found by [`walk`].
#[derive(Clone, Debug)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// Its properties, symbolic links not followed.
    pub metadata: fs::Metadata,
}

/// Visits every regular file below `root` in byte order of names; links are not followed, an absent root is empty.
///
/// Entries that vanish while walking are skipped: another process may delete beside us.
pub fn walk(root: &Path, visit: &mut dyn FnMut(Found) -> Result<(), FileError>) -> Result<(), FileError> {
    for entry in list(root)? {
        match entry.metadata {
            ref metadata if metadata.is_dir() => walk(&entry.path, visit)?,
            ref metadata if metadata.is_file() => visit(entry)?,
            _ => {}
        }
    }
    Ok(())
}

/// Returns the entries of a directory in byte order of names; an absent directory is empty.
pub fn list(directory: &Path) -> Result<Vec<Found>, FileError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(FileError::at("list", directory)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(FileError::at("list", directory))?.path();
        match fs::symlink_metadata(&path) {
            Ok(metadata) => found.push(Found { path, metadata }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(FileError::at("examine", &path)(error)),
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}
