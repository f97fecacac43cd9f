//! Bringing a version's metadata in step with its content after somebody wrote that in place.

use crate::fsutil;

use super::super::layout::{Artifact, Part};
use super::super::name::VersionNumber;
use super::{Changes, Store, StoreError};

impl Store {
    /// Makes the metadata of a version tell the size and checksum of the content that is there now, and now as the time it
    /// was made: readers take a version that has the same time and size for the same content.
    ///
    /// Returns the change, `None` if there is nothing to change: the metadata are right, or one of the two files is missing.
    /// Versions that are appended to have no checksum; theirs is left out.
    pub fn restate(&self, artifact: &Artifact, version: VersionNumber) -> Result<Option<Changes>, StoreError> {
        let mut metadata = match self.metadata(artifact, version) {
            Ok(Ok(metadata)) => metadata,
            Ok(Err(_)) | Err(StoreError::VersionNotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let raw = artifact.path(Part::Raw(version)).under(&self.root);
        let found = match fsutil::digest_file(&raw) {
            Ok(found) => found,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let has_checksum = metadata.checksum.as_ref().is_none_or(|checksum| *checksum == found.sha256);
        if metadata.size == Some(found.size) && has_checksum {
            return Ok(None);
        }
        self.begin(artifact, "edit")?;
        metadata.size = Some(found.size);
        metadata.checksum = (!metadata.streaming).then_some(found.sha256);
        metadata.created_at = self.clock.now();
        self.replace_metadata(artifact, &metadata)?;
        let mut changes = Changes::none(artifact);
        changes.written = vec![artifact.path(Part::Metadata(version))];
        Ok(Some(changes))
    }
}
