//! Keeping the catalog in step with the tree.
//!
//! A cache is changed by us alone, and whoever changes it tells the catalog. A shared directory is changed by others
//! too: before it is read, every data name whose directory changed since it was scanned is scanned again.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, warn};

use super::{Repo, RepoError};
use crate::catalog::{Applied, Catalog, Filter, Name, NameScan, Scope};
use crate::clock::Timestamp;
use crate::data::layout::Artifact;
use crate::data::name::ModelType;
use crate::data::store::Changes;
use crate::data::walk;
use crate::sync::{directory_time, name_scan};

/// How long after its last change a directory may change again without its time changing: clocks of kernels and of
/// file servers have ticks.
const RACE_WINDOW: Duration = Duration::from_secs(2);

impl Repo {
    /// Returns the catalog with every version that is in the tree.
    pub fn current_catalog(&self) -> Result<Arc<Catalog>, RepoError> {
        let catalog = self.catalog()?;
        if !catalog.is_complete(self.namespace())? {
            self.rebuild(&catalog)?;
        } else if self.config.backend.directory().is_some() {
            self.reconcile(&catalog)?;
        }
        Ok(catalog)
    }

    /// Brings the rows of some data names in step with what was just done to them.
    pub fn follow(&self, changes: &[&Changes]) -> Result<(), RepoError> {
        let artifacts: HashSet<&Artifact> = changes.iter().map(|change| &change.artifact).collect();
        let mut artifacts: Vec<&Artifact> = artifacts.into_iter().collect();
        artifacts.sort_unstable();
        for artifact in &artifacts {
            // Marked again now that it happened: a push in between looked, found nothing, and cleared the first mark.
            self.watermark.mark(Some(&artifact.directory()))?;
        }
        let scans = artifacts.into_iter().map(|artifact| self.scan(artifact)).collect::<Result<Vec<_>, _>>()?;
        told(&self.catalog()?.replace_names(self.namespace(), scans)?);
        Ok(())
    }

    /// Reads some data names again, and all whose directories `is_affected` picks, whether they are still there or not.
    ///
    /// Unlike [`Repo::follow`] it marks nothing: whoever made the change holds its directory.
    pub fn read_again(
        &self,
        mut artifacts: BTreeSet<Artifact>,
        is_affected: Option<&dyn Fn(&Artifact) -> bool>,
    ) -> Result<bool, RepoError> {
        let catalog = self.catalog()?;
        if !catalog.is_complete(self.namespace())? {
            self.rebuild(&catalog)?;
            return Ok(true);
        }
        if let Some(is_affected) = is_affected {
            let known = catalog.scan_marks(self.namespace())?.into_iter().filter_map(|mark| artifact_of(&mark.name));
            artifacts.extend(known.chain(self.artifacts()?).filter(|artifact| is_affected(artifact)));
        }
        let scans = artifacts.iter().map(|artifact| self.scan(artifact)).collect::<Result<Vec<_>, _>>()?;
        let applied = catalog.replace_names(self.namespace(), scans)?;
        told(&applied);
        Ok(applied.is_change())
    }

    fn rebuild(&self, catalog: &Catalog) -> Result<(), RepoError> {
        let artifacts = self.artifacts()?;
        debug!(names = artifacts.len(), "catalog rebuilt from the tree");
        let scans = artifacts.iter().map(|artifact| self.scan(artifact));
        told(&catalog.replace_all(self.namespace(), scans)?);
        Ok(())
    }

    fn reconcile(&self, catalog: &Catalog) -> Result<(), RepoError> {
        let namespace = self.namespace();
        let marks = catalog.scan_marks(namespace)?;
        let mut known: HashMap<Name, i64> = marks.into_iter().map(|mark| (mark.name, mark.mtime_ns)).collect();
        // Appending changes files below a version, which the time of the name's directory does not tell.
        let growing = Filter { scope: Scope::One(namespace.cloned()), streaming: Some(true), ..Filter::default() };
        let growing: HashSet<Name> =
            catalog.search(&growing, u64::MAX)?.records.iter().map(crate::catalog::Record::name).collect();
        let mut scans = Vec::new();
        for artifact in self.artifacts()? {
            let name = name_of(&artifact);
            let recorded = known.remove(&name);
            let is_current = recorded.is_some() && recorded == directory_time(&self.namespaced(), &artifact);
            if !is_current || growing.contains(&name) {
                scans.push(self.scan(&artifact)?);
            }
        }
        let mut gone: Vec<Name> = known.into_keys().collect();
        gone.sort_unstable();
        scans.extend(gone.into_iter().map(|name| NameScan { name, mtime_ns: None, versions: Vec::new() }));
        if !scans.is_empty() {
            debug!(names = scans.len(), "catalog follows the tree");
            told(&catalog.replace_names(namespace, scans)?);
        }
        Ok(())
    }

    fn artifacts(&self) -> Result<Vec<Artifact>, RepoError> {
        let mut artifacts = Vec::new();
        let skipped = walk::walk_names(&self.namespaced(), |artifact| {
            artifacts.push(artifact);
            Ok::<_, RepoError>(())
        })?;
        for skipped in skipped {
            warn!(reason = %skipped, "directory left out of the catalog");
        }
        Ok(artifacts)
    }

    fn scan(&self, artifact: &Artifact) -> Result<NameScan, RepoError> {
        let root = self.namespaced();
        // The time is taken before the scan: what changes in between is scanned again.
        let time = directory_time(&root, artifact).map(|mtime_ns| settled(mtime_ns, self.clock.now()));
        Ok(name_scan(self.namespace(), &walk::scan_name(&root, artifact)?, time))
    }
}

/// Returns the time to remember for a directory: one that never comes again if the directory could still change without
/// its time changing.
fn settled(mtime_ns: i64, now: Timestamp) -> i64 {
    let changed = Timestamp::from_milliseconds(mtime_ns / 1_000_000);
    if now.since(changed) < RACE_WINDOW { mtime_ns - 1 } else { mtime_ns }
}

fn name_of(artifact: &Artifact) -> Name {
    Name {
        type_normalized: artifact.model_type().as_str().to_owned(),
        model_id: artifact.model_id().as_str().to_owned(),
        data_name: artifact.name().as_str().to_owned(),
    }
}

fn artifact_of(name: &Name) -> Option<Artifact> {
    let model_type = ModelType::from_normalized(&name.type_normalized).ok()?;
    Artifact::new(model_type, name.model_id.parse().ok()?, name.data_name.parse().ok()?).ok()
}

fn told(applied: &Applied) {
    for refused in &applied.refused.first {
        warn!(reason = refused.reason, "version has no row in the catalog");
    }
}
