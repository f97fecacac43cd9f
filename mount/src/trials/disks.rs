//! A directory whose disk is full or cannot be written: the error reaches who writes, and the mount lives on.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::mount::{MountFlags, UnmountFlags};

use crate::Passthrough;
use crate::clock::Clock;
use crate::trial::Trial;

const ENOSPC: i32 = 28;
const EROFS: i32 = 30;

/// A small disk; gone when dropped.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        rustix::mount::mount("disk", place.path(), "tmpfs", MountFlags::empty(), c"size=1m").unwrap();
        Self(place)
    }

    /// Files are closed a moment after `close` returns; until then a disk with one that was written stays writable.
    fn remount(&self, flags: MountFlags) {
        let started = Clock::system();
        while let Err(error) = rustix::mount::mount_remount(self.0.path(), flags, "size=1m") {
            assert!(started.now() < Duration::from_secs(20), "{error}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        rustix::mount::unmount(self.0.path(), UnmountFlags::DETACH).unwrap();
    }
}

fn errno(result: io::Result<()>) -> i32 {
    result.unwrap_err().raw_os_error().unwrap()
}

fn write_and_sync(path: &Path, bytes: usize) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    io::Write::write_all(&mut file, &vec![7; bytes])?;
    file.sync_all()
}

fn a_full_disk(passthrough: Passthrough) {
    let disk = Disk::new();
    let trial = Trial::with(passthrough, |options| {
        options.writable.as_mut().unwrap().directory = disk.0.path().to_owned();
    });
    write_and_sync(&trial.own().join("kept"), 1000).unwrap();

    assert_eq!(errno(write_and_sync(&trial.own().join("large"), 2 << 20)), ENOSPC);

    assert_eq!(fs::read(trial.own().join("kept")).unwrap(), [7; 1000]);
    fs::remove_file(trial.own().join("large")).unwrap();
    write_and_sync(&trial.own().join("kept"), 2000).unwrap();
    assert_eq!(fs::metadata(disk.0.path().join("kept")).unwrap().len(), 2000);
}

#[test]
fn a_full_disk_is_told_with_passthrough() {
    a_full_disk(Passthrough::Auto);
}

#[test]
fn a_full_disk_is_told_without_passthrough() {
    a_full_disk(Passthrough::Off);
}

#[test]
fn a_disk_that_became_read_only_is_told_and_what_is_there_can_be_read() {
    let disk = Disk::new();
    let trial = Trial::with(Passthrough::Off, |options| {
        options.writable.as_mut().unwrap().directory = disk.0.path().to_owned();
    });
    write_and_sync(&trial.own().join("kept"), 1000).unwrap();
    disk.remount(MountFlags::RDONLY);

    assert_eq!(errno(write_and_sync(&trial.own().join("new"), 1)), EROFS);
    assert_eq!(errno(fs::create_dir(trial.own().join("directory"))), EROFS);
    assert_eq!(errno(fs::remove_file(trial.own().join("kept"))), EROFS);

    assert_eq!(fs::read(trial.own().join("kept")).unwrap(), [7; 1000]);
    disk.remount(MountFlags::empty());
    write_and_sync(&trial.own().join("new"), 1).unwrap();
}
