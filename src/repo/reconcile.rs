//! Keeping the catalog in step with the tree.
//!
//! A cache is changed by us alone, and whoever changes it tells the catalog. A shared directory is changed by others
//! too, and so is the repository's own where it keeps the data: before it is read, every data name whose directory changed since it was scanned is scanned again.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use tracing::debug;

use super::{Repo, RepoError};
use crate::catalog::{Catalog, Filter, Name, NameScan, Scope};
use crate::data::layout::Artifact;
use crate::data::name::ModelType;
use crate::data::store::Changes;
use crate::sync::{TreeRows, name_of};

impl Repo {
    /// Returns the catalog with every version that is in the tree.
    pub fn current_catalog(&self) -> Result<Arc<Catalog>, RepoError> {
        let catalog = self.catalog()?;
        if !catalog.is_complete(self.namespace())? {
            self.rows(&catalog).rebuild()?;
        } else if self.config.backend.directory().is_some() || !self.shares_data() {
            self.reconcile(&catalog)?;
        }
        Ok(catalog)
    }

    /// Brings the rows of some data names in step with what was just done to them.
    pub fn follow(&self, changes: &[&Changes]) -> Result<(), RepoError> {
        let artifacts: BTreeSet<&Artifact> = changes.iter().map(|change| &change.artifact).collect();
        for artifact in artifacts.iter().filter(|_| self.shares_data()) {
            // Marked again now that it happened: a push in between looked, found nothing, and cleared the first mark.
            self.watermark.mark(Some(&artifact.directory()))?;
        }
        let catalog = self.catalog()?;
        self.rows(&catalog).refresh(artifacts)?;
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
            self.rows(&catalog).rebuild()?;
            return Ok(true);
        }
        if let Some(is_affected) = is_affected {
            let known = catalog.scan_marks(self.namespace())?.into_iter().filter_map(|mark| artifact_of(&mark.name));
            artifacts.extend(known.chain(self.rows(&catalog).artifacts()?).filter(|artifact| is_affected(artifact)));
        }
        Ok(self.rows(&catalog).refresh(&artifacts)?.is_change())
    }

    fn reconcile(&self, catalog: &Catalog) -> Result<(), RepoError> {
        let (namespace, rows) = (self.namespace(), self.rows(catalog));
        let marks = catalog.scan_marks(namespace)?;
        let mut known: HashMap<Name, i64> = marks.into_iter().map(|mark| (mark.name, mark.mtime_ns)).collect();
        // Appending changes files below a version, which the time of the name's directory does not tell.
        let growing = Filter { scope: Scope::One(namespace.cloned()), streaming: Some(true), ..Filter::default() };
        let growing: HashSet<Name> =
            catalog.search(&growing, u64::MAX)?.records.iter().map(crate::catalog::Record::name).collect();
        let mut scans = Vec::new();
        for artifact in rows.artifacts()? {
            let name = name_of(&artifact);
            let recorded = known.remove(&name);
            if !rows.is_current(&artifact, recorded) || growing.contains(&name) {
                scans.push(rows.scan(&artifact)?);
            }
        }
        let mut gone: Vec<Name> = known.into_keys().collect();
        gone.sort_unstable();
        scans.extend(gone.into_iter().map(|name| NameScan { name, mtime_ns: None, versions: Vec::new() }));
        if !scans.is_empty() {
            debug!(names = scans.len(), "catalog follows the tree");
            rows.replace(scans)?;
        }
        Ok(())
    }

    fn rows<'a>(&'a self, catalog: &'a Catalog) -> TreeRows<'a> {
        TreeRows { root: self.store.root().to_owned(), namespace: self.namespace(), catalog, clock: &*self.clock }
    }
}

fn artifact_of(name: &Name) -> Option<Artifact> {
    let model_type = ModelType::from_normalized(&name.type_normalized).ok()?;
    Artifact::new(model_type, name.model_id.parse().ok()?, name.data_name.parse().ok()?).ok()
}
