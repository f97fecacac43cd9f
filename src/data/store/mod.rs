//! The versioned store: the only writer of the data tree.
//!
//! Three rules hold for every operation. The directory is marked dirty before its first change. A version appears in
//! one step, complete: its number is claimed by making the directory, its files are prepared in staging and the whole
//! directory is renamed over the empty claim. A version disappears in one step too, moved to staging before it is
//! deleted. So concurrent writers, in this process and others, never see or leave half a version, and a delete never
//! meets a directory that fills while it is emptied. `latest` is written last and settled until it is true.

mod append;
mod change;
mod delete;
mod error;
mod gc;
mod latest;
mod publish;
mod read;
mod rename;
mod renumber;
mod restate;
mod save;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clock::Clock;
use crate::path::RelPath;

use super::layout::{Artifact, DATA_DIRECTORY};

pub use change::Changes;
pub use error::{MarkError, StoreError};
pub use gc::{Collected, Expired, ExpiryReason, Garbage, GcMode, RunExists};
pub use read::{RENAME_HOPS_MAX, Resolved};
pub use rename::Renamed;
pub use restate::Restated;
pub use save::{Content, Draft, Saved};

/// Hears which directory is about to change.
pub trait MarkDirty: Send + Sync + fmt::Debug {
    /// Records that something at or below `directory`, relative to the namespace root, is about to change.
    ///
    /// If this fails, nothing is changed.
    fn mark_dirty(&self, directory: &RelPath) -> Result<(), MarkError>;
}

/// A directory that is written below.
#[derive(Clone, Debug)]
pub struct Place {
    /// The directory.
    pub root: PathBuf,
    /// Where files are prepared: outside of the data, on the same file system.
    pub staging: PathBuf,
    /// Hears of every change before it is made.
    pub mark: Arc<dyn MarkDirty>,
}

/// The data tree of one namespace, to read and to change.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
    staging: PathBuf,
    mark: Arc<dyn MarkDirty>,
    /// Where definitions that nobody wrote by hand are.
    definitions: Place,
    clock: Arc<dyn Clock>,
}

impl Store {
    /// Returns the store below a namespace root, where its definitions are as well; `staging` is outside of the data, on
    /// the same file system.
    pub fn new(root: &Path, staging: &Path, mark: Arc<dyn MarkDirty>, clock: Arc<dyn Clock>) -> Self {
        let (root, staging) = (root.to_owned(), staging.to_owned());
        let definitions = Place { root: root.clone(), staging: staging.clone(), mark: Arc::clone(&mark) };
        Self { root, staging, mark, definitions, clock }
    }

    /// Returns the same store with the definitions somewhere else.
    pub fn with_definitions(self, definitions: Place) -> Self {
        Self { definitions, ..self }
    }

    /// Returns the namespace root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns where definitions that nobody wrote by hand are.
    pub(super) fn definitions(&self) -> &Place {
        &self.definitions
    }

    /// Marks a directory dirty; to be called before any change below it.
    fn mark(&self, directory: &RelPath) -> Result<(), StoreError> {
        mark(&*self.mark, directory)
    }

    /// Begins a change: refuses symbolic links, marks the data name dirty and returns its directory.
    fn begin(&self, artifact: &Artifact, operation: &'static str) -> Result<PathBuf, StoreError> {
        self.refuse_links(artifact, operation)?;
        let directory = artifact.directory();
        self.mark(&directory)?;
        Ok(directory.under(&self.root))
    }

    /// Refuses a data name whose directory is reached through a symbolic link: it may lead out of the tree.
    fn refuse_links(&self, artifact: &Artifact, operation: &'static str) -> Result<(), StoreError> {
        let mut path = self.root.clone();
        for segment in artifact.directory().segments() {
            path.push(segment);
            match fs::symlink_metadata(&path) {
                Ok(metadata) if metadata.is_symlink() => {
                    let reason = "a directory of it is a symbolic link";
                    return Err(StoreError::Refused { artifact: artifact.clone(), operation, reason });
                }
                Ok(_) => {}
                // What does not exist cannot lead anywhere.
                Err(_absent) => break,
            }
        }
        Ok(())
    }

    fn directory(&self, artifact: &Artifact) -> PathBuf {
        artifact.directory().under(&self.root)
    }

    /// Returns the directory that pruning of empty directories stops at.
    fn data_directory(&self) -> PathBuf {
        self.root.join(DATA_DIRECTORY)
    }
}

impl Place {
    /// Marks a directory dirty; to be called before any change below it.
    pub(super) fn mark(&self, directory: &RelPath) -> Result<(), StoreError> {
        mark(&*self.mark, directory)
    }
}

fn mark(mark: &dyn MarkDirty, directory: &RelPath) -> Result<(), StoreError> {
    mark.mark_dirty(directory).map_err(|source| StoreError::MarkDirty { directory: directory.clone(), source })
}

#[cfg(test)]
mod tests;
