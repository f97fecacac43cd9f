//! Inodes and handles: numbers, counts, and what happens behind the mount's back.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{DirEntryExt as _, FileExt as _, MetadataExt as _, symlink};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{Dir, Mode, OFlags};

use crate::fs::{Core, Lookup};
use crate::trial::{Recorder, Trial, options};
use crate::{Inodes, Passthrough};

fn number(core: &Core, directory: u64, name: &str) -> u64 {
    match core.lookup(directory, OsStr::new(name)).unwrap() {
        Lookup::Found(found) => found.attributes.number,
        Lookup::Missing(_) => panic!("{name} is missing"),
    }
}

fn core(directory: &std::path::Path) -> Arc<Core> {
    Arc::new(Core::new(&options(directory, Arc::new(Recorder::default()), Passthrough::Off)).unwrap())
}

#[test]
fn a_number_is_never_given_to_another_file() {
    let directory = tempfile::tempdir().unwrap();
    let core = core(directory.path());
    let own = number(&core, 1, "own");
    let mut numbers = HashSet::new();

    for _ in 0..200 {
        let path = directory.path().join("file");
        fs::write(&path, "x").unwrap();
        let file = number(&core, own, "file");
        assert!(numbers.insert(file));
        core.forget(file, 1);
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_number_survives_being_forgotten_and_mounted_again() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "x").unwrap();
    let first = core(directory.path());
    let file = number(&first, number(&first, 1, "own"), "file");
    first.forget(file, 1);

    let second = core(directory.path());

    assert_eq!(number(&first, number(&first, 1, "own"), "file"), file);
    assert_eq!(number(&second, number(&second, 1, "own"), "file"), file);
}

#[test]
fn an_inode_is_kept_until_as_many_lookups_are_forgotten_as_were_made() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "x").unwrap();
    let core = core(directory.path());
    let own = number(&core, 1, "own");
    let file = number(&core, own, "file");
    assert_eq!(number(&core, own, "file"), file);

    core.forget(file, 1);
    core.attributes(file, None).unwrap();
    core.forget(file, 1);

    assert_eq!(core.attributes(file, None), Err(rustix::io::Errno::STALE));
}

#[test]
fn lookups_and_forgets_side_by_side_never_lose_an_inode() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "x").unwrap();
    let core = core(directory.path());
    let own = number(&core, 1, "own");

    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2000 {
                    let file = number(&core, own, "file");
                    core.attributes(file, None).unwrap();
                    core.forget(file, 1);
                }
            });
        }
    });

    assert_eq!(core.backing().unwrap().usage().known, 1);
}

#[test]
fn what_the_kernel_forgets_is_dropped() {
    let trial = Trial::new(Passthrough::Auto);
    for index in 0..300 {
        fs::create_dir_all(trial.own().join(format!("d{index}"))).unwrap();
        fs::write(trial.own().join(format!("d{index}/file")), "x").unwrap();
    }
    assert!(trial.served.inodes().known > 300);

    assert!(Command::new("sh").args(["-c", "sync; echo 2 > /proc/sys/vm/drop_caches"]).status().unwrap().success());

    // Forgetting is told in the background.
    for _ in 0..200 {
        if trial.served.inodes().known <= 2 {
            break;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    let Inodes { known, open } = trial.served.inodes();
    assert!(known <= 2 && open <= 2, "{known} inodes and {open} descriptors are left");
}

#[test]
fn a_file_that_is_open_is_kept_whatever_happens_to_its_name() {
    for passthrough in [Passthrough::Auto, Passthrough::Off] {
        let trial = Trial::new(passthrough);
        let path = trial.own().join("file");
        fs::write(&path, "first").unwrap();
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        fs::remove_file(&path).unwrap();

        file.write_all_at(b"F", 0).unwrap();
        let mut read = [0; 5];
        file.read_exact_at(&mut read, 0).unwrap();

        assert_eq!((&read, file.metadata().unwrap().nlink(), file.metadata().unwrap().len()), (b"First", 0, 5));
        file.set_len(2).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 2);
    }
}

#[test]
fn a_file_replaced_behind_the_mount_can_be_opened_beside_its_predecessor() {
    for passthrough in [Passthrough::Auto, Passthrough::Off] {
        let trial = Trial::new(passthrough);
        fs::write(trial.own().join("file"), "old").unwrap();
        let old = File::open(trial.own().join("file")).unwrap();
        fs::write(trial.behind().join("new"), "newer").unwrap();
        fs::rename(trial.behind().join("new"), trial.behind().join("file")).unwrap();

        // Not before the kernel asks again: names are remembered for a second.
        let mut seen = String::new();
        for _ in 0..300 {
            seen = fs::read_to_string(trial.own().join("file")).unwrap();
            if seen == "newer" {
                break;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }

        let mut kept = [0; 3];
        old.read_exact_at(&mut kept, 0).unwrap();
        assert_eq!((seen.as_str(), &kept), ("newer", b"old"));
    }
}

#[test]
fn what_is_appended_behind_the_mount_is_read_through_it() {
    for passthrough in [Passthrough::Auto, Passthrough::Off] {
        let trial = Trial::new(passthrough);
        fs::write(trial.own().join("file"), "one").unwrap();
        assert_eq!(fs::read_to_string(trial.own().join("file")).unwrap(), "one");
        let behind = OpenOptions::new().append(true).open(trial.behind().join("file")).unwrap();
        behind.write_all_at(b" two", 3).unwrap();

        let mut seen = String::new();
        for _ in 0..300 {
            seen = fs::read_to_string(trial.own().join("file")).unwrap();
            if seen == "one two" {
                break;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }

        assert_eq!(seen, "one two");
        assert_eq!(fs::metadata(trial.own().join("file")).unwrap().len(), 7);
    }
}

#[test]
fn first_opens_side_by_side_share_one_registration() {
    let trial = Trial::new(Passthrough::Auto);
    for round in 0..50 {
        let path = trial.own().join(format!("file{round}"));
        fs::write(trial.behind().join(format!("file{round}")), "x").unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
                    let mut read = [0];
                    file.read_exact_at(&mut read, 0).unwrap();
                });
            }
        });
    }
}

