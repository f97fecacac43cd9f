//! Disks that are soon full.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system in memory; gone when dropped. Making one takes root.
#[derive(Debug)]
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    pub(crate) fn new(path: &Path, mebibytes: u64) -> Self {
        fs::create_dir_all(path).expect("the scene is writable");
        let options = format!("size={mebibytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "disk"]).arg(path).status();
        assert!(mounted.expect("mount is there").success(), "mounting a disk takes root");
        Self { path: path.to_owned() }
    }

    /// Fills the disk until only so many bytes, rounded to pages, are free.
    pub fn fill_but(&self, bytes: u64) {
        let mut filler = File::create(self.filler()).expect("the disk is writable");
        let block = vec![0_u8; 64 * 1024];
        let error = loop {
            if let Err(error) = filler.write_all(&block) {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{error}");
        let length = filler.metadata().expect("the file is there").len();
        filler.set_len(length.saturating_sub(bytes)).expect("a file can be shortened");
    }

    /// Takes away what filled the disk.
    pub fn tidy(&self) {
        fs::remove_file(self.filler()).expect("the disk was filled");
    }

    fn filler(&self) -> PathBuf {
        self.path.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _not_mounted = Command::new("umount").arg("-l").arg(&self.path).output();
    }
}
