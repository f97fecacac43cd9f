//! Deleting one version, or a data name with all of them.

use crate::fsutil::{self, StagedDirectory};

use super::super::layout::Artifact;
use super::super::name::VersionNumber;
use super::super::walk;
use super::{Changes, Store, StoreError};

impl Store {
    /// Deletes one version; the data name goes with the last. Renames are not followed.
    pub fn delete_version(&self, artifact: &Artifact, version: VersionNumber) -> Result<Changes, StoreError> {
        self.refuse_links(artifact, "delete")?;
        if !self.directory(artifact).join(version.to_string()).is_dir() {
            return Err(self.version_not_found(artifact, version)?);
        }
        self.begin(artifact, "delete")?;
        let mut changes = Changes::none(artifact);
        self.take_version(&mut changes, version)?;
        self.settle(&mut changes)?;
        Ok(changes)
    }

    /// Deletes a data name with all its versions. Renames are not followed.
    pub fn delete_all(&self, artifact: &Artifact) -> Result<Changes, StoreError> {
        let not_found = || StoreError::NameNotFound { artifact: artifact.clone() };
        self.refuse_links(artifact, "delete")?;
        if !self.directory(artifact).is_dir() {
            return Err(not_found());
        }
        let directory = self.begin(artifact, "delete")?;
        let taken = StagedDirectory::take(&directory, &self.staging)?.ok_or_else(not_found)?;
        let mut changes = Changes::none(artifact);
        changes.removed = walk::version_numbers(taken.path())?;
        changes.delete_taken(taken.path(), &artifact.directory())?;
        if let Some(model) = directory.parent() {
            fsutil::remove_empty_parents(model, &self.data_directory());
        }
        Ok(changes)
    }

    /// Moves a version out of the tree and deletes it; one that somebody else deleted meanwhile is no change.
    pub(super) fn take_version(&self, changes: &mut Changes, version: VersionNumber) -> Result<(), StoreError> {
        let directory = changes.artifact.version_directory(version);
        if let Some(taken) = StagedDirectory::take(&directory.under(&self.root), &self.staging)? {
            changes.removed.push(version);
            changes.delete_taken(taken.path(), &directory)?;
        }
        Ok(())
    }
}
