//! Renames, renumbering, garbage.

use std::io::Write as _;
use std::sync::Mutex;
use std::time::Duration;

use crate::data::layout::Part;
use crate::data::period::GarbageCollection;
use crate::data::testing::{Bed, artifact, draft, number};
use crate::error::{Failure as _, Kind};

use super::super::*;

const DIRECTORY: &str = "data/aws/ec2/0bc79a8f-d9d2-4ec5-a37f-8d88bbb3ee27";
const DAY: Duration = Duration::from_hours(24);

#[test]
fn a_rename_copies_the_latest_content_and_leaves_a_tombstone() {
    let bed = Bed::new();
    bed.save(&artifact("old"), b"1");
    let before = bed.save(&artifact("old"), b"2").metadata;

    let renamed = bed.store.rename(&artifact("old"), &artifact("new")).expect("renamed");

    assert_eq!((renamed.copied_version, renamed.new_version), (number(2), number(1)));
    assert_eq!((renamed.source.added, renamed.target.added), (vec![number(3)], vec![number(1)]));
    let tombstone = bed.store.latest(&artifact("old")).expect("read").expect("there");
    assert_eq!((&tombstone.id, tombstone.size, tombstone.checksum.as_ref()), (&before.id, None, None));
    assert_eq!(tombstone.successor().map(ToString::to_string).as_deref(), Some("new"));
    assert_eq!(
        bed.read(&format!("{DIRECTORY}/old/3/raw")),
        r#"{"renamedTo":"new","renamedAt":"2026-08-22T10:15:30.123Z"}"#
    );
    let copy = bed.store.latest(&artifact("new")).expect("read").expect("there");
    assert_ne!(copy.id, before.id);
    assert_eq!((copy.checksum, bed.read(&format!("{DIRECTORY}/new/1/raw"))), (before.checksum, "2".to_owned()));
}

#[test]
fn lookups_of_the_latest_follow_renames_and_those_of_a_version_do_not() {
    let bed = Bed::new();
    bed.save(&artifact("old"), b"1");
    bed.store.rename(&artifact("old"), &artifact("new")).expect("renamed");

    let resolved = bed.store.resolve(&artifact("old")).expect("read").expect("there");
    let first = bed.store.metadata(&artifact("old"), number(1)).expect("read").expect("readable");

    assert_eq!((resolved.artifact, resolved.metadata.version), (artifact("new"), number(1)));
    assert_eq!(first.name.as_str(), "old");
}

#[test]
fn five_renames_are_followed_and_no_more() {
    let bed = Bed::new();
    let name = |index: usize| artifact(&format!("name-{index}"));
    bed.save(&name(0), b"1");
    for index in 0..RENAME_HOPS_MAX {
        bed.store.rename(&name(index), &name(index + 1)).expect("renamed");
    }
    assert_eq!(bed.store.resolve(&name(0)).expect("read").expect("there").artifact, name(5));

    bed.store.rename(&name(5), &name(6)).expect("renamed");

    assert_eq!(bed.store.resolve(&name(0)).expect("read"), None);
    assert_eq!(bed.store.resolve(&name(1)).expect("read").expect("there").artifact, name(6));
}

#[test]
fn renames_in_a_circle_end() {
    let bed = Bed::new();
    bed.save(&artifact("a"), b"1");
    bed.store.rename(&artifact("a"), &artifact("b")).expect("renamed");
    bed.store.rename(&artifact("b"), &artifact("c")).expect("renamed");
    bed.store.delete_all(&artifact("c")).expect("deleted");

    assert_eq!(bed.store.resolve(&artifact("a")).expect("read"), None);
    assert_eq!(bed.store.rename(&artifact("a"), &artifact("a")).expect_err("itself").kind(), Kind::Invalid);
    assert_eq!(bed.store.rename(&artifact("a"), &artifact("d")).expect_err("nowhere").kind(), Kind::NotFound);
}

#[test]
fn writing_to_a_renamed_name_revives_it() {
    let bed = Bed::new();
    bed.save(&artifact("old"), b"1");
    bed.store.rename(&artifact("old"), &artifact("new")).expect("renamed");

    bed.save(&artifact("old"), b"3");

    assert_eq!(bed.store.resolve(&artifact("old")).expect("read").expect("there").artifact, artifact("old"));
}

#[test]
fn a_version_whose_number_was_claimed_elsewhere_moves_up() {
    let bed = Bed::new();
    bed.save(&artifact("state"), b"1");
    let mine = bed.save(&artifact("state"), b"mine").metadata;
    assert_eq!(bed.store.next_version(&artifact("state")).expect("listed"), number(3));

    let changes = bed.store.renumber(&artifact("state"), number(2), number(4)).expect("renumbered");

    assert_eq!((changes.added, changes.removed), (vec![number(4)], vec![number(2)]));
    let moved = bed.store.latest(&artifact("state")).expect("read").expect("there");
    assert_eq!((&moved.id, moved.version, &moved.checksum), (&mine.id, number(4), &mine.checksum));
    assert!(bed.read(&format!("{DIRECTORY}/state/4/metadata.yaml")).contains("version: 4\n"));
    assert_eq!(bed.read(&format!("{DIRECTORY}/state/4/raw")), "mine");
    assert_eq!(bed.read(&format!("{DIRECTORY}/state/latest")), "4");
    assert!(!bed.root().join(DIRECTORY).join("state/2").exists());
}

