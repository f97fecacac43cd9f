//! The catalog follows pull: the one place that turns what a synchronisation changed into rows.

use std::collections::{BTreeSet, HashMap};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use tracing::{debug, warn};

use super::{Engine, PullReport, SyncError};
use crate::catalog::{Name, NameScan, Record, Scanned};
use crate::data::layout::{Artifact, Location};
use crate::data::metadata::Metadata;
use crate::data::walk::{self, FoundName};
use crate::fsutil::{self, Durability};
use crate::namespace::Namespace;

impl Engine {
    /// Brings the rows of our namespace in step with what a pull changed.
    pub(super) fn apply(&self, report: &PullReport) -> Result<(), SyncError> {
        self.apply_rows(report)?;
        fsutil::remove_file(&self.changes_flag())?;
        self.is_catalog_behind.store(false, Ordering::Release);
        Ok(())
    }

    /// Records that files are about to change: if we do not live to apply that, the next session rebuilds the catalog.
    pub(super) fn announce_changes(&self) -> Result<(), SyncError> {
        let flag = self.changes_flag();
        if !flag.exists() {
            fsutil::write_atomic(&flag, b"", &self.parts.staging, Durability::Synced)?;
        }
        Ok(())
    }

    /// The file whose presence says that files changed and rows did not follow yet.
    pub(super) fn changes_flag(&self) -> PathBuf {
        self.parts.state.join("catalog-behind")
    }

    fn apply_rows(&self, report: &PullReport) -> Result<(), SyncError> {
        let namespace = self.parts.namespace.as_ref();
        let is_behind = self.is_catalog_behind.load(Ordering::Acquire);
        if is_behind || !self.parts.catalog.is_complete(namespace)? {
            return self.rebuild_catalog();
        }
        let artifacts: BTreeSet<Artifact> =
            report.changed.iter().filter_map(Location::parse).map(|location| location.artifact).collect();
        if artifacts.is_empty() {
            return Ok(());
        }
        debug!(names = artifacts.len(), "catalog follows pull");
        self.refresh_rows(&artifacts)
    }

    /// Reads some data names again and replaces their rows.
    pub fn refresh_rows(&self, artifacts: &BTreeSet<Artifact>) -> Result<(), SyncError> {
        let namespace = self.parts.namespace.as_ref();
        let mut scans = Vec::with_capacity(artifacts.len());
        for artifact in artifacts {
            // The time is taken before the scan: what changes in between is scanned again.
            let mtime_ns = directory_time(&self.parts.root, artifact);
            let found = walk::scan_name(&self.parts.root, artifact)?;
            scans.push(name_scan(namespace, &found, mtime_ns));
        }
        let applied = self.parts.catalog.replace_names(namespace, scans)?;
        warn_refused(&applied.refused);
        Ok(())
    }

    /// Reads the whole tree and replaces all rows of our namespace.
    pub fn rebuild_catalog(&self) -> Result<(), SyncError> {
        let namespace = self.parts.namespace.as_ref();
        let root = &self.parts.root;
        let names = || {
            let mut artifacts = Vec::new();
            let skipped = walk::walk_names(root, |artifact| {
                artifacts.push(artifact);
                Ok::<_, SyncError>(())
            })?;
            for skipped in skipped {
                warn!(%skipped, "not in the catalog");
            }
            debug!(names = artifacts.len(), "catalog rebuilt from the tree");
            Ok::<_, SyncError>(artifacts)
        };
        // Walked while the catalog's transaction is open: who saves meanwhile waits for it, and is not forgotten.
        let artifacts = std::iter::once_with(names).flat_map(|names| match names {
            Ok(artifacts) => artifacts.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        });
        let scans = artifacts.map(|artifact| {
            let artifact = artifact?;
            let mtime_ns = directory_time(root, &artifact);
            Ok::<_, SyncError>(name_scan(namespace, &walk::scan_name(root, &artifact)?, mtime_ns))
        });
        let applied = self.parts.catalog.replace_all(namespace, scans)?;
        warn_refused(&applied.refused);
        Ok(())
    }
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
pub fn name_scan(namespace: Option<&Namespace>, found: &FoundName, mtime_ns: Option<i64>) -> NameScan {
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

/// Returns what the catalog calls a data name.
pub(super) fn name_of(artifact: &Artifact) -> Name {
    Name {
        type_normalized: artifact.model_type().as_str().to_owned(),
        model_id: artifact.model_id().as_str().to_owned(),
        data_name: artifact.name().as_str().to_owned(),
    }
}

/// Returns when a name's directory last changed, in nanoseconds since 1970.
pub fn directory_time(root: &Path, artifact: &Artifact) -> Option<i64> {
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
pub fn record_of(namespace: Option<&Namespace>, artifact: &Artifact, metadata: &Metadata) -> Record {
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

fn warn_refused(refused: &crate::catalog::Refusals) {
    for refused in &refused.first {
        warn!(reason = refused.reason, "version has no row in the catalog");
    }
}
