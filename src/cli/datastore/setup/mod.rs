//! `swamp datastore setup`: choosing where the data lives.

mod arguments;

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};
use swamp::datastore::{GCS_TYPE, S3_TYPE};
use swamp::namespace::Namespace;
use swamp::repo::{Migration, Repo, SetUp};
use swamp::sync::{SyncOptions, SyncService as _};

use super::check_unmounted;
use super::status::with_causes;
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::output::{counted, human_size};
use crate::cli::report::{Failed, Outcome};
use arguments::{Checksums, Common, GcsArguments, Hydration, S3Arguments};

pub(crate) use arguments::SetupCommand;

pub(crate) async fn run(command: SetupCommand, context: &Context) -> Outcome {
    let repo = context.repo()?;
    check_unmounted(&repo, context).await?;
    let (block, common) = block_of(command, context.environment.directory())?;
    let migration = if common.skip_migration { Migration::Skip } else { Migration::Copy };
    let done = repo.set_up(block, migration).await?;
    let mut shown = shown(&done);
    if done.repo.shares_data() {
        exchange(&done.repo, done.copied.files() > 0, context, &mut shown).await;
    }
    let has_errors = !shown.errors.is_empty();
    context.output.emit(&shown, human)?;
    if has_errors { Err(Failed::Findings) } else { Ok(()) }
}

/// Returns the block that the arguments mean.
fn block_of(command: SetupCommand, directory: &Path) -> Result<(Map<String, Value>, Common), CommandError> {
    let mut block = Map::new();
    let common = match command {
        SetupCommand::Filesystem { path, directories, common } => {
            // Where a relative path starts would change with the reader: people mean where they are.
            let is_relative = !path.starts_with(['/', '~', '$']);
            let path = if is_relative { directory.join(&path).display().to_string() } else { path };
            set(&mut block, "type", Some("filesystem"));
            set(&mut block, "path", Some(path));
            set(&mut block, "directories", (!directories.is_empty()).then_some(directories));
            common
        }
        SetupCommand::S3(arguments) => {
            let hydration = arguments.hydration;
            let (config, common) = s3_config(arguments);
            set(&mut block, "type", Some(S3_TYPE));
            set(&mut block, "config", Some(config));
            set(&mut block, "hydrationStrategy", hydration.map(hydration_word));
            common
        }
        SetupCommand::Gcs(arguments) => {
            let hydration = arguments.hydration;
            let (config, common) = gcs_config(arguments);
            set(&mut block, "type", Some(GCS_TYPE));
            set(&mut block, "config", Some(config));
            set(&mut block, "hydrationStrategy", hydration.map(hydration_word));
            common
        }
        SetupCommand::Extension { kind, config, hydration_strategy, common } => {
            let parsed: Result<Map<String, Value>, _> = serde_json::from_str(&config);
            let mut config = parsed.map_err(|source| CommandError::Config { source })?;
            let inner = config.shift_remove("namespace");
            set(&mut block, "type", Some(kind));
            set(&mut block, "config", Some(config));
            set(&mut block, "hydrationStrategy", hydration_strategy.map(hydration_word));
            set(&mut block, "namespace", inner);
            common
        }
    };
    set(&mut block, "namespace", common.namespace.as_ref().map(Namespace::as_str));
    Ok((block, common))
}

fn s3_config(arguments: S3Arguments) -> (Map<String, Value>, Common) {
    let mut config = Map::new();
    set(&mut config, "bucket", Some(arguments.bucket));
    set(&mut config, "prefix", arguments.prefix);
    set(&mut config, "region", arguments.region);
    set(&mut config, "endpoint", arguments.endpoint);
    set(&mut config, "forcePathStyle", arguments.force_path_style.then_some(true));
    let checksums = arguments.checksums.map(|checksums| match checksums {
        Checksums::WhenSupported => "when_supported",
        Checksums::WhenRequired => "when_required",
    });
    set(&mut config, "checksums", checksums);
    (config, arguments.common)
}

