//! What is known of files that the catalog does not describe: the size of `metadata.yaml`, the digest of `raw`.
//!
//! Both come from index entries and from files that were read. Nothing is fetched for them: an unknown size is unknown.

use std::sync::{Mutex, PoisonError};

use super::recent::Recent;
use crate::catalog::Leaf;
use crate::data::layout::{METADATA_FILE, RAW_FILE};
use crate::index::Entries;
use crate::path::RelPath;

/// How many files are known of at most.
const FILES_MAX: usize = 100_000;

/// How many entries of one index object are taken.
const ENTRIES_MAX: usize = FILES_MAX / 2;

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// Its length in bytes.
    pub(super) size: u64,
    /// Lower-case hexadecimal SHA-256.
    pub(super) sha256: Option<String>,
}

/// What is known of files, by their key in the datastore.
#[derive(Debug)]
pub(super) struct Sizes(Mutex<Recent<String, Known>>);

impl Sizes {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Recent::new(FILES_MAX)))
    }

    /// Returns the size of the `metadata.yaml` of a version.
    pub(super) fn metadata(&self, leaf: &Leaf) -> Option<u64> {
        self.get(&key(leaf, METADATA_FILE)).map(|known| known.size)
    }

    pub(super) fn get(&self, key: &str) -> Option<Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).peek(key).cloned()
    }

    pub(super) fn insert(&self, key: String, known: Known) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, known);
    }

    /// Takes over what an index object says; the entries below `first` before all others.
    pub(super) fn learn(&self, namespace: &str, entries: &Entries, first: &RelPath) {
        let is_first = |path: &RelPath| path.is_within(first);
        let of_versions = |path: &&RelPath| matches!(path.file_name(), METADATA_FILE | RAW_FILE);
        let others = entries.keys().filter(|path| !is_first(path));
        let wanted = entries.keys().filter(|path| is_first(path)).chain(others).filter(of_versions);
        for path in wanted.take(ENTRIES_MAX) {
            if let Some(entry) = entries.get(path) {
                self.insert(joined(namespace, path.as_str()), Known { size: entry.size, sha256: entry.sha256.clone() });
            }
        }
    }
}

/// Returns the key of a file of a version in the datastore.
pub(super) fn key(leaf: &Leaf, file: &str) -> String {
    joined(&leaf.namespace, &path(leaf, file))
}

/// Returns the path of a file of a version below its namespace.
pub(super) fn path(leaf: &Leaf, file: &str) -> String {
    let Leaf { name, version, .. } = leaf;
    format!("data/{}/{}/{}/{version}/{file}", name.type_normalized, name.model_id, name.data_name)
}

/// Returns a path below a namespace as a key.
pub(super) fn joined(namespace: &str, path: &str) -> String {
    if namespace.is_empty() { path.to_owned() } else { format!("{namespace}/{path}") }
}
