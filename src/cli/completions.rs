//! `swamp completions`: what a shell needs to complete our commands and options.

use clap::{Args, CommandFactory as _};
use clap_complete::{Shell, generate};

use super::args::Cli;
use super::output::print;
use super::report::Outcome;

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
    let mut script = Vec::new();
    generate(arguments.shell, &mut Cli::command(), "swamp", &mut script);
    print(&script)
}
