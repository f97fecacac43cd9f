//! `swamp doctor`: whether everything that swamp needs is as it must be.

mod machine;

use std::collections::BTreeMap;
use std::path::Path;

use clap::Args;
use serde::Serialize;
use swamp::error::Failure as _;
use swamp::lock;
use swamp::repo::Repo;

use super::context::Context;
use super::datastore::status::{examine, with_causes};
use super::mount::MOUNTPOINT;
use super::output::human_size;
use super::report::{Failed, Outcome};

/// Check repository, datastore, locks, catalog and this machine
///
/// Fails (exit status 1) if anything is wrong that keeps commands from working or makes them unsafe. Writes and deletes
/// one small object, to see whether the store honours conditional writes.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  swamp doctor\n  swamp doctor --json")]
pub(crate) struct DoctorArguments;

/// Less free space than this is too little for anything, in bytes.
const FREE_BYTES_MIN: u64 = 16 << 20;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Diagnosis {
    overall_status: &'static str,
    checks: Vec<Check>,
}

#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    passed: bool,
    severity: Severity,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// What a failed check means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    /// Something does not work or is unsafe.
    Error,
    /// Something works less well, or only some commands do not.
    Warning,
}

impl Check {
    fn passed(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, passed: true, severity: Severity::Error, message: message.into(), hint: None }
    }

    fn failed(check: &'static str, severity: Severity, message: impl Into<String>, hint: Option<String>) -> Self {
        Self { check, passed: false, severity, message: message.into(), hint }
    }
}

pub(crate) async fn run(_: DoctorArguments, context: &Context) -> Outcome {
    let mut checks = Vec::new();
    match context.repo() {
        Ok(repo) => {
            checks.push(Check::passed("repository", format!("repository {}", repo.paths().root.display())));
            checks.push(settings(&repo));
            examine_repository(&repo, context, &mut checks).await;
        }
        Err(error) => {
            checks.push(Check::failed("repository", Severity::Error, with_causes(&error), error.hint()));
        }
    }
    checks.extend(machine::checks(&swamp_mount::diagnose(Path::new(MOUNTPOINT))));
    let is_sick = checks.iter().any(|check| !check.passed && check.severity == Severity::Error);
    let diagnosis = Diagnosis { overall_status: if is_sick { "fail" } else { "pass" }, checks };
    context.output.emit(&diagnosis, human)?;
    if is_sick { Err(Failed::Findings) } else { Ok(()) }
}

async fn examine_repository(repo: &Repo, context: &Context, checks: &mut Vec<Check>) {
    let health = examine(repo, context).await;
    let is_reachable = health.healthy;
    checks.push(if health.healthy {
        Check::passed("datastore", health.message)
    } else {
        Check::failed("datastore", Severity::Error, health.message, health.hint)
    });
    if is_reachable {
        checks.push(conditional_writes(repo).await);
        checks.push(global_lock(repo, context).await);
    }
    checks.push(disk(repo));
    checks.push(catalog(repo));
    checks.push(models(repo));
}

/// Whether every setting is one. Commands say nothing about those that have no effect: the existing swamp does not
/// either, and knows settings of its own.
fn settings(repo: &Repo) -> Check {
    let name = "settings";
    let mut ignored: Vec<String> =
        repo.marker().unknown().iter().map(|key| format!("`{key}` in .swamp.yaml")).collect();
    ignored.extend(repo.environment().ignored().map(str::to_owned));
    if ignored.is_empty() {
        return Check::passed(name, "every setting is known");
    }
    let hint =
        "look for a spelling mistake; timeouts are whole milliseconds, those of requests 1000 to 600000".to_owned();
    Check::failed(name, Severity::Warning, format!("ignored: {}", ignored.join(", ")), Some(hint))
}

async fn conditional_writes(repo: &Repo) -> Check {
    let name = "conditional_writes";
    let probed = async { repo.probe(&*repo.bucket().await?).await };
    match probed.await {
        Ok(conditions) if conditions.create && conditions.update => {
            Check::passed(name, "the store honours conditional writes")
        }
        Ok(_) => {
            let hint = "use the datastore from one machine at a time, or use another store".to_owned();
            let message = "the store ignores conditional writes: locks are unsafe";
            Check::failed(name, Severity::Error, message, Some(hint))
        }
        Err(error) => Check::failed(name, Severity::Error, with_causes(&error), error.hint()),
    }
}

