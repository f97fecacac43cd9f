//! A holder of the lock that is paused past its time does not commit when it wakes up (formats.md 7).
#![expect(clippy::disallowed_methods, reason = "stories live outside the program: real time")]

use std::process::Command;
use std::thread;
use std::time::Duration;

use swamp_testbed::counters::Kind;
use swamp_testbed::faults::{Fault, Rule};
use swamp_uat::{Running, Scene, on_every_server};

on_every_server!(a_holder_that_was_paused_past_its_time_does_not_commit);

/// More than the time to live of a lock.
const PAUSE: Duration = Duration::from_secs(32);

/// Long enough for a busy machine to reach a request.
const PATIENCE: Duration = Duration::from_mins(1);

fn signal(running: &Running, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &running.pid().to_string()]).status();
    assert!(status.expect("kill runs").success(), "our own child can be signalled");
}

fn a_holder_that_was_paused_past_its_time_does_not_commit(scene: &Scene) {
    let ana = scene.repository("ana", "infra");
    ana.put("probe", "result", b"first");
    ana.push();
    let ben = scene.machine("ben").clone_of(&ana);
    ben.pull();
    ana.put("probe", "hers", b"of the paused one");
    ben.put("probe", "his", b"of the other");
    let server = scene.datastore().server();
    server.reset_counters();
    // The answer to its lock is the last that it gets.
    server.faults(Rule::new(Fault::Hold).kind(Kind::Put).key(".locks/"));

    let paused = ana.start(&["datastore", "sync", "--push", "--json"]);
    // Two files of the version, then the lock.
    assert!(server.wait_until(PATIENCE, |seen| seen.put >= 3), "the push never asked for the lock");
    signal(&paused, "STOP");
    server.clear_faults();
    thread::sleep(PAUSE);
    ben.push();
    let committed = scene.datastore().objects();
    let index = |objects: &std::collections::BTreeMap<String, Vec<u8>>| -> Vec<(String, Vec<u8>)> {
        objects
            .iter()
            .filter(|(key, _)| key.contains("_index"))
            .map(|(key, bytes)| (key.clone(), bytes.clone()))
            .collect()
    };
    signal(&paused, "CONT");
    let outcome = paused.finish();
    let after = scene.datastore().objects();

    let error = ana.expect(outcome, 75).error();
    assert!(error["error"].as_str().is_some_and(|text| text.contains("lock")), "{error}");
    assert!(error["hint"].is_string(), "{error}");
    assert_eq!(index(&after), index(&committed));
    ana.push();
    ben.pull();
    for repository in [&ana, &ben] {
        let names: Vec<String> = repository.listed("probe").into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["hers", "his", "result"]);
    }
}