#[test]
fn renumbering_replaces_nothing() {
    let bed = Bed::new();
    for bytes in [b"1", b"2"] {
        bed.save(&artifact("state"), bytes);
    }
    let renumber = |source, target| {
        bed.store.renumber(&artifact("state"), number(source), number(target)).expect_err("refused").kind()
    };

    assert_eq!(renumber(1, 2), Kind::Conflict);
    assert_eq!(renumber(2, 2), Kind::Invalid);
    assert_eq!(renumber(2, 1), Kind::Invalid);
    assert_eq!(renumber(3, 4), Kind::NotFound);
    assert_eq!(bed.read(&format!("{DIRECTORY}/state/2/raw")), "2");
    assert_eq!(bed.staged(), 0);
}

#[test]
fn garbage_is_counted_first_and_then_collected() {
    let bed = Bed::new();
    let mut keep_two = draft();
    keep_two.garbage_collection = GarbageCollection::Newest(2);
    let mut keep_days = draft();
    keep_days.garbage_collection = "3d".parse().expect("a period");
    for _ in 0..5 {
        bed.store.save(&artifact("counted"), &keep_two, Content::Bytes(b"12")).expect("saved");
        bed.store.save(&artifact("timed"), &keep_days, Content::Bytes(b"123")).expect("saved");
        bed.clock.advance(DAY);
    }
    bed.plant(&format!("{DIRECTORY}/counted/9/metadata.yaml"), "bad");

    let counted = bed.store.collect_garbage(GcMode::DryRun, &|_, _| None);
    let collected = bed.store.collect_garbage(GcMode::Collect, &|_, _| None);
    let again = bed.store.collect_garbage(GcMode::Collect, &|_, _| None);

    assert_eq!((counted.garbage_versions(), counted.bytes(), counted.changes().count()), (5, 12, 0));
    let versions: Vec<_> = collected.garbage.iter().map(|garbage| garbage.versions.clone()).collect();
    assert_eq!(versions, [vec![number(1), number(2), number(3)], vec![number(1), number(2)]]);
    assert_eq!(collected.changes().map(|changes| changes.removed.len()).sum::<usize>(), 5);
    assert_eq!((again.garbage_versions(), again.failures.len()), (0, 0));
    assert!(bed.root().join(DIRECTORY).join("counted/9").exists());
}

#[test]
fn names_end_with_their_lifetime_but_tombstones_stay() {
    let bed = Bed::new();
    let mut short = draft();
    short.lifetime = "2d".parse().expect("a lifetime");
    for name in ["short", "renamed"] {
        bed.store.save(&artifact(name), &short, Content::Bytes(b"1")).expect("saved");
    }
    bed.store.rename(&artifact("renamed"), &artifact("copy")).expect("renamed");
    bed.clock.advance(2 * DAY);
    assert_eq!(bed.store.collect_garbage(GcMode::Collect, &|_, _| None).expired, []);

    bed.clock.advance(Duration::from_millis(1));
    let collected = bed.store.collect_garbage(GcMode::Collect, &|_, _| None);

    let expired: Vec<_> = collected.expired.iter().map(|e| (e.artifact.name().as_str(), e.reason.as_str())).collect();
    assert_eq!(expired, [("copy", "duration-expired"), ("short", "duration-expired")]);
    assert!(bed.store.latest(&artifact("renamed")).expect("read").expect("there").is_deleted());
}

#[test]
fn data_of_a_run_ends_with_the_record_of_the_run() {
    let bed = Bed::new();
    let (workflow, run) = ("7f0f0a52-3d35-4f83-8a44-1c6a7be2a001", "2f6a9c11-0b7d-4d2e-8b1f-5f2f0a9c7e02");
    let mut of_run = draft();
    of_run.lifetime = "workflow".parse().expect("a lifetime");
    bed.store.save(&artifact("without run"), &of_run, Content::Bytes(b"1")).expect("saved");
    of_run.owner.workflow_id = Some(workflow.to_owned());
    of_run.owner.workflow_run_id = Some(run.to_owned());
    bed.store.save(&artifact("of run"), &of_run, Content::Bytes(b"1")).expect("saved");
    let record = format!("workflow-runs/{workflow}/workflow-run-{run}.yaml");
    bed.plant(&record, "id: x\n");
    let exists = |_: &str, _: &str| bed.root().join(&record).try_exists().ok();

    assert_eq!(bed.store.collect_garbage(GcMode::Collect, &|_, _| None).expired, []);
    assert_eq!(bed.store.collect_garbage(GcMode::Collect, &exists).expired, []);
    fs::remove_file(bed.root().join(&record)).expect("removed");
    let collected = bed.store.collect_garbage(GcMode::Collect, &exists);

    let expired: Vec<_> = collected.expired.iter().map(|e| (e.artifact.name().as_str(), e.reason.as_str())).collect();
    assert_eq!(expired, [("of run", "workflow-deleted")]);
}

