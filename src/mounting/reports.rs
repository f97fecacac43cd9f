//! What `.swamp/` shows: how things are, what is not pushed yet, what failed, what was done.
//!
//! `status.json` is one document. The others are lines of fields separated by tabs, the first of which says what the
//! line is about, so that `grep` and `cut` are all it takes.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::keeper::Links;
use super::shown::Doing;
use crate::clock::{Clock, Timestamp};
use crate::path::RelPath;
use crate::repo::{Repo, RepoError};
use crate::sync::DirtySet;
use crate::tree::Reports;

/// What the mount itself knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MountFacts {
    /// Whether reads and writes of our own files bypass this process.
    pub passthrough: bool,
    /// Why not, if not.
    pub passthrough_reason: Option<String>,
    /// How much fetched content is in memory, in bytes.
    pub cache_bytes: u64,
    /// How much may be.
    pub cache_bytes_max: u64,
    /// Counters of the mount, by name.
    pub counters: Vec<(String, u64)>,
}

/// Somebody who asks the mount.
pub type AskMount = Arc<dyn Fn() -> MountFacts + Send + Sync>;

/// The reports of a mount.
pub struct MountReports {
    /// What is mounted.
    pub repo: Arc<Repo>,
    /// Where.
    pub mountpoint: PathBuf,
    /// Where commands are answered.
    pub socket: PathBuf,
    /// Since when.
    pub started: Timestamp,
    /// What is going on.
    pub links: Links,
    /// What the mount itself knows; nothing before there is one.
    pub ask_mount: AskMount,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for MountReports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MountReports").field("mountpoint", &self.mountpoint).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    namespace: String,
    is_own: bool,
    rows: u64,
    last_synced: Option<Timestamp>,
    age_seconds: Option<u64>,
}

/// The names of all reports.
const NAMES: [&str; 4] = ["status.json", "queue", "errors", "stats"];

impl Reports for MountReports {
    fn names(&self) -> Vec<String> {
        NAMES.map(str::to_owned).into()
    }

    fn render(&self, name: &str) -> Option<Vec<u8>> {
        self.text(name).map(String::into_bytes)
    }
}

impl MountReports {
    /// Returns a report as it is now, `None` for a name that is none.
    pub fn text(&self, name: &str) -> Option<String> {
        Some(match name {
            "status.json" => serde_json::to_string_pretty(&self.status()).unwrap_or_default() + "\n",
            "queue" => match self.repo.watermark().peek() {
                Ok(dirty) => queue(&dirty, &self.repo.watermark().held(), &self.links.shown.doing()),
                Err(error) => format!("error\t{error}\n"),
            },
            "errors" => self.links.failures.to_text(),
            "stats" => stats(&self.links.shown.doing(), self.links.failures.last().0, &(self.ask_mount)()),
            _ => return None,
        })
    }

    /// Returns the document that is `status.json`.
    pub fn status(&self) -> Value {
        let namespaces = self.namespaces();
        let error = namespaces.as_ref().err().map(ToString::to_string);
        let mut facts = (self.ask_mount)();
        facts.counters.clear();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "mountpoint": self.mountpoint,
            "socket": self.socket,
            "started": self.started,
            "repository": self.repo.id(),
            "datastore": self.repo.config().backend.location(),
            "namespace": self.repo.namespace(),
            "mount": facts,
            "namespaces": namespaces.unwrap_or_default(),
            "catalogError": error,
            "dirty": self.repo.watermark().peek().ok().filter(|dirty| !dirty.is_everything).map(|dirty| dirty.paths.len()),
            "sync": self.links.shown.doing(),
            "failures": self.links.failures.last().0,
        })
    }

    fn namespaces(&self) -> Result<Vec<Shown>, RepoError> {
        let catalog = self.repo.catalog()?;
        let now = self.clock.now();
        let pulled = catalog.foreign_states()?;
        let own = self.repo.namespace();
        let shown = catalog.counts()?.into_iter().map(|count| {
            let is_own = count.namespace.as_ref() == own;
            let of = pulled.iter().find(|state| Some(&state.namespace) == count.namespace.as_ref());
            let last_synced = of.map(|state| state.last_synced);
            Shown {
                namespace: count.namespace.map_or_else(|| "local".to_owned(), |namespace| namespace.to_string()),
                is_own,
                rows: count.rows,
                last_synced,
                age_seconds: last_synced.map(|last| now.since(last).as_secs()),
            }
        });
        Ok(shown.collect())
    }
}

fn queue(dirty: &DirtySet, held: &[RelPath], doing: &Doing) -> String {
    let phase = serde_json::to_value(doing.phase).unwrap_or_default();
    let mut lines = vec![format!("state\t{}", phase.as_str().unwrap_or_default())];
    lines.extend(doing.next_push.map(|time| format!("next-push\t{time}")));
    lines.extend(doing.last_pushed.map(|time| format!("last-pushed\t{time}")));
    lines.extend(doing.push_error.iter().map(|error| format!("last-error\t{}\t{}", error.time, error.message)));
    if dirty.is_everything {
        lines.push("dirty\t(everything: the next push looks at all files)".to_owned());
    }
    // What is open stays dirty, also when all that was written so far is pushed.
    let state = |path: &RelPath| if held.contains(path) { "in-use" } else { "dirty" };
    lines.extend(dirty.paths.iter().map(|path| format!("{}\t{}", state(path), path.as_str().escape_debug())));
    let local = doing.local_only.iter();
    lines.extend(local.map(|(path, reason)| format!("local-only\t{}\t{reason}", path.escape_debug())));
    lines.join("\n") + "\n"
}

fn stats(doing: &Doing, failures: u64, facts: &MountFacts) -> String {
    let pushed = doing.pushed;
    let own = [
        ("pushes", pushed.pushes),
        ("pushes_failed", pushed.failed),
        ("files_uploaded", pushed.uploaded),
        ("objects_deleted", pushed.deleted),
        ("failures", failures),
        ("cache_bytes", facts.cache_bytes),
        ("cache_bytes_max", facts.cache_bytes_max),
    ];
    let counters = facts.counters.iter().map(|(name, value)| (name.as_str(), *value));
    let lines: Vec<String> = own.into_iter().chain(counters).map(|(name, value)| format!("{name}\t{value}")).collect();
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mounting::shown::{LastError, Phase};

    #[test]
    fn the_queue_says_what_is_dirty_why_and_what_stays() {
        let dirty = DirtySet { is_everything: false, paths: vec!["outputs/a/b".parse().expect("a path")] };
        let error = LastError { time: Timestamp::default(), message: "no route to host".to_owned() };
        let doing = Doing {
            phase: Phase::Waiting,
            push_error: Some(error),
            local_only: vec![("files/.x.swp".to_owned(), "it looks like a temporary file".to_owned())],
            ..Doing::default()
        };

        assert_eq!(
            queue(&dirty, &[], &doing),
            "state\twaiting\nlast-error\t1970-01-01T00:00:00.000Z\tno route to host\ndirty\toutputs/a/b\n\
             local-only\tfiles/.x.swp\tit looks like a temporary file\n"
        );
    }

    #[test]
    fn an_empty_queue_is_idle() {
        assert_eq!(queue(&DirtySet::default(), &[], &Doing::default()), "state\tidle\n");
    }

    #[test]
    fn stats_are_numbers_by_name() {
        let facts = MountFacts { counters: vec![("reads".to_owned(), 3)], ..MountFacts::default() };

        let text = stats(&Doing::default(), 2, &facts);

        assert!(text.contains("failures\t2\n") && text.ends_with("reads\t3\n"), "{text}");
    }
}
