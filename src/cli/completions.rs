//! `swamp completions`: what a shell needs to complete our commands, options and expressions.
//!
//! A script asks the program itself at every completion: the shell starts it with [`VARIABLE`] set.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::{Args, CommandFactory as _};
use clap_complete::env::Shells;
use clap_complete::{ArgValueCompleter, CompleteEnv, CompletionCandidate, Shell};
use swamp::query::{Subject, completions};

use super::args::Cli;
use super::output::print;
use super::report::Outcome;

/// Names the shell that asks, in its script.
const VARIABLE: &str = "SWAMP_COMPLETE";

/// Print a completion script for a shell
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  source <(swamp completions bash)
  swamp completions zsh > ~/.zfunc/_swamp
  swamp completions fish > ~/.config/fish/completions/swamp.fish")]
pub(crate) struct CompletionsArguments {
    /// Which shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(crate) fn run(arguments: &CompletionsArguments) -> Outcome {
    let shells = Shells::builtins();
    let mut script = Vec::new();
    if let Some(shell) = shells.completer(&arguments.shell.to_string()) {
        let written = shell.write_registration(VARIABLE, "swamp", "swamp", "swamp", &mut script);
        written.expect("a vector takes what is written");
    }
    print(&script)
}

/// Answers a shell that asks for completions; returns whether one did.
pub(crate) fn answer(arguments: &[OsString]) -> Result<bool, clap::Error> {
    CompleteEnv::with_factory(Cli::command).var(VARIABLE).try_complete(arguments, Some(Path::new(".")))
}

/// Completes expressions over rows.
pub(crate) fn of_rows() -> ArgValueCompleter {
    ArgValueCompleter::new(|beginning: &OsStr| candidates(beginning, Subject::Rows))
}

/// Completes expressions over the data.
pub(crate) fn of_data() -> ArgValueCompleter {
    ArgValueCompleter::new(|beginning: &OsStr| candidates(beginning, Subject::Data))
}

fn candidates(beginning: &OsStr, subject: Subject) -> Vec<CompletionCandidate> {
    let found = beginning.to_str().map(|beginning| completions(beginning, subject)).unwrap_or_default();
    found.into_iter().map(|found| CompletionCandidate::new(found.text).help(Some(found.about.into()))).collect()
}
