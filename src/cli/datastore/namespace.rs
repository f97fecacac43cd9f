//! `swamp datastore namespace`: which share of the datastore is ours.

use clap::Subcommand;
use serde::Serialize;
use swamp::namespace::Namespace;
use swamp::repo::migration::MigrationPlan;
use swamp::repo::{Direction, Repo};

use super::check_unmounted;
use crate::cli::context::Context;
use crate::cli::output::{counted, human_size, table};
use crate::cli::report::Outcome;

#[derive(Debug, Subcommand)]
pub(crate) enum NamespaceCommand {
    /// Register a namespace for this repository and work in it
    ///
    /// Of two repositories that want one name, exactly one gets it; the other is told whose it is and keeps what it had.
    /// Data that is here already stays where it is until `swamp datastore namespace migrate`.
    #[command(after_help = "Examples:\n  swamp datastore namespace set infra")]
    Set {
        /// The name: 1 to 64 of `a-z`, `0-9` and `-`
        namespace: Namespace,
    },
    /// Return to the solo layout, while nobody else shares the datastore
    ///
    /// The registration stays with the data of the namespace, so that nobody else takes the name by accident; once all
    /// was moved out of a directory, the name is free.
    #[command(after_help = "Examples:\n  swamp datastore namespace migrate --reverse --confirm\n  \
                            swamp datastore namespace unset")]
    Unset {
        /// Move the data out of the namespace first
        #[arg(long)]
        migrate: bool,
        /// Do it, instead of showing what would move
        #[arg(short = 'y', long, requires = "migrate")]
        confirm: bool,
    },
    /// List the namespaces of the datastore
    #[command(after_help = "Examples:\n  swamp datastore namespace list\n  swamp datastore namespace list --json")]
    List,
    /// Move data that was here before the namespace into it
    ///
    /// Shows what would move; `--confirm` moves it. Secrets and bundles are never moved. A file that is there with other
    /// content stops everything before it begins, and nothing moves out of a namespace to where data is already.
    #[command(after_help = "Examples:\n  swamp datastore namespace migrate\n  \
                            swamp datastore namespace migrate --confirm && swamp datastore sync --push")]
    Migrate {
        /// Move out of the namespace instead
        #[arg(long)]
        reverse: bool,
        /// Do it
        #[arg(short = 'y', long)]
        confirm: bool,
    },
}

