//! `bench mount`: what the mount costs, against the directory it shows and against the wire.

mod foreign;
mod own;

use std::fs;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::report::Host;

/// Everything one run of the benchmark found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    host: Host,
    own: Vec<Compared>,
    foreign: Vec<Line>,
}

/// One operation on the backing directory and on two mounts of it: medians of all batches.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Compared {
    operation: &'static str,
    unit: &'static str,
    native: f64,
    passthrough: Ratio,
    fallback: Ratio,
}

/// How fast a mount was, and the median of what each batch was to that of the backing directory before it.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Ratio {
    value: f64,
    ratio: f64,
}

/// One operation on a foreign namespace.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    rtt_ms: u64,
    operation: String,
    value: f64,
    unit: &'static str,
    requests: u64,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// The own namespace against its directory.
    Own,
    /// Walks through a foreign namespace, and the memory they take.
    Walk,
    /// Reading from a foreign namespace.
    Read,
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// How often every batch and every walk but the longest is done; the median counts.
    pub(crate) repeat: usize,
    /// Rows of the catalog that is walked.
    pub(crate) rows: u64,
    /// Rows of the catalog whose memory is measured.
    pub(crate) rows_memory: u64,
    /// Length of the large object, in MiB.
    pub(crate) object_mib: u64,
}

/// Measures the parts that are asked for.
pub(crate) fn run(parts: &[Part], size: Size, rtts_ms: &[u64]) -> Report {
    let asked = |part| parts.contains(&part);
    let own = if asked(Part::Own) { own::run(size.repeat) } else { Vec::new() };
    let mut foreign = Vec::new();
    if asked(Part::Walk) {
        foreign.extend(foreign::walk(size.rows, size.repeat));
        foreign.extend(foreign::walk(size.rows_memory, 1));
    }
    if asked(Part::Read) {
        foreign.extend(rtts_ms.iter().flat_map(|rtt_ms| foreign::read(*rtt_ms, size.object_mib)));
    }
    Report { host: Host::this(), own, foreign }
}

/// Prints the figures for people.
#[expect(clippy::print_stdout, reason = "the figures are the output")]
pub(crate) fn print(report: &Report) {
    let Report { host, own, foreign } = report;
    println!(
        "{} cores, {}, Linux {}; server and mount run on the same cores\n",
        host.cores, host.processor, host.kernel
    );
    println!(
        "{:<26} {:>9} {:>11} {:>13} {:>6} {:>11} {:>6}",
        "own namespace", "unit", "native", "passthrough", "ratio", "fallback", "ratio"
    );
    for Compared { operation, unit, native, passthrough, fallback } in own {
        println!(
            "{operation:<26} {unit:>9} {native:>11.0} {:>13.0} {:>6.2} {:>11.0} {:>6.2}",
            passthrough.value, passthrough.ratio, fallback.value, fallback.ratio
        );
    }
    println!("\n{:>6}  {:<38} {:>11} {:<10} {:>9}", "rtt ms", "foreign namespace", "", "", "requests");
    for Line { rtt_ms, operation, value, unit, requests } in foreign {
        println!("{rtt_ms:>6}  {operation:<38} {value:>11.1} {unit:<10} {requests:>9}");
    }
}

/// Returns how long `work` takes.
fn timed(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

/// Returns units per second.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn rate(units: u64, taken: Duration) -> f64 {
    units as f64 / taken.as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Returns the resident memory of a process, in MiB.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn resident_mib(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel tells");
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kibibytes as f64 / 1024.0
}

/// A generator of reproducible numbers below a bound.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}
