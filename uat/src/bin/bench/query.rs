//! `bench query`: what push-down gains, and how far it is from SQL written by hand.
//!
//! All three ways are processes that print the ids of the rows found. Without push-down, the predicate is the body of a
//! `cel.bind`, which nothing but evaluation can answer.

use serde::Serialize;

use crate::catalog::{self, Filled};
use crate::predicates::{CASES, Case};
use crate::report::{Host, mebibytes};
use crate::usage::{Usage, measured, measured_own};

/// How long a statement must take beyond the start of its process for a ratio that says something, in milliseconds.
const OWN_MS_MIN: f64 = 5.0;

/// Everything one run of the benchmark found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    host: Host,
    rows: u64,
    pull: Usage,
    /// A query that finds nothing: the least any of them costs.
    start: Usage,
    /// The same, written by hand.
    start_by_hand: Usage,
    queries: Vec<Measured>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Measured {
    predicate: &'static str,
    limit: Option<u64>,
    statement: String,
    is_exact: bool,
    found: usize,
    /// Rows SQLite returned.
    read: u64,
    pushed: Usage,
    by_hand: Usage,
    evaluated: Usage,
}

/// Measures every predicate.
pub(crate) fn run(rows: u64, repeat: usize) -> Report {
    let filled = catalog::fill(rows);
    let start = fastest(repeat, || measured(&filled.reader, &["query", "false", "--select", "id"])).1;
    let start_by_hand = fastest(repeat, || by_hand(&filled, "SELECT id FROM catalog WHERE 0")).1;
    let queries = CASES.iter().map(|case| measure(&filled, case, repeat)).collect();
    Report { host: Host::this(), rows, pull: filled.pull, start, start_by_hand, queries }
}

fn measure(filled: &Filled, case: &Case, repeat: usize) -> Measured {
    let limit = case.limit.map(|limit| limit.to_string());
    let query = |predicate: &str| {
        let mut args = vec!["query", predicate, "--select", "id"];
        args.extend(limit.iter().flat_map(|limit| ["--limit", limit]));
        let (outcome, usage) = measured(&filled.reader, &args);
        (outcome.stdout, usage)
    };
    let (found, pushed) = fastest(repeat, || query(case.predicate));
    let (unpushed, evaluated) = fastest(1, || query(&format!("cel.bind(row, true, {})", case.predicate)));
    let limited = limit.as_ref().map_or_else(String::new, |limit| format!(" LIMIT {limit}"));
    let statement = format!("SELECT id FROM {}{limited}", case.statement());
    let (by_hand_found, by_hand) = fastest(repeat, || by_hand(filled, &statement));
    assert!(found == by_hand_found, "`{}` and `{}` find different rows", case.predicate, case.sql);
    assert!(found == unpushed, "`{}` finds other rows evaluated", case.predicate);

    let mut args = vec!["query", case.predicate, "--select", "id", "--explain", "--json"];
    args.extend(limit.iter().flat_map(|limit| ["--limit", limit]));
    let explained = measured(&filled.reader, &args).0.json();
    Measured {
        predicate: case.predicate,
        limit: case.limit,
        statement: explained["sql"].as_str().unwrap_or_default().to_owned(),
        is_exact: explained["residual"].is_null(),
        found: found.split(|byte| *byte == b'\n').count() - 1,
        read: explained["read"].as_u64().expect("an explanation counts rows"),
        pushed,
        by_hand,
        evaluated,
    }
}

fn by_hand(filled: &Filled, statement: &str) -> (Vec<u8>, Usage) {
    let database = filled.database.display().to_string();
    measured_own(&filled.reader, &["sql", "--database", &database, statement])
}

fn fastest<T>(repeat: usize, run: impl Fn() -> (T, Usage)) -> (T, Usage) {
    let runs = (0..repeat.max(1)).map(|_| run());
    runs.min_by(|one, other| one.1.wall_ms.total_cmp(&other.1.wall_ms)).expect("at least one run")
}

/// Prints the table.
#[expect(clippy::print_stdout, reason = "the table is this program's output")]
pub(crate) fn print(report: &Report) {
    let Report { host, rows, pull, start, start_by_hand, queries } = report;
    println!(
        "{} cores, {}, Linux {}; {rows} rows, one in four of them the latest",
        host.cores, host.processor, host.kernel
    );
    let peak = mebibytes(pull.peak_rss_bytes);
    println!(
        "pulling them: {:.1} s, peak {peak:.0} MiB; a query for nothing: {:.1} ms, by hand {:.1} ms",
        pull.wall_ms / 1000.0,
        start.wall_ms,
        start_by_hand.wall_ms
    );
    println!(
        "{:>8} {:>8} {:>6} {:>9} {:>9} {:>6} {:>6} {:>10} {:>7} {:>8}  predicate",
        "found", "read", "exact", "pushed ms", "sql ms", "ratio", "beyond", "without ms", "gain", "peak MiB"
    );
    for query in queries {
        let Measured { predicate, limit, is_exact, found, read, pushed, by_hand, evaluated, .. } = query;
        let limit = limit.map_or_else(String::new, |limit| format!(" --limit {limit}"));
        let own = by_hand.wall_ms - start_by_hand.wall_ms;
        let beyond = (own > OWN_MS_MIN).then(|| format!("{:.2}", (pushed.wall_ms - start.wall_ms) / own));
        let beyond = beyond.unwrap_or_default();
        println!(
            "{found:>8} {read:>8} {:>6} {:>9.1} {:>9.1} {:>6.2} {beyond:>6} {:>10.1} {:>7.1} {:>8.1}  {predicate}{limit}",
            if *is_exact { "yes" } else { "no" },
            pushed.wall_ms,
            by_hand.wall_ms,
            pushed.wall_ms / by_hand.wall_ms,
            evaluated.wall_ms,
            evaluated.wall_ms / pushed.wall_ms,
            mebibytes(pushed.peak_rss_bytes),
        );
    }
}
