//! Storms: many machines, one faulty store, everything that can go wrong going wrong, and all of it from one seed.
//!
//! The engines are real and so are their disks. Only the store, the network to it and time are simulated: a machine
//! dies by being dropped at whatever it waits for, and lives again by opening its disk. What was acknowledged is
//! written down as it happens; when the storm is over everybody pulls and pushes, and then it must all be there.
//!
//! A failing seed is printed with the shortest storm that still fails. `SWAMP_STORM_SEED` runs one seed and prints what
//! happened; `SWAMP_STORM_FIRST` and `SWAMP_STORM_SEEDS` say with which the long run begins and how many it takes.

mod checks;
mod deeds;
mod machine;
mod network;
mod oracle;
mod reading;
mod run;
mod shelf;
mod tasks;
mod timeline;
mod trace;
mod watchman;
mod weather;
mod works;

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use self::run::Plan;
use self::shelf::Defect;
use self::timeline::Timeline;
use self::trace::Trace;

/// Seeds of every test run.
const SEEDS: u64 = 200;

/// Seeds of the long run.
const SEEDS_LONG: u64 = 10_000;

/// Runs at a time: more than there are cores, because machines wait for the clock of their files.
const RUNS_CONCURRENT: usize = 8;

/// The longest storm that is searched for a shorter one, in acts.
const ACTS_MAX: usize = 70;

/// What a run came to.
struct Outcome {
    trace: Trace,
    complaints: Vec<String>,
}

/// Where machines have their disks: in memory if there is enough of it, since every save waits for its disk.
fn disks() -> PathBuf {
    const BYTES_MIN: u64 = 1 << 30;
    let memory = PathBuf::from("/dev/shm");
    let has_room = rustix::fs::statvfs(&memory).is_ok_and(|found| found.f_bavail * found.f_bsize > BYTES_MIN);
    if has_room { memory } else { std::env::temp_dir() }
}

fn carry_out(plan: &Plan) -> Outcome {
    let timeline = Arc::new(Timeline::default());
    let trace = Trace::new(&timeline);
    let directory = tempfile::tempdir_in(disks()).expect("a directory");
    let run = catch_unwind(AssertUnwindSafe(|| run::run(plan, directory.path(), &timeline, &trace)));
    if let Err(panic) = run {
        let text = panic.downcast_ref::<String>().cloned();
        trace.complain(text.unwrap_or_else(|| "something panicked".to_owned()));
    }
    let complaints = trace.complaints();
    Outcome { trace, complaints }
}

/// Returns the seeds whose runs fail, in order, with the first thing that was wrong.
fn failing(seeds: Range<u64>, plan: impl Fn(u64) -> Plan + Sync) -> BTreeMap<u64, String> {
    let (next, failed) = (AtomicU64::new(seeds.start), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..RUNS_CONCURRENT {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    if let Some(complaint) = carry_out(&plan(seed)).complaints.into_iter().next() {
                        failed.lock().unwrap_or_else(PoisonError::into_inner).insert(seed, complaint);
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the trace of a seed without the acts that do not matter for its failure.
fn shortest(seed: u64) -> String {
    let mut plan = Plan::of(seed);
    let mut found = carry_out(&plan);
    for act in 0..ACTS_MAX {
        plan.omitted.insert(act);
        let shorter = carry_out(&plan);
        if shorter.complaints.is_empty() {
            plan.omitted.remove(&act);
        } else {
            found = shorter;
        }
    }
    found.trace.text()
}

fn weather(seeds: Range<u64>) {
    let count = seeds.end - seeds.start;
    let failed = failing(seeds, Plan::of);
    let trace = failed.keys().next().map(|first| format!("seed {first} at its shortest:\n{}", shortest(*first)));

    assert!(failed.is_empty(), "{} of {count} seeds fail: {failed:#?}\n{}", failed.len(), trace.unwrap_or_default());
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn whatever_happens_nothing_is_lost_and_all_agree_in_the_end() {
    match variable("SWAMP_STORM_SEED") {
        Some(seed) => {
            let complaints = carry_out(&Plan::of(seed)).complaints;
            assert_eq!(complaints, [""; 0], "seed {seed} at its shortest:\n{}", shortest(seed));
        }
        None => weather(0..SEEDS),
    }
}

#[test]
#[ignore = "takes long: for the nights, and for changes of the engine"]
fn whatever_happens_on_ten_thousand_seeds() {
    let first = variable("SWAMP_STORM_FIRST").unwrap_or(0);
    weather(first..first + variable("SWAMP_STORM_SEEDS").unwrap_or(SEEDS_LONG));
}

#[test]
fn one_seed_is_one_run() {
    for seed in 0..10 {
        let (one, other) = (carry_out(&Plan::of(seed)), carry_out(&Plan::of(seed)));

        assert_eq!(one.trace.hash(), other.trace.hash(), "seed {seed}:\n{}\n{}", one.trace.text(), other.trace.text());
    }
}

/// How many seeds a defect may hide from.
const SEEDS_OF_DEFECT: u64 = 400;

fn is_noticed(plan: impl Fn(u64) -> Plan + Sync) -> bool {
    (0..SEEDS_OF_DEFECT).step_by(20).any(|start| !failing(start..start + 20, &plan).is_empty())
}

#[test]
fn a_store_that_ignores_which_state_to_replace_is_noticed() {
    assert!(is_noticed(|seed| Plan { defect: Some(Defect::IgnoresUpdate), ..Plan::of(seed) }));
}

#[test]
fn a_store_that_creates_over_what_is_there_is_noticed() {
    assert!(is_noticed(|seed| Plan { defect: Some(Defect::IgnoresCreate), ..Plan::of(seed) }));
}

#[test]
fn a_lock_that_excludes_nobody_is_noticed() {
    assert!(is_noticed(|seed| Plan { defect: Some(Defect::LocksExcludeNobody), ..Plan::of(seed) }));
}

#[test]
fn a_store_that_loses_what_it_confirmed_is_noticed() {
    assert!(is_noticed(|seed| Plan { defect: Some(Defect::LosesWrites), ..Plan::of(seed) }));
}

#[test]
fn writes_that_nobody_announced_are_noticed() {
    assert!(is_noticed(|seed| Plan { is_announcing: false, ..Plan::of(seed) }));
}
