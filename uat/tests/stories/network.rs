//! The network goes in the middle of an operation: it ends in time, asks to try again, and nothing that was there is lost.
#![expect(clippy::disallowed_methods, reason = "stories live outside the program: plain files")]

use std::fs;
use std::io::ErrorKind;
use std::time::Duration;

use serde_json::Value;
use swamp_testbed::faults::{Fault, Rule};
use swamp_uat::{Mounted, Repository, Scene, on_every_server};

on_every_server!(
    a_push_whose_network_goes_is_completed_by_the_next,
    a_push_whose_store_falls_silent_is_completed_by_the_next,
    a_pull_whose_network_goes_keeps_what_was_here,
    a_pull_whose_store_falls_silent_keeps_what_was_here,
    a_catalog_pull_whose_network_goes_keeps_the_rows_it_had,
    foreign_content_without_a_network_is_an_error_and_comes_later,
);

/// Artifacts per push, each of three files.
const NAMES: [&str; 3] = ["alpha", "beta", "gamma"];

/// How long a synchronisation may take, in seconds, and how long the story waits for its end.
const TIMEOUT: (&str, Duration) = ("3", Duration::from_secs(30));

fn put_all(writer: &Repository, round: &str) {
    for name in NAMES {
        writer.put("probe", name, format!("{name} {round}").as_bytes());
    }
}

/// Runs a command from whose n-th request on the fault meets everything; it must fail in time and say what to do.
fn cut_off(scene: &Scene, repository: &Repository, args: &[&str], fault: Fault, from: u64) -> Value {
    let server = scene.datastore().server();
    server.faults(Rule::new(fault).from(from));
    let running = repository.start(&[args, &["--json"]].concat());
    let outcome = repository.expect(running.finish_within(TIMEOUT.1), 75);
    server.clear_faults();
    let error = outcome.error();
    assert_eq!(error["code"], "unavailable", "{error}");
    assert!(error["hint"].is_string(), "request {from}: {error}");
    error
}

/// Returns points from the first of so many requests to the last but two, with which a push gives the lock back.
fn points(requests: u64) -> [u64; 3] {
    [1, requests / 2, requests - 2]
}

fn push_through(scene: &Scene, fault: Fault) {
    let writer = scene.repository("ana", "infra");
    put_all(&writer, "0");
    writer.push();
    put_all(&writer, "of a push as it should be");
    let requests = scene.requests_of(|| drop(writer.push()));

    for point in points(requests) {
        put_all(&writer, &point.to_string());
        cut_off(scene, &writer, &["datastore", "sync", "--push", "--timeout", TIMEOUT.0], fault, point);
        // A reader in between sees what is whole.
        let between = scene.machine(&format!("eve-{point}")).clone_of(&writer);
        between.pull();
        assert_eq!(between.listed("probe").len(), NAMES.len(), "request {point}");
        writer.push();

        let reader = scene.machine(&format!("ben-{point}")).clone_of(&writer);
        reader.pull();
        assert_eq!(reader.listed("probe"), writer.listed("probe"), "request {point}");
        for name in NAMES {
            assert_eq!(reader.get("probe", name), format!("{name} {point}").into_bytes(), "request {point}");
        }
    }
}

fn a_push_whose_network_goes_is_completed_by_the_next(scene: &Scene) {
    push_through(scene, Fault::Reset);
}

fn a_push_whose_store_falls_silent_is_completed_by_the_next(scene: &Scene) {
    push_through(scene, Fault::Stall);
}