pub(crate) async fn run(command: NamespaceCommand, context: &Context) -> Outcome {
    let repo = context.repo()?;
    match command {
        NamespaceCommand::Set { namespace } => {
            check_unmounted(&repo, context).await?;
            set(&repo, &namespace, context).await
        }
        NamespaceCommand::Unset { migrate: true, confirm: false } => {
            repo.check_alone().await?;
            migrate(&repo, Direction::OutOf, false, context).await
        }
        NamespaceCommand::Unset { migrate, .. } => {
            check_unmounted(&repo, context).await?;
            unset(&repo, migrate, context).await
        }
        NamespaceCommand::List => list(&repo, context).await,
        NamespaceCommand::Migrate { reverse, confirm } => {
            let direction = if reverse { Direction::OutOf } else { Direction::Into };
            if confirm {
                check_unmounted(&repo, context).await?;
            }
            migrate(&repo, direction, confirm, context).await
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Set {
    namespace: String,
    datastore_path: String,
    warning: String,
    registration_skipped: bool,
}

async fn set(repo: &Repo, namespace: &Namespace, context: &Context) -> Outcome {
    let set = repo.set_namespace(namespace).await?;
    let warning = match set.unmigrated.files() {
        0 => String::new(),
        _ => format!(
            "{} outside the namespace; move them with `swamp datastore namespace migrate --confirm`",
            summary(&set.unmigrated)
        ),
    };
    let datastore_path = set.tree.display().to_string();
    let shown = Set { namespace: namespace.to_string(), datastore_path, warning, registration_skipped: false };
    context.output.emit(&shown, |shown| format!("working in namespace {}\n", shown.namespace))?;
    if !shown.warning.is_empty() {
        context.output.status(&format!("warning: {}", shown.warning));
    }
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Unset {
    previous_namespace: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    warning: String,
}

async fn unset(repo: &Repo, moves: bool, context: &Context) -> Outcome {
    if moves {
        // Before anything moves: what cannot be left keeps its data.
        repo.check_alone().await?;
        repo.migrate(Direction::OutOf, &context.stop).await?;
    }
    let dirty = repo.watermark().peek()?;
    let is_behind = !moves && repo.config().backend.directory().is_none() && !dirty.is_empty();
    let previous_namespace = repo.unset_namespace().await?.to_string();
    let warning = if is_behind {
        format!(
            "not everything of `{previous_namespace}` is in the datastore; `swamp datastore namespace set \
             {previous_namespace}` and `swamp datastore sync --push` send it"
        )
    } else {
        String::new()
    };
    let shown = Unset { previous_namespace, warning };
    context.output.emit(&shown, |shown| format!("no longer in namespace {}\n", shown.previous_namespace))?;
    if !shown.warning.is_empty() {
        context.output.status(&format!("warning: {}", shown.warning));
    }
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List {
    namespaces: Vec<Listed>,
    current_namespace: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    namespace: String,
    repo_id: String,
    registered_at: String,
    is_current: bool,
}

async fn list(repo: &Repo, context: &Context) -> Outcome {
    let current = repo.namespace();
    let namespaces = repo.namespaces().await?.into_iter().map(|registered| {
        let (repo_id, registered_at) =
            registered.manifest.map_or_else(Default::default, |manifest| (manifest.repo_id, manifest.registered_at));
        let is_current = Some(&registered.namespace) == current;
        Listed { namespace: registered.namespace.to_string(), repo_id, registered_at, is_current }
    });
    let current_namespace = current.map(Namespace::to_string).unwrap_or_default();
    let shown = List { namespaces: namespaces.collect(), current_namespace };
    context.output.emit(&shown, |shown| {
        if shown.namespaces.is_empty() {
            return "no namespaces\n".to_owned();
        }
        let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let rows = shown.namespaces.iter().map(|listed| {
            let mark = if listed.is_current { "*" } else { "" };
            [listed.namespace.clone(), or_dash(&listed.repo_id), or_dash(&listed.registered_at), mark.to_owned()]
        });
        table(["namespace", "repository", "registered", "current"], &rows.collect::<Vec<_>>())
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Migration {
    namespace: String,
    datastore_path: String,
    reverse: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirm: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    directories: Option<Vec<Directory>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    migrated_directories: Option<Vec<Directory>>,
    total_files: u64,
    total_bytes: u64,
    is_extension_datastore: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Directory {
    subdir: String,
    source: String,
    destination: String,
    file_count: u64,
    total_bytes: u64,
}

async fn migrate(repo: &Repo, direction: Direction, confirm: bool, context: &Context) -> Outcome {
    let plan = if confirm {
        repo.migrate(direction, &context.stop).await?
    } else {
        let plan = repo.plan_migration(direction)?;
        plan.check()?;
        plan
    };
    let directories = plan.directories.iter().map(|directory| Directory {
        subdir: directory.subdir.clone(),
        source: directory.source.display().to_string(),
        destination: directory.target.display().to_string(),
        file_count: directory.files,
        total_bytes: directory.bytes,
    });
    let directories: Vec<_> = directories.collect();
    let (preview, done) = if confirm { (None, Some(directories)) } else { (Some(directories), None) };
    let is_remote = repo.config().backend.directory().is_none();
    let shown = Migration {
        namespace: repo.namespace().map(Namespace::to_string).unwrap_or_default(),
        datastore_path: repo.paths().tree.display().to_string(),
        reverse: direction == Direction::OutOf,
        confirm: (!confirm).then_some(false),
        directories: preview,
        migrated_directories: done,
        total_files: plan.files(),
        total_bytes: plan.bytes(),
        is_extension_datastore: is_remote,
    };
    context.output.emit(&shown, migration_text)?;
    if plan.files() > 0 && !confirm {
        context.output.status("nothing was moved yet; add `--confirm` to do it");
    } else if plan.files() > 0 && is_remote {
        context.output.status("publish it with `swamp datastore sync --push`");
    }
    Ok(())
}

fn migration_text(shown: &Migration) -> String {
    let directories = shown.directories.as_ref().or(shown.migrated_directories.as_ref());
    let rows = directories.into_iter().flatten().map(|directory| {
        let Directory { subdir, file_count, total_bytes, destination, .. } = directory;
        [subdir.clone(), file_count.to_string(), human_size(*total_bytes), destination.clone()]
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return "nothing to migrate\n".to_owned();
    }
    table(["directory", "files", "size", "to"], &rows)
}

fn summary(plan: &MigrationPlan) -> String {
    let files = usize::try_from(plan.files()).unwrap_or(usize::MAX);
    let verb = if files == 1 { "lies" } else { "lie" };
    format!("{} ({}) {verb}", counted(files, "file"), human_size(plan.bytes()))
}
