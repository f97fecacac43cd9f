//! What the observer hears, and when.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::Passthrough;
use crate::trial::{Heard, Trial};

fn changing(path: &str) -> Heard {
    Heard::Changing(PathBuf::from(path))
}

fn done(path: &str) -> Heard {
    Heard::Done(PathBuf::from(path))
}

fn changed(path: &str) -> Heard {
    Heard::Changed(PathBuf::from(path))
}

/// Waits for what the kernel tells after the fact: a close is over before its release is heard of.
fn await_heard(trial: &Trial, awaited: &Heard) -> Vec<Heard> {
    let mut heard = Vec::new();
    for _ in 0..1000 {
        heard.extend(trial.observer.heard());
        if heard.contains(awaited) {
            return heard;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    panic!("{awaited:?} is not among {heard:?}");
}

/// A mount whose writable directory has `d/file`.
fn trial(passthrough: Passthrough) -> Trial {
    let trial = Trial::new(passthrough);
    fs::create_dir_all(trial.behind().join("d")).unwrap();
    fs::create_dir_all(trial.behind().join("e")).unwrap();
    fs::write(trial.behind().join("d/file"), "old").unwrap();
    trial
}

#[test]
fn names_are_recorded_before_they_change_and_told_of_afterwards() {
    let trial = trial(Passthrough::Auto);
    let own = trial.own();

    fs::create_dir(own.join("d/sub")).unwrap();
    assert_eq!(trial.observer.heard(), [changing("d/sub"), changed("d/sub"), done("d/sub")]);
    symlink("x", own.join("d/link")).unwrap();
    assert_eq!(trial.observer.heard(), [changing("d"), changed("d/link"), done("d")]);
    fs::rename(own.join("d/file"), own.join("e/file")).unwrap();
    let both = [changing("d"), changing("e"), changed("d/file"), changed("e/file"), done("d"), done("e")];
    assert_eq!(trial.observer.heard(), both);
    fs::remove_file(own.join("e/file")).unwrap();
    assert_eq!(trial.observer.heard(), [changing("e"), changed("e/file"), done("e")]);
    fs::remove_dir(own.join("d/sub")).unwrap();
    assert_eq!(trial.observer.heard(), [changing("d"), changed("d/sub"), done("d")]);
}

#[test]
fn a_directory_is_recorded_as_long_as_a_file_in_it_can_be_written() {
    for passthrough in [Passthrough::Auto, Passthrough::Off] {
        let trial = trial(passthrough);
        let file = OpenOptions::new().write(true).open(trial.own().join("d/file")).unwrap();

        assert_eq!(trial.observer.heard(), [changing("d")]);
        file.write_all_at(b"new", 0).unwrap();
        assert_eq!(trial.observer.heard(), []);
        drop(file);
        let heard = await_heard(&trial, &done("d"));

        assert_eq!(heard, [changed("d/file"), done("d")]);
    }
}

#[test]
fn the_mode_of_a_file_that_somebody_writes_to_is_told_of_when_it_is_closed() {
    let trial = trial(Passthrough::Auto);
    let (path, private) = (trial.own().join("d/file"), Permissions::from_mode(0o600));
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    trial.observer.heard();

    file.set_permissions(private.clone()).unwrap();
    file.set_len(1).unwrap();

    assert_eq!(trial.observer.heard(), []);
    drop(file);
    assert_eq!(await_heard(&trial, &done("d")), [changed("d/file"), done("d")]);
    fs::set_permissions(&path, private).unwrap();
    assert_eq!(trial.observer.heard(), [changing("d"), changed("d/file"), done("d")]);
}

#[test]
fn reading_is_nobodys_business() {
    let trial = trial(Passthrough::Auto);

    assert_eq!(fs::read_to_string(trial.own().join("d/file")).unwrap(), "old");

    assert_eq!(trial.observer.heard(), []);
}

#[test]
fn an_open_file_that_is_moved_is_recorded_where_it_is() {
    let trial = trial(Passthrough::Auto);
    let file = OpenOptions::new().write(true).open(trial.own().join("d/file")).unwrap();
    fs::rename(trial.own().join("d"), trial.own().join("e/moved")).unwrap();

    let heard = trial.observer.heard();

    // The record of the new place is made while that of the rename still lasts.
    let position = |wanted: &Heard| heard.iter().position(|heard| heard == wanted);
    assert!(position(&changing("e/moved")).is_some_and(|made| position(&done("e")).is_some_and(|ended| made < ended)));
    assert_eq!(position(&done("e/moved")), None);
    drop(file);
    assert!(await_heard(&trial, &done("e/moved")).contains(&changed("e/moved/file")));
}

#[test]
fn every_directory_of_a_file_with_two_names_is_recorded() {
    let trial = trial(Passthrough::Auto);
    fs::hard_link(trial.own().join("d/file"), trial.own().join("e/other")).unwrap();
    trial.observer.heard();

    drop(OpenOptions::new().append(true).open(trial.own().join("e/other")).unwrap());

    let heard = await_heard(&trial, &done("e"));
    assert!(heard.contains(&changing("d")) && heard.contains(&changing("e")), "{heard:?}");
}

#[test]
fn a_file_is_recorded_where_it_still_has_a_name() {
    for passthrough in [Passthrough::Auto, Passthrough::Off] {
        let trial = trial(passthrough);
        fs::hard_link(trial.own().join("d/file"), trial.own().join("e/other")).unwrap();
        fs::remove_file(trial.own().join("d/file")).unwrap();
        trial.observer.heard();

        drop(OpenOptions::new().append(true).open(trial.own().join("e/other")).unwrap());

        assert_eq!(await_heard(&trial, &done("e")), [changing("e"), changed("e/other"), done("e")]);
    }
}

#[test]
fn a_file_with_a_name_that_nobody_looked_up_may_be_anywhere() {
    let trial = trial(Passthrough::Auto);
    fs::hard_link(trial.behind().join("d/file"), trial.behind().join("e/other")).unwrap();

    drop(OpenOptions::new().append(true).open(trial.own().join("d/file")).unwrap());

    assert_eq!(await_heard(&trial, &done(""))[..3], [changing("d"), changing(""), changed("d/file")]);
}

#[test]
fn what_cannot_be_recorded_is_not_done() {
    let trial = trial(Passthrough::Auto);
    let own = trial.own();
    trial.observer.broken.store(true, Ordering::SeqCst);

    let failures = [
        fs::write(own.join("d/file"), "new"),
        fs::write(own.join("d/made"), "new"),
        fs::create_dir(own.join("d/sub")),
        fs::remove_file(own.join("d/file")),
        fs::rename(own.join("d/file"), own.join("e/file")),
        fs::set_permissions(own.join("d/file"), fs::metadata(own.join("e")).unwrap().permissions()),
    ];

    assert!(failures.iter().all(|failure| failure.as_ref().is_err_and(|error| error.raw_os_error() == Some(5))));
    assert_eq!(fs::read_to_string(trial.behind().join("d/file")).unwrap(), "old");
    assert_eq!(fs::read_dir(trial.behind().join("d")).unwrap().count(), 1);
}

#[test]
fn names_that_are_not_admitted_are_not_made() {
    let trial = trial(Passthrough::Auto);
    let own = trial.own();

    let failures = [
        fs::write(own.join("refused"), "new"),
        fs::create_dir(own.join("d/refused")),
        symlink("x", own.join("refused-link")),
        fs::rename(own.join("d/file"), own.join("refused-target")),
        fs::hard_link(own.join("d/file"), own.join("refused-name")),
    ];

    assert!(failures.iter().all(|failure| failure.as_ref().is_err_and(|error| error.raw_os_error() == Some(1))));
    assert_eq!(fs::read_dir(trial.behind()).unwrap().count(), 2);
}

#[test]
fn what_is_at_the_top_is_recorded_itself() {
    let trial = trial(Passthrough::Auto);
    let own = trial.own();

    fs::create_dir(own.join("new")).unwrap();
    fs::rename(own.join("new"), own.join("other")).unwrap();
    fs::remove_dir(own.join("other")).unwrap();

    let made = [changing("new"), changed("new"), done("new")];
    let renamed = [changing("new"), changing("other"), changed("new"), changed("other"), done("new"), done("other")];
    let removed = [changing("other"), changed("other"), done("other")];
    assert_eq!(trial.observer.heard(), [&made[..], &renamed, &removed].concat());
}

#[test]
fn what_may_not_change_at_the_top_is_left_as_it_is() {
    let trial = trial(Passthrough::Auto);
    let own = trial.own();
    fs::write(trial.behind().join("refused"), "old").unwrap();
    fs::create_dir(trial.behind().join("refused-directory")).unwrap();

    let failures = [
        fs::remove_file(own.join("refused")),
        fs::rename(own.join("refused"), own.join("d/moved")),
        fs::rename(own.join("d/file"), own.join("refused")),
        fs::write(own.join("refused"), "new"),
        OpenOptions::new().append(true).open(own.join("refused")).map(drop),
        fs::set_permissions(own.join("refused"), fs::metadata(own.join("d")).unwrap().permissions()),
        fs::remove_dir(own.join("refused-directory")),
        fs::rename(own.join("refused-directory"), own.join("e/moved")),
    ];

    assert!(failures.iter().all(|failure| failure.as_ref().is_err_and(|error| error.raw_os_error() == Some(1))));
    assert_eq!(fs::read_to_string(own.join("refused")).unwrap(), "old");
    assert_eq!(fs::read_dir(trial.behind()).unwrap().count(), 4);
    assert_eq!(trial.observer.heard(), []);
}

#[test]
fn fsync_settles_the_record() {
    let trial = trial(Passthrough::Auto);
    let mut file = File::create(trial.own().join("d/file")).unwrap();
    file.write_all(b"new").unwrap();
    trial.observer.heard();

    file.sync_all().unwrap();
    File::open(trial.own().join("d")).unwrap().sync_all().unwrap();

    assert_eq!(trial.observer.heard(), [Heard::Settled, Heard::Settled]);
}
