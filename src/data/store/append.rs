//! Appending to a streaming version, the only one whose content may change.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use crate::fsutil::{self, Durability, FileError, Staged};

use super::super::layout::{Artifact, Part};
use super::super::metadata::Metadata;
use super::{Changes, Resolved, Saved, Store, StoreError};

impl Store {
    /// Appends to the content of the latest version, renames followed, which must be a streaming one.
    ///
    /// Its metadata gets the new size and loses the checksum.
    pub fn append(&self, artifact: &Artifact, bytes: &[u8]) -> Result<Saved, StoreError> {
        let refused = |artifact, reason| StoreError::Refused { artifact, operation: "append to", reason };
        let Some(Resolved { artifact, mut metadata }) = self.resolve(artifact)? else {
            return Err(StoreError::NameNotFound { artifact: artifact.clone() });
        };
        if !metadata.streaming {
            return Err(refused(artifact, "its latest version is not a streaming one"));
        }
        let raw = artifact.path(Part::Raw(metadata.version));
        let path = raw.under(&self.root);
        let found = fs::symlink_metadata(&path).map_err(FileError::at("append to", &path))?;
        if !found.is_file() {
            return Err(refused(artifact, "its content is not a regular file"));
        }
        self.begin(&artifact, "append to")?;

        metadata.checksum = None;
        let mut length = fsutil::append(&path, bytes)?;
        loop {
            metadata.size = Some(length);
            self.replace_metadata(&artifact, &metadata)?;
            // Others may append as well: whoever records last has seen all of it.
            let now = fs::symlink_metadata(&path).map_err(FileError::at("examine", &path))?.len();
            if now == length {
                break;
            }
            length = now;
        }
        let mut changes = Changes::none(&artifact);
        changes.written = vec![raw, artifact.path(Part::Metadata(metadata.version))];
        // Whoever appends publishes the version, also if whoever made it did not get to its pointer.
        if !artifact.path(Part::Latest).under(&self.root).exists() {
            self.settle(&mut changes)?;
        }
        Ok(Saved { metadata, changes })
    }

    pub(super) fn replace_metadata(&self, artifact: &Artifact, metadata: &Metadata) -> Result<(), StoreError> {
        let path = artifact.path(Part::Metadata(metadata.version)).under(&self.root);
        if fsutil::install_beside(self.stage(&path, &metadata.to_yaml())?, &path, Durability::Synced)? {
            return Ok(());
        }
        Err(self.version_not_found(artifact, metadata.version)?)
    }

    /// Prepares what is to be the text of a file.
    pub(super) fn stage(&self, path: &Path, text: &str) -> Result<Staged, StoreError> {
        let mut staged = Staged::new(&self.staging)?;
        staged.file().write_all(text.as_bytes()).map_err(FileError::at("write", path))?;
        staged.file().sync_all().map_err(FileError::at("sync", path))?;
        Ok(staged)
    }
}
