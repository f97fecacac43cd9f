//! The figures, for people and for programs.

use std::fs;
use std::path::Path;
use std::thread;

use serde::Serialize;
use swamp_testbed::counters::Counters;

use crate::usage::Usage;

/// Everything one run of the benchmark found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub(crate) host: Host,
    pub(crate) binary: String,
    /// The median of starting the program and doing nothing: the reference of the same run.
    pub(crate) start: Usage,
    pub(crate) runs: Vec<Run>,
}

/// Where it ran.
#[derive(Debug, Serialize)]
pub(crate) struct Host {
    pub(crate) cores: usize,
    pub(crate) processor: String,
    pub(crate) kernel: String,
}

/// One measured command.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Run {
    pub(crate) rtt_ms: u64,
    pub(crate) operation: &'static str,
    /// Files it says it moved.
    pub(crate) files: u64,
    #[serde(flatten)]
    pub(crate) usage: Usage,
    pub(crate) requests: Counters,
}

impl Host {
    /// Describes this host.
    pub(crate) fn this() -> Self {
        let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = information.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            cores: thread::available_parallelism().map_or(1, usize::from),
            processor: processor.map_or("unknown", |(_, name)| name).to_owned(),
            kernel: kernel.trim().to_owned(),
        }
    }
}

/// Prints the table.
#[expect(clippy::print_stdout, reason = "the table is this program's output")]
pub(crate) fn print(report: &Report) {
    let Report { host, binary, start, runs } = report;
    println!("{binary}");
    println!("{} cores, {}, Linux {}; the server runs on the same cores", host.cores, host.processor, host.kernel);
    println!("start of the program (`--version`): {:.1} ms wall, {:.1} ms cpu\n", start.wall_ms, start.cpu_ms);
    println!(
        "{:>6}  {:<16} {:>7} {:>9} {:>9} {:>9} {:>11} {:>9}  by kind",
        "rtt ms", "operation", "files", "wall s", "cpu s", "peak MiB", "µs/file", "requests"
    );
    for run in runs {
        println!(
            "{:>6}  {:<16} {:>7} {:>9.3} {:>9.3} {:>9.1} {:>11} {:>9}  {}",
            run.rtt_ms,
            run.operation,
            run.files,
            run.usage.wall_ms / 1000.0,
            run.usage.cpu_ms / 1000.0,
            mebibytes(run.usage.peak_rss_bytes),
            per_file(run, start),
            run.requests.total(),
            kinds(&run.requests),
        );
    }
}

/// Writes the figures as JSON.
pub(crate) fn write(report: &impl Serialize, path: &Path) {
    let text = serde_json::to_string_pretty(report).expect("figures are JSON");
    fs::write(path, text + "\n").unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
/// Returns bytes as MiB.
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

/// Returns the microseconds each file took beyond the start of the program.
#[expect(clippy::cast_precision_loss, reason = "far fewer files than 2^52")]
fn per_file(run: &Run, start: &Usage) -> String {
    if run.files < 100 {
        return "-".to_owned();
    }
    format!("{:.0}", (run.usage.wall_ms - start.wall_ms) * 1000.0 / run.files as f64)
}

fn kinds(requests: &Counters) -> String {
    let value = serde_json::to_value(requests).expect("numbers are JSON");
    let counts = value.as_object().expect("counters have fields").iter();
    let shown: Vec<String> =
        counts.filter(|(_, count)| count.as_u64() != Some(0)).map(|(kind, count)| format!("{kind} {count}")).collect();
    shown.join(", ")
}
