//! Files that become visible in one step.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use super::{FileError, sync_directory};

/// How hard a write tries to survive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The file and its directory entry are on disk when the call returns.
    Synced,
    /// The kernel decides; for what can be made again.
    Relaxed,
}

/// Replaces `path` by `bytes` in one step: readers see the old file or the new one. Makes missing parents.
pub fn write_atomic(path: &Path, bytes: &[u8], staging: &Path, durability: Durability) -> Result<(), FileError> {
    let staged = stage(bytes, staging, durability)?;
    install(staged, path, durability)
}

/// A finished file in a staging directory, deleted on drop unless it is installed.
#[derive(Debug)]
pub struct Staged(tempfile::NamedTempFile);

impl Staged {
    /// Opens an empty staged file; write to it through [`Staged::file`].
    pub fn new(staging: &Path) -> Result<Self, FileError> {
        fs::create_dir_all(staging).map_err(FileError::at("create directory", staging))?;
        let mut builder = tempfile::Builder::new();
        builder.prefix("stage-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        builder.tempfile_in(staging).map(Self).map_err(FileError::at("create file in", staging))
    }

    /// Returns the open file.
    pub fn file(&mut self) -> &mut File {
        self.0.as_file_mut()
    }

    /// Returns where the file is staged.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Removes the name and returns the open file at its beginning: nothing is left of it when it is closed.
    pub fn unnamed(self) -> Result<File, FileError> {
        let path = self.0.path().to_owned();
        let (mut file, name) = self.0.into_parts();
        name.close().map_err(FileError::at("delete", &path))?;
        io::Seek::rewind(&mut file).map_err(FileError::at("rewind", &path))?;
        Ok(file)
    }

    /// Gives up the name in the staging directory, which the caller has moved away, and returns the open file.
    pub fn moved(self) -> Result<File, FileError> {
        let path = self.0.path().to_owned();
        let (file, _) = self.0.keep().map_err(|error| FileError::at("keep", &path)(error.error))?;
        Ok(file)
    }
}

fn stage(bytes: &[u8], staging: &Path, durability: Durability) -> Result<Staged, FileError> {
    let mut staged = Staged::new(staging)?;
    staged.file().write_all(bytes).map_err(FileError::at("write", staging))?;
    if durability == Durability::Synced {
        staged.file().sync_all().map_err(FileError::at("sync", staging))?;
    }
    Ok(staged)
}

/// Moves a staged file to `path`, replacing what is there. Makes missing parents.
///
/// With [`Durability::Synced`] the caller has synced the file's bytes; the directory is synced here.
#[expect(clippy::disallowed_methods, reason = "this is the atomic write")]
pub fn install(staged: Staged, path: &Path, durability: Durability) -> Result<(), FileError> {
    let temporary = staged.0.into_temp_path();
    if let Err(error) = fs::rename(&temporary, path) {
        // The parent is missing only for the first file of a directory; trying first saves a system call per file.
        let parent = path.parent().filter(|_| error.kind() == io::ErrorKind::NotFound);
        let Some(parent) = parent else {
            return Err(FileError::at("replace", path)(error));
        };
        fs::create_dir_all(parent).map_err(FileError::at("create directory", parent))?;
        fs::rename(&temporary, path).map_err(FileError::at("replace", path))?;
    }
    // The name is gone: there is nothing left for the drop to delete.
    temporary.keep().map_err(|error| FileError::at("keep", path)(error.error))?;
    match (durability, path.parent()) {
        (Durability::Synced, Some(parent)) => sync_directory(parent),
        _ => Ok(()),
    }
}

/// Moves a staged file to `path` only if nothing is there; returns whether it did. Makes missing parents.
pub fn install_new(staged: &Staged, path: &Path) -> Result<bool, FileError> {
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(FileError::at("create directory", parent))?;
    match fs::hard_link(staged.path(), path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(FileError::at("create", path)(error)),
    }
}

/// Moves a staged file to `path`, replacing what is there; returns `false` if the directory does not exist (any more).
#[expect(clippy::disallowed_methods, reason = "this is the atomic write")]
pub fn install_beside(staged: Staged, path: &Path, durability: Durability) -> Result<bool, FileError> {
    let temporary = staged.0.into_temp_path();
    match fs::rename(&temporary, path) {
        Ok(()) => temporary.keep().map_err(|error| FileError::at("keep", path)(error.error))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(FileError::at("replace", path)(error)),
    };
    match (durability, path.parent()) {
        (Durability::Synced, Some(parent)) => match sync_directory(parent) {
            Err(error) if error.is_not_found() => Ok(false),
            synced => synced.map(|()| true),
        },
        _ => Ok(true),
    }
}
