//! What the dirty set promises, in every order that things can happen in.

use super::*;
use crate::fsutil::Durability;
use std::sync::Arc;

fn path(text: &str) -> RelPath {
    text.parse().expect("a path")
}

fn open(root: &tempfile::TempDir) -> Arc<Watermark> {
    Arc::new(Watermark::new(&root.path().join("dirty"), root.path()))
}

fn dirty(watermark: &Watermark) -> Vec<RelPath> {
    let (set, _) = watermark.snapshot().expect("read");
    assert!(!set.is_everything);
    set.paths
}

fn fresh() -> (tempfile::TempDir, Arc<Watermark>) {
    let root = tempfile::tempdir().expect("a directory");
    let watermark = open(&root);
    let (_, mark) = watermark.snapshot().expect("read");
    watermark.clear(mark).expect("cleared");
    (root, watermark)
}

#[test]
fn a_missing_watermark_means_everything_is_dirty() {
    let root = tempfile::tempdir().expect("a directory");

    let (set, _) = Watermark::new(&root.path().join("dirty"), root.path()).snapshot().expect("read");

    assert!(set.is_everything);
}

#[test]
fn an_unreadable_watermark_means_everything_is_dirty() {
    let (root, watermark) = fresh();
    watermark.mark(Some(&path("a/b"))).expect("marked");
    fsutil::write_atomic(&root.path().join("dirty"), b"\xff junk", root.path(), Durability::Relaxed).expect("broken");

    let (set, _) = Watermark::new(&root.path().join("dirty"), root.path()).snapshot().expect("read");

    assert!(set.is_everything);
}

#[test]
fn marks_survive_the_process() {
    let (root, watermark) = fresh();

    watermark.mark(Some(&path("a/b"))).expect("marked");
    watermark.mark(Some(&path("a/b/c"))).expect("covered");

    let (set, _) = Watermark::new(&root.path().join("dirty"), root.path()).snapshot().expect("read");
    assert_eq!(set, DirtySet { is_everything: false, paths: vec![path("a/b")] });
}

#[test]
fn what_is_marked_during_a_push_stays_dirty() {
    let (_root, watermark) = fresh();
    watermark.mark(Some(&path("a"))).expect("marked");
    watermark.mark(Some(&path("b"))).expect("marked");
    let (_, mark) = watermark.snapshot().expect("read");

    watermark.mark(Some(&path("b"))).expect("marked again");
    watermark.clear(mark).expect("cleared");

    assert_eq!(watermark.snapshot().expect("read").0.paths, vec![path("b")]);
}

#[test]
fn another_process_marks_are_seen() {
    let (root, watermark) = fresh();
    let other = Watermark::new(&root.path().join("dirty"), root.path());

    other.mark(Some(&path("x"))).expect("marked");

    assert_eq!(watermark.snapshot().expect("read").0.paths, vec![path("x")]);
}

#[test]
fn t2_too_many_paths_become_their_parents_and_never_everything() {
    let (_root, watermark) = fresh();
    let many = (0..DIRTY_PATHS_MAX).map(|index| Some(path(&format!("data/t/m{}/n{index}", index / 8))));
    watermark.state().journal.replace(many.collect()).expect("written");

    watermark.mark(Some(&path("data/t/other/n"))).expect("marked");

    let (set, _) = watermark.snapshot().expect("read");
    assert!(!set.is_everything);
    assert!(set.paths.len() <= DIRTY_PATHS_MAX / 2 + 1);
    assert!(set.is_named(&path("data/t/m3/n30/1/raw")));
}

#[test]
fn marking_again_and_again_does_not_lengthen_the_journal_for_ever() {
    let (root, watermark) = fresh();
    let length = || std::fs::metadata(root.path().join("dirty")).expect("a journal").len();
    let mut longest = 0;

    for _ in 0..3 * DIRTY_PATHS_MAX {
        watermark.exclusively(|state| state.record(&[Some(path("a"))])).expect("recorded");
        longest = longest.max(length());
    }

    assert!(longest < 100_000, "{longest}");
    assert_eq!(dirty(&watermark), vec![path("a")]);
}

