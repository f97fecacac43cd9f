//! A disk that is full is named as the reason, costs nothing that was there, and is forgiven once there is space.

use serde_json::Value;
use swamp_uat::{Repository, Scene, on_every_server};

on_every_server!(
    a_version_that_does_not_fit_leaves_the_older_ones,
    a_pull_onto_a_full_disk_keeps_what_was_there,
    a_push_from_a_full_disk_is_completed_by_the_next,
    a_catalog_pull_onto_a_full_disk_keeps_the_rows_it_had,
);

const MEBIBYTE: u64 = 1 << 20;

/// Runs a command that must fail for want of space.
fn full(repository: &Repository, args: &[&str]) -> Value {
    let error = repository.error(75, args);
    assert_eq!(error["hint"], "free some space on this disk", "{error}");
    error
}

fn content(seed: u8) -> Vec<u8> {
    let length = usize::try_from(MEBIBYTE).expect("a mebibyte fits");
    (0..length).map(|position| seed ^ u8::try_from(position % 251).expect("small")).collect()
}

fn a_version_that_does_not_fit_leaves_the_older_ones(scene: &Scene) {
    let disk = scene.small_disk("ana", 16);
    let writer = scene.repository("ana", "infra");
    writer.put("probe", "result", b"one");
    disk.fill_but(MEBIBYTE / 2);

    let put = writer.start_with(&["data", "put", "probe", "result", "-", "--json"], &content(7));
    let refused = writer.expect(put.finish(), 75).error();
    let between = (writer.versions("probe", "result"), writer.get("probe", "result"));
    disk.tidy();
    writer.put("probe", "result", &content(7));

    assert_eq!(refused["hint"], "free some space on this disk", "{refused}");
    assert_eq!(between, (vec![1], b"one".to_vec()));
    assert_eq!(writer.versions("probe", "result"), [2, 1]);
    assert!(writer.get("probe", "result") == content(7), "the content is what was put");
}

fn a_pull_onto_a_full_disk_keeps_what_was_there(scene: &Scene) {
    let writer = scene.repository("ana", "infra");
    writer.put("probe", "old", b"kept");
    writer.push();
    let disk = scene.small_disk("ben", 24);
    let reader = scene.machine("ben").clone_of(&writer);
    reader.pull();
    for seed in 0..4 {
        writer.put("probe", &format!("large-{seed}"), &content(seed));
    }
    writer.push();

    // What does not fit: the second of the contents, then even what is said about them.
    for left in [MEBIBYTE * 3 / 2, 0] {
        disk.fill_but(left);
        full(&reader, &["datastore", "sync", "--pull"]);
        disk.tidy();
        assert_eq!(reader.get("probe", "old"), b"kept", "{left} bytes left");
    }
    reader.pull();

    assert_eq!(reader.listed("probe"), writer.listed("probe"));
    assert!(reader.get("probe", "large-3") == content(3), "the content is what was put");
}

fn a_push_from_a_full_disk_is_completed_by_the_next(scene: &Scene) {
    let disk = scene.small_disk("ana", 16);
    let writer = scene.repository("ana", "infra");
    writer.put("probe", "old", b"kept");
    writer.push();
    writer.put("probe", "new", &content(1));
    disk.fill_but(0);

    full(&writer, &["datastore", "sync", "--push"]);
    let between = scene.machine("eve").clone_of(&writer);
    between.pull();
    let seen = between.get("probe", "old");
    disk.tidy();
    writer.push();

    assert_eq!(seen, b"kept");
    let reader = scene.machine("ben").clone_of(&writer);
    reader.pull();
    assert_eq!(reader.listed("probe"), writer.listed("probe"));
    assert!(reader.get("probe", "new") == content(1), "the content is what was put");
}

fn a_catalog_pull_onto_a_full_disk_keeps_the_rows_it_had(scene: &Scene) {
    let owner = scene.repository("ben", "security");
    owner.put("vault", "alpha", b"theirs");
    owner.push();
    let disk = scene.small_disk("ana", 16);
    let reader = scene.repository("ana", "infra");
    let rows = || reader.ok(&["query", "ns == \"security\"", "--select", "name"]).text();
    reader.ok(&["datastore", "catalog", "pull"]);
    for number in 0..60 {
        owner.put("vault", &format!("beta-{number:02}"), b"theirs too");
    }
    owner.push();
    disk.fill_but(0);

    full(&reader, &["datastore", "catalog", "pull"]);
    disk.tidy();
    let between = rows();
    reader.ok(&["datastore", "catalog", "pull"]);

    assert_eq!(between, "alpha\n");
    assert_eq!(rows().lines().count(), 61);
}
