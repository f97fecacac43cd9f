//! Files that only their owner may use.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::FileError;

/// Makes a directory that only we may enter, and its parents. One that is there must be ours, and becomes private.
pub fn private_directory(path: &Path) -> Result<(), FileError> {
    let failed = FileError::at("create private directory", path);
    let make = || {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let metadata = fs::symlink_metadata(path)?;
        if !metadata.is_dir() || metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to somebody else"));
        }
        if metadata.mode() & 0o077 != 0 {
            fs::set_permissions(path, Permissions::from_mode(0o700))?;
        }
        Ok(())
    };
    make().map_err(failed)
}

/// Keeps a file from everybody but its owner.
pub fn make_private(path: &Path) -> Result<(), FileError> {
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(FileError::at("protect", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_ours_becomes_private() {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path().join("a/b");
        fs::create_dir_all(&path).expect("made");

        private_directory(&path).expect("private");

        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o700);
    }

    #[test]
    fn a_link_is_no_directory_of_ours() {
        let root = tempfile::tempdir().expect("a directory");
        std::os::unix::fs::symlink("/tmp", root.path().join("link")).expect("linked");

        assert!(private_directory(&root.path().join("link")).is_err());
    }
}
