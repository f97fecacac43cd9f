//! A mount that root runs for others: what they make is theirs, with the mode they asked for.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::trial::Trial;
use crate::{Changing, Made, Observer, Passthrough};

/// Somebody who makes a file of their own between the look at its name and the making of it.
#[derive(Debug)]
struct Racer(PathBuf);

impl Observer for Racer {
    fn admits(&self, path: &Path, _made: Made) -> bool {
        let mode = if path.ends_with("secret") { 0o600 } else { 0o666 };
        let raced = self.0.join(path);
        if !raced.exists() {
            fs::write(&raced, "theirs").unwrap();
            fs::set_permissions(&raced, fs::Permissions::from_mode(mode)).unwrap();
        }
        true
    }

    fn changing(&self, _directory: &Path) -> io::Result<Changing> {
        Ok(Box::new(()))
    }

    fn changed(&self, _path: &Path) {}

    fn settle(&self) -> io::Result<()> {
        Ok(())
    }

    fn failed(&self, _operation: &'static str, _path: &Path, _errno: i32) {}
}

/// Runs a script as another user with another umask.
fn run(directory: &Path, script: &str) {
    let status = Command::new("sh").args(["-c", script]).current_dir(directory).uid(1234).gid(1235).status();
    assert!(status.unwrap().success(), "{script}");
}

/// Returns a mount that everybody may write to.
fn open_to_all(passthrough: Passthrough) -> Trial {
    let trial = Trial::new(passthrough);
    // Temporary directories are their maker's own.
    fs::set_permissions(trial.behind(), fs::Permissions::from_mode(0o777)).unwrap();
    trial
}

fn owner(path: &Path) -> (u32, u32, u32) {
    let metadata = fs::symlink_metadata(path).unwrap();
    (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777)
}

#[test]
fn what_somebody_makes_is_theirs() {
    let trial = open_to_all(Passthrough::Auto);

    run(&trial.own(), "umask 0; echo x > file; mkdir dir; mkfifo pipe; ln -s file link; umask 027; echo x > narrow");

    assert_eq!(owner(&trial.behind().join("file")), (1234, 1235, 0o666));
    assert_eq!(owner(&trial.behind().join("dir")), (1234, 1235, 0o777));
    assert_eq!(owner(&trial.behind().join("pipe")), (1234, 1235, 0o666));
    assert_eq!(owner(&trial.behind().join("link")), (1234, 1235, 0o777));
    assert_eq!(owner(&trial.behind().join("narrow")), (1234, 1235, 0o640));
}

#[test]
fn a_directory_gives_its_group_on_if_it_says_so() {
    let trial = open_to_all(Passthrough::Auto);
    let shared = trial.behind().join("shared");
    fs::create_dir(&shared).unwrap();
    chown(&shared, None, Some(4321)).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o2777)).unwrap();

    run(&trial.own().join("shared"), "umask 022; echo x > file; mkdir dir");

    assert_eq!(owner(&shared.join("file")), (1234, 4321, 0o644));
    assert_eq!(owner(&shared.join("dir")), (1234, 4321, 0o2755));
}

#[test]
fn permissions_are_enforced() {
    let trial = open_to_all(Passthrough::Auto);
    fs::write(trial.own().join("mine"), "x").unwrap();
    fs::set_permissions(trial.own().join("mine"), fs::Permissions::from_mode(0o600)).unwrap();

    run(&trial.own(), "! cat mine && ! echo y > mine && ! rm -f models/known && cat models/known > /dev/null");

    assert_eq!(fs::read_to_string(trial.own().join("mine")).unwrap(), "x");
}

#[test]
fn writing_to_a_set_id_file_takes_the_bits_away() {
    for passthrough in [Passthrough::Auto, Passthrough::Off] {
        let trial = open_to_all(passthrough);
        fs::write(trial.behind().join("file"), "x").unwrap();
        fs::set_permissions(trial.behind().join("file"), fs::Permissions::from_mode(0o6777)).unwrap();

        run(&trial.own(), "echo y >> file");

        assert_eq!(owner(&trial.behind().join("file")), (0, 0, 0o777));
    }
}

#[test]
fn what_others_make_just_before_is_opened_with_permission_only() {
    for passthrough in [Passthrough::Auto, Passthrough::Off] {
        let trial = Trial::with(passthrough, |options| {
            let writable = options.writable.as_mut().unwrap();
            writable.observer = Arc::new(Racer(writable.directory.clone()));
        });
        fs::set_permissions(trial.behind(), fs::Permissions::from_mode(0o777)).unwrap();

        run(&trial.own(), "! echo mine > secret && echo mine > shared && ! sh -c 'set -C; echo mine > exclusive'");

        let read = |name: &str| fs::read_to_string(trial.behind().join(name)).unwrap();
        assert_eq!([read("secret"), read("shared"), read("exclusive")], ["theirs", "mine\n", "theirs"]);
        assert_eq!(owner(&trial.behind().join("secret")), (0, 0, 0o600));
    }
}

#[test]
fn whoever_makes_files_beside_others_never_hears_of_it() {
    let trial = open_to_all(Passthrough::Auto);

    std::thread::scope(|scope| {
        for directory in [trial.own(), trial.behind().to_owned()] {
            scope.spawn(move || {
                for index in 0..2000 {
                    let mut options = fs::OpenOptions::new();
                    options.append(true).create(true).open(directory.join(format!("file{index}"))).unwrap();
                }
            });
        }
    });
}
