//! Files on disk: atomic writes, reads that tolerate absence, deletion; the only caller of mutating `std::fs`.
//!
//! Temporary files are made in a staging directory that the caller names, on the same file system as the target: no
//! half-written or foreign file ever appears in a tree that is synchronised (trap T16).

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

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

/// Appends to a file that exists, forces it to disk and returns its new length.
pub fn append(path: &Path, bytes: &[u8]) -> Result<u64, FileError> {
    let write = || {
        let mut file = File::options().append(true).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        file.metadata().map(|metadata| metadata.len())
    };
    write().map_err(FileError::at("append to", path))
}

/// Forces a directory's entries to disk.
pub fn sync_directory(path: &Path) -> Result<(), FileError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(FileError::at("sync", path))
}

/// Renames a file or directory, replacing a file that is there. Makes missing parents.
#[expect(clippy::disallowed_methods, reason = "fsutil is where renames live")]
pub fn rename(source: &Path, target: &Path) -> Result<(), FileError> {
    if let Some(parent) = target.parent() {
        create_directory(parent)?;
    }
    fs::rename(source, target).map_err(FileError::at("rename", source))
}

/// Makes a directory and its parents.
pub fn create_directory(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(FileError::at("create directory", path))
}

/// Makes a directory whose parent exists; returns whether it was not there before. This is an atomic claim.
pub fn claim_directory(path: &Path) -> Result<bool, FileError> {
    match fs::create_dir(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(FileError::at("create directory", path)(error)),
    }
}

/// Reads a whole file, `None` if it does not exist. A file of more than `bytes_max` bytes is an error.
pub fn read_if_exists(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, FileError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(FileError::at("read", path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(FileError::at("read", path))?;
    if bytes.len() as u64 > bytes_max {
        let source = io::Error::new(io::ErrorKind::InvalidData, format!("it is larger than {bytes_max} bytes"));
        return Err(FileError { operation: "read", path: path.to_owned(), source });
    }
    Ok(Some(bytes))
}

/// Reads a whole UTF-8 file, `None` if it does not exist.
pub fn read_text_if_exists(path: &Path, bytes_max: u64) -> Result<Option<String>, FileError> {
    let Some(bytes) = read_if_exists(path, bytes_max)? else { return Ok(None) };
    let text = String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error));
    text.map(Some).map_err(FileError::at("read", path))
}

/// Deletes a file; returns whether it was there.
pub fn remove_file(path: &Path) -> Result<bool, FileError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(FileError::at("delete", path)(error)),
    }
}

/// Deletes a directory and all below it; an absent one is fine.
pub fn remove_tree(path: &Path) -> Result<(), FileError> {
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(FileError::at("delete", path)(error)),
    }
}

/// Deletes empty directories from `path` upwards, stopping below `root` and at the first that is not empty.
pub fn remove_empty_parents(path: &Path, root: &Path) {
    let mut current = path;
    while current != root && current.starts_with(root) && fs::remove_dir(current).is_ok() {
        let Some(parent) = current.parent() else { return };
        current = parent;
    }
}

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

/// Forces everything written to the file system of `path` to disk: one call for many files.
pub fn sync_file_system(path: &Path) -> Result<(), FileError> {
    let directory = File::open(path).map_err(FileError::at("open", path))?;
    rustix::fs::syncfs(&directory).map_err(|error| FileError::at("sync", path)(error.into()))
}

/// The length and SHA-256 of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digested {
    /// Length in bytes.
    pub size: u64,
    /// Lower-case hexadecimal SHA-256.
    pub sha256: String,
}

/// Returns length and SHA-256 of a file, read in pieces.
pub fn digest_file(path: &Path) -> Result<Digested, FileError> {
    let mut file = File::open(path).map_err(FileError::at("read", path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut size = 0;
    loop {
        let length = file.read(&mut buffer).map_err(FileError::at("read", path))?;
        if length == 0 {
            return Ok(Digested { size, sha256: hex::encode(hasher.finalize()) });
        }
        size += length as u64;
        hasher.update(buffer.get(..length).unwrap_or_default());
    }
}

/// Returns length and SHA-256 of bytes in memory.
pub fn digest_bytes(bytes: &[u8]) -> Digested {
    Digested { size: bytes.len() as u64, sha256: hex::encode(Sha256::digest(bytes)) }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn atomic_write_leaves_nothing_behind_in_staging() {
        let root = tempfile::tempdir().expect("a directory");
        let (target, staging) = (root.path().join("a/b/file"), root.path().join("staging"));

        write_atomic(&target, b"one", &staging, Durability::Synced).expect("written");
        write_atomic(&target, b"two", &staging, Durability::Relaxed).expect("replaced");

        assert_eq!(fs::read(&target).expect("readable"), b"two");
        assert_eq!(fs::read_dir(&staging).expect("listed").count(), 0);
    }

    #[test]
    fn a_new_file_never_replaces_an_old_one() {
        let root = tempfile::tempdir().expect("a directory");
        let target = root.path().join("file");
        write_atomic(&target, b"one", root.path(), Durability::Relaxed).expect("written");

        let mut staged = Staged::new(root.path()).expect("staged");
        staged.file().write_all(b"two").expect("written");

        assert!(!install_new(&staged, &target).expect("refused"));
        assert_eq!(fs::read(&target).expect("readable"), b"one");
    }

    #[test]
    fn reading_more_than_the_bound_is_an_error() {
        let root = tempfile::tempdir().expect("a directory");
        let target = root.path().join("file");
        write_atomic(&target, b"12345", root.path(), Durability::Relaxed).expect("written");

        assert_eq!(read_if_exists(&target, 5).expect("within bound"), Some(b"12345".to_vec()));
        assert_eq!(read_if_exists(&target, 4).expect_err("beyond bound").kind(), Kind::Corrupt);
        assert_eq!(read_if_exists(&root.path().join("none"), 4).expect("absent"), None);
    }
}