#[test]
fn listings_and_lookups_agree_on_numbers() {
    let trial = Trial::new(Passthrough::Auto);
    fs::create_dir(trial.own().join("sub")).unwrap();
    fs::write(trial.own().join("file"), "x").unwrap();
    symlink("file", trial.own().join("link")).unwrap();

    for directory in [trial.root().to_owned(), trial.own(), trial.root().join("foreign"), trial.own().join("models")] {
        for entry in fs::read_dir(&directory).unwrap().map(Result::unwrap) {
            let stat = fs::symlink_metadata(entry.path()).unwrap();
            assert_eq!(entry.ino(), stat.ino(), "{}", entry.path().display());
            assert_eq!(entry.file_type().unwrap(), stat.file_type());
        }
    }
}

#[test]
fn what_is_listed_is_found_and_nothing_else() {
    let trial = Trial::new(Passthrough::Auto);
    fs::create_dir(trial.behind().join("models")).unwrap();
    fs::write(trial.behind().join("models/hidden"), "x").unwrap();
    let names = |directory: &std::path::Path| -> BTreeSet<_> {
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };

    assert_eq!(names(trial.root()), [".swamp", "foreign", "many", "own"].map(str::to_owned).into());
    assert_eq!(names(&trial.own()), ["models".to_owned()].into());
    assert!(!trial.own().join("models/hidden").exists());
    assert!(trial.own().join("models/known").exists());
}

#[test]
fn a_listing_gives_every_entry_once_while_others_come_and_go() {
    let trial = Trial::new(Passthrough::Auto);
    let directory = trial.own().join("d");
    fs::create_dir(&directory).unwrap();
    for index in 0..3000 {
        File::create(trial.behind().join(format!("d/stays{index}"))).unwrap();
    }
    let opened = rustix::fs::open(&directory, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    let mut stream = Dir::new(opened).unwrap();
    let mut seen = Vec::new();

    while let Some(entry) = stream.read() {
        seen.push(entry.unwrap().file_name().to_owned());
        if seen.len() % 100 == 0 {
            File::create(directory.join(format!("comes{}", seen.len()))).unwrap();
            fs::remove_file(directory.join(format!("comes{}", seen.len()))).unwrap();
        }
    }

    let stays = |names: &[std::ffi::CString]| names.iter().filter(|name| name.to_bytes().starts_with(b"stays")).count();
    assert_eq!((stays(&seen), seen.iter().collect::<HashSet<_>>().len()), (3000, seen.len()));
    stream.rewind();
    assert_eq!(std::iter::from_fn(|| stream.read()).count(), 3002);
}

#[test]
fn a_listing_of_the_tree_can_be_resumed_anywhere_and_begun_again() {
    let directory = tempfile::tempdir().unwrap();
    let core = core(directory.path());
    let many = number(&core, 1, "many");
    let handle = core.open_directory(many).unwrap();
    let list = |offset: u64, most: usize| {
        let mut names = Vec::new();
        core.list(handle, offset, false, &mut |row| {
            let room = names.len() < most;
            if room {
                names.push((row.next, row.name.to_owned()));
            }
            room
        })
        .unwrap();
        names
    };

    let all = list(0, usize::MAX);
    assert_eq!(all.len(), 2502);
    assert_eq!(list(all[1499].0, usize::MAX), all[1500..]);
    assert_eq!(list(all[9].0, 5), all[10..15]);
    assert_eq!(list(0, usize::MAX), all);
}
