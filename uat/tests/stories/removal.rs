//! What is deleted or renamed here is deleted or renamed everywhere.

use swamp_uat::{Repository, Scene, files_containing, on_every_backend};

on_every_backend!(
    a_deleted_artifact_disappears_elsewhere,
    a_deleted_version_disappears_elsewhere,
    a_renamed_artifact_is_renamed_elsewhere,
    unpushed_work_survives_a_pull_of_deletions,
);

fn two(scene: &Scene) -> (Repository, Repository) {
    let writer = scene.repository("ana", "infra");
    writer.put("probe", "kept", b"content that stays");
    writer.put("probe", "gone", b"content that goes");
    writer.put("probe", "gone", b"content that goes as well");
    writer.push();
    let reader = scene.machine("ben").clone_of(&writer);
    reader.pull();
    (writer, reader)
}

fn a_deleted_artifact_disappears_elsewhere(scene: &Scene) {
    let (writer, reader) = two(scene);
    let deleted = writer.json(&["data", "delete", "probe", "gone", "-y"]);
    writer.push();

    reader.pull();

    assert_eq!(deleted["versionsDeleted"], 2);
    assert_eq!(reader.listed("probe"), [("kept".to_owned(), 1)]);
    assert_eq!(reader.error(1, &["data", "get", "probe", "gone"])["code"], "not_found");
    assert_eq!(files_containing(reader.machine().root(), b"content that goes"), [""; 0]);
    let left: Vec<String> = scene.datastore().objects().into_keys().filter(|key| key.contains("/gone/")).collect();
    assert_eq!(left, [""; 0]);
    // The reader's next push does not bring it back.
    reader.put("probe", "kept", b"content that stays, changed");
    reader.push();
    writer.pull();
    assert_eq!(writer.listed("probe"), [("kept".to_owned(), 2)]);
}

fn a_deleted_version_disappears_elsewhere(scene: &Scene) {
    let (writer, reader) = two(scene);
    writer.ok(&["data", "delete", "probe", "gone", "--version", "2", "-y"]);
    writer.push();

    reader.pull();

    assert_eq!(reader.versions("probe", "gone"), [1]);
    assert_eq!(reader.get("probe", "gone"), b"content that goes");
}

fn a_renamed_artifact_is_renamed_elsewhere(scene: &Scene) {
    let (writer, reader) = two(scene);
    writer.ok(&["data", "rename", "probe", "gone", "found"]);
    writer.push();

    reader.pull();

    assert_eq!(reader.listed("probe"), [("found".to_owned(), 1), ("kept".to_owned(), 1)]);
    assert_eq!(reader.get("probe", "found"), b"content that goes as well");
    // The old name leads to the new one.
    assert_eq!(reader.get("probe", "gone"), b"content that goes as well");
}

fn unpushed_work_survives_a_pull_of_deletions(scene: &Scene) {
    let (writer, reader) = two(scene);
    writer.ok(&["data", "delete", "probe", "gone", "-y"]);
    writer.push();
    reader.put("probe", "mine", b"not pushed yet");

    reader.pull();
    reader.push();
    writer.pull();

    assert_eq!(writer.listed("probe"), [("kept".to_owned(), 1), ("mine".to_owned(), 1)]);
}