async fn global_lock(repo: &Repo, context: &Context) -> Check {
    let name = "locks";
    let found = async { Ok::<_, swamp::repo::RepoError>(repo.global_lock(&context.stop).await?.inspect().await?) };
    match found.await {
        Ok(None) => Check::passed(name, "no lock is held"),
        Ok(Some(found)) => {
            let age = context.clock.now().since(found.meta.modified);
            let holder = found.body.as_ref().map_or("an unreadable lock", |body| body.holder.as_str());
            if age > found.body.as_ref().map_or(lock::TTL, lock::Body::ttl) {
                let hint = "the next command that needs it takes it over, or: `swamp datastore lock release --force`";
                let message = format!("{holder} left a lock {} s ago", age.as_secs());
                Check::failed(name, Severity::Warning, message, Some(hint.to_owned()))
            } else {
                Check::passed(name, format!("{holder} is working on the datastore"))
            }
        }
        Err(error) => Check::failed(name, Severity::Error, with_causes(&error), error.hint()),
    }
}

/// Whether there is space for what is stored, fetched and written down.
fn disk(repo: &Repo) -> Check {
    let name = "disk";
    let cache = &repo.paths().cache;
    // What is not there yet is made where its parent is.
    let place = cache.ancestors().find(|place| place.exists()).unwrap_or(cache);
    let known = match rustix::fs::statvfs(place) {
        Ok(known) => known,
        Err(error) => {
            let message = format!("`{}` cannot be looked at: {error}", place.display());
            return Check::failed(name, Severity::Error, message, None);
        }
    };
    let free = known.f_bavail.saturating_mul(known.f_frsize);
    let message = format!("{} free for the cache at {}", human_size(free), cache.display());
    if free >= FREE_BYTES_MIN && known.f_ffree != 0 {
        return Check::passed(name, message);
    }
    let hint = "free some space on this disk: nothing can be stored, fetched or pushed without".to_owned();
    Check::failed(name, Severity::Error, message, Some(hint))
}

fn catalog(repo: &Repo) -> Check {
    let name = "catalog";
    let rows = || -> Result<u64, swamp::repo::RepoError> {
        let counts = repo.checked_catalog()?.counts()?;
        Ok(counts.iter().filter(|count| count.namespace.as_ref() == repo.namespace()).map(|count| count.rows).sum())
    };
    match rows() {
        Ok(rows) => Check::passed(name, format!("the catalog knows all {rows} versions that are here")),
        Err(error) => Check::failed(name, Severity::Error, with_causes(&error), error.hint()),
    }
}

/// Whether a name means one model: two machines that defined it before either had pushed made two.
fn models(repo: &Repo) -> Check {
    let name = "models";
    let models = match repo.catalog().and_then(|catalog| Ok(catalog.models(repo.namespace())?)) {
        Ok(models) => models,
        Err(error) => return Check::failed(name, Severity::Error, with_causes(&error), error.hint()),
    };
    let mut named: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for model in models.iter().filter(|model| !model.name.is_empty()) {
        named.entry(&model.name).or_default().push(format!("{}/{}", model.type_normalized, model.id));
    }
    named.retain(|_, models| models.len() > 1);
    if named.is_empty() {
        return Check::passed(name, "every name means one model");
    }
    let named: Vec<String> = named.iter().map(|(name, models)| format!("`{name}`: {}", models.join(", "))).collect();
    let hint =
        "commands take the one that is defined; the data of another is reached by its id: `swamp data get ID NAME`";
    let message = format!("several models have one name: {}", named.join("; "));
    Check::failed(name, Severity::Warning, message, Some(hint.to_owned()))
}

fn human(diagnosis: &Diagnosis) -> String {
    let mut lines = Vec::new();
    for check in &diagnosis.checks {
        let state = match (check.passed, check.severity) {
            (true, _) => "ok     ",
            (false, Severity::Warning) => "warning",
            (false, Severity::Error) => "error  ",
        };
        lines.push(format!("{state}  {}", check.message));
        lines.extend(check.hint.iter().map(|hint| format!("         hint: {hint}")));
    }
    lines.join("\n") + "\n"
}