#[test]
fn what_is_held_when_a_push_begins_is_dirty_when_it_ends() {
    let (_root, watermark) = fresh();
    let hold = watermark.hold(&path("a")).expect("held");
    let (_, mark) = watermark.snapshot().expect("read");

    drop(hold);
    watermark.clear(mark).expect("cleared");

    assert_eq!(dirty(&watermark), vec![path("a")]);
}

#[test]
fn what_was_held_before_a_push_is_clean_after_it() {
    let (_root, watermark) = fresh();
    drop(watermark.hold(&path("a")).expect("held"));

    let (_, mark) = watermark.snapshot().expect("read");
    watermark.clear(mark).expect("cleared");

    assert_eq!(dirty(&watermark), Vec::new());
}

#[test]
fn what_is_held_again_during_a_push_is_dirty_when_it_ends() {
    let (_root, watermark) = fresh();
    drop(watermark.hold(&path("a")).expect("held"));
    let (_, mark) = watermark.snapshot().expect("read");

    drop(watermark.hold(&path("a")).expect("held again"));
    watermark.clear(mark).expect("cleared");

    assert_eq!(dirty(&watermark), vec![path("a")]);
}

#[test]
fn what_is_held_through_several_pushes_never_becomes_clean() {
    let (_root, watermark) = fresh();
    let hold = watermark.hold(&path("a")).expect("held");

    for _ in 0..3 {
        let (_, mark) = watermark.snapshot().expect("read");
        watermark.clear(mark).expect("cleared");
    }

    assert_eq!(dirty(&watermark), vec![path("a")]);
    drop(hold);
}

#[test]
fn two_holds_end_with_the_second() {
    let (_root, watermark) = fresh();
    let (first, second) = (watermark.hold(&path("a")).expect("held"), watermark.hold(&path("a")).expect("held"));

    drop(first);
    assert_eq!(watermark.held(), vec![path("a")]);

    drop(second);
    assert_eq!(watermark.held(), Vec::new());
}

#[test]
fn a_hold_below_a_recorded_directory_is_covered_by_it_until_the_next_snapshot() {
    let (root, watermark) = fresh();
    let length = || std::fs::metadata(root.path().join("dirty")).expect("a journal").len();
    drop(watermark.hold(&path("a")).expect("held"));
    let before = length();

    drop(watermark.hold(&path("a/b/c")).expect("held"));
    assert_eq!(length(), before);

    let (_, mark) = watermark.snapshot().expect("read");
    drop(watermark.hold(&path("a/b/c")).expect("held"));
    watermark.clear(mark).expect("cleared");
    assert_eq!(dirty(&watermark), vec![path("a/b/c")]);
}

#[test]
fn a_journal_that_vanishes_under_a_hold_loses_nothing() {
    let (root, watermark) = fresh();
    let hold = watermark.hold(&path("a")).expect("held");
    std::fs::remove_file(root.path().join("dirty")).expect("deleted");

    drop(watermark.hold(&path("a")).expect("held again"));

    let (set, _) = watermark.snapshot().expect("read");
    assert!(set.is_everything);
    assert_eq!(set.paths, vec![path("a")]);
    drop(hold);
}

#[test]
fn a_push_of_another_process_clears_nothing_while_we_hold() {
    let (root, watermark) = fresh();
    drop(watermark.hold(&path("a")).expect("held"));
    let other = open(&root);
    let (_, mark) = other.snapshot().expect("read");

    // Nothing is written for this one: it was recorded before.
    drop(watermark.hold(&path("a")).expect("held"));
    assert!(watermark.leave().expect("left"));
    other.clear(mark).expect("ignored");

    assert_eq!(dirty(&other), vec![path("a")]);
}

#[test]
fn a_push_that_began_before_the_first_hold_does_not_clear_it() {
    let (root, watermark) = fresh();
    watermark.mark(Some(&path("a"))).expect("marked");
    let other = open(&root);
    let (_, mark) = other.snapshot().expect("read");

    let hold = watermark.hold(&path("a")).expect("held");
    other.clear(mark).expect("cleared");

    assert_eq!(dirty(&watermark), vec![path("a")]);
    drop(hold);
}

