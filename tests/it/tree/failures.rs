//! What the failures of a datastore mean to whoever reads a file.

use swamp_testbed::counters::Kind as Asks;
use swamp_testbed::faults::{Fault, Rule};

use super::*;

const TEXT: &str = "0123456789";
const FILE: &str = "security/models/web/state.json";

fn with_file(setting: &Setting) -> Mounted {
    let mounted = Mounted::with(setting);
    mounted.pull(&[record("security", "state", 1, TEXT)]);
    mounted.server.put(&key("security", "state", "1/raw"), TEXT);
    mounted
}

fn patient() -> Mounted {
    with_file(&Setting { request_timeout: PATIENCE, deadline: PATIENCE })
}

/// Returns what a reader is told when every read meets a fault, and the error number in the record.
fn told(fault: Fault) -> (TreeError, &'static str) {
    let mounted = patient();
    mounted.server.faults(Rule::new(fault).kind(Asks::Get));

    let error = mounted.read(FILE).expect_err("a fault");

    let failures = mounted.failures.last().1;
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].path, key("security", "state", "1/raw"));
    assert!(!failures[0].reason.is_empty());
    (error, failures[0].errno.map_or("", swamp_mount::errno_name))
}

#[test]
fn every_fault_has_its_error_number() {
    assert_eq!(told(Fault::Denied), (TreeError::Denied, "EACCES"));
    assert_eq!(told(Fault::ExpiredToken), (TreeError::Denied, "EACCES"));
    assert_eq!(told(Fault::SlowDown), (TreeError::Input, "EIO"));
    assert_eq!(told(Fault::InternalError), (TreeError::Input, "EIO"));
    assert_eq!(told(Fault::Precondition), (TreeError::Stale, "ESTALE"));
    assert_eq!(told(Fault::Reset), (TreeError::Unreachable, "EHOSTUNREACH"));
    assert_eq!(told(Fault::TruncatedBody), (TreeError::Input, "EIO"));
}

#[test]
fn a_file_that_is_gone_is_stale_and_asks_for_the_catalog() {
    let mounted = Mounted::new();
    mounted.pull(&[record("security", "state", 1, TEXT)]);

    assert_eq!(mounted.read(FILE), Err(TreeError::Stale));

    assert_eq!(*mounted.refresh.0.lock().expect("whole"), [Some(slug("security"))]);
}

#[test]
fn a_store_that_does_not_answer_is_given_up_at_the_deadline() {
    let mounted = with_file(&Setting { request_timeout: PATIENCE, deadline: Duration::from_millis(200) });
    mounted.server.faults(Rule::new(Fault::Stall));

    assert_eq!(mounted.read(FILE), Err(TreeError::TimedOut));
}

#[test]
fn requests_that_time_out_are_a_timeout() {
    let mounted = with_file(&Setting { request_timeout: Duration::from_millis(100), deadline: PATIENCE });
    mounted.server.faults(Rule::new(Fault::Stall));

    assert_eq!(mounted.read(FILE), Err(TreeError::TimedOut));
    mounted.server.faults(Rule::new(Fault::StalledBody));
    assert_eq!(mounted.read(FILE), Err(TreeError::TimedOut));
}

#[test]
fn a_store_that_does_not_answer_is_not_asked_by_everybody() {
    let mounted = with_file(&Setting { request_timeout: PATIENCE, deadline: Duration::from_millis(100) });
    mounted.server.faults(Rule::new(Fault::Stall));

    for _ in 0..20 {
        assert_eq!(mounted.read(FILE), Err(TreeError::TimedOut));
    }

    assert_eq!(mounted.server.counters().get, 3);
    assert_eq!(mounted.failures.last().0, 20);
}

#[test]
fn a_store_that_is_not_there_is_unreachable() {
    let Mounted { server, tree, catalog, directory, failures, refresh, _runtime } = patient();
    let (web, _) =
        ["security", "models", "web"].iter().fold(tree.lookup(NodeId::ROOT, "security").expect("there"), |at, name| {
            if *name == "security" { at } else { tree.lookup(at.0, name).expect("there") }
        });
    let (state, _) = tree.lookup(web, "state.json").expect("there");
    drop(server);

    assert_eq!(tree.fetch(state, &Part::Whole), Err(TreeError::Unreachable));
    drop((catalog, directory, failures, refresh));
}

#[test]
fn bytes_of_another_length_are_never_shown() {
    let mounted = patient();
    mounted.server.put(&key("security", "state", "1/raw"), "012345678");

    assert_eq!(mounted.read(FILE), Err(TreeError::Input));
    let part = Part::Range { bytes: 0..4, version: None };
    assert_eq!(mounted.tree.fetch(mounted.node(FILE), &part), Err(TreeError::Input));
    let reason = "it has 9 bytes in the datastore, the catalog says 10";
    assert_eq!(mounted.failures.last().1[0].reason, reason);
}

/// A file that could be read, until the index was read, which says another digest.
fn with_another_digest() -> Mounted {
    let mounted = patient();
    mounted.server.put(&key("security", "state", "1/metadata.yaml"), "name: state\n");
    let path = "data/aws/ec2/0bc79a8f/state/1/raw";
    let entry = serde_json::json!({"key": path, "size": 10, "lastModified": "x", "sha256": "0".repeat(64)});
    let shard = serde_json::json!({"version": 1, "entries": {path: entry}}).to_string();
    mounted.server.put("security/_index/data--aws--ec2--0bc79a8f.json", &shard);

    assert_eq!(mounted.read(FILE).expect("no digest is known").bytes, TEXT);
    mounted.read(&key("security", "state", "1/metadata.yaml")).expect("read");

    let patience = std::time::Instant::now() + PATIENCE;
    while mounted.read(FILE).is_ok() && std::time::Instant::now() < patience {
        std::thread::yield_now();
    }
    mounted
}

#[test]
fn bytes_of_another_digest_are_never_shown() {
    let mounted = with_another_digest();

    assert_eq!(mounted.read(FILE), Err(TreeError::Input));
}

#[test]
fn a_digest_is_forgotten_with_the_content_it_was_of() {
    let mounted = with_another_digest();
    let created_at = Timestamp::from_milliseconds(1_788_000_000_000);

    mounted.pull(&[Record { created_at, ..record("security", "state", 1, TEXT) }]);

    assert_eq!(mounted.read(FILE).expect("of this one no digest is known").bytes, TEXT);
}

#[test]
fn a_file_is_read_again_when_the_store_is_back() {
    let mounted = patient();
    mounted.server.faults(Rule::new(Fault::Reset).first(1));

    assert_eq!(mounted.read(FILE).expect("read").bytes, TEXT);
    assert_eq!(mounted.failures.last().0, 0);
}
