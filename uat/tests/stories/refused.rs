//! The datastore refuses in the middle of an operation: credentials expire, a bucket becomes read-only.

use serde_json::Value;
use swamp_testbed::faults::{Fault, Plan, Rule};
use swamp_uat::{Backend, Datastore, Repository, Scene, on_every_server};

on_every_server!(
    credentials_that_expire_in_a_push_are_told_and_the_next_push_completes_it,
    credentials_that_expire_in_a_pull_are_told_and_the_next_pull_completes_it,
    credentials_that_expire_in_a_catalog_pull_keep_the_rows_it_had,
    a_read_only_bucket_is_read_and_says_what_is_missing_for_writing,
);

/// Runs a command whose credentials expire before its n-th request; it must say so.
fn expired(scene: &Scene, repository: &Repository, args: &[&str], from: u64) -> Value {
    let server = scene.datastore().server();
    server.faults(Rule::new(Fault::ExpiredToken).from(from));
    let error = repository.error(1, args);
    server.clear_faults();
    let renewal = match scene.datastore() {
        Datastore::Gcs(_) => "credentials",
        Datastore::S3(_) | Datastore::Directory(_) => "the session is over: run `aws sso login`",
    };
    assert_eq!(error["code"], "denied", "{error}");
    assert!(error["hint"].as_str().is_some_and(|hint| hint.contains(renewal)), "request {from}: {error}");
    error
}

fn credentials_that_expire_in_a_push_are_told_and_the_next_push_completes_it(scene: &Scene) {
    let writer = scene.repository("ana", "infra");
    writer.put("probe", "alpha", b"0");
    writer.push();
    writer.put("probe", "alpha", b"as it should be");
    let requests = scene.requests_of(|| drop(writer.push()));

    // The last request gives the lock back, and no longer decides about anything.
    for point in 1..requests - 1 {
        writer.put("probe", "alpha", point.to_string().as_bytes());
        expired(scene, &writer, &["datastore", "sync", "--push"], point);
        writer.push();

        let reader = scene.machine(&format!("ben-{point}")).clone_of(&writer);
        reader.pull();
        assert_eq!(reader.get("probe", "alpha"), point.to_string().into_bytes());
        assert_eq!(reader.versions("probe", "alpha"), writer.versions("probe", "alpha"));
    }
}

fn credentials_that_expire_in_a_pull_are_told_and_the_next_pull_completes_it(scene: &Scene) {
    let writer = scene.repository("ana", "infra");
    writer.put("probe", "alpha", b"one");
    writer.put("probe", "beta", b"two");
    writer.push();
    let requests = {
        let probe = scene.machine("probe").clone_of(&writer);
        scene.requests_of(|| drop(probe.pull()))
    };

    for point in 1..=requests {
        let reader = scene.machine(&format!("ben-{point}")).clone_of(&writer);
        expired(scene, &reader, &["datastore", "sync", "--pull"], point);
        reader.pull();

        assert_eq!(reader.listed("probe"), writer.listed("probe"), "request {point}");
        assert_eq!(reader.get("probe", "beta"), b"two", "request {point}");
    }
}

fn credentials_that_expire_in_a_catalog_pull_keep_the_rows_it_had(scene: &Scene) {
    let (reader, owner) = (scene.repository("ana", "infra"), scene.repository("ben", "security"));
    let rows = || reader.ok(&["query", "ns == \"security\"", "--select", "name"]).text();
    owner.put("vault", "alpha", b"theirs");
    owner.push();
    reader.ok(&["datastore", "catalog", "pull"]);
    owner.put("vault", "beta", b"theirs too");
    owner.push();

    expired(scene, &reader, &["datastore", "catalog", "pull", "--namespaces", "security"], 1);
    let between = rows();
    reader.ok(&["datastore", "catalog", "pull"]);

    assert_eq!((between.as_str(), rows().as_str()), ("alpha\n", "alpha\nbeta\n"));
}

fn a_read_only_bucket_is_read_and_says_what_is_missing_for_writing(scene: &Scene) {
    let (writer, owner) = (scene.repository("ana", "infra"), scene.repository("eve", "security"));
    let reader = scene.machine("ben").clone_of(&writer);
    owner.put("vault", "motd", b"theirs");
    owner.push();
    writer.put("probe", "alpha", b"one");
    writer.push();
    writer.put("probe", "alpha", b"two");
    scene.datastore().server().faults(Plan::read_only());
    let before = scene.datastore().objects();

    let refused = writer.error(1, &["datastore", "sync", "--push"]);
    reader.pull();
    reader.ok(&["datastore", "catalog", "pull"]);
    let read = (reader.get("probe", "alpha"), reader.get("security:vault", "motd"));
    let untouched = scene.datastore().objects();
    scene.datastore().server().clear_faults();
    writer.push();
    reader.pull();

    assert_eq!(refused["code"], "denied", "{refused}");
    assert!(refused["hint"].is_string(), "{refused}");
    assert_eq!(read, (b"one".to_vec(), b"theirs".to_vec()));
    assert!(untouched == before, "a bucket that refuses writes is as it was");
    assert_eq!(reader.get("probe", "alpha"), b"two");
}

/// Buckets of Google take no name with a line break. Others must not be shown what they can never fetch.
#[test]
fn a_name_that_the_store_does_not_take_is_in_no_catalog() {
    let scene = Scene::new(Backend::Gcs);
    let (writer, reader) = (scene.repository("ana", "infra"), scene.repository("ben", "security"));
    writer.put("probe", "two\nlines", b"one");
    for _ in 0..2 {
        writer.put("probe", "alpha", b"one");
        writer.push();
    }
    let nothing = scene.requests_of(|| drop(writer.push()));

    reader.ok(&["datastore", "catalog", "pull"]);

    assert_eq!(reader.listed("infra:probe"), [("alpha".to_owned(), 2)]);
    assert_eq!(nothing, 1);
}
