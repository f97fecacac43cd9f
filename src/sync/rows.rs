//! The rows of a namespace as its tree says: the one place where the tree is read for the catalog.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::{debug, warn};

use super::SyncError;
use crate::catalog::{Applied, Catalog, Name, NameScan, Record, Scanned};
use crate::clock::{Clock, Timestamp};
use crate::data::layout::Artifact;
use crate::data::metadata::Metadata;
use crate::data::name::ModelType;
use crate::data::walk::{self, FoundName};
use crate::namespace::Namespace;

/// How long after its last change a directory may change again without its time changing: clocks of kernels and of
/// file servers have ticks.
const RACE_WINDOW: Duration = Duration::from_secs(2);

/// Names that are read while others wait for the catalog.
const NAMES_AT_ONCE: usize = 256;

/// The tree of our namespace, and the catalog that follows it.
#[derive(Clone, Debug)]
pub struct TreeRows<'a> {
    /// The directory of the namespace's files.
    pub root: PathBuf,
    /// The namespace, `None` in solo mode.
    pub namespace: Option<&'a Namespace>,
    /// What follows.
    pub catalog: &'a Catalog,
    /// Tells whether a directory may still change unnoticed.
    pub clock: &'a dyn Clock,
}

impl TreeRows<'_> {
    /// Reads some data names again and replaces their rows, also of names that are not there any more.
    pub fn refresh(&self, artifacts: impl IntoIterator<Item = impl Borrow<Artifact>>) -> Result<Applied, SyncError> {
        let mut all = Applied::default();
        let mut artifacts = artifacts.into_iter().peekable();
        while artifacts.peek().is_some() {
            // Read while the transaction is open, so that whoever changes a name after it was read also tells after that.
            let scans = artifacts.by_ref().take(NAMES_AT_ONCE).map(|artifact| self.scan(artifact.borrow()));
            all.add(told(self.catalog.replace_names(self.namespace, scans)?));
        }
        Ok(all)
    }

    /// Removes the rows of names that no tree can have.
    pub fn remove(&self, names: Vec<Name>) -> Result<Applied, SyncError> {
        let scans = names.into_iter().map(|name| NameScan { name, mtime_ns: None, versions: Vec::new() });
        self.catalog.replace_names(self.namespace, scans.map(Ok))
    }

    /// Reads the whole tree and replaces all rows.
    pub fn rebuild(&self) -> Result<Applied, SyncError> {
        // Walked while the catalog's transaction is open: who saves meanwhile waits for it, and is not forgotten.
        let artifacts = std::iter::once_with(|| self.artifacts()).flat_map(|artifacts| match artifacts {
            Ok(artifacts) => {
                debug!(names = artifacts.len(), "catalog rebuilt from the tree");
                artifacts.into_iter().map(Ok).collect()
            }
            Err(error) => vec![Err(error)],
        });
        Ok(told(self.catalog.replace_all(self.namespace, artifacts.map(|artifact| self.scan(&artifact?)))?))
    }

    /// Lists the data names of the tree; says which directories cannot be one.
    pub fn artifacts(&self) -> Result<Vec<Artifact>, SyncError> {
        let mut artifacts = Vec::new();
        let skipped = walk::walk_names(&self.root, |artifact| {
            artifacts.push(artifact);
            Ok::<_, SyncError>(())
        })?;
        for skipped in skipped {
            warn!(reason = %skipped, "directory left out of the catalog");
        }
        Ok(artifacts)
    }

    /// Reads one data name.
    pub fn scan(&self, artifact: &Artifact) -> Result<NameScan, SyncError> {
        // The time is taken before the scan: what changes in between is scanned again.
        let time = directory_time(&self.root, artifact).map(|mtime_ns| settled(mtime_ns, self.clock.now()));
        Ok(name_scan(self.namespace, &walk::scan_name(&self.root, artifact)?, time))
    }

    /// Whether the directory of a data name is as it was when it was scanned.
    pub fn is_current(&self, artifact: &Artifact, scanned_ns: Option<i64>) -> bool {
        scanned_ns.is_some() && scanned_ns == directory_time(&self.root, artifact)
    }
}

/// Returns the time to remember for a directory: one that never comes again if the directory could still change without
/// its time changing.
fn settled(mtime_ns: i64, now: Timestamp) -> i64 {
    let changed = Timestamp::from_milliseconds(mtime_ns / 1_000_000);
    if now.since(changed) < RACE_WINDOW { mtime_ns - 1 } else { mtime_ns }
}

