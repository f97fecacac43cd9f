//! The benchmarks: real commands of the built binary against the testbed's servers, measured from outside.
//!
//! Every measured command runs under this program's own `usage` command: what the kernel says about a child's memory
//! includes that of the process it was started from, and the benchmark itself holds a bucket.
#![expect(clippy::disallowed_methods, reason = "benchmarks live outside the program: real time, plain files")]
#![expect(clippy::panic, reason = "a benchmark that cannot measure has nothing to say")]

mod catalog;
mod mount;
mod predicates;
mod query;
mod report;
mod sql;
mod sync;
mod usage;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Measure `swamp`; `SWAMP_BIN` names the binary.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Synchronise many small files: push, pull, push and pull of nothing, of one change
    Sync(SyncArguments),
    /// Query a catalog of many rows: pushed down, by the same SQL written by hand, and evaluated row by row
    Query(QueryArguments),
    /// Read and write through a mount: the own namespace against its directory, foreign ones against the wire
    Mount(MountArguments),
    /// Print the first column of an SQL query
    #[command(hide = true)]
    Sql(SqlArguments),
    /// Run a program and write what it used
    #[command(hide = true)]
    Usage(UsageArguments),
}

#[derive(Debug, Args)]
struct SyncArguments {
    /// Files in the namespace: three per artifact
    #[arg(long, default_value_t = 10_000)]
    files: u64,
    /// Round-trip times to the server, in milliseconds
    #[arg(long, value_delimiter = ',', default_value = "0,30")]
    rtt_ms: Vec<u64>,
    /// The large sizes instead: 250,000 files and a catalog of 1,000,000 rows, without a delay
    #[arg(long, conflicts_with_all = ["files", "rtt_ms"])]
    scale: bool,
    /// Where to write the figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct QueryArguments {
    /// Rows in the catalog: four versions per artifact
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// How often each query is run; the fastest counts
    #[arg(long, default_value_t = 3)]
    repeat: usize,
    /// Where to write the figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct MountArguments {
    /// What is measured: the own namespace, walks through foreign ones, reading from them
    #[arg(long, value_enum, value_delimiter = ',', default_value = "own,walk,read")]
    parts: Vec<mount::Part>,
    /// How often each batch of each comparison and each walk is done; the median counts
    #[arg(long, default_value_t = 3)]
    repeat: usize,
    /// Rows of the foreign catalog that is walked
    #[arg(long, default_value_t = 100_000)]
    rows: u64,
    /// Rows of the foreign catalog whose memory is measured
    #[arg(long, default_value_t = 1_000_000)]
    rows_memory: u64,
    /// Length of the large foreign object, in MiB
    #[arg(long, default_value_t = 1024)]
    object_mib: u64,
    /// Round-trip times to the server, in milliseconds
    #[arg(long, value_delimiter = ',', default_value = "0,30")]
    rtt_ms: Vec<u64>,
    /// Where to write the figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct SqlArguments {
    #[arg(long)]
    database: PathBuf,
    statement: String,
}

#[derive(Debug, Args)]
struct UsageArguments {
    #[arg(long)]
    to: PathBuf,
    #[arg(trailing_var_arg = true, required = true)]
    program: Vec<String>,
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Usage(arguments) => usage::run(&arguments.to, &arguments.program),
        Command::Sql(arguments) => sql::run(&arguments.database, &arguments.statement),
        Command::Query(arguments) => {
            let report = query::run(arguments.rows, arguments.repeat);
            query::print(&report);
            if let Some(path) = arguments.json {
                report::write(&report, &path);
            }
            ExitCode::SUCCESS
        }
        Command::Mount(arguments) => {
            let MountArguments { repeat, rows, rows_memory, object_mib, .. } = arguments;
            let size = mount::Size { repeat, rows, rows_memory, object_mib };
            let report = mount::run(&arguments.parts, size, &arguments.rtt_ms);
            mount::print(&report);
            if let Some(path) = arguments.json {
                report::write(&report, &path);
            }
            ExitCode::SUCCESS
        }
        Command::Sync(arguments) => {
            let SyncArguments { files, rtt_ms, scale, .. } = &arguments;
            let report = if *scale { sync::scale() } else { sync::run(*files, rtt_ms) };
            report::print(&report);
            if let Some(path) = arguments.json {
                report::write(&report, &path);
            }
            ExitCode::SUCCESS
        }
    }
}
