//! `swamp data delete`, `rename` and `gc`.

use std::io::{self, IsTerminal as _, Write as _};

use clap::Args;
use serde::Serialize;
use swamp::catalog::Model;
use swamp::data::layout::Artifact;
use swamp::data::name::{DataName, VersionNumber};
use swamp::data::store::{Changes, GcMode, Store, StoreError};
use swamp::repo::{Repo, RepoError};
use tracing::warn;

use super::model::{self, shown_name};
use super::shape::ModelKeys;
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::output::{Format, counted, human_size, plain};
use crate::cli::report::{Failed, Outcome};

/// Delete a data name, or one version of it
///
/// Others no longer see it after the next `swamp datastore sync`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  swamp data delete vpc-main state --version 3\n  swamp data delete vpc-main state --yes"
)]
pub(crate) struct DeleteArguments {
    /// The model, by name or id
    model: String,
    /// The data name
    name: String,
    /// Only this version
    #[arg(long, value_name = "N")]
    version: Option<VersionNumber>,
    /// Do not ask
    #[arg(short, long, alias = "force", short_alias = 'f')]
    yes: bool,
}

/// Rename a data name
///
/// Copies the latest version to the new name and leaves a pointer under the old one, which keeps its history. Other
/// namespaces find the data under the new name only.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  swamp data rename vpc-main state vpc-state")]
pub(crate) struct RenameArguments {
    /// The model, by name or id
    model: String,
    /// The data name now
    old: String,
    /// The data name from now on
    new: DataName,
}

