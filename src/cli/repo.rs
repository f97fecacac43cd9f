//! `swamp repo`: making and repairing a repository.

use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;
use swamp::repo::{self, Existing};

use super::context::Context;
use super::report::Outcome;

#[derive(Debug, Subcommand)]
pub(crate) enum RepoCommand {
    /// Make a directory a repository
    ///
    /// Writes `.swamp.yaml`, which belongs into version control, and `.swamp/`, which does not.
    #[command(after_help = EXAMPLES)]
    Init {
        /// The directory; the current one if not given
        path: Option<PathBuf>,
        /// Repair an existing repository: keeps its identity and its datastore, adds what is missing
        #[arg(short, long)]
        force: bool,
    },
}

const EXAMPLES: &str = "\
Examples:
  swamp repo init                   here
  swamp repo init ~/work/infra      there
  swamp repo init --force           repair, without a new identity";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Initialised {
    path: String,
    version: String,
    initialized_at: String,
    repo_id: String,
    created: Vec<String>,
}

pub(crate) fn run(command: RepoCommand, context: &Context) -> Outcome {
    match command {
        RepoCommand::Init { path, force } => init(path, force, context),
    }
}

fn init(path: Option<PathBuf>, force: bool, context: &Context) -> Outcome {
    let start = context.environment.directory();
    let root = path.or_else(|| context.global.repo_dir.clone()).map_or(start.to_owned(), |path| start.join(path));
    let existing = if force { Existing::Repair } else { Existing::Refuse };
    let made = repo::init(&root, existing, context.clock.now())?;
    let setting = |key: &str| made.marker.text(key).unwrap_or_default().to_owned();
    let shown = Initialised {
        path: made.root.display().to_string(),
        version: setting("swampVersion"),
        initialized_at: setting("initializedAt"),
        repo_id: setting("repoId"),
        created: made.created,
    };
    context.output.emit(&shown, |shown| human(shown, force))
}

fn human(shown: &Initialised, force: bool) -> String {
    let verb = if force { "repaired" } else { "initialised" };
    let changes = if shown.created.is_empty() { "nothing was missing".to_owned() } else { shown.created.join(", ") };
    let Initialised { path, repo_id, .. } = shown;
    format!(
        "{verb} {path} ({changes})\nrepository id: {repo_id}\n\
         next: share its data with `swamp datastore setup --help`, or store some with `swamp data put --help`\n"
    )
}
