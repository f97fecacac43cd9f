//! The command line: parses arguments, runs one command, reports its outcome.
//!
//! stdout carries data and nothing else; everything a person watches goes to stderr.
#![expect(clippy::future_not_send, reason = "one thread runs the one future of a command")]
#![expect(clippy::struct_field_names, reason = "documents have the names of the format")]

mod args;
mod completions;
mod context;
mod data;
mod datastore;
mod doctor;
mod error;
mod live;
mod logging;
mod mount;
mod output;
mod progress;
mod query;
mod repo;
mod report;
mod runtime;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use swamp::clock::SystemClock;
use swamp::repo::Environment;
use tracing::{Instrument as _, info_span};

use args::{Cli, Command};
use context::Context;
use output::{Format, Output};
use report::Outcome;

/// Runs the command that the process was started for.
pub(crate) fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let wants_json = arguments.iter().any(|argument| argument == "--json");
    let outcome = match completions::answer(&arguments) {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => match Cli::try_parse_from(&arguments) {
            Ok(cli) => start(cli),
            Err(error) => report::usage(&error, wants_json),
        },
        Err(error) => report::usage(&error, wants_json),
    };
    report::finish(outcome, if wants_json { Format::Json } else { Format::Human })
}

fn start(cli: Cli) -> Outcome {
    let environment = Environment::from_process()?;
    let log_file = match &cli.command {
        Command::Mount(arguments) => arguments.log_file.as_ref().map(mount::log_file).transpose()?,
        _ => None,
    };
    logging::start(&cli.global, &environment, io::IsTerminal::is_terminal(&io::stderr()), log_file);
    let ending = match &cli.command {
        Command::Mount(arguments) => runtime::Ending::Orderly { grace: arguments.patience() },
        command if command.only_reads() => runtime::Ending::AtOnce,
        _ => runtime::Ending::Early,
    };
    let context = Context::new(cli.global, environment, Arc::new(SystemClock::new()));
    let span = info_span!("command", started = %context.clock.now());
    runtime::run(&context.stop, ending, dispatch(cli.command, &context).instrument(span))
}

async fn dispatch(command: Command, context: &Context) -> Outcome {
    match command {
        Command::Repo { command } => repo::run(command, context),
        Command::Data { command } => data::run(command, context).await,
        Command::Query(arguments) => query::run(*arguments, context).await,
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Eval(arguments) => query::eval(arguments, context).await,
        Command::Mount(arguments) => mount::mount(*arguments, context).await,
        Command::Unmount(arguments) => mount::unmount(arguments, context).await,
        Command::MountGuardian(arguments) => mount::guard(&arguments),
        Command::Doctor(arguments) => doctor::run(arguments, context).await,
        Command::Datastore { command } => datastore::run(command, context).await,
    }
}

impl Output {
    fn of(global: &args::Global) -> Self {
        let format = if global.json { Format::Json } else { Format::Human };
        Self::new(format, global.quiet)
    }
}
