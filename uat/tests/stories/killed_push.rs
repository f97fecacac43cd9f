//! A push of many files that is killed again and again gets on each time, and ends as if nothing had happened.

use std::collections::BTreeMap;
use std::time::Duration;

use swamp_testbed::counters::Counters;
use swamp_uat::{Backend, Repository, Scene, files_below, scrambled, tree};

const FILES: u64 = 5_000;

const KILLS: u64 = 100;

/// A command that takes longer to get on by a few requests hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// Returns what lies in `data/` by its path in the namespace.
fn data(files: BTreeMap<String, Vec<u8>>, namespace: &str) -> Vec<(String, Vec<u8>)> {
    let within = |(path, bytes): (String, Vec<u8>)| Some((path.strip_prefix(namespace)?.to_owned(), bytes));
    files.into_iter().filter_map(within).filter(|(path, _)| path.starts_with("data/")).collect()
}

/// Lets a push get on by so many requests, and kills it a moment later.
fn kill(scene: &Scene, writer: &Repository, requests: u64, moment: Duration) -> Counters {
    let server = scene.datastore().server();
    server.reset_counters();
    let push = writer.start(&["datastore", "sync", "--push"]);
    assert!(server.wait_until(PATIENCE, |seen| seen.total() >= requests), "the push hangs, or has ended");
    let outcome = push.kill_after(moment);
    assert_eq!(outcome.code, None, "the push had ended: {}", outcome.stderr);
    server.counters()
}

#[test]
fn a_push_of_five_thousand_files_is_killed_a_hundred_times_and_arrives_whole() {
    let scene = &Scene::new(Backend::S3);
    let writer = scene.repository("ana", "infra");
    let files = tree::fill(&writer, "infra", FILES);
    let (versions, artifacts) = (files / 3 * 2, files / 3);
    let (mut created, mut under_lock) = (0, 0);

    for number in 0..KILLS {
        let seed = scrambled(number);
        // Files of versions are created one kill after the other; what comes under the lock begins anew each time.
        let is_created = scene.datastore().objects().len() as u64 >= versions;
        let requests = if is_created { artifacts } else { 3 * versions / KILLS };
        let counters = kill(scene, &writer, 5 + seed % requests, Duration::from_micros(seed / requests % 5_000));
        if is_created {
            under_lock += 1;
        } else {
            created += counters.put;
        }
        if number % 50 == 25 {
            // Nothing is named before it is there: whoever pulls gets all of what he is promised.
            scene.machine(&format!("eve-{number}")).clone_of(&writer).pull();
        }
    }
    writer.push();
    let reader = scene.machine("ben").clone_of(&writer);
    reader.pull();

    let expected = data(files_below(&tree::tree_of(&writer, "infra")), "");
    assert!(data(scene.datastore().objects(), "infra/") == expected, "the datastore has what the writer has");
    assert!(data(files_below(&tree::tree_of(&reader, "infra")), "") == expected, "the reader has what the writer has");
    assert!(created < versions * 5 / 4, "{created} writes for {versions} files: kills make them be sent again");
    assert!(under_lock > KILLS / 10, "only {under_lock} kills came under the lock");
}
