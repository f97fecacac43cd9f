//! Saving, reading, appending, deleting one version after the other.

use std::io::Read as _;
use std::os::unix::fs::symlink;

use crate::data::layout::Location;
use crate::data::metadata::{Metadata, Owner, OwnerType};
use crate::data::testing::{Bed, Marks, artifact, draft, number};
use crate::error::{Failure as _, Kind};

use super::super::*;

const DIRECTORY: &str = "data/aws/ec2/0bc79a8f-d9d2-4ec5-a37f-8d88bbb3ee27";

fn paths(of: &[&str]) -> Vec<RelPath> {
    of.iter().map(|path| format!("{DIRECTORY}/{path}").parse().expect("a path")).collect()
}

#[test]
fn a_saved_version_is_complete_and_says_what_changed() {
    let bed = Bed::new();

    bed.save(&artifact("state"), b"one");
    let saved = bed.save(&artifact("state"), b"two");

    assert_eq!(bed.read(&format!("{DIRECTORY}/state/2/raw")), "two");
    assert_eq!(bed.read(&format!("{DIRECTORY}/state/latest")), "2");
    let text = bed.read(&format!("{DIRECTORY}/state/2/metadata.yaml"));
    assert_eq!(Metadata::parse(text.as_bytes()).expect("our own"), saved.metadata);
    assert_eq!((saved.metadata.version, saved.metadata.size), (number(2), Some(3)));
    assert_eq!(saved.metadata.checksum, Some(crate::fsutil::digest_bytes(b"two").sha256));
    assert_eq!(saved.metadata.created_at.to_string(), "2026-08-22T10:15:30.123Z");
    let changes = Changes {
        artifact: artifact("state"),
        added: vec![number(2)],
        removed: vec![],
        written: paths(&["state/2/raw", "state/2/metadata.yaml", "state/latest"]),
        deleted: vec![],
    };
    assert_eq!(saved.changes, changes);
}

#[test]
fn content_from_a_reader_is_hashed_on_the_way() {
    let bed = Bed::new();
    let bytes: Vec<u8> = (0..200_000_u32).map(|index| u8::try_from(index % 251).expect("a byte")).collect();

    let saved = bed.store.save(&artifact("big"), &draft(), Content::Reader(&mut bytes.as_slice())).expect("saved");

    let digested = crate::fsutil::digest_bytes(&bytes);
    assert_eq!((saved.metadata.size, saved.metadata.checksum), (Some(digested.size), Some(digested.sha256)));
    let mut found = Vec::new();
    let mut file = bed.store.open_raw(&artifact("big"), number(1)).expect("readable").expect("there");
    file.read_to_end(&mut found).expect("read");
    assert_eq!(found, bytes);
}

#[test]
fn a_reader_that_fails_leaves_nothing() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _buffer: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("unplugged"))
        }
    }
    let bed = Bed::new();

    let refused = bed.store.save(&artifact("state"), &draft(), Content::Reader(&mut Broken)).expect_err("broken");

    assert_eq!(refused.kind(), Kind::Unavailable);
    assert_eq!((bed.files(), bed.staged()), (vec![], 0));
}

#[test]
fn every_change_is_marked_first() {
    let bed = Bed::new();
    let (old, new) = (artifact("old"), artifact("new"));
    let seen = || std::mem::take(&mut *bed.marks.seen.lock().expect("not poisoned"));
    let old_directory = format!("{DIRECTORY}/old");

    bed.save(&old, b"1");
    assert_eq!(seen(), [old_directory.as_str()]);
    bed.store.rename(&old, &new).expect("renamed");
    assert_eq!(seen(), [old_directory.as_str(), &format!("{DIRECTORY}/new"), &old_directory]);
    bed.store.renumber(&old, number(2), number(5)).expect("renumbered");
    assert_eq!(seen(), [old_directory.as_str()]);
    bed.store.delete_version(&old, number(1)).expect("deleted");
    assert_eq!(seen(), [old_directory.as_str()]);
    bed.store.delete_all(&old).expect("deleted");
    assert_eq!(seen(), [old_directory.as_str()]);
}

#[test]
fn nothing_changes_if_marking_fails() {
    let bed = Bed::with_marks(Marks { refuses: true, ..Marks::default() });

    let refused = bed.store.save(&artifact("state"), &draft(), Content::Bytes(b"x")).expect_err("not marked");

    assert_eq!(refused.kind(), Kind::Unavailable);
    assert_eq!(std::error::Error::source(&refused).expect("a cause").to_string(), "the disk is full");
    assert_eq!((bed.files(), bed.staged()), (vec![], 0));
}

#[test]
fn only_the_owner_saves() {
    let bed = Bed::new();
    bed.save(&artifact("state"), b"1");
    bed.store.rename(&artifact("state"), &artifact("other")).expect("renamed");
    let mut foreign = draft();
    foreign.owner = Owner::new(OwnerType::Manual, &foreign.owner.owner_ref);
    let mut same = draft();
    same.owner.step_name = Some("probe".to_owned());

    let refused = bed.store.save(&artifact("state"), &foreign, Content::Bytes(b"2")).expect_err("foreign");

    assert_eq!(refused.kind(), Kind::Conflict);
    bed.store.save(&artifact("state"), &same, Content::Bytes(b"2")).expect("the same owner");
}

#[test]
fn metadata_that_breaks_a_rule_is_refused_before_anything_happens() {
    let bed = Bed::new();
    let mut draft = draft();
    draft.tags.clear();

    let refused = bed.store.save(&artifact("state"), &draft, Content::Bytes(b"x")).expect_err("no type");

    assert_eq!(refused.kind(), Kind::Invalid);
    assert_eq!((bed.files(), bed.marks.seen.lock().expect("not poisoned").len()), (vec![], 0));
}

