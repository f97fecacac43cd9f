//! What is known of files that the catalog does not describe: the size of `metadata.yaml`, the digest of `raw`.
//!
//! Both come from index entries and from files that were read. Nothing is fetched for them: an unknown size is unknown.

use std::sync::{Arc, Mutex, PoisonError};

use swamp_mount::NodeId;

use super::node::{self, Role};
use super::recent::Recent;
use crate::catalog::{Browser, Catalog, CatalogError, Leaf, Name};
use crate::clock::Timestamp;
use crate::data::layout::{Location, Part};
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

/// What is known of files, by their node: whatever is written again is another one, of which nothing is known.
#[derive(Debug)]
pub(super) struct Sizes {
    catalog: Arc<Catalog>,
    known: Mutex<Recent<NodeId, Known>>,
}

impl Sizes {
    pub(super) fn new(catalog: Arc<Catalog>) -> Self {
        Self { catalog, known: Mutex::new(Recent::new(FILES_MAX)) }
    }

    pub(super) fn get(&self, node: NodeId) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).peek(&node).cloned()
    }

    pub(super) fn insert(&self, node: NodeId, known: Known) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(node, known);
    }

    /// Returns when a namespace's rows were pulled, to be asked before its index is read.
    pub(super) fn pulled(&self, namespace: &str) -> Result<Option<Timestamp>, CatalogError> {
        self.catalog.browse(|browser| browser.foreign(namespace))
    }

    /// Takes over what an index object says; the entries below `first` before all others. Nothing, if the rows were pulled
    /// again since: they may be newer than the index.
    pub(super) fn learn(
        &self,
        namespace: &str,
        entries: &Entries,
        first: &RelPath,
        pulled: Option<Timestamp>,
    ) -> Result<(), CatalogError> {
        let others = entries.keys().filter(|path| !path.is_within(first));
        let paths = entries.keys().filter(|path| path.is_within(first)).chain(others);
        let files = paths.filter_map(|path| Some((file_of(path)?, entries.get(path)?)));
        self.catalog.browse(|browser| {
            if browser.foreign(namespace)? != pulled {
                return Ok(());
            }
            for ((role, name, version), entry) in files.take(ENTRIES_MAX) {
                if let Some(node) = node_of(browser, role, (namespace, &name, version))? {
                    self.insert(node, Known { size: entry.size, sha256: entry.sha256.clone() });
                }
            }
            Ok(())
        })
    }
}

/// Returns what file of which version a path below a namespace is.
fn file_of(path: &RelPath) -> Option<(Role, Name, u64)> {
    let Location { artifact, part } = Location::parse(path)?;
    let (role, version) = match part {
        Part::Raw(version) => (Role::Content, version),
        Part::Metadata(version) => (Role::Metadata, version),
        Part::Latest => return None,
    };
    let name = Name {
        type_normalized: artifact.model_type().to_string(),
        model_id: artifact.model_id().to_string(),
        data_name: artifact.name().to_string(),
    };
    Some((role, name, version.get()))
}

fn node_of(
    browser: &Browser<'_>,
    role: Role,
    (namespace, name, version): (&str, &Name, u64),
) -> Result<Option<NodeId>, CatalogError> {
    let leaf = browser.version(namespace, name, version)?;
    Ok(leaf.and_then(|leaf| node::of_leaf(role, &leaf)))
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