fn pull_through(scene: &Scene, fault: Fault) {
    let writer = scene.repository("ana", "infra");
    put_all(&writer, "old");
    writer.push();
    let requests = {
        let probe = scene.machine("probe").clone_of(&writer);
        scene.requests_of(|| drop(probe.pull()))
    };

    for point in points(requests) {
        let reader = scene.machine(&format!("ben-{point}")).clone_of(&writer);
        reader.pull();
        let own = format!("own-{point}");
        reader.put("mine", &own, b"not pushed yet");
        let versions = reader.listed("probe");
        let contents = || -> Vec<Vec<u8>> {
            versions.iter().map(|(name, version)| reader.get_version("probe", name, *version)).collect()
        };
        let before = contents();
        put_all(&writer, &point.to_string());
        writer.push();

        cut_off(scene, &reader, &["datastore", "sync", "--pull", "--timeout", TIMEOUT.0], fault, point);
        let between = contents();
        let kept = reader.get("mine", &own);
        reader.ok(&["datastore", "sync"]);
        writer.pull();

        assert_eq!(between, before, "request {point}");
        assert_eq!(kept, b"not pushed yet", "request {point}");
        assert_eq!(reader.listed("probe"), writer.listed("probe"), "request {point}");
        assert_eq!(reader.get("probe", "beta"), format!("beta {point}").into_bytes());
        assert_eq!(writer.get("mine", &own), b"not pushed yet", "request {point}");
    }
}

fn a_pull_whose_network_goes_keeps_what_was_here(scene: &Scene) {
    pull_through(scene, Fault::Reset);
}

fn a_pull_whose_store_falls_silent_keeps_what_was_here(scene: &Scene) {
    pull_through(scene, Fault::Stall);
}

fn queried(reader: &Repository) -> String {
    reader.ok(&["query", "ns == \"security\"", "--select", "name"]).text()
}

fn a_catalog_pull_whose_network_goes_keeps_the_rows_it_had(scene: &Scene) {
    let (reader, owner) = (scene.repository("ana", "infra"), scene.repository("ben", "security"));
    owner.put("vault", "alpha", b"theirs");
    owner.push();
    reader.ok(&["datastore", "catalog", "pull"]);
    owner.put("vault", "beta", b"theirs too");
    owner.push();
    let requests = {
        let probe = scene.machine("probe").clone_of(&reader);
        scene.requests_of(|| drop(probe.ok(&["datastore", "catalog", "pull"])))
    };

    for point in 1..=requests {
        for fault in [Fault::Reset, Fault::TruncatedBody] {
            cut_off(scene, &reader, &["datastore", "catalog", "pull"], fault, point);
            assert_eq!(queried(&reader), "alpha\n", "request {point}, {fault:?}");
        }
    }
    reader.ok(&["datastore", "catalog", "pull"]);

    assert_eq!(queried(&reader), "alpha\nbeta\n");
}

fn foreign_content_without_a_network_is_an_error_and_comes_later(scene: &Scene) {
    let (reader, owner) = (scene.repository("ana", "infra"), scene.repository("ben", "security"));
    owner.put_with("vault", "motd", b"theirs", &["--content-type", "text/plain"]);
    owner.push();
    reader.ok(&["datastore", "catalog", "pull"]);
    let get = ["data", "get", "security:vault", "motd"];
    let requests = scene.requests_of(|| drop(reader.ok(&get)));
    for point in 1..=requests {
        cut_off(scene, &reader, &get, Fault::Reset, point);
        cut_off(scene, &reader, &get, Fault::TruncatedBody, point);
    }
    let mount = Mounted::new(&reader, &["--no-push"]);
    let (theirs, ours) = ("security/models/vault/motd.txt", "infra/files/ours");

    scene.datastore().server().faults(Rule::new(Fault::Reset));
    let refused = fs::read(mount.path(theirs)).expect_err("there is no network");
    let evaluated = reader.error(75, &["eval", "data.latest(\"security:vault\", \"motd\").content"]);
    fs::create_dir_all(mount.path("infra/files")).expect("the own namespace is writable");
    fs::write(mount.path(ours), b"written offline").expect("the own namespace is writable");
    let told = mount.report("errors");
    scene.datastore().server().clear_faults();
    mount.wait_until("the content comes back", || fs::read(mount.path(theirs)).is_ok_and(|bytes| bytes == b"theirs"));

    assert_eq!(refused.kind(), ErrorKind::HostUnreachable, "{refused}");
    assert_eq!(evaluated["code"], "unavailable");
    assert!(evaluated["error"].to_string().contains("cannot be reached"), "{evaluated}");
    assert!(told.contains("motd"), "{told}");
    assert_eq!(mount.read(ours), b"written offline");
}
