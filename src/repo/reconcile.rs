//! Keeping the catalog in step with the tree.
//!
//! A cache is changed by us alone, and whoever changes it tells the catalog, unless it is killed just then. Whatever it
//! changed is dirty, and is scanned again before it is published. A shared directory is changed by others too, and so is
//! the repository's own where it keeps the data: before it is read, every data name whose directory changed since it was
//! scanned is scanned again.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use tracing::{debug, warn};

use super::{Repo, RepoError};
use crate::catalog::{Catalog, Filter, Name, Scope};
use crate::data::layout::{Artifact, Part};
use crate::data::name::VersionNumber;
use crate::data::store::Changes;
use crate::data::walk;
use crate::path::RelPath;
use crate::sync::{Affected, DirtySet, TreeRows, artifact_of, name_of};

/// When data names had changed when they were scanned, in nanoseconds.
type Marks = HashMap<Name, i64>;

impl Repo {
    /// Returns the catalog with every version that is in the tree, as whoever put it there told.
    pub fn current_catalog(&self) -> Result<Arc<Catalog>, RepoError> {
        self.catalog_after(|catalog| if self.is_changed_by_others() { self.reconcile(catalog) } else { Ok(()) })
    }

    /// Returns the catalog with every version that is about to be published, whether anybody lived to tell of it or not.
    pub fn catalog_to_publish(&self) -> Result<Arc<Catalog>, RepoError> {
        self.catalog_after(|catalog| {
            if self.is_changed_by_others() {
                return self.reconcile(catalog);
            }
            let DirtySet { is_everything, paths } = self.watermark.peek()?;
            if is_everything {
                return self.reconcile(catalog);
            }
            let mut known = self.marks(catalog)?;
            let names = self.names_of(&self.affected_by(&paths), catalog, || Ok(known.keys().cloned().collect()))?;
            self.read_changed(catalog, names, &mut known)
        })
    }

    /// Returns the catalog after every data name was looked at.
    pub fn checked_catalog(&self) -> Result<Arc<Catalog>, RepoError> {
        self.catalog_after(|catalog| self.reconcile(catalog))
    }

    /// Reads the whole tree again, for when nobody knows what was missed. First, metadata follow contents that were written in
    /// place by whoever did not live to see to that.
    pub fn recover_catalog(&self) -> Result<(), RepoError> {
        let catalog = self.catalog()?;
        let DirtySet { is_everything, paths } = self.watermark.peek()?;
        let names = if is_everything {
            self.rows(&catalog).artifacts()?.into_iter().collect()
        } else {
            self.names_of(&self.affected_by(&paths), &catalog, || Ok(Vec::new()))?
        };
        for artifact in &names {
            for version in walk::scan_name(self.store.root(), artifact)?.versions {
                if self.is_edited(artifact, version.number)
                    && let Err(error) = self.store.restate(artifact, version.number)
                {
                    warn!(%artifact, %error, "metadata do not follow a content");
                }
            }
        }
        Ok(self.rows(&catalog).rebuild().map(drop)?)
    }

    /// Whether the content of a version was written after its metadata, which are the last thing that whoever saves one writes.
    fn is_edited(&self, artifact: &Artifact, version: VersionNumber) -> bool {
        let modified = |part| std::fs::symlink_metadata(artifact.path(part).under(self.store.root()))?.modified();
        match (modified(Part::Raw(version)), modified(Part::Metadata(version))) {
            (Ok(content), Ok(metadata)) => content > metadata,
            (Err(_), _) | (_, Err(_)) => false,
        }
    }

    /// Returns what follows from changes at some paths.
    fn affected_by(&self, paths: &[RelPath]) -> Affected {
        let mut affected = Affected::default();
        for path in paths {
            affected.add(path, || walk::has_versions(&path.under(self.store.root())));
        }
        affected
    }

    fn catalog_after(&self, follow: impl FnOnce(&Catalog) -> Result<(), RepoError>) -> Result<Arc<Catalog>, RepoError> {
        let catalog = self.catalog()?;
        if catalog.is_complete(self.namespace())? {
            follow(&catalog)?;
        } else {
            self.rows(&catalog).rebuild()?;
        }
        Ok(catalog)
    }

