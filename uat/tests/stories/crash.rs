//! Killed at any moment, nothing acknowledged is lost and the next push completes.

use std::time::Duration;

use swamp_testbed::counters::Kind;
use swamp_testbed::faults::{Fault, Rule};
use swamp_uat::{Repository, Scene, on_every_backend, on_every_server};

on_every_server!(
    a_push_killed_in_its_first_upload_is_completed,
    a_push_killed_among_its_uploads_is_completed,
    a_push_killed_under_the_lock_is_completed,
    a_push_whose_last_reply_is_lost_is_completed,
);

on_every_backend!(
    killed_writers_lose_nothing_they_acknowledged,
    killed_pushes_are_completed_by_the_next,
    what_killed_writers_stored_is_listed,
    an_interrupted_writer_stores_nothing,
);

/// Artifacts per push.
const NAMES: [&str; 4] = ["alpha", "beta", "gamma", "delta"];

/// Long enough for a busy machine to reach a request; the story fails after it.
const PATIENCE: Duration = Duration::from_mins(1);

fn put_all(writer: &Repository, round: u64) {
    for name in NAMES {
        writer.put("probe", name, format!("{name} {round}").as_bytes());
    }
}

fn assert_arrived(scene: &Scene, writer: &Repository, machine: &str, round: u64) {
    let reader = scene.machine(machine).clone_of(writer);
    reader.pull();
    let contents: Vec<Vec<u8>> = NAMES.iter().map(|name| reader.get("probe", name)).collect();
    let written: Vec<Vec<u8>> = NAMES.iter().map(|name| format!("{name} {round}").into_bytes()).collect();
    assert_eq!(contents, written);
    assert_eq!(reader.listed("probe"), writer.listed("probe"));
}

/// Kills a push while its n-th upload hangs, and shows that the next push repairs it.
fn killed_in_upload(scene: &Scene, number: u64) {
    let writer = scene.repository("ana", "infra");
    put_all(&writer, 1);
    writer.push();
    put_all(&writer, 2);
    let server = scene.datastore().server();
    server.reset_counters();
    server.faults(Rule::new(Fault::Stall).kind(Kind::Put).from(number));

    let push = writer.start(&["datastore", "sync", "--push"]);
    assert!(server.wait_until(PATIENCE, |seen| seen.put >= number), "the push never reached upload {number}");
    let killed = push.kill();
    server.clear_faults();
    // A reader in between sees the old or the new, never less.
    let between = scene.machine("eve").clone_of(&writer);
    between.pull();
    let seen: Vec<String> = between.listed("probe").into_iter().map(|(name, _)| name).collect();
    writer.push();

    assert_eq!(killed.code, None);
    assert_eq!(seen, ["alpha", "beta", "delta", "gamma"]);
    assert_arrived(scene, &writer, "ben", 2);
}

fn a_push_killed_in_its_first_upload_is_completed(scene: &Scene) {
    killed_in_upload(scene, 1);
}

fn a_push_killed_among_its_uploads_is_completed(scene: &Scene) {
    killed_in_upload(scene, 5);
}

fn a_push_killed_under_the_lock_is_completed(scene: &Scene) {
    // Eight immutable files come first, then the lock, then what it guards.
    killed_in_upload(scene, 11);
}

fn a_push_whose_last_reply_is_lost_is_completed(scene: &Scene) {
    let writer = scene.repository("ana", "infra");
    put_all(&writer, 1);
    let server = scene.datastore().server();
    server.faults(Rule::new(Fault::ApplyThenDrop).kind(Kind::Put).every(3));

    let first = writer.run(&["datastore", "sync", "--push"]);
    server.clear_faults();
    writer.push();

    assert!(matches!(first.code, Some(0 | 1 | 75)), "{first:?}");
    assert_arrived(scene, &writer, "ben", 1);
}

fn killed_writers_lose_nothing_they_acknowledged(scene: &Scene) {
    let writer = scene.repository("ana", "infra");
    let mut acknowledged = Vec::new();
    for round in 0..25_u64 {
        let content = format!("content of round {round}");
        let put = writer.start_with(&["data", "put", "probe", "result", "-"], content.as_bytes());
        let outcome = put.kill_after(Duration::from_millis(round * 2));
        if outcome.code == Some(0) {
            acknowledged.push(content);
        }
    }

    let last = writer.put("probe", "result", b"the end");
    writer.push();
    let reader = scene.machine("ben").clone_of(&writer);
    reader.pull();

    let versions = reader.versions("probe", "result");
    let contents: Vec<String> = versions
        .iter()
        .rev()
        .map(|version| String::from_utf8_lossy(&reader.get_version("probe", "result", *version)).into_owned())
        .collect();
    assert_eq!(last["version"], versions[0]);
    assert_eq!(contents.last().map(String::as_str), Some("the end"));
    // A kill may come after the version is there and before the program says so: more is fine, less is not.
    let kept: Vec<&String> = contents.iter().filter(|content| acknowledged.contains(content)).collect();
    assert_eq!(kept, acknowledged.iter().collect::<Vec<_>>());
}

fn killed_pushes_are_completed_by_the_next(scene: &Scene) {
    let writer = scene.repository("ana", "infra");
    for round in 1..=8_u64 {
        put_all(&writer, round);
        writer.start(&["datastore", "sync", "--push"]).kill_after(Duration::from_millis(round * 12));
    }

    writer.push();

    assert_arrived(scene, &writer, "ben", 8);
}

/// A writer may be killed between storing a version and telling the catalog: whatever is pushed is listed by everybody.
fn what_killed_writers_stored_is_listed(scene: &Scene) {
    let writer = scene.repository("ana", "infra");
    let reader = scene.repository("ben", "security");
    writer.put("probe", "first", b"0");
    let put = |name: &str| writer.start_with(&["data", "put", "probe", name], b"again");
    let took = put("second").finish().wall;
    for round in 0..20 {
        put(&format!("name-{round:02}")).kill_after(took * (10 + round) / 24);
    }

    writer.push();

    let objects = scene.datastore().objects();
    let described = objects.keys().filter(|key| key.contains("/data/") && key.ends_with("/metadata.yaml")).count();
    assert_eq!(writer.listed("probe").len(), described);
    reader.ok(&["datastore", "catalog", "pull"]);
    assert_eq!(reader.listed("infra:probe"), writer.listed("probe"));
}

/// What came of an input before the interrupt is not the content.
fn an_interrupted_writer_stores_nothing(scene: &Scene) {
    let writer = scene.repository("ana", "infra");
    let script = "(echo half; sleep 5) 2>/dev/null | \"$@\" & writer=$!; sleep 1; kill -TERM $writer; wait $writer";
    let piped = writer.through(&["sh", "-c", script, "sh"].map(str::to_owned));

    piped.fails(130, &["data", "put", "probe", "dump"]);

    assert_eq!(writer.error(1, &["data", "get", "probe", "dump"])["code"], "not_found");
}
