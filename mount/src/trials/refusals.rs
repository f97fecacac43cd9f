//! What the mount does not do, and with which error number.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use crate::clock::Clock;
use crate::trial::Trial;
use crate::{Passthrough, TreeError};

const EIO: i32 = 5;
const EXDEV: i32 = 18;
const EINVAL: i32 = 22;
const EROFS: i32 = 30;
const ENAMETOOLONG: i32 = 36;
const ETIMEDOUT: i32 = 110;

fn errno<T>(result: io::Result<T>) -> i32 {
    result.err().and_then(|error| error.raw_os_error()).unwrap_or(0)
}

/// Tries everything that changes something, on an existing file and below its directory.
fn mutations(file: &Path) -> Vec<i32> {
    let directory = file.parent().unwrap();
    vec![
        errno(fs::write(file, "x")),
        errno(OpenOptions::new().append(true).open(file)),
        errno(OpenOptions::new().write(true).truncate(true).open(file)),
        errno(fs::write(directory.join("made"), "x")),
        errno(fs::create_dir(directory.join("made"))),
        errno(symlink("x", directory.join("made"))),
        errno(fs::hard_link(file, directory.join("made"))),
        errno(fs::rename(file, directory.join("made"))),
        errno(fs::remove_file(file)),
        errno(fs::set_permissions(file, fs::metadata(directory).unwrap().permissions())),
        errno(std::os::unix::fs::chown(file, Some(1), None)),
        errno(fs::File::open(file).and_then(|file| file.set_modified(SystemTime::UNIX_EPOCH))),
        errno(
            rustix::fs::mknodat(
                rustix::fs::CWD,
                directory.join("made"),
                rustix::fs::FileType::Fifo,
                rustix::fs::Mode::RUSR,
                0,
            )
            .map_err(io::Error::from),
        ),
    ]
}

#[test]
fn the_tree_cannot_be_changed() {
    let trial = Trial::new(Passthrough::Auto);

    assert_eq!(mutations(&trial.root().join("foreign/known")), [EROFS; 13]);
    assert_eq!(mutations(&trial.own().join("models/known")), [EROFS; 13]);
    assert_eq!(errno(fs::remove_dir(trial.root().join("foreign"))), EROFS);
    assert_eq!(errno(fs::create_dir(trial.root().join("new"))), EROFS);
}

#[test]
fn a_read_only_mount_cannot_be_changed() {
    let trial = Trial::with(Passthrough::Auto, |options| options.read_only = true);
    fs::write(trial.behind().join("file"), "x").unwrap();

    assert_eq!(mutations(&trial.own().join("file")), [EROFS; 13]);
    assert_eq!(fs::read_to_string(trial.own().join("file")).unwrap(), "x");
}

#[test]
fn overlaid_names_belong_to_the_tree() {
    let trial = Trial::new(Passthrough::Auto);
    let own = trial.own();
    fs::create_dir(own.join("d")).unwrap();

    assert_eq!(errno(fs::rename(own.join("models"), own.join("other"))), EROFS);
    assert_eq!(errno(fs::rename(own.join("d"), own.join("models"))), EROFS);
    assert_eq!(errno(fs::remove_dir(own.join("models"))), EROFS);
    assert_eq!(errno(fs::create_dir(own.join("d/models"))), 0);
}

#[test]
fn nothing_is_moved_or_linked_between_the_sides() {
    let trial = Trial::new(Passthrough::Auto);
    fs::write(trial.own().join("file"), "x").unwrap();
    let (own, foreign) = (trial.own().join("file"), trial.root().join("foreign/known"));

    assert_eq!(errno(fs::rename(&own, trial.root().join("foreign/file"))), EXDEV);
    assert_eq!(errno(fs::rename(&foreign, trial.own().join("known"))), EXDEV);
    assert_eq!(errno(fs::hard_link(&own, trial.root().join("foreign/file"))), EXDEV);
    assert_eq!(errno(fs::hard_link(&foreign, trial.own().join("known"))), EXDEV);
    assert_eq!(fs::copy(foreign, trial.own().join("known")).unwrap(), 11);
}

