//! The catalog follows pull: the one place that turns what a synchronisation changed into rows.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use tracing::debug;

use super::rows::TreeRows;
use super::{Engine, PullReport, SyncError};
use crate::data::layout::{Artifact, Location};
use crate::fsutil::{self, Durability};

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
        self.rows().refresh(artifacts).map(drop)
    }

    /// Reads the whole tree and replaces all rows of our namespace.
    pub fn rebuild_catalog(&self) -> Result<(), SyncError> {
        self.rows().rebuild().map(drop)
    }

    fn rows(&self) -> TreeRows<'_> {
        let parts = &self.parts;
        TreeRows {
            root: parts.root.clone(),
            namespace: parts.namespace.as_ref(),
            catalog: &parts.catalog,
            clock: &*parts.clock,
        }
    }
}
