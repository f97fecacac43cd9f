//! `swamp datastore catalog pull`: what other namespaces have.

use clap::{Args, Subcommand};
use serde::Serialize;
use swamp::mounting::CatalogOutcome;
use swamp::namespace::Namespace;
use swamp::repo::Repo;
use swamp::sync::SyncService as _;
use tracing::warn;

use crate::cli::context::Context;
use crate::cli::live::Live;
use crate::cli::output::table;
use crate::cli::report::{Failed, Outcome};

#[derive(Debug, Subcommand)]
pub(crate) enum CatalogCommand {
    Pull(PullArguments),
}

/// Fetch the published catalogs of other namespaces
///
/// Afterwards their data can be listed, searched and read as `NAMESPACE:MODEL`. Contents stay where they are until they
/// are read. Without names, fetches those of every other namespace of the datastore.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  swamp datastore catalog pull\n  swamp datastore catalog pull --namespaces infra,security"
)]
pub(crate) struct PullArguments {
    /// Which namespaces, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "NS,NS")]
    namespaces: Vec<Namespace>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    pulled: Vec<Pulled>,
    skipped: Vec<String>,
    total_rows: u64,
}

#[derive(Debug, Serialize)]
struct Pulled {
    namespace: String,
    rows: u64,
    refused: u64,
    unchanged: bool,
}

pub(crate) async fn run(command: CatalogCommand, context: &Context) -> Outcome {
    let CatalogCommand::Pull(arguments) = command;
    let repo = context.repo()?;
    let asked_for = arguments.namespaces.clone();
    let outcomes = match Live::find(&repo, None, context).await? {
        Some(live) => live.pull_catalogs(arguments.namespaces).await?,
        None => pull(arguments.namespaces, &repo, context).await?,
    };
    let mut shown = Shown { pulled: Vec::new(), skipped: Vec::new(), total_rows: 0 };
    let mut unpublished = Vec::new();
    for outcome in outcomes {
        match outcome {
            CatalogOutcome::Rows { namespace, rows, refused, refused_first, is_unchanged } => {
                for (row, reason) in &refused_first {
                    warn!(%namespace, row, reason, "row refused");
                }
                shown.total_rows += rows;
                let namespace = namespace.to_string();
                shown.pulled.push(Pulled { namespace, rows, refused, unchanged: is_unchanged });
            }
            CatalogOutcome::Skipped { namespace } => {
                shown.skipped.push(namespace.to_string());
                unpublished.push(namespace);
            }
        }
    }
    let unknown = unknown(&unpublished, &asked_for, &repo).await?;
    for namespace in &unpublished {
        // No failure, for scripts written for the existing swamp.
        if unknown.contains(namespace) {
            warn!(%namespace, "there is no such namespace, `swamp datastore namespace list` shows all");
        } else {
            warn!(%namespace, "namespace has published no catalog");
        }
    }
    context.output.emit(&shown, |shown| {
        let rows = shown.pulled.iter().map(|pulled| {
            let state = if pulled.unchanged { "unchanged" } else { "" };
            [pulled.namespace.clone(), pulled.rows.to_string(), pulled.refused.to_string(), state.to_owned()]
        });
        let rows: Vec<_> = rows.collect();
        if rows.is_empty() { "no catalogs\n".to_owned() } else { table(["namespace", "rows", "refused", ""], &rows) }
    })
}

/// Returns which of the namespaces that were asked for are not in the datastore.
async fn unknown(unpublished: &[Namespace], asked_for: &[Namespace], repo: &Repo) -> Result<Vec<Namespace>, Failed> {
    if asked_for.is_empty() || unpublished.is_empty() {
        return Ok(Vec::new());
    }
    let registered = repo.namespaces().await?;
    let is_unknown = |namespace: &&Namespace| registered.iter().all(|registered| registered.namespace != **namespace);
    Ok(unpublished.iter().filter(is_unknown).cloned().collect())
}

/// Does it ourselves.
async fn pull(mut namespaces: Vec<Namespace>, repo: &Repo, context: &Context) -> Result<Vec<CatalogOutcome>, Failed> {
    if namespaces.is_empty() {
        let all = repo.namespaces().await?.into_iter().map(|registered| registered.namespace);
        namespaces = all.filter(|namespace| repo.namespace() != Some(namespace)).collect();
    }
    let engine = repo.engine(context.engine_options()).await?;
    let pulled = engine.pull_foreign_catalogs(&namespaces).await?;
    Ok(pulled.into_iter().map(Into::into).collect())
}
