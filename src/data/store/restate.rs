//! Bringing a version's metadata in step with its content after somebody wrote that in place.

use std::path::Path;

use crate::fsutil::{self, Digested, Durability, FileError};

use super::super::layout::{Artifact, Part};
use super::super::metadata::{METADATA_BYTES_MAX, Metadata};
use super::super::name::VersionNumber;
use super::super::walk::Unreadable;
use super::{Store, StoreError};

/// How often metadata that somebody else writes at the same time are read again.
const ATTEMPTS_MAX: usize = 3;

/// How the lines begin that follow the content.
const FOLLOWING: [&str; 3] = ["createdAt:", "size:", "checksum:"];

/// What became of metadata that were to follow their content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restated {
    /// There was nothing to change: they are right, or one of the two files is missing.
    Unchanged,
    /// They tell what the content is now.
    Changed,
    /// Somebody else is writing them, which goes first: to be tried again.
    Busy,
}

impl Store {
    /// Makes the metadata of a version tell the size and checksum of the content that is there now, and now as the time it
    /// was made: readers take a version that has the same time and size for the same content. All else they say is kept.
    ///
    /// Versions that are appended to have no checksum; theirs is left out.
    pub fn restate(&self, artifact: &Artifact, version: VersionNumber) -> Result<Restated, StoreError> {
        let before = match self.metadata(artifact, version) {
            Ok(Ok(metadata)) => metadata,
            Ok(Err(Unreadable::Absent)) => return Ok(Restated::Unchanged),
            Ok(Err(Unreadable::File { .. } | Unreadable::Wrong { .. })) => return Ok(Restated::Busy),
            Err(StoreError::NameNotFound { .. } | StoreError::VersionNotFound { .. }) => {
                return Ok(Restated::Unchanged);
            }
            Err(error) => return Err(error),
        };
        // First, because it may take long: metadata are replaced right after they were read.
        let (size, sha256) = match measure(&artifact.path(Part::Raw(version)).under(&self.root), &before) {
            Ok(measured) => measured,
            Err(error) if error.is_not_found() => return Ok(Restated::Unchanged),
            Err(error) => return Err(error.into()),
        };
        let path = artifact.path(Part::Metadata(version)).under(&self.root);
        for _ in 0..ATTEMPTS_MAX {
            let seen = fsutil::read_if_exists(&path, METADATA_BYTES_MAX)?.unwrap_or_default();
            let Ok(mut metadata) = Metadata::parse(&seen) else { return Ok(Restated::Busy) };
            let has_checksum = metadata.checksum.is_none() || metadata.checksum == sha256;
            if metadata.size == Some(size) && has_checksum {
                return Ok(Restated::Unchanged);
            }
            self.begin(artifact, "edit")?;
            metadata.size = Some(size);
            metadata.checksum = sha256.clone().filter(|_| !metadata.streaming);
            metadata.created_at = self.clock.now();
            let staged = self.stage(&path, &restated(&seen, &metadata))?;
            if fsutil::read_if_exists(&path, METADATA_BYTES_MAX)?.is_some_and(|now| now == seen) {
                fsutil::install_beside(staged, &path, Durability::Synced)?;
                return Ok(Restated::Changed);
            }
        }
        Ok(Restated::Busy)
    }
}

/// Returns length and SHA-256 of a content; without the latter if its metadata have none and will have none.
fn measure(raw: &Path, metadata: &Metadata) -> Result<(u64, Option<String>), FileError> {
    if metadata.streaming && metadata.checksum.is_none() {
        let found = std::fs::metadata(raw).map_err(FileError::at("examine", raw))?;
        return Ok((found.len(), None));
    }
    let Digested { size, sha256 } = fsutil::digest_file(raw)?;
    Ok((size, Some(sha256)))
}

/// Returns a text with the lines that follow the content changed, if that is all it takes to make it say this.
fn restated(text: &[u8], metadata: &Metadata) -> String {
    let whole = metadata.to_yaml();
    let is_following = |line: &&str| FOLLOWING.iter().any(|key| line.starts_with(key));
    let text = String::from_utf8_lossy(text);
    let kept = text.lines().filter(|line| !is_following(line));
    let edited: String = kept.chain(whole.lines().filter(is_following)).flat_map(|line| [line, "\n"]).collect();
    if Metadata::parse(edited.as_bytes()).is_ok_and(|said| said == *metadata) { edited } else { whole }
}