#[test]
fn the_latest_version_is_the_highest_readable_one() {
    let bed = Bed::new();
    bed.save(&artifact("state"), b"1");
    bed.save(&artifact("state"), b"2");
    bed.plant(&format!("{DIRECTORY}/state/3/metadata.yaml"), "createdAt: 2026-01-01");
    bed.plant(&format!("{DIRECTORY}/state/latest"), "1");

    let latest = bed.store.latest(&artifact("state")).expect("read").expect("there");
    let settled = bed.store.settle_latest(&artifact("state")).expect("settled");

    assert_eq!(latest.version, number(2));
    assert_eq!(settled.written, paths(&["state/latest"]));
    assert_eq!(bed.read(&format!("{DIRECTORY}/state/latest")), "2");
    assert!(bed.store.settle_latest(&artifact("state")).expect("settled").is_empty());
    assert_eq!(bed.save(&artifact("state"), b"4").metadata.version, number(4));
}

#[test]
fn appending_grows_a_streaming_version_and_drops_its_checksum() {
    let bed = Bed::new();
    let mut streaming = draft();
    streaming.streaming = true;
    bed.store.save(&artifact("log"), &streaming, Content::Bytes(b"one ")).expect("saved");
    bed.save(&artifact("state"), b"x");

    let appended = bed.store.append(&artifact("log"), b"two").expect("appended");

    assert_eq!(bed.read(&format!("{DIRECTORY}/log/1/raw")), "one two");
    assert_eq!((appended.metadata.size, appended.metadata.checksum.clone()), (Some(7), None));
    assert_eq!(bed.store.latest(&artifact("log")).expect("read"), Some(appended.metadata));
    assert_eq!(appended.changes.written, paths(&["log/1/raw", "log/1/metadata.yaml"]));
    assert_eq!(bed.store.append(&artifact("state"), b"y").expect_err("not streaming").kind(), Kind::Invalid);
    assert_eq!(bed.store.append(&artifact("none"), b"y").expect_err("absent").kind(), Kind::NotFound);
}

#[test]
fn deleting_the_latest_version_settles_on_the_one_before() {
    let bed = Bed::new();
    for bytes in [b"1", b"2", b"3"] {
        bed.save(&artifact("state"), bytes);
    }

    let changes = bed.store.delete_version(&artifact("state"), number(3)).expect("deleted");

    assert_eq!((changes.removed, changes.written), (vec![number(3)], paths(&["state/latest"])));
    assert_eq!(changes.deleted, paths(&["state/3/metadata.yaml", "state/3/raw"]));
    assert_eq!(bed.read(&format!("{DIRECTORY}/state/latest")), "2");
    let again = bed.store.delete_version(&artifact("state"), number(3)).expect_err("gone");
    assert_eq!((again.kind(), again.hint().as_deref()), (Kind::NotFound, Some("available versions: 2, 1")));
}

#[test]
fn nothing_is_left_of_a_deleted_name() {
    let bed = Bed::new();
    for name in ["one", "two"] {
        bed.save(&artifact(name), b"1");
    }

    let one = bed.store.delete_version(&artifact("one"), number(1)).expect("deleted");
    let two = bed.store.delete_all(&artifact("two")).expect("deleted");

    assert_eq!(one.deleted, paths(&["one/1/metadata.yaml", "one/1/raw", "one/latest"]));
    assert_eq!(two.deleted, paths(&["two/1/metadata.yaml", "two/1/raw", "two/latest"]));
    assert_eq!(two.removed, [number(1)]);
    assert!(!bed.root().join("data/aws").exists());
    assert_eq!(bed.staged(), 0);
    assert_eq!(bed.store.delete_all(&artifact("two")).expect_err("gone").kind(), Kind::NotFound);
}

#[test]
fn nothing_but_the_files_of_the_contract_appears() {
    let bed = Bed::new();
    let mut streaming = draft();
    streaming.streaming = true;
    for round in 0..3 {
        bed.store.save(&artifact("log"), &streaming, Content::Bytes(b"x")).expect("saved");
        bed.store.append(&artifact("log"), b"y").expect("appended");
        bed.save(&artifact("state"), &[round]);
    }
    bed.store.rename(&artifact("state"), &artifact("new state")).expect("renamed");
    bed.store.renumber(&artifact("log"), number(3), number(9)).expect("renumbered");
    bed.store.delete_version(&artifact("log"), number(1)).expect("deleted");
    bed.store.save(&artifact("state"), &draft(), Content::Reader(&mut [0_u8; 10].as_slice())).expect("saved");

    for file in bed.files() {
        assert!(Location::parse(&file.parse().expect("a path")).is_some(), "{file} is not of the contract");
    }
    assert_eq!(bed.staged(), 0);
}

#[test]
fn links_out_of_the_tree_are_refused() {
    let bed = Bed::new();
    let outside = bed.directory.path().join("outside");
    fs::create_dir_all(&outside).expect("made");
    fs::create_dir_all(bed.root().join("data")).expect("made");
    symlink(&outside, bed.root().join("data/aws")).expect("linked");

    let refused = bed.store.save(&artifact("state"), &draft(), Content::Bytes(b"x")).expect_err("linked");

    assert_eq!(refused.kind(), Kind::Invalid);
    assert_eq!(fs::read_dir(outside).expect("listed").count(), 0);
}
