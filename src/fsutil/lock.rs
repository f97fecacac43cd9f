//! Locks between the processes of one machine.

use std::fs::{self, File};
use std::path::Path;

use super::{FileError, create_directory};

/// Takes the exclusive lock of a lock file, waiting for other processes of this machine; dropping the file releases it.
pub fn lock_exclusively(path: &Path) -> Result<File, FileError> {
    let file = open_lock(path)?;
    file.lock().map_err(FileError::at("lock", path))?;
    Ok(file)
}

/// Takes the exclusive lock of a lock file, `None` if another process has it.
pub fn try_lock_exclusively(path: &Path) -> Result<Option<File>, FileError> {
    let file = open_lock(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(FileError::at("lock", path)(error)),
    }
}

fn open_lock(path: &Path) -> Result<File, FileError> {
    if let Some(parent) = path.parent() {
        create_directory(parent)?;
    }
    let mut options = File::options();
    options.create(true).truncate(false).write(true).open(path).map_err(FileError::at("open", path))
}
