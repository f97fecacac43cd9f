//! Who sees every change of the store the moment it happens, and says what must never happen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use swamp::lock;
use swamp::path::RelPath;

use super::oracle::Oracle;
use super::shelf::{Shelf, is_lock};
use super::timeline::Who;
use super::trace::Trace;

/// Directory and id of every row of a published catalog.
pub(crate) type Rows = BTreeSet<(String, String)>;

/// The published catalog of a namespace.
pub(crate) const EXPORT: &str = ".catalog-export.json";

/// Sees every change of the store.
#[derive(Debug)]
pub(crate) struct Watchman {
    trace: Trace,
    oracle: Oracle,
    /// The namespace of each machine; solo is `""`.
    namespaces: Vec<String>,
    /// Who wrote a lock last, and who lost one to a thief.
    robbed: Mutex<BTreeMap<String, BTreeSet<Who>>>,
    /// The rows that a machine published and has not committed yet.
    pending: Mutex<BTreeMap<Who, Rows>>,
    /// The rows that each namespace published with its last commit.
    published: Mutex<BTreeMap<String, Rows>>,
}

impl Watchman {
    pub(crate) fn new(trace: &Trace, oracle: &Oracle, namespaces: Vec<String>) -> Self {
        Self {
            trace: trace.clone(),
            oracle: oracle.clone(),
            namespaces,
            robbed: Mutex::default(),
            pending: Mutex::default(),
            published: Mutex::default(),
        }
    }

    /// Sees a write.
    pub(crate) fn wrote(&self, shelf: &Shelf, who: Who, key: &RelPath) {
        self.check_place(who, key);
        let namespace = self.namespace(who);
        if let Some(name) = key.as_str().strip_prefix(&prefix(namespace)) {
            if name == EXPORT {
                let rows = shelf.bytes(key.as_str()).map(|bytes| rows(&bytes)).unwrap_or_default();
                let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
                // What others wrote and did not live to commit is gone.
                pending.retain(|other, _| self.namespace(*other) != namespace);
                pending.insert(who, rows);
            } else if name == "_index/_meta.json" {
                self.check_export(who, namespace, shelf.was_misled(who));
            }
            if name == "_index/_meta.json" || name == ".datastore-index.json" {
                self.check_holder(shelf, who, key);
            }
        }
    }

    /// Sees a deletion.
    pub(crate) fn deleted(&self, who: Who, key: &RelPath, before: Option<&Bytes>) {
        self.check_place(who, key);
        let holder = before.filter(|_| is_lock(key)).and_then(|bytes| holder(bytes));
        if let Some(holder) = holder.filter(|holder| *holder != who) {
            let mut robbed = self.robbed.lock().unwrap_or_else(PoisonError::into_inner);
            robbed.entry(key.to_string()).or_default().insert(holder);
        }
    }

    /// Sees a machine die, which holds nothing any more: what it sent may still arrive.
    pub(crate) fn died(&self, who: Who) {
        let mut robbed = self.robbed.lock().unwrap_or_else(PoisonError::into_inner);
        robbed.entry(lock_key(self.namespace(who))).or_default().insert(who);
    }

    fn namespace(&self, who: Who) -> &str {
        self.namespaces.get(who).map_or("", String::as_str)
    }

    /// No key outside of the writer's namespace is touched.
    fn check_place(&self, who: Who, key: &RelPath) {
        let namespace = self.namespace(who);
        let is_ours = if namespace.is_empty() {
            // The solo repository has all that is nobody's.
            !self.namespaces.iter().any(|other| {
                !other.is_empty() && (key.as_str().starts_with(&prefix(other)) || key.as_str() == lock_key(other))
            })
        } else {
            key.as_str().starts_with(&prefix(namespace)) || key.as_str() == lock_key(namespace)
        };
        if !is_ours {
            self.trace.complain(format!("machine {who} of `{namespace}` touched `{key}`"));
        }
    }

    /// A published catalog loses only rows that somebody deleted, from one commit to the next. What a push publishes
    /// that does not live to commit is gone with the next one that does; and once a lock was taken from somebody who
    /// lives, two may publish at a time, and only the end counts. So it does where the listing that a machine got last hid
    /// from it what others published.
    fn check_export(&self, who: Who, namespace: &str, was_misled: bool) {
        let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner).remove(&who);
        let Some(now) = pending else { return };
        let was_robbed = self.robbed.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&lock_key(namespace));
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        let before = published.insert(namespace.to_owned(), now.clone()).unwrap_or_default();
        for (directory, id) in before.difference(&now) {
            if !was_robbed && !was_misled && !self.oracle.may_vanish(namespace, directory, id) {
                self.trace.complain(format!("the catalog of `{namespace}` lost a row of {directory}"));
            }
        }
    }

    /// Only who holds the lock, or had it taken from it, publishes an index.
    fn check_holder(&self, shelf: &Shelf, who: Who, key: &RelPath) {
        let lock = lock_key(self.namespace(who));
        let holder = shelf.bytes(&lock).and_then(|bytes| holder(&bytes));
        let robbed = self.robbed.lock().unwrap_or_else(PoisonError::into_inner);
        let was_robbed = robbed.get(&lock).is_some_and(|robbed| robbed.contains(&who));
        if holder != Some(who) && !was_robbed {
            self.trace.complain(format!("machine {who} wrote `{key}` while {holder:?} held the lock"));
        }
    }
}

/// Returns what all keys of a namespace begin with.
pub(crate) fn prefix(namespace: &str) -> String {
    if namespace.is_empty() { String::new() } else { format!("{namespace}/") }
}

fn lock_key(namespace: &str) -> String {
    let namespace = (!namespace.is_empty()).then(|| namespace.parse().expect("a slug"));
    lock::global_key(namespace.as_ref()).to_string()
}

/// Returns which machine a lock object belongs to; machines are called by their numbers.
fn holder(bytes: &[u8]) -> Option<Who> {
    let body: lock::Body = serde_json::from_slice(bytes).ok()?;
    body.hostname.split('-').nth(1)?.parse().ok()
}

/// Returns directory and id of every row of a published catalog.
pub(crate) fn rows(bytes: &[u8]) -> Rows {
    let rows: Vec<serde_json::Value> = serde_json::from_slice(bytes).expect("a published catalog is JSON");
    let text = |row: &serde_json::Value, field: &str| row[field].as_str().expect("a text").to_owned();
    let directory = |row: &serde_json::Value| {
        let parts = ["type_normalized", "model_id", "data_name"].map(|field| text(row, field));
        format!("data/{}", parts.join("/"))
    };
    rows.iter().map(|row| (directory(row), text(row, "id"))).collect()
}