/// Returns the rows of a namespace that publishes none, from its tree.
pub(super) fn rows_of_tree(root: &Path, namespace: &Namespace) -> Result<Vec<Record>, SyncError> {
    let mut rows = Vec::new();
    walk::walk(root, |found| {
        let scan = name_scan(Some(namespace), &found, None);
        let newest_tombstone = scan.versions.iter().filter_map(|version| match version {
            Scanned::Tombstone { version } => Some(*version),
            Scanned::Live(_) => None,
        });
        let newest_tombstone = newest_tombstone.max().unwrap_or(0);
        let live = scan.versions.into_iter().filter_map(|version| match version {
            Scanned::Live(record) => Some(*record),
            Scanned::Tombstone { .. } => None,
        });
        let mut live: Vec<Record> = live.collect();
        if live.iter().any(|record| record.version > newest_tombstone) {
            mark_latest(&mut live);
            rows.extend(live);
        }
        Ok::<_, SyncError>(())
    })?;
    Ok(rows)
}

/// The newest version of each workflow step is a latest one (formats.md 6.2).
fn mark_latest(records: &mut [Record]) {
    let mut newest: HashMap<String, u64> = HashMap::new();
    for record in &*records {
        let slot = newest.entry(record.step_name.clone()).or_default();
        *slot = record.version.max(*slot);
    }
    for record in records {
        record.is_latest = newest.get(&record.step_name) == Some(&record.version);
    }
}

/// Returns what a scan found as the catalog takes it; says which versions cannot be read.
fn name_scan(namespace: Option<&Namespace>, found: &FoundName, mtime_ns: Option<i64>) -> NameScan {
    let artifact = &found.artifact;
    let name = name_of(artifact);
    let mut versions = Vec::with_capacity(found.versions.len());
    for version in &found.versions {
        match &version.metadata {
            Ok(metadata) => versions.push(scanned_version(namespace, artifact, metadata)),
            // Only this version is lost to the catalog, not its neighbours (trap T21).
            Err(reason) => warn!(%artifact, version = version.number.get(), %reason, "version cannot be read"),
        }
    }
    NameScan { name, mtime_ns, versions }
}

/// Returns the data name that the catalog calls so, `None` if none can be called so.
pub fn artifact_of(name: &Name) -> Option<Artifact> {
    let model_type = ModelType::from_normalized(&name.type_normalized).ok()?;
    Artifact::new(model_type, name.model_id.parse().ok()?, name.data_name.parse().ok()?).ok()
}

/// Returns what the catalog calls a data name.
pub fn name_of(artifact: &Artifact) -> Name {
    Name {
        type_normalized: artifact.model_type().as_str().to_owned(),
        model_id: artifact.model_id().as_str().to_owned(),
        data_name: artifact.name().as_str().to_owned(),
    }
}

/// Returns when a name's directory last changed, in nanoseconds since 1970.
fn directory_time(root: &Path, artifact: &Artifact) -> Option<i64> {
    let metadata = std::fs::symlink_metadata(artifact.directory().under(root)).ok()?;
    Some(metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec()))
}

fn scanned_version(namespace: Option<&Namespace>, artifact: &Artifact, metadata: &Metadata) -> Scanned {
    if metadata.is_deleted() {
        return Scanned::Tombstone { version: metadata.version.get() };
    }
    Scanned::Live(Box::new(record_of(namespace, artifact, metadata)))
}

/// Returns the row of one version (formats.md 6.1).
fn record_of(namespace: Option<&Namespace>, artifact: &Artifact, metadata: &Metadata) -> Record {
    let owner = &metadata.owner;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    Record {
        namespace: namespace.cloned(),
        type_normalized: artifact.model_type().as_str().to_owned(),
        model_id: artifact.model_id().as_str().to_owned(),
        data_name: artifact.name().as_str().to_owned(),
        id: metadata.id.clone(),
        version: metadata.version.get(),
        is_latest: false,
        model_name: metadata.tag("modelName").to_owned(),
        spec_name: metadata.tag("specName").to_owned(),
        data_type: metadata.tag("type").to_owned(),
        content_type: metadata.content_type.clone(),
        lifetime: metadata.lifetime.to_string(),
        owner_type: owner.owner_type.as_str().to_owned(),
        streaming: metadata.streaming,
        size: metadata.size.unwrap_or(0),
        created_at: metadata.created_at,
        tags: metadata.tags.clone(),
        owner_ref: owner.owner_ref.clone(),
        workflow_run_id: text(&owner.workflow_run_id),
        workflow_name: text(&owner.workflow_name),
        job_name: text(&owner.job_name),
        step_name: text(&owner.step_name),
        source: text(&owner.source),
    }
}

fn told(applied: Applied) -> Applied {
    for refused in &applied.refused.first {
        warn!(reason = refused.reason, "version has no row in the catalog");
    }
    applied
}
