//! `swamp datastore lock`: who works on the datastore, and removing the lock of somebody who is gone.

use std::time::Duration;

use clap::Subcommand;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Serialize;
use swamp::clock::Timestamp;
use swamp::lock::{self, Body, Broken, Found, Lock};
use swamp::path::RelPath;
use swamp::repo::{Repo, RepoError};

use crate::cli::context::Context;
use crate::cli::output::{human_duration, table};
use crate::cli::report::{Failed, Outcome};

/// How many locks are looked at at once.
const LOOKS_MAX: usize = 16;

#[derive(Debug, Subcommand)]
pub(crate) enum LockCommand {
    /// Show who holds which lock
    ///
    /// Looks at the lock of the namespace and at those of the models that the catalog knows.
    #[command(after_help = "Examples:\n  swamp datastore lock status\n  swamp datastore lock status --json")]
    Status,
    /// Remove a lock whose holder is gone
    ///
    /// A lock that is not renewed frees itself after 30 seconds; this is for the impatient. A holder that is alive
    /// notices at its next renewal and commits nothing more.
    #[command(after_help = "Examples:\n  swamp datastore lock release --force\n  \
                            swamp datastore lock release --force --model aws/ec2/vpc/0bc79a8f-d9d2-4ec5-a37f-8d88bbb3ee27")]
    Release {
        /// Yes, I am certain that nobody works under it
        #[arg(long, required = true)]
        force: bool,
        /// The lock of one model, as `{type}/{id}`, instead of the namespace's
        #[arg(long, value_name = "TYPE/ID")]
        model: Option<RelPath>,
    },
}

pub(crate) async fn run(command: LockCommand, context: &Context) -> Outcome {
    let repo = context.repo()?;
    match command {
        LockCommand::Status => status(&repo, context).await,
        LockCommand::Release { force: _, model } => release(&repo, model.as_ref(), context).await,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    held: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<Body>,
    datastore_type: &'static str,
    locks: Vec<Listed>,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    held: bool,
    key: String,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<Body>,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expired: Option<bool>,
}

async fn status(repo: &Repo, context: &Context) -> Outcome {
    let global = inspect(repo, lock::global_key(repo.namespace()), "datastore".to_owned(), context).await?;
    let models = repo.catalog()?.models(repo.namespace()).map_err(Failed::from)?;
    let looks = models.into_iter().map(async |model| {
        let scope = format!("{}/{}", model.type_normalized, model.id);
        let key = scope.parse().and_then(|path| lock::model_key(repo.namespace(), &path)).map_err(Failed::from)?;
        inspect(repo, key, scope, context).await
    });
    let found: Vec<Listed> = stream::iter(looks).buffered(LOOKS_MAX).try_collect().await?;
    let held = found.into_iter().filter(|listed| listed.held);
    let locks: Vec<_> = std::iter::once(global.clone()).chain(held).collect();
    let datastore_type = repo.config().backend.type_name();
    let shown = Status { held: global.held, info: global.info, datastore_type, locks };
    context.output.emit(&shown, status_text)
}

async fn inspect(repo: &Repo, key: RelPath, scope: String, context: &Context) -> Result<Listed, Failed> {
    let lock: Lock = repo.lock(key, &context.stop).await?;
    let found = lock.inspect().await?;
    let key = lock.key().to_string();
    Ok(match found {
        None => Listed { held: false, key, scope, info: None, age_ms: None, expired: None },
        Some(found) => {
            let age = age(&found, context.clock.now());
            let ttl = found.body.as_ref().map_or(lock::TTL, Body::ttl);
            let age_ms = Some(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
            Listed { held: true, key, scope, info: found.body, age_ms, expired: Some(age > ttl) }
        }
    })
}

/// Returns how long ago a lock was renewed, by the store's clock and ours.
fn age(found: &Found, now: Timestamp) -> Duration {
    now.since(found.meta.modified)
}

fn status_text(shown: &Status) -> String {
    let rows = shown.locks.iter().filter(|listed| listed.held).map(|listed| {
        let holder = listed.info.as_ref().map_or_else(|| "unreadable".to_owned(), |body| body.holder.clone());
        let process = listed.info.as_ref().map_or_else(String::new, |body| body.pid.to_string());
        let age = human_duration(Duration::from_millis(listed.age_ms.unwrap_or_default()));
        let state = if listed.expired == Some(true) { "expired" } else { "" };
        [listed.scope.clone(), holder, process, age, state.to_owned()]
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        "no lock held\n".to_owned()
    } else {
        table(["lock", "holder", "process", "renewed", ""], &rows)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Released {
    released: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_holder: Option<Body>,
}

async fn release(repo: &Repo, model: Option<&RelPath>, context: &Context) -> Outcome {
    let key = match model {
        Some(model) => lock::model_key(repo.namespace(), model)?,
        None => lock::global_key(repo.namespace()),
    };
    let lock = repo.lock(key, &context.stop).await?;
    let shown = match lock.break_by_force().await.map_err(RepoError::from)? {
        Broken::Absent => Released { released: false, reason: Some("no lock held"), previous_holder: None },
        Broken::Removed(previous_holder) => Released { released: true, reason: None, previous_holder },
    };
    context.output.emit(&shown, |shown| match (&shown.previous_holder, shown.released) {
        (_, false) => "no lock held\n".to_owned(),
        (Some(body), true) => format!("released the lock of {} (process {})\n", body.holder, body.pid),
        (None, true) => "released an unreadable lock\n".to_owned(),
    })
}
