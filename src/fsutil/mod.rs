//! Files on disk: atomic writes, reads that tolerate absence, deletion; the only caller of mutating `std::fs`.
//!
//! Temporary files are made in a staging directory that the caller names, on the same file system as the target: no
//! half-written or foreign file ever appears in a tree that is synchronised (trap T16). Where others may plant links in a
//! tree, its files are reached through [`Beneath`] alone.

mod beneath;
mod digest;
mod error;
mod lock;
mod private;
mod stage;
mod stage_directory;
mod walk;

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

pub(crate) use beneath::{Beneath, Install, Pinned, open_below, stat_in};
pub use digest::{Digested, digest_beginning, digest_bytes, digest_file};
pub use error::FileError;
pub use lock::{lock_exclusively, try_lock_exclusively};
pub use private::{make_private, private_directory};
pub use stage::{Durability, Staged, install, install_beside, install_new, write_atomic};
pub use stage_directory::{Published, StagedDirectory};
pub use walk::{Found, list, walk};

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

/// Forces everything written to the file system of `path` to disk: one call for many files.
pub fn sync_file_system(path: &Path) -> Result<(), FileError> {
    let directory = File::open(path).map_err(FileError::at("open", path))?;
    rustix::fs::syncfs(&directory).map_err(|error| FileError::at("sync", path)(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Failure as _, Kind};

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