#[test]
fn a_directory_is_copied_to_where_it_may_not_be_moved() {
    let trial = Trial::new(Passthrough::Auto);
    let own = trial.own();
    fs::create_dir_all(own.join("d/sub")).unwrap();
    fs::create_dir_all(own.join("fixed/other")).unwrap();
    fs::write(own.join("d/sub/file"), "x").unwrap();
    let exchange = |one: &Path, other: &Path| {
        let cwd = rustix::fs::CWD;
        rustix::fs::renameat_with(cwd, one, cwd, other, rustix::fs::RenameFlags::EXCHANGE).map_err(io::Error::from)
    };

    assert_eq!(errno(fs::rename(own.join("d/sub"), own.join("fixed/sub"))), EXDEV);
    assert_eq!(errno(exchange(&own.join("d/sub"), &own.join("fixed/other"))), EXDEV);
    assert_eq!(errno(exchange(&own.join("fixed/other"), &own.join("d/sub"))), EXDEV);

    let moved = std::process::Command::new("mv").args(["d/sub", "fixed"]).current_dir(&own).status().unwrap();
    assert!(moved.success());
    assert_eq!(fs::read_to_string(own.join("fixed/sub/file")).unwrap(), "x");
    assert!(!own.join("d/sub").exists());
    assert_eq!(errno(fs::rename(own.join("fixed/sub/file"), own.join("fixed/file"))), 0);
    assert_eq!(errno(fs::rename(own.join("fixed/sub"), own.join("d/sub"))), 0);
}

#[test]
fn names_have_255_bytes_at_most() {
    let trial = Trial::new(Passthrough::Auto);
    let (fits, long) = ("x".repeat(255), "x".repeat(256));

    assert_eq!(errno(fs::write(trial.own().join(&fits), "x")), 0);
    assert_eq!(errno(fs::write(trial.own().join(&long), "x")), ENAMETOOLONG);
    assert_eq!(errno(fs::metadata(trial.own().join(&long))), ENAMETOOLONG);
    assert_eq!(errno(fs::metadata(trial.root().join("foreign").join(&long))), ENAMETOOLONG);
}

#[test]
fn a_symbolic_link_leads_where_it_leads_and_we_never_follow_it() {
    let trial = Trial::new(Passthrough::Auto);
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    symlink(outside.path(), trial.behind().join("link")).unwrap();
    let core = trial.served.core();
    let own = core.backing().unwrap().root();
    let crate::fs::Lookup::Found(link) = core.lookup(own, "link".as_ref()).unwrap() else { panic!("it is there") };

    // A kernel never asks this: it follows links itself.
    let asked = core.lookup(link.attributes.number, "secret".as_ref());
    let climbed = core.lookup(own, "..".as_ref());
    let crossed = core.lookup(own, "link/secret".as_ref());

    assert_eq!(asked, Err(rustix::io::Errno::NOTDIR));
    assert_eq!((climbed, crossed), (Err(rustix::io::Errno::INVAL), Err(rustix::io::Errno::INVAL)));
    assert_eq!(EINVAL, rustix::io::Errno::INVAL.raw_os_error());
}

#[test]
fn what_does_not_answer_is_given_up_at_the_deadline() {
    let trial = Trial::with(Passthrough::Auto, |options| options.deadline = Duration::from_millis(300));

    let failure = errno(fs::read(trial.root().join("foreign/hangs")));

    assert_eq!(failure, ETIMEDOUT);
    assert_eq!(fs::read_to_string(trial.root().join("foreign/known")).unwrap(), "known bytes");
}

#[test]
fn durability_waits_for_no_network() {
    let trial = Trial::new(Passthrough::Auto);
    let file = fs::File::create(trial.own().join("durable")).unwrap();
    let path = trial.root().join("foreign/hangs");
    // More than there are threads that wait for networks.
    let readers: Vec<_> = (0..45)
        .map(|_| {
            let path = path.clone();
            thread::spawn(move || fs::File::open(path).err())
        })
        .collect();

    let clock = Clock::system();
    let mut longest = Duration::ZERO;
    while clock.now() < Duration::from_millis(500) {
        let before = clock.now();
        file.sync_all().unwrap();
        longest = longest.max(clock.now().saturating_sub(before));
    }
    for reader in readers {
        reader.join().unwrap();
    }

    assert!(longest < Duration::from_secs(1), "{longest:?}");
}

#[test]
fn a_panic_in_a_job_is_an_error() {
    let trial = Trial::new(Passthrough::Auto);

    assert_eq!(errno(fs::read(trial.root().join("foreign/breaks"))), EIO);
    assert_eq!(fs::read_to_string(trial.root().join("foreign/remote")).unwrap(), "remote bytes");
}

#[test]
fn failures_of_the_tree_have_their_numbers() {
    let trial = Trial::new(Passthrough::Auto);
    let of = |name: &str| errno(fs::read(trial.root().join("foreign").join(name)));

    assert_eq!(of("denied"), crate::errno::of_tree(TreeError::Denied).raw_os_error());
    assert_eq!(of("gone"), crate::errno::of_tree(TreeError::Stale).raw_os_error());
    assert_eq!(of("missing"), crate::errno::of_tree(TreeError::NotFound).raw_os_error());
}
