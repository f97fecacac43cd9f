//! `latest`: settled after every change until it names the highest readable version.

use std::io::Write as _;

use crate::fsutil::{self, Durability, FileError, Staged};

use super::super::layout::{Artifact, LATEST_FILE, Part};
use super::super::walk;
use super::{Changes, Store, StoreError};

/// How often settling starts again because others change the same data name.
const SETTLE_TRIES_MAX: usize = 100;

impl Store {
    /// Makes `latest` name the highest readable version, if it does not.
    pub fn settle_latest(&self, artifact: &Artifact) -> Result<Changes, StoreError> {
        let mut changes = Changes::none(artifact);
        let marker = walk::read_marker(&artifact.path(Part::Latest).under(&self.root));
        if marker != self.latest(artifact)?.map(|metadata| metadata.version) {
            self.begin(artifact, "settle")?;
            self.settle(&mut changes)?;
        }
        Ok(changes)
    }

    /// Writes `latest`, or removes it and the directory if no version is left, and records that in `changes`.
    ///
    /// Looks again after every write: whoever writes last has seen all versions published before, so that concurrent
    /// writers leave a true `latest` without locking each other out.
    pub(super) fn settle(&self, changes: &mut Changes) -> Result<(), StoreError> {
        let artifact = changes.artifact.clone();
        let directory = self.directory(&artifact);
        let path = directory.join(LATEST_FILE);
        let (mut is_written, mut is_deleted) = (false, false);
        for _ in 0..SETTLE_TRIES_MAX {
            let marker = walk::read_marker(&path);
            let highest = self.highest_readable(&artifact)?.map(|metadata| metadata.version);
            match highest {
                Some(_) if marker == highest => break,
                Some(number) => {
                    let mut staged = Staged::new(&self.staging)?;
                    staged.file().write_all(number.to_string().as_bytes()).map_err(FileError::at("write", &path))?;
                    staged.file().sync_all().map_err(FileError::at("sync", &path))?;
                    is_written = fsutil::install_beside(staged, &path, Durability::Synced)?;
                }
                // Versions that cannot be read, or are being written: not ours to judge.
                None if !walk::version_numbers(&directory)?.is_empty() => break,
                None => {
                    let is_removed = fsutil::remove_file(&path)?;
                    is_deleted |= is_removed;
                    fsutil::remove_empty_parents(&directory, &self.data_directory());
                    if !is_removed {
                        is_written = false;
                        break;
                    }
                }
            }
        }
        let latest = artifact.path(Part::Latest);
        if is_written {
            changes.written.push(latest);
        } else if is_deleted && !changes.deleted.contains(&latest) {
            changes.deleted.push(latest);
        }
        Ok(())
    }
}
