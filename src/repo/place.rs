//! Which subdirectories are in the datastore, and which stay in the repository (formats.md 1.3).

use std::path::PathBuf;
use std::sync::Arc;

use super::{Paths, Repo, RepoError, STAGING_DIRECTORY};
use crate::data::layout::DATA_DIRECTORY;
use crate::data::store::{MarkDirty, MarkError, Place};
use crate::datastore::DatastoreConfig;
use crate::path::RelPath;
use crate::sync::Watermark;

impl Repo {
    /// Returns the directory that a subdirectory is in: the datastore's, or the repository's own.
    pub fn place(&self, subdirectory: &str) -> PathBuf {
        self.paths.place(subdirectory, &self.config)
    }

    /// Whether our versions are in the datastore rather than kept in the repository.
    pub fn shares_data(&self) -> bool {
        self.config.holds(DATA_DIRECTORY)
    }

    /// Refuses to exchange with others what the datastore block keeps here.
    pub fn check_shares_data(&self) -> Result<(), RepoError> {
        if self.shares_data() { Ok(()) } else { Err(RepoError::Unshared) }
    }
}

/// Returns where the store writes a subdirectory; what stays in the repository needs no announcement.
pub(super) fn of(subdirectory: &str, paths: &Paths, config: &DatastoreConfig, mark: &Arc<Watermark>) -> Place {
    let root = paths.place(subdirectory, config);
    if config.holds(subdirectory) {
        return Place { root, staging: paths.staging.clone(), mark: Arc::<Watermark>::clone(mark) };
    }
    Place { staging: root.join(STAGING_DIRECTORY), root, mark: Arc::new(Unannounced) }
}

/// Hears of changes that no datastore has to follow.
#[derive(Debug)]
struct Unannounced;

impl MarkDirty for Unannounced {
    fn mark_dirty(&self, _: &RelPath) -> Result<(), MarkError> {
        Ok(())
    }
}
