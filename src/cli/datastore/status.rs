//! `swamp datastore status`: where the data is and whether it can be reached.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use swamp::bucket::{BucketError, ListOptions};
use swamp::clock::Timestamp;
use swamp::datastore::Backend;
use swamp::error::Failure as _;
use swamp::namespace::Namespace;
use swamp::repo::{Repo, RepoError};
use swamp::sync::{self, Direction};

use crate::cli::context::Context;
use crate::cli::report::Outcome;

/// How long the datastore is waited for: a person waits for this, and asks because something is wrong.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Show where the data is and whether it can be reached
///
/// An unreachable datastore is shown, and is no failure of this command; `swamp doctor` fails on it.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  swamp datastore status\n  swamp datastore status --json")]
pub(crate) struct StatusArguments;

/// What one cheap request to a datastore came to.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    pub(crate) healthy: bool,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) latency_ms: f64,
}

/// Asks the datastore for one key.
pub(crate) async fn examine(repo: &Repo, context: &Context) -> Health {
    let started = context.clock.elapsed();
    let answer = tokio::time::timeout(ANSWER_MAX, ask(repo)).await.unwrap_or_else(|_elapsed| {
        Err(RepoError::Silent { location: repo.config().backend.location(), waited: ANSWER_MAX })
    });
    let latency_ms = context.clock.elapsed().saturating_sub(started).as_secs_f64() * 1000.0;
    match answer {
        Ok(()) => Health { healthy: true, message: accessible(repo), hint: None, latency_ms },
        Err(error) => Health { healthy: false, message: with_causes(&error), hint: error.hint(), latency_ms },
    }
}

async fn ask(repo: &Repo) -> Result<(), RepoError> {
    if let Some(directory) = repo.config().backend.directory()
        && !directory.is_dir()
    {
        return Err(RepoError::DirectoryMissing { directory: directory.to_owned() });
    }
    let bucket = repo.bucket().await?;
    let asked = bucket.list(ListOptions { page_size: Some(1), ..ListOptions::default() }).await;
    asked
        .map(drop)
        .map_err(|source: BucketError| RepoError::Unreachable { location: repo.config().backend.location(), source })
}

fn accessible(repo: &Repo) -> String {
    match &repo.config().backend {
        Backend::Filesystem(filesystem) => format!("directory '{}' is accessible", filesystem.path.display()),
        Backend::S3(s3) => format!("S3 bucket '{}' is accessible", s3.bucket),
        Backend::Gcs(gcs) => format!("GCS bucket '{}' is accessible", gcs.bucket),
    }
}

/// Returns a failure with its causes in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    text
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    healthy: bool,
    message: String,
    latency_ms: f64,
    directories: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    exclude: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    location: String,
    cache_path: String,
    /// How many paths changed here and are not pushed; null where everything may have changed.
    dirty: Option<usize>,
    last_pulled: Option<Timestamp>,
    last_pushed: Option<Timestamp>,
}

pub(crate) async fn run(_: StatusArguments, context: &Context) -> Outcome {
    let repo = context.repo()?;
    let health = examine(&repo, context).await;
    let config = repo.config();
    let dirty = repo.watermark().peek()?;
    let shown = Status {
        kind: config.backend.type_name(),
        path: config.backend.directory().map(|directory| directory.display().to_string()),
        healthy: health.healthy,
        message: health.message,
        latency_ms: health.latency_ms,
        directories: config.directories.clone(),
        exclude: config.exclude.patterns().to_vec(),
        namespace: repo.namespace().map(Namespace::to_string),
        location: config.backend.location(),
        cache_path: repo.paths().cache.display().to_string(),
        dirty: (!dirty.is_everything).then_some(dirty.paths.len()),
        last_pulled: sync::last_done(&repo.paths().state, Direction::Pull)?,
        last_pushed: sync::last_done(&repo.paths().state, Direction::Push)?,
    };
    context.output.emit(&shown, human)
}

fn human(shown: &Status) -> String {
    let state = if shown.healthy { "healthy" } else { "unhealthy" };
    let mut lines = vec![
        format!("type:       {}", shown.kind),
        format!("location:   {}", shown.location),
        format!("namespace:  {}", shown.namespace.as_deref().unwrap_or("- (solo)")),
        format!("health:     {state} ({:.0} ms)", shown.latency_ms),
    ];
    if !shown.healthy {
        lines.push(format!("error:      {}", shown.message));
    }
    lines.push(format!("holds:      {}", shown.directories.join(", ")));
    if !shown.exclude.is_empty() {
        lines.push(format!("except:     {}", shown.exclude.join(", ")));
    }
    lines.push(format!("cache:      {}", shown.cache_path));
    let time = |time: Option<Timestamp>| time.map_or_else(|| "never".to_owned(), |time| time.to_string());
    lines.push(format!("pulled:     {}", time(shown.last_pulled)));
    lines.push(format!("pushed:     {}", time(shown.last_pushed)));
    lines.push(match shown.dirty {
        Some(0) => "to push:    nothing".to_owned(),
        Some(paths) => format!("to push:    changes below {paths} paths"),
        None => "to push:    not known, the next push looks at everything".to_owned(),
    });
    lines.join("\n") + "\n"
}