/// Delete what is past its lifetime, and versions beyond what their names keep
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  swamp data gc --dry-run\n  swamp data gc")]
pub(crate) struct GcArguments {
    /// Only tell what would be deleted
    #[arg(long)]
    dry_run: bool,
    /// Nothing is ever asked; for scripts written for the existing swamp
    #[arg(short, long, alias = "force", short_alias = 'f', hide = true)]
    yes: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Deleted {
    #[serde(flatten)]
    model: ModelKeys,
    data_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    versions_deleted: usize,
}

#[derive(Debug, Serialize)]
struct Cancelled {
    cancelled: bool,
}

pub(crate) async fn delete(arguments: DeleteArguments, context: &Context) -> Outcome {
    let repo = context.repo()?;
    let (model, artifact) = locate(&repo, &arguments.model, &arguments.name)?;
    let asks = !arguments.yes && context.output.format() == Format::Human;
    if asks && !confirm(&repo, &artifact, arguments.version, context).await? {
        return context.output.emit(&Cancelled { cancelled: true }, |_| "nothing was deleted\n".to_owned());
    }
    let changes = repo
        .changing_model(&model::path(&model)?, &context.stop, async || {
            let changes = match arguments.version {
                Some(version) => repo.store().delete_version(&artifact, version)?,
                None => repo.store().delete_all(&artifact)?,
            };
            repo.follow(&[&changes])?;
            Ok::<_, RepoError>(changes)
        })
        .await;
    let changes = changes.map_err(|error| not_found(error, &model, &arguments))?;
    let shown = Deleted {
        model: (&model).into(),
        data_name: arguments.name,
        version: arguments.version.map(VersionNumber::get),
        versions_deleted: changes.removed.len(),
    };
    context.output.emit(&shown, |shown| {
        format!("deleted {} of {}\n", counted(shown.versions_deleted, "version"), shown.data_name)
    })
}

/// Scripts know the words for what does not exist.
fn not_found(error: RepoError, model: &Model, arguments: &DeleteArguments) -> Failed {
    match error {
        RepoError::Store(StoreError::NameNotFound { .. }) => {
            let (name, model) = (arguments.name.clone(), shown_name(model).to_owned());
            CommandError::DataNotFound { name, model, version: arguments.version.map(VersionNumber::get) }.into()
        }
        other => other.into(),
    }
}

async fn confirm(
    repo: &Repo,
    artifact: &Artifact,
    version: Option<VersionNumber>,
    context: &Context,
) -> Result<bool, Failed> {
    let versions = repo.store().versions(artifact)?.versions.len();
    if versions == 0 {
        return Ok(true);
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(CommandError::Unconfirmed.into());
    }
    let what = match version {
        Some(version) => format!("version {version} of {}", artifact.name()),
        None => format!("{} with {}", artifact.name(), counted(versions, "version")),
    };
    // A question that cannot be shown is answered with no below.
    drop(write!(io::stderr(), "delete {what}? [y/N] "));
    let read = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = tokio::select! {
        answer = read => answer.map_err(RepoError::from)?,
        () = context.stop.cancelled() => return Err(Failed::Interrupted),
    };
    let answer = answer.map_err(|source| CommandError::Input { path: "standard input".into(), source })?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn locate(repo: &Repo, reference: &str, name: &str) -> Result<(Model, Artifact), Failed> {
    let model = model::resolve_to_change(repo, reference)?;
    let model = model.ok_or_else(|| CommandError::ModelNotFound { reference: reference.to_owned() })?;
    let artifact = model::artifact(&model, name)?;
    Ok((model, artifact))
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Renamed {
    old_name: String,
    new_name: String,
    #[serde(flatten)]
    model: ModelKeys,
    copied_version: u64,
    new_version: u64,
    warning: String,
}

pub(crate) async fn rename(arguments: RenameArguments, context: &Context) -> Outcome {
    let repo = context.repo()?;
    let (model, source) = locate(&repo, &arguments.model, &arguments.old)?;
    let target = source.sibling(arguments.new)?;
    if repo.store().latest(&source)?.is_none() {
        let (name, model) = (arguments.old, shown_name(&model).to_owned());
        return Err(CommandError::DataNotFound { name, model, version: None }.into());
    }
    let renamed = repo
        .changing_model(&model::path(&model)?, &context.stop, async || {
            let renamed = repo.store().rename(&source, &target)?;
            repo.follow(&[&renamed.source, &renamed.target])?;
            Ok::<_, RepoError>(renamed)
        })
        .await?;
    let shown = Renamed {
        warning: format!("expressions and scripts that name `{}` keep its old versions; change them", arguments.old),
        old_name: arguments.old,
        new_name: target.name().as_str().to_owned(),
        model: (&model).into(),
        copied_version: renamed.copied_version.get(),
        new_version: renamed.new_version.get(),
    };
    context.output.emit(&shown, |shown| format!("renamed {} to {}\n", shown.old_name, shown.new_name))
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Collected {
    data_entries_expired: usize,
    versions_deleted: usize,
    bytes_reclaimed: u64,
    dry_run: bool,
    expired_entries: Vec<ExpiredEntry>,
    garbage_entries: Vec<GarbageEntry>,
    wal_pages_total: u64,
    wal_pages_checkpointed: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ExpiredEntry {
    #[serde(rename = "type")]
    model_type: String,
    model_id: String,
    data_name: String,
    reason: &'static str,
    version_count: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct GarbageEntry {
    #[serde(rename = "type")]
    model_type: String,
    model_id: String,
    data_name: String,
    versions: Vec<u64>,
}

pub(crate) async fn gc(arguments: &GcArguments, context: &Context) -> Outcome {
    let repo = context.repo()?;
    let runs = repo.runs();
    let collect = move |store: &Store, mode| store.collect_garbage(mode, &|workflow, run| runs.exists(workflow, run));
    let collected = if arguments.dry_run {
        collect(repo.store(), GcMode::DryRun)
    } else {
        repo.changing_everything(&context.stop, move |store| collect(store, GcMode::Collect)).await?
    };
    let changes: Vec<&Changes> = collected.changes().collect();
    repo.follow(&changes)?;
    for (artifact, error) in &collected.failures {
        warn!(%artifact, %error, "not collected");
    }
    let entries = collected.expired.iter().map(|expired| ExpiredEntry {
        model_type: expired.artifact.model_type().as_str().to_owned(),
        model_id: expired.artifact.model_id().as_str().to_owned(),
        data_name: expired.artifact.name().as_str().to_owned(),
        reason: expired.reason.as_str(),
        version_count: expired.version_count,
    });
    let garbage = collected.garbage.iter().map(|garbage| GarbageEntry {
        model_type: garbage.artifact.model_type().as_str().to_owned(),
        model_id: garbage.artifact.model_id().as_str().to_owned(),
        data_name: garbage.artifact.name().as_str().to_owned(),
        versions: garbage.versions.iter().map(|version| version.get()).collect(),
    });
    let shown = Collected {
        data_entries_expired: collected.expired.len(),
        versions_deleted: collected.garbage_versions(),
        bytes_reclaimed: collected.bytes(),
        dry_run: arguments.dry_run,
        expired_entries: entries.collect(),
        garbage_entries: garbage.collect(),
        wal_pages_total: 0,
        wal_pages_checkpointed: 0,
    };
    context.output.emit(&shown, collected_text)?;
    if collected.failures.is_empty() { Ok(()) } else { Err(Failed::Findings) }
}

fn collected_text(shown: &Collected) -> String {
    let would = if shown.dry_run { "would delete" } else { "deleted" };
    let mut text = format!(
        "{would} {} past its lifetime and {} beyond what is kept ({})\n",
        counted(shown.data_entries_expired, "data name"),
        counted(shown.versions_deleted, "version"),
        human_size(shown.bytes_reclaimed),
    );
    for entry in &shown.expired_entries {
        let ExpiredEntry { model_type, model_id, data_name, reason, .. } = entry;
        let data = [model_type, model_id, data_name].map(String::as_str).join("/");
        text.push_str(&["  ", &plain(&data), ": ", reason, "\n"].concat());
    }
    for GarbageEntry { model_type, model_id, data_name, versions } in &shown.garbage_entries {
        let data = [model_type, model_id, data_name].map(String::as_str).join("/");
        let versions: Vec<String> = versions.iter().map(u64::to_string).collect();
        text.push_str(&["  ", &plain(&data), ": version ", &versions.join(", "), "\n"].concat());
    }
    text
}
