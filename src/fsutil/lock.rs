//! Locks between the processes of one machine.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{FileError, create_directory};

/// How long a lock is waited for: processes have it for milliseconds, unless one was stopped meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait between two looks at a lock.
const POLL: Duration = Duration::from_millis(1);

/// Takes the exclusive lock of a lock file, waiting some seconds for other processes of this machine; dropping the file
/// releases it.
pub fn lock_exclusively(path: &Path) -> Result<File, FileError> {
    lock_within(path, PATIENCE)
}

/// The kernel's own wait has no deadline.
#[expect(clippy::disallowed_methods, reason = "waits for another process, whatever time a test pretends")]
fn lock_within(path: &Path, patience: Duration) -> Result<File, FileError> {
    let file = open_lock(path)?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) if began.elapsed() < patience => std::thread::sleep(POLL),
            Err(fs::TryLockError::WouldBlock) => {
                let held = "another process has had it for some time; is one stopped?";
                return Err(FileError::at("lock", path)(io::Error::new(io::ErrorKind::TimedOut, held)));
            }
            Err(fs::TryLockError::Error(error)) => return Err(FileError::at("lock", path)(error)),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_never_released_is_not_waited_for_without_end() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("lock");
        let held = lock_exclusively(&path).expect("free");

        let refused = lock_within(&path, Duration::from_millis(20)).expect_err("somebody has it");

        assert_eq!(refused.source.kind(), io::ErrorKind::TimedOut);
        drop(held);
        lock_within(&path, Duration::from_millis(20)).expect("free again");
    }
}