    fn is_changed_by_others(&self) -> bool {
        self.config.backend.directory().is_some() || !self.shares_data()
    }

    /// Returns the affected data names, also those that are only known any more.
    fn names_of(
        &self,
        affected: &Affected,
        catalog: &Catalog,
        known: impl FnOnce() -> Result<Vec<Name>, RepoError>,
    ) -> Result<BTreeSet<Artifact>, RepoError> {
        let mut names = affected.artifacts.clone();
        if affected.subtrees.is_empty() {
            return Ok(names);
        }
        names.extend(known()?.iter().filter_map(artifact_of).filter(|artifact| affected.is_within(artifact)));
        let root = self.store.root();
        if affected.subtrees.iter().any(|subtree| subtree.under(root).is_dir()) {
            let found = self.rows(catalog).artifacts()?;
            names.extend(found.into_iter().filter(|artifact| affected.is_within(artifact)));
        }
        Ok(names)
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

    /// Reads the affected data names again, whether they are still there or not; returns whether rows changed.
    ///
    /// Unlike [`Repo::follow`] it marks nothing: whoever made the change holds its directory.
    pub fn read_again(&self, affected: &Affected) -> Result<bool, RepoError> {
        let catalog = self.catalog()?;
        if !catalog.is_complete(self.namespace())? {
            self.rows(&catalog).rebuild()?;
            return Ok(true);
        }
        let known = || Ok(self.marks(&catalog)?.into_keys().collect());
        let names = self.names_of(affected, &catalog, known)?;
        Ok(self.rows(&catalog).refresh(&names)?.is_change())
    }

    fn reconcile(&self, catalog: &Catalog) -> Result<(), RepoError> {
        let mut known = self.marks(catalog)?;
        self.read_changed(catalog, self.rows(catalog).artifacts()?, &mut known)?;
        let mut gone: Vec<Name> = known.into_keys().collect();
        gone.sort_unstable();
        // Looked at again: a name may have come back since the walk.
        self.rows(catalog).refresh(gone.iter().filter_map(artifact_of))?;
        gone.retain(|name| artifact_of(name).is_none());
        if !gone.is_empty() {
            self.rows(catalog).remove(gone)?;
        }
        Ok(())
    }

    /// Returns when each data name of the catalog had changed when it was scanned.
    fn marks(&self, catalog: &Catalog) -> Result<Marks, RepoError> {
        let marks = catalog.scan_marks(self.namespace())?;
        Ok(marks.into_iter().map(|mark| (mark.name, mark.mtime_ns)).collect())
    }

    /// Scans those of some data names again whose directory has changed since; takes them all out of `known`.
    fn read_changed(
        &self,
        catalog: &Catalog,
        artifacts: impl IntoIterator<Item = Artifact>,
        known: &mut Marks,
    ) -> Result<(), RepoError> {
        let mut artifacts = artifacts.into_iter().peekable();
        if artifacts.peek().is_none() {
            return Ok(());
        }
        let rows = self.rows(catalog);
        // Appending changes files below a version, which the time of the name's directory does not tell.
        let scope = Scope::One(self.namespace().cloned());
        let growing = Filter { scope, streaming: Some(true), ..Filter::default() };
        let growing: HashSet<Name> =
            catalog.search(&growing, u64::MAX)?.records.iter().map(crate::catalog::Record::name).collect();
        let mut changed = Vec::new();
        for artifact in artifacts {
            let name = name_of(&artifact);
            let recorded = known.remove(&name);
            if !rows.is_current(&artifact, recorded) || growing.contains(&name) {
                changed.push(artifact);
            }
        }
        if !changed.is_empty() {
            debug!(names = changed.len(), "catalog follows the tree");
            rows.refresh(changed)?;
        }
        Ok(())
    }

    fn rows<'a>(&'a self, catalog: &'a Catalog) -> TreeRows<'a> {
        TreeRows { root: self.store.root().to_owned(), namespace: self.namespace(), catalog, clock: &*self.clock }
    }
}
