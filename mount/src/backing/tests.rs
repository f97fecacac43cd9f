//! A backing directory with fewer descriptors than inodes.
#![expect(clippy::disallowed_methods, reason = "the directory is changed behind our back")]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{OFlags, RenameFlags};
use rustix::io::Errno;
use tempfile::TempDir;

use super::Backing;
use crate::attributes::Caller;
use crate::trial::Recorder;

/// A directory `a/b` with a file, and its inodes, of which one may have a descriptor.
struct Narrow {
    directory: TempDir,
    backing: Backing,
    a: u64,
    b: u64,
    file: u64,
}

fn narrow() -> Narrow {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("a/b")).unwrap();
    fs::write(directory.path().join("a/b/file"), "text").unwrap();
    let observer = Arc::new(Recorder::default());
    let backing = Backing::with_descriptors(directory.path(), observer, false, 1).unwrap();
    let find = |parent: u64, name: &str| backing.lookup(parent, OsStr::new(name)).unwrap().attributes.number;
    let a = find(backing.root(), "a");
    let b = find(a, "b");
    let file = find(b, "file");
    Narrow { directory, backing, a, b, file }
}

impl Narrow {
    fn read(&self) -> Result<String, Errno> {
        let file = self.backing.open_file(self.file, OFlags::RDONLY)?;
        let mut buffer = [0; 16];
        let length = self.backing.read(&file, 0, &mut buffer)?;
        self.backing.close_file(&file);
        Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }
}

#[test]
fn what_has_no_descriptor_is_found_again_by_its_name() {
    let narrow = narrow();

    assert_eq!(narrow.read(), Ok("text".to_owned()));
    narrow.backing.attributes(narrow.a, None).unwrap();
    assert_eq!(narrow.read(), Ok("text".to_owned()));
    // The root's own is not counted.
    assert_eq!(narrow.backing.usage().open, 2);
}

#[test]
fn what_has_no_descriptor_is_found_again_after_renames() {
    let narrow = narrow();
    let root = narrow.backing.root();

    let rename = |source: (u64, &str), target: (u64, &str)| {
        let (source, target) = ((source.0, OsStr::new(source.1)), (target.0, OsStr::new(target.1)));
        narrow.backing.rename(source, target, RenameFlags::empty()).unwrap();
    };
    rename((narrow.b, "file"), (root, "moved"));
    rename((narrow.a, "b"), (root, "c"));
    rename((root, "moved"), (narrow.b, "again"));
    rename((root, "a"), (narrow.b, "inner"));

    assert_eq!(narrow.read(), Ok("text".to_owned()));
    narrow.backing.attributes(narrow.a, None).unwrap();
    assert!(narrow.directory.path().join("c/again").exists());
}

#[test]
fn paths_lead_from_the_root_wherever_that_is() {
    let narrow = narrow();
    let path_of = |number: u64| {
        let descriptor = narrow.backing.table.descriptor(number).unwrap();
        narrow.backing.path_of(&*descriptor).map(PathBuf::into_os_string)
    };
    assert_eq!(path_of(narrow.b), Ok("a/b".into()));

    let (old, new) = (narrow.directory.path(), tempfile::tempdir().unwrap());
    fs::rename(old, new.path().join("root")).unwrap();
    assert_eq!(path_of(narrow.b), Ok("a/b".into()));
    fs::rename(new.path().join("root/a/b"), new.path().join("b")).unwrap();

    assert_eq!(path_of(narrow.b), Err(Errno::STALE));
    assert_eq!(path_of(narrow.a), Ok("a".into()));
    fs::rename(new.path().join("root"), old).unwrap();
}

#[test]
fn what_was_removed_is_still_there_for_whom_knows_it() {
    let narrow = narrow();
    let file = narrow.backing.open_file(narrow.file, OFlags::RDONLY).unwrap();

    narrow.backing.unlink(narrow.b, OsStr::new("file")).unwrap();
    narrow.backing.remove_directory(narrow.a, OsStr::new("b")).unwrap();

    assert_eq!(narrow.backing.attributes(narrow.file, Some(&file)).unwrap().attributes.links, 0);
    assert_eq!(narrow.backing.attributes(narrow.file, None).unwrap().attributes.links, 0);
    assert_eq!(narrow.backing.attributes(narrow.b, None).unwrap().attributes.links, 0);
    assert_eq!(narrow.read(), Ok("text".to_owned()));
    narrow.backing.close_file(&file);
    narrow.backing.forget(narrow.file, 1);
    assert_eq!(narrow.read(), Err(Errno::STALE));
}

#[test]
fn another_file_by_the_same_name_is_another_inode() {
    let narrow = narrow();
    narrow.read().unwrap();
    narrow.backing.table.descriptor(narrow.a).unwrap();
    fs::write(narrow.directory.path().join("new"), "other").unwrap();
    fs::rename(narrow.directory.path().join("new"), narrow.directory.path().join("a/b/file")).unwrap();

    assert_eq!(narrow.read(), Err(Errno::STALE));
    assert_ne!(narrow.backing.lookup(narrow.b, OsStr::new("file")).unwrap().attributes.number, narrow.file);
}

#[test]
fn names_that_come_and_go_cost_no_descriptors() {
    let narrow = narrow();
    let (backing, name) = (&narrow.backing, |index: u32| OsString::from(format!("made{index}")));

    // As `git` makes its objects.
    for index in 0..50 {
        let made = (0o600, Caller { uid: 0, gid: 0 });
        let (found, file) = backing.create_file(narrow.b, OsStr::new("new"), OFlags::WRONLY, made).unwrap();
        backing.close_file(&file);
        backing.link(found.attributes.number, narrow.b, &name(index)).unwrap();
        backing.unlink(narrow.b, OsStr::new("new")).unwrap();
    }

    assert!(backing.usage().open <= 3, "{:?}", backing.usage());
    assert_eq!(backing.lookup(narrow.b, &name(7)).unwrap().attributes.links, 1);
}

#[test]
fn what_lives_on_under_a_name_nobody_looked_up_costs_no_descriptors() {
    let narrow = narrow();
    let (backing, path) = (&narrow.backing, narrow.directory.path());

    for index in 0..50 {
        let name = format!("file{index}");
        fs::write(path.join("a").join(&name), "text").unwrap();
        fs::hard_link(path.join("a").join(&name), path.join(&name)).unwrap();
        let number = backing.lookup(narrow.a, OsStr::new(&name)).unwrap().attributes.number;
        let file = backing.open_file(number, OFlags::RDONLY).unwrap();
        backing.unlink(narrow.a, OsStr::new(&name)).unwrap();
        assert_eq!(backing.attributes(number, None).unwrap().attributes.links, 1);
        backing.close_file(&file);
    }

    assert!(backing.usage().open <= 3, "{:?}", backing.usage());
    assert_eq!(backing.lookup(backing.root(), OsStr::new("file7")).unwrap().attributes.links, 1);
}