#[test]
fn what_is_stored_while_its_name_is_judged_is_not_garbage() {
    let bed = Bed::new();
    let mut of_run = draft();
    of_run.lifetime = "workflow".parse().expect("a lifetime");
    of_run.owner.workflow_id = Some("7f0f0a52-3d35-4f83-8a44-1c6a7be2a001".to_owned());
    of_run.owner.workflow_run_id = Some("2f6a9c11-0b7d-4d2e-8b1f-5f2f0a9c7e02".to_owned());
    bed.store.save(&artifact("state"), &of_run, Content::Bytes(b"1")).expect("saved");
    let meanwhile = |_: &str, _: &str| {
        bed.store.save(&artifact("state"), &of_run, Content::Bytes(b"2")).expect("saved");
        Some(false)
    };

    let collected = bed.store.collect_garbage(GcMode::Collect, &meanwhile);

    assert_eq!(collected.expired.len(), 1);
    let latest = bed.store.latest(&artifact("state")).expect("read").expect("there");
    assert_eq!(latest.version, number(2));
}

#[test]
fn metadata_follow_a_content_that_was_edited_in_place() {
    let bed = Bed::new();
    let artifact = artifact("state");
    bed.save(&artifact, b"before");
    let raw = artifact.path(Part::Raw(number(1)));
    assert_eq!(bed.store.restate(&artifact, number(1)).expect("looked at"), Restated::Unchanged);
    bed.clock.advance(Duration::from_secs(5));

    bed.plant(raw.as_str(), "after!");
    let restated = bed.store.restate(&artifact, number(1)).expect("restated");

    let metadata = bed.store.latest(&artifact).expect("read").expect("there");
    assert_eq!(restated, Restated::Changed);
    assert_eq!((metadata.size, metadata.created_at), (Some(6), "2026-08-22T10:15:35.123Z".parse().expect("a time")));
    assert_eq!(metadata.checksum, Some(crate::fsutil::digest_bytes(b"after!").sha256));
    assert_eq!(bed.store.restate(&artifact, number(1)).expect("looked at"), Restated::Unchanged);
    assert_eq!(bed.store.restate(&artifact, number(7)).expect("looked at"), Restated::Unchanged);
    assert_eq!(bed.store.restate(&self::artifact("none"), number(1)).expect("looked at"), Restated::Unchanged);
}

/// Writes to metadata at the moment they are about to be replaced.
#[derive(Debug)]
struct Editor {
    path: PathBuf,
    /// What it writes, the last first.
    texts: Mutex<Vec<String>>,
}

impl MarkDirty for Editor {
    fn mark_dirty(&self, _directory: &RelPath) -> Result<(), MarkError> {
        let text = self.texts.lock().expect("not poisoned").pop();
        if let Some(text) = text {
            fs::File::create(&self.path).and_then(|mut file| file.write_all(text.as_bytes())).expect("written");
        }
        Ok(())
    }
}

/// Edits the content of a version, then its metadata while they follow; returns what became of that and what they are.
fn restated_beside_an_editor(texts: impl FnOnce(&str) -> Vec<String>) -> (Restated, String) {
    let bed = Bed::new();
    let artifact = artifact("state");
    bed.save(&artifact, b"before");
    bed.plant(artifact.path(Part::Raw(number(1))).as_str(), "after!");
    let path = artifact.path(Part::Metadata(number(1)));
    let texts = Mutex::new(texts(&bed.read(path.as_str())));
    let editor = Editor { path: path.under(&bed.root()), texts };
    let store = Store::new(&bed.root(), bed.directory.path(), Arc::new(editor), Arc::clone(&bed.clock) as _);

    let restated = store.restate(&artifact, number(1)).expect("restated");

    (restated, bed.read(path.as_str()))
}

#[test]
fn what_somebody_writes_to_metadata_while_they_follow_is_kept() {
    let (restated, text) = restated_beside_an_editor(|text| vec![format!("{text}# by hand\nmine: \"1\"\n")]);

    let metadata = crate::data::metadata::Metadata::parse(text.as_bytes()).expect("metadata");
    assert_eq!((restated, metadata.size), (Restated::Changed, Some(6)));
    assert_eq!(metadata.checksum, Some(crate::fsutil::digest_bytes(b"after!").sha256));
    assert!(text.contains("# by hand\nmine: \"1\"\n"), "{text}");
}

#[test]
fn metadata_that_somebody_is_writing_are_left_alone() {
    let half = "id: \"0";

    let (restated, text) = restated_beside_an_editor(|_| vec![half.to_owned()]);
    let (kept_busy, _) = restated_beside_an_editor(|text| (0..9).map(|line| format!("{text}# {line}\n")).collect());

    assert_eq!((restated, text.as_str(), kept_busy), (Restated::Busy, half, Restated::Busy));
}
