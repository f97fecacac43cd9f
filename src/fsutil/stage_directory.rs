//! Directories that appear and go in one step.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::FileError;

/// A directory in a staging directory, deleted with all in it on drop unless it is published.
#[derive(Debug)]
pub struct StagedDirectory(tempfile::TempDir);

impl StagedDirectory {
    /// Makes an empty staged directory.
    pub fn new(staging: &Path) -> Result<Self, FileError> {
        fs::create_dir_all(staging).map_err(FileError::at("create directory", staging))?;
        let mut builder = tempfile::Builder::new();
        builder.prefix("stage-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            builder.permissions(fs::Permissions::from_mode(0o777));
        }
        builder.tempdir_in(staging).map(Self).map_err(FileError::at("create directory in", staging))
    }

    /// Moves a directory out of a tree in one step, to be looked at and deleted; `None` if it does not exist.
    #[expect(clippy::disallowed_methods, reason = "fsutil is where renames live")]
    pub fn take(path: &Path, staging: &Path) -> Result<Option<Self>, FileError> {
        let staged = Self::new(staging)?;
        match fs::rename(path, staged.path()) {
            Ok(()) => Ok(Some(staged)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FileError::at("move away", path)(error)),
        }
    }

    /// Returns where the directory is staged.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Opens a new, empty file in the directory, replacing one of that name.
    pub fn create(&self, name: &str) -> Result<File, FileError> {
        let path = self.path().join(name);
        File::create(&path).map_err(FileError::at("create", &path))
    }

    /// Puts a file into the directory under another name without copying its bytes, where the file system can.
    pub fn link(&self, source: &Path, name: &str) -> Result<(), FileError> {
        let target = self.path().join(name);
        match fs::hard_link(source, &target) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => fs::copy(source, &target).map(|_length| ()),
            linked => linked,
        }
        .map_err(FileError::at("link", source))
    }

    /// Moves the directory to `path`, where nothing or an empty directory may be.
    #[expect(clippy::disallowed_methods, reason = "fsutil is where renames live")]
    pub fn publish(&self, path: &Path) -> Result<Published, FileError> {
        match fs::rename(self.path(), path) {
            Ok(()) => Ok(Published::Done),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound => Ok(Published::ParentMissing),
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => Ok(Published::Taken),
                _ => Err(FileError::at("publish", path)(error)),
            },
        }
    }
}

impl Drop for StagedDirectory {
    fn drop(&mut self) {
        const TRIES_MAX: usize = 100;
        for _ in 0..TRIES_MAX {
            // Whoever found the directory before it was taken may still put something into it.
            match fs::remove_dir_all(self.path()) {
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                Ok(()) | Err(_) => break,
            }
        }
    }
}

/// What became of a directory that was to be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// It is in its place.
    Done,
    /// A directory with something in it is there.
    Taken,
    /// There is no directory to put it in.
    ParentMissing,
}
