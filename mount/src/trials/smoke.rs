//! The everyday operations, both ways of reading and writing.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, symlink};

use crate::trial::Trial;
use crate::{Passthrough, Transfer};

fn everyday(passthrough: Passthrough) {
    let trial = Trial::new(passthrough);
    let own = trial.own();

    fs::create_dir_all(own.join("a/b")).unwrap();
    fs::write(own.join("a/b/file"), "hello").unwrap();
    fs::rename(own.join("a/b/file"), own.join("a/moved")).unwrap();
    symlink("moved", own.join("a/link")).unwrap();
    fs::hard_link(own.join("a/moved"), own.join("a/b/hard")).unwrap();
    let mut appended = fs::OpenOptions::new().append(true).open(own.join("a/link")).unwrap();
    appended.write_all(b" world").unwrap();
    appended.sync_all().unwrap();
    drop(appended);

    assert_eq!(fs::read_to_string(own.join("a/b/hard")).unwrap(), "hello world");
    assert_eq!(fs::read_to_string(trial.behind().join("a/moved")).unwrap(), "hello world");
    assert_eq!(fs::metadata(own.join("a/moved")).unwrap().nlink(), 2);
    fs::remove_file(own.join("a/moved")).unwrap();
    fs::remove_file(own.join("a/link")).unwrap();
    fs::remove_dir_all(own.join("a")).unwrap();
    assert_eq!(fs::read_dir(trial.behind()).unwrap().count(), 0);
}

#[test]
fn passthrough_is_taken_where_it_is_there() {
    assert_eq!(Trial::new(Passthrough::Auto).served.transfer(), Transfer::Passthrough);
    assert_eq!(Trial::new(Passthrough::Off).served.transfer(), Transfer::Served("it was switched off".to_owned()));
}

#[test]
fn everyday_operations_work_with_passthrough() {
    everyday(Passthrough::Auto);
}

#[test]
fn everyday_operations_work_without_passthrough() {
    everyday(Passthrough::Off);
}

#[test]
fn the_tree_is_shown() {
    let trial = Trial::new(Passthrough::Auto);

    assert_eq!(fs::read_to_string(trial.root().join("foreign/known")).unwrap(), "known bytes");
    assert_eq!(fs::read_to_string(trial.root().join("foreign/remote")).unwrap(), "remote bytes");
    assert_eq!(fs::read_to_string(trial.own().join("models/unsized")).unwrap(), "bytes of unknown number");
    assert_eq!(fs::read_to_string(trial.root().join(".swamp/report")).unwrap(), "a report\n");
    assert_eq!(fs::read_dir(trial.root().join("many")).unwrap().count(), 2500);
}

#[test]
fn an_open_file_of_unknown_length_knows_its_length() {
    let trial = Trial::new(Passthrough::Auto);
    let mut file = fs::File::open(trial.root().join("foreign/unsized")).unwrap();

    assert_eq!(file.metadata().unwrap().len(), 23);
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text.len(), 23);
}

#[test]
fn a_panic_is_an_error_and_the_mount_lives_on() {
    let trial = Trial::new(Passthrough::Auto);

    let error = fs::read(trial.root().join("foreign/panics")).unwrap_err();

    assert_eq!(error.raw_os_error(), Some(5));
    assert_eq!(fs::read_to_string(trial.root().join("foreign/known")).unwrap(), "known bytes");
}