fn gcs_config(arguments: GcsArguments) -> (Map<String, Value>, Common) {
    let mut config = Map::new();
    set(&mut config, "bucket", Some(arguments.bucket));
    set(&mut config, "prefix", arguments.prefix);
    set(&mut config, "projectId", arguments.project_id);
    set(&mut config, "apiEndpoint", arguments.api_endpoint);
    (config, arguments.common)
}

fn hydration_word(hydration: Hydration) -> &'static str {
    match hydration {
        Hydration::Full => "full",
        Hydration::Lazy => "lazy",
    }
}

fn set<V: Into<Value>>(map: &mut Map<String, Value>, key: &str, value: Option<V>) {
    if let Some(value) = value {
        map.insert(key.to_owned(), value.into());
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    files_copied: u64,
    files_pulled: u64,
    bytes_copied: u64,
    directories_migrated: Vec<String>,
    errors: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_hint: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_path: Option<String>,
    warnings: Vec<String>,
    files_pushed: u64,
}

fn shown(done: &SetUp) -> Shown {
    let backend = &done.repo.config().backend;
    let has_copied = done.copied.files() > 0;
    let mut warnings = Vec::new();
    if !done.conditions.create {
        warnings
            .push("the store ignores conditional writes: locks are unsafe while several machines use it".to_owned());
    }
    if has_copied {
        warnings.push(format!("the copied directories below `{}` may be deleted now", done.source.display()));
    }
    Shown {
        kind: backend.type_name(),
        path: backend.directory().map(|path| path.display().to_string()),
        files_copied: done.copied.files(),
        files_pulled: 0,
        bytes_copied: done.copied.bytes(),
        directories_migrated: done.copied.directories.iter().map(|moved| moved.subdir.clone()).collect(),
        errors: Vec::new(),
        retry_hint: None,
        namespace: done.repo.namespace().map(Namespace::to_string),
        source_path: has_copied.then(|| done.source.display().to_string()),
        destination_path: has_copied.then(|| done.target.display().to_string()),
        warnings,
        files_pushed: 0,
    }
}

/// Publishes what was copied, then brings here what is there. A failure is told and can be made up for.
async fn exchange(repo: &Repo, has_copied: bool, context: &Context, shown: &mut Shown) {
    match try_exchange(repo, has_copied, context).await {
        Ok((pushed, pulled)) => (shown.files_pushed, shown.files_pulled) = (pushed, pulled),
        Err(error) => {
            shown.errors.push(with_causes(&error));
            shown.retry_hint = Some("the datastore is set up; run `swamp datastore sync`");
        }
    }
}

async fn try_exchange(repo: &Repo, has_copied: bool, context: &Context) -> Result<(u64, u64), swamp::repo::RepoError> {
    let engine = repo.engine(context.engine_options()).await?;
    let options = SyncOptions { namespace: repo.namespace().cloned(), depth: None };
    let pushed = if has_copied { engine.push_changed(&options).await?.uploaded } else { 0 };
    let pulled = engine.pull_changed(&options).await?.downloaded;
    Ok((pushed, pulled))
}

fn human(shown: &Shown) -> String {
    let files = |count: u64| counted(usize::try_from(count).unwrap_or(usize::MAX), "file");
    let namespace = shown.namespace.as_ref().map(|namespace| format!(", namespace {namespace}")).unwrap_or_default();
    let mut lines = vec![format!("datastore: {}{namespace}", shown.path.as_deref().unwrap_or(shown.kind))];
    if let (Some(source), Some(target)) = (&shown.source_path, &shown.destination_path) {
        let (copied, size) = (files(shown.files_copied), human_size(shown.bytes_copied));
        lines.push(format!("copied {copied} ({size}) from {source} to {target}"));
    }
    lines.push(format!("pushed {}, pulled {}", files(shown.files_pushed), files(shown.files_pulled)));
    lines.extend(shown.warnings.iter().map(|warning| format!("note: {warning}")));
    lines.extend(shown.errors.iter().map(|error| format!("error: {error}")));
    lines.extend(shown.retry_hint.map(|hint| format!("hint: {hint}")));
    lines.join("\n") + "\n"
}