#[test]
fn what_another_process_may_hold_is_in_use() {
    let (root, watermark) = fresh();
    let other = open(&root);
    let hold = watermark.hold(&path("a")).expect("held");

    assert!(watermark.is_in_use(&path("a/x")) && !watermark.is_in_use(&path("b/x")));
    assert!(other.is_in_use(&path("a/x")) && other.is_in_use(&path("b/x")));
    drop(hold);
    assert!(watermark.leave().expect("left"));

    assert!(!other.is_in_use(&path("a/x")) && !watermark.is_in_use(&path("a/x")));
}

#[test]
fn one_process_holds_at_a_time() {
    let (root, watermark) = fresh();
    watermark.attend().expect("attending");

    let refused = open(&root).hold(&path("a")).expect_err("refused");

    assert_eq!(refused.source.kind(), std::io::ErrorKind::ResourceBusy);
}

#[test]
fn marks_of_another_process_survive_our_clear() {
    let (root, watermark) = fresh();
    drop(watermark.hold(&path("a")).expect("held"));
    let (_, mark) = watermark.snapshot().expect("read");

    open(&root).mark(Some(&path("b"))).expect("marked");
    watermark.clear(mark).expect("cleared");

    assert_eq!(dirty(&watermark), vec![path("b")]);
}

#[test]
fn a_process_that_held_and_died_leaves_everything_dirty_for_the_next_to_hold() {
    let (root, watermark) = fresh();
    drop(watermark.hold(&path("a")).expect("held"));
    drop(watermark);

    let next = open(&root);

    assert!(next.attend().expect("attending"));
    assert!(next.snapshot().expect("read").0.is_everything);
}

#[test]
fn a_process_that_held_and_died_leaves_everything_dirty_for_the_next_push() {
    let (root, watermark) = fresh();
    drop(watermark.hold(&path("a")).expect("held"));
    drop(watermark);

    let next = open(&root);

    let (set, mark) = next.snapshot().expect("read");
    assert!(set.is_everything);
    next.clear(mark).expect("cleared");
    assert_eq!(dirty(&next), Vec::new());
}

#[test]
fn a_process_that_left_properly_leaves_only_what_it_changed() {
    let (root, watermark) = fresh();
    drop(watermark.hold(&path("a")).expect("held"));

    assert!(watermark.leave().expect("left"));

    assert_eq!(dirty(&open(&root)), vec![path("a")]);
}

#[test]
fn nobody_leaves_while_something_is_held() {
    let (_root, watermark) = fresh();
    let hold = watermark.hold(&path("a")).expect("held");

    assert!(!watermark.leave().expect("asked"));
    drop(hold);
    assert!(watermark.leave().expect("left"));
}

#[test]
fn settling_waits_for_the_disk_once_for_what_is_recorded() {
    let (_root, watermark) = fresh();
    let hold = watermark.hold(&path("a")).expect("held");

    watermark.settle().expect("settled");
    let settled = *watermark.settled.lock().expect("a number");
    watermark.settle().expect("nothing to do");

    assert_eq!(settled, watermark.state().recorded);
    drop(hold);
}

#[test]
fn ten_thousand_directories_are_held_without_reading_the_journal_for_each() {
    let (_root, watermark) = fresh();
    let paths: Vec<_> = (0..10_000).map(|index| path(&format!("data/t/m{}/n{index}/1", index / 8))).collect();
    let clock = crate::clock::SystemClock::new();

    let holds: Vec<_> = paths.iter().map(|path| watermark.hold(path).expect("held")).collect();

    println!("10,000 directories held in {:?}", crate::clock::Clock::elapsed(&clock));
    let (set, mark) = watermark.snapshot().expect("read");
    watermark.clear(mark).expect("cleared");
    assert!(paths.iter().all(|path| set.is_named(path)));
    let (after, _) = watermark.snapshot().expect("read");
    assert!(paths.iter().all(|path| after.is_named(path)));
    drop(holds);
}
