//! `swamp datastore sync`: exchanging files with the datastore.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use swamp::mounting::{OUTDONE, Pulled, Pushed, Renumbered};
use swamp::repo::Repo;
use swamp::sync::{Depth, Engine, SyncOptions, SyncService as _};
use tracing::warn;

use crate::cli::context::Context;
use crate::cli::live::Live;
use crate::cli::output::counted;
use crate::cli::report::{Failed, Outcome};

/// Exchange data with the datastore: pull what others stored, push what was stored here
///
/// Only files of this namespace move. A pull never discards what was changed here; a push deletes only what was deleted
/// here. An interrupted synchronisation is continued by the next one. On a directory datastore nothing moves, but the
/// catalog is brought up to date and published.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  swamp datastore sync\n  swamp datastore sync --push --timeout 600\n  \
                        swamp datastore sync --pull --metadata-only     contents come when they are read")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct SyncArguments {
    /// Only pull
    #[arg(long)]
    pull: bool,
    /// Only push, also with `--pull`
    #[arg(long)]
    push: bool,
    /// How long each direction may take, in seconds [env: `SWAMP_DATASTORE_SYNC_TIMEOUT_MS`] [default: 300]
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..=21_600))]
    timeout: Option<u64>,
    /// Files fetched at a time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    concurrency_down: Option<u16>,
    /// Files sent at a time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    concurrency_up: Option<u16>,
    /// Pull metadata only; contents are fetched when they are read
    #[arg(long, conflicts_with = "push")]
    metadata_only: bool,
    /// Nothing is ever asked; for scripts written for the existing swamp
    #[arg(short, long, alias = "confirm", hide = true)]
    yes: bool,
}

impl SyncArguments {
    fn pulls_only(&self) -> bool {
        self.pull && !self.push
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Synced {
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    files_pulled: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files_pushed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files_removed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files_deleted: Option<u64>,
    renumbered: Vec<Renumbered>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exported: Option<bool>,
}

pub(crate) async fn run(arguments: SyncArguments, context: &Context) -> Outcome {
    let repo = context.repo()?;
    repo.check_shares_data()?;
    let patience = arguments.timeout.map(Duration::from_secs);
    let (pulled, pushed) = match Live::find(&repo, patience, context).await? {
        Some(live) => {
            let pulled = if arguments.push { None } else { Some(live.pull(arguments.metadata_only).await?) };
            (pulled, if arguments.pulls_only() { None } else { Some(live.push().await?) })
        }
        None => exchange(&arguments, &repo, context).await?,
    };
    for (path, reason) in pushed.iter().flat_map(|pushed| &pushed.strays) {
        warn!(%path, reason, "file stays here");
    }
    let caught_up = pushed.as_ref().map(|pushed| &pushed.caught_up);
    for path in pulled.iter().chain(caught_up).flat_map(|pulled| &pulled.outdone) {
        warn!(%path, "{OUTDONE}");
    }
    let shown = report(pulled.as_ref(), pushed.as_ref());
    context.output.emit(&shown, human)
}

/// Does it ourselves.
async fn exchange(
    arguments: &SyncArguments,
    repo: &Repo,
    context: &Context,
) -> Result<(Option<Pulled>, Option<Pushed>), Failed> {
    let mut options = context.engine_options();
    options.deadline = arguments.timeout.map(Duration::from_secs);
    options.downloads_concurrent_max = arguments.concurrency_down.map(usize::from);
    options.uploads_concurrent_max = arguments.concurrency_up.map(usize::from);
    let engine = repo.engine(options).await?;
    let asked =
        SyncOptions { namespace: repo.namespace().cloned(), depth: arguments.metadata_only.then_some(Depth::Metadata) };
    let pulled = if arguments.push { None } else { Some((&engine.pull_changed(&asked).await?).into()) };
    let pushed = if arguments.pulls_only() { None } else { Some(push(repo, &engine, &asked).await?) };
    Ok((pulled, pushed))
}

async fn push(repo: &Repo, engine: &Engine, asked: &SyncOptions) -> Result<Pushed, Failed> {
    // What the export says must be what is in the tree.
    repo.catalog_to_publish()?;
    Ok((&engine.push_changed(asked).await?).into())
}

fn report(pulled: Option<&Pulled>, pushed: Option<&Pushed>) -> Synced {
    let caught_up = pushed.map(|pushed| &pushed.caught_up);
    let pulls = || pulled.into_iter().chain(caught_up);
    for path in pulls().flat_map(|pull| &pull.dangling) {
        warn!(%path, "the index names a file that the datastore does not have");
    }
    let renumbered = pulls().flat_map(|pull| &pull.renumbered).cloned();
    Synced {
        mode: match (pulled, pushed) {
            (Some(_), Some(_)) => "sync",
            (None, _) => "push",
            (Some(_), None) => "pull",
        },
        renumbered: renumbered.collect(),
        files_pulled: pulled.map(|_| pulls().map(|pull| pull.downloaded).sum()),
        files_pushed: pushed.map(|pushed| pushed.uploaded + pushed.deleted),
        errors: (pulled.is_some() && pushed.is_some()).then(Vec::new),
        files_removed: pulled.map(|_| pulls().map(|pull| pull.removed).sum()),
        files_deleted: pushed.map(|pushed| pushed.deleted),
        exported: pushed.map(|pushed| pushed.exported),
    }
}

fn human(shown: &Synced) -> String {
    let files = |count: u64| counted(usize::try_from(count).unwrap_or(usize::MAX), "file");
    let mut parts = Vec::new();
    if let Some(count) = shown.files_pulled {
        let removed = shown.files_removed.filter(|count| *count > 0);
        let removed = removed.map(|count| format!(", {} removed", files(count))).unwrap_or_default();
        parts.push(format!("pulled {}{removed}", files(count)));
    }
    if let Some(count) = shown.files_pushed {
        let deleted = shown.files_deleted.filter(|count| *count > 0);
        let deleted = deleted.map(|count| format!(" ({} deleted)", files(count))).unwrap_or_default();
        parts.push(format!("pushed {}{deleted}", files(count)));
    }
    if shown.exported == Some(true) {
        parts.push("published the catalog".to_owned());
    }
    let mut text = parts.join("; ") + "\n";
    for Renumbered { data, from, to } in &shown.renumbered {
        let line = ["  ", data, " version ", &from.to_string(), " is now version ", &to.to_string(), "\n"];
        text.push_str(&line.concat());
    }
    text
}
