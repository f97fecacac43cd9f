//! What an operation changed, exactly: what the catalog must read again and what a push must upload or delete.

use std::path::Path;

use crate::fsutil::{self, FileError};
use crate::path::RelPath;

use super::super::layout::{Artifact, Part};
use super::super::name::VersionNumber;

/// What one operation did to one data name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// Whose versions changed.
    pub artifact: Artifact,
    /// Versions that are there now and were not before.
    pub added: Vec<VersionNumber>,
    /// Versions that were there before and are not now.
    pub removed: Vec<VersionNumber>,
    /// Files that were made or replaced, relative to the namespace root.
    pub written: Vec<RelPath>,
    /// Files that are gone, relative to the namespace root.
    pub deleted: Vec<RelPath>,
}

impl Changes {
    pub(super) fn none(artifact: &Artifact) -> Self {
        Self {
            artifact: artifact.clone(),
            added: Vec::new(),
            removed: Vec::new(),
            written: Vec::new(),
            deleted: Vec::new(),
        }
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.written.is_empty() && self.deleted.is_empty()
    }

    pub(super) fn add_version(&mut self, version: VersionNumber) {
        self.added.push(version);
        self.written.push(self.artifact.path(Part::Raw(version)));
        self.written.push(self.artifact.path(Part::Metadata(version)));
    }

    /// Records as deleted whatever lies in `taken`, which was `directory` until now.
    pub(super) fn delete_taken(&mut self, taken: &Path, directory: &RelPath) -> Result<(), FileError> {
        fsutil::walk(taken, &mut |found| {
            // A name that is no key was never uploaded: there is nothing to delete elsewhere.
            if let Ok(rest) = RelPath::between(taken, &found.path) {
                self.deleted.push(directory.join(&rest));
            }
            Ok(())
        })
    }
}
