//! `bench sync`: what it costs to push and pull a namespace of many small files.

use std::time::Duration;

use swamp_testbed::counters::Counters;
use swamp_testbed::proxy::Proxy;
use swamp_uat::{Backend, Repository, Scene, tree};

use crate::catalog;
use crate::report::{Host, Report, Run};
use crate::usage::{Usage, measured};

/// Starts of `swamp --version`, the least any command costs.
const STARTS: usize = 20;

/// The hard deadline of one direction, in seconds; far above what is measured.
const TIMEOUT_SECONDS: &str = "900";

/// The files of a large namespace: as many entries has its index.
const FILES_LARGE: u64 = 250_000;

/// The rows of a large catalog.
const ROWS_LARGE: u64 = 1_000_000;

/// Measures every operation at every round-trip time.
pub(crate) fn run(files: u64, rtts_ms: &[u64]) -> Report {
    let runs = rtts_ms.iter().flat_map(|rtt_ms| at_rtt(files, *rtt_ms)).collect();
    Report { host: Host::this(), binary: swamp_uat::swamp().display().to_string(), start: start(), runs }
}

/// Measures every operation on a large namespace, and the pull of a large catalog from a directory, where nothing counts
/// requests.
pub(crate) fn scale() -> Report {
    let mut report = run(FILES_LARGE, &[0]);
    let catalog = catalog::fill(ROWS_LARGE);
    report.runs.push(Run {
        rtt_ms: 0,
        operation: "catalog pull",
        files: ROWS_LARGE,
        usage: catalog.pull,
        requests: Counters::default(),
    });
    report
}

/// Returns the median of what starting the program costs.
fn start() -> Usage {
    let scene = Scene::new(Backend::Directory);
    let place = scene.machine("start").plain_directory("nowhere");
    let mut usages: Vec<Usage> = (0..STARTS).map(|_| measured(&place, &["--version"]).1).collect();
    usages.sort_by(|one, other| one.wall_ms.total_cmp(&other.wall_ms));
    usages[STARTS / 2]
}

fn at_rtt(files: u64, rtt_ms: u64) -> Vec<Run> {
    let scene = Scene::new(Backend::S3);
    let server = scene.datastore().server();
    let proxy = (rtt_ms > 0).then(|| {
        Proxy::start(scene.datastore().address(), Duration::from_millis(rtt_ms))
            .expect("a free port of the loopback interface")
    });
    // Set-up goes straight to the server; the delay is between the repository and what is measured.
    let writer = scene.repository("writer", "bench");
    if let Some(proxy) = &proxy {
        let marker = writer.marker().replace(&scene.datastore().endpoint(), &proxy.endpoint());
        writer.write_marker(&marker);
    }
    let there = tree::fill(&writer, "bench", files);
    let reader = scene.machine("reader").clone_of(&writer);
    let measure = |operation: &'static str, repository: &Repository, mode: &str| {
        server.reset_counters();
        let (outcome, usage) =
            measured(repository, &["datastore", "sync", mode, "--timeout", TIMEOUT_SECONDS, "--json"]);
        let report = outcome.json();
        let moved = report["filesPushed"].as_u64().or(report["filesPulled"].as_u64()).expect("a report counts files");
        Run { rtt_ms, operation, files: moved, usage, requests: server.counters() }
    };

    let push = measure("push all", &writer, "--push");
    assert!(push.files >= there, "only {} of {there} files were pushed", push.files);
    let pull = measure("pull all", &reader, "--pull");
    assert!(pull.files >= there, "only {} of {there} files were pulled", pull.files);
    let push_nothing = measure("push nothing", &writer, "--push");
    let pull_nothing = measure("pull nothing", &reader, "--pull");
    writer.put(&tree::model_name(0), "sample", b"one change");
    let push_one = measure("push one change", &writer, "--push");
    let pull_one = measure("pull one change", &reader, "--pull");
    vec![push, pull, push_nothing, pull_nothing, push_one, pull_one]
}
