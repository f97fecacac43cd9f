//! The command line's shape: global flags and the tree of commands. Each command's own flags are in its own file.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::completions::CompletionsArguments;
use super::data::DataCommand;
use super::datastore::DatastoreCommand;
use super::doctor::DoctorArguments;
use super::mount::{GuardianArguments, MountArguments, UnmountArguments};
use super::query::{EvalArguments, QueryArguments};
use super::repo::RepoCommand;

/// Many repositories, one datastore: synchronised, catalogued and shown as a file system.
#[derive(Debug, Parser)]
#[command(name = "swamp", version, disable_help_subcommand = true, infer_subcommands = false, after_help = HELP)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const HELP: &str = "\
Start here:
  swamp repo init                                        make this directory a repository
  swamp datastore setup s3 --bucket team --namespace me  share its data through a bucket
  swamp data put vpc-main state state.json               store a version
  swamp datastore sync                                   exchange data with the others
  swamp data get vpc-main state                          read the latest version
  swamp query 'tags.env == \"prod\"'                       find data in every namespace
  swamp mount                                            all of it as files below /mnt/swamp

Exit status: 0 done, 1 failed, 2 usage or configuration, 75 try again later (locked, unreachable, disk full),
130 interrupted.";

/// Flags that every command takes.
#[derive(Args, Clone, Debug)]
pub(crate) struct Global {
    /// Work in this repository instead of the one around the current directory [env: `SWAMP_REPO_DIR`]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Global options")]
    pub(crate) repo_dir: Option<PathBuf>,
    /// Print one JSON document on stdout, and errors as JSON on stderr
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,
    /// Print no status and no progress; warnings and errors remain
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub(crate) quiet: bool,
    /// Tell on stderr what happens; repeat for more (info, debug, trace)
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    pub(crate) verbose: u8,
    /// Use no colours [env: `NO_COLOR`]
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) no_color: bool,
    #[command(flatten)]
    pub(crate) familiar: Familiar,
}

/// Flags of the existing swamp that scripts use.
#[derive(Args, Clone, Debug)]
pub(crate) struct Familiar {
    /// Output for people, which is what there is without `--json`
    #[arg(long, global = true, hide = true)]
    log: bool,
    /// What to tell on stderr
    #[arg(long, global = true, hide = true, value_name = "LEVEL")]
    pub(crate) log_level: Option<LogLevel>,
    /// There is no telemetry
    #[arg(long, global = true, hide = true)]
    no_telemetry: bool,
}

/// What the existing swamp calls how much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    Trace,
    Debug,
    Info,
    #[value(alias = "warn")]
    Warning,
    Error,
    Fatal,
}

impl Global {
    /// Returns how often `-v` was given, or would have been.
    pub(crate) fn verbosity(&self) -> u8 {
        self.verbose.max(match self.familiar.log_level {
            Some(LogLevel::Trace) => 3,
            Some(LogLevel::Debug) => 2,
            Some(LogLevel::Info) => 1,
            // Warnings and errors are always told.
            Some(LogLevel::Warning | LogLevel::Error | LogLevel::Fatal) | None => 0,
        })
    }
}

/// The first word of a command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a directory a repository
    #[command(after_help = "Examples:\n  swamp repo init\n  swamp repo init --force")]
    Repo {
        #[command(subcommand)]
        command: RepoCommand,
    },
    /// Read and write data
    #[command(after_help = "Examples:\n  swamp data put vpc-main state state.json --type aws/ec2/vpc\n  \
                            swamp data get vpc-main state\n  swamp data list")]
    Data {
        #[command(subcommand)]
        command: DataCommand,
    },
    Query(Box<QueryArguments>),
    Eval(EvalArguments),
    /// Configure and synchronise the place that holds the data
    #[command(after_help = "Examples:\n  swamp datastore setup s3 --bucket team --namespace infra\n  \
                            swamp datastore sync\n  swamp datastore status")]
    Datastore {
        #[command(subcommand)]
        command: DatastoreCommand,
    },
    Mount(Box<MountArguments>),
    Unmount(UnmountArguments),
    #[command(hide = true)]
    MountGuardian(GuardianArguments),
    Doctor(DoctorArguments),
    Completions(CompletionsArguments),
}

impl Command {
    /// Whether nothing is lost, and nobody waits for a lock, wherever the command is ended.
    pub(crate) const fn only_reads(&self) -> bool {
        match self {
            Self::Query(_) | Self::Eval(_) | Self::Completions(_) => true,
            Self::Data { command } => command.only_reads(),
            Self::Datastore { command } => matches!(command, DatastoreCommand::Status(_)),
            Self::Repo { .. } | Self::Mount(_) | Self::Unmount(_) | Self::MountGuardian(_) | Self::Doctor(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_tree_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_scripts_of_the_existing_swamp_say_is_understood() {
        let lines = [
            "datastore sync --pull --push --confirm",
            "data gc -y",
            "data gc -f",
            "data gc --force --dry-run",
            "data delete web state -f",
            "data delete web state --force",
            "datastore namespace unset --migrate -y",
            "--log --log-level debug --no-telemetry data list",
        ];

        for line in lines {
            let parsed = Cli::try_parse_from(std::iter::once("swamp").chain(line.split(' ')));
            assert!(parsed.is_ok(), "{line}: {}", parsed.expect_err("refused"));
        }
    }

    #[test]
    fn a_log_level_is_a_verbosity() {
        let verbosity = |line: &[&str]| Cli::parse_from(line).global.verbosity();

        assert_eq!(verbosity(&["swamp", "data", "list", "--log-level", "debug"]), 2);
        assert_eq!(verbosity(&["swamp", "data", "list", "--log-level", "warn", "-v"]), 1);
    }

    #[test]
    fn every_command_teaches_by_example() {
        fn untaught(command: &clap::Command, path: &str, found: &mut Vec<String>) {
            let path = format!("{path} {}", command.get_name());
            if command.get_after_help().is_none() && !command.is_hide_set() {
                found.push(path.clone());
            }
            command.get_subcommands().for_each(|child| untaught(child, &path, found));
        }
        let mut found = Vec::new();

        untaught(&Cli::command(), "", &mut found);

        assert_eq!(found, Vec::<String>::new());
    }
}
