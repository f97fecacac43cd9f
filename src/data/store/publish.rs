//! How a version appears: a number claimed, a directory renamed over the claim.

use std::io::{self, Write as _};
use std::path::Path;

use crate::fsutil::{self, FileError, Published, StagedDirectory};

use super::super::layout::{Artifact, METADATA_FILE};
use super::super::metadata::Metadata;
use super::super::name::VersionNumber;
use super::super::walk;
use super::{Store, StoreError};

/// How often a number is claimed again because others took it or removed the directory.
const CLAIM_TRIES_MAX: usize = 100;

impl Store {
    /// Publishes a staged version under the next free number, which it writes into the metadata.
    ///
    /// Whatever else is in the staged directory must be synced already.
    pub(super) fn publish_next(
        &self,
        artifact: &Artifact,
        staged: &StagedDirectory,
        metadata: &mut Metadata,
    ) -> Result<VersionNumber, StoreError> {
        let directory = self.directory(artifact);
        for _ in 0..CLAIM_TRIES_MAX {
            let Some(number) = claim_next(&directory)? else { continue };
            metadata.version = number;
            if publish_claimed(&directory, staged, metadata)? == Published::Done {
                if number == VersionNumber::FIRST {
                    self.sync_parents(&directory)?;
                }
                return Ok(number);
            }
        }
        Err(StoreError::Contended { artifact: artifact.clone() })
    }

    /// Forces the directories above a new data name to disk: they may be new as well.
    fn sync_parents(&self, directory: &Path) -> Result<(), FileError> {
        let parents = directory.ancestors().skip(1).take_while(|parent| parent.starts_with(self.root()));
        for parent in parents {
            match fsutil::sync_directory(parent) {
                // Somebody deleted the only data name below it meanwhile.
                Err(error) if error.is_not_found() => {}
                synced => synced?,
            }
        }
        Ok(())
    }
}

/// Publishes a staged version over the empty directory that claims its number.
pub(super) fn publish_claimed(
    directory: &Path,
    staged: &StagedDirectory,
    metadata: &Metadata,
) -> Result<Published, FileError> {
    let target = directory.join(metadata.version.to_string());
    let published = write_metadata(staged, metadata).and_then(|()| staged.publish(&target));
    match published {
        Ok(Published::Done) => match fsutil::sync_directory(directory) {
            // Deleted as soon as it was there: as if the delete had come a moment later.
            Err(error) if error.is_not_found() => Ok(Published::Done),
            synced => synced.map(|()| Published::Done),
        },
        Ok(published) => Ok(published),
        Err(error) => {
            // An abandoned claim would burn the number.
            fsutil::remove_empty_parents(&target, directory);
            Err(error)
        }
    }
}

/// Claims the number after the highest; `None` if the directory was deleted meanwhile.
fn claim_next(directory: &Path) -> Result<Option<VersionNumber>, FileError> {
    let claim = || -> Result<_, FileError> {
        fsutil::create_directory(directory)?;
        let highest = walk::version_numbers(directory)?.last().copied();
        let mut number = highest.map_or(Some(VersionNumber::FIRST), VersionNumber::next);
        for _ in 0..CLAIM_TRIES_MAX {
            let Some(candidate) = number else { break };
            if fsutil::claim_directory(&directory.join(candidate.to_string()))? {
                return Ok(Some(candidate));
            }
            number = candidate.next();
        }
        Ok(None)
    };
    match claim() {
        Err(error) if error.is_not_found() => Ok(None),
        // Made by somebody else and gone again before it could be examined.
        Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists && !directory.is_file() => Ok(None),
        claimed => claimed,
    }
}

fn write_metadata(staged: &StagedDirectory, metadata: &Metadata) -> Result<(), FileError> {
    let mut file = staged.create(METADATA_FILE)?;
    file.write_all(metadata.to_yaml().as_bytes()).map_err(FileError::at("write", staged.path()))?;
    file.sync_all().map_err(FileError::at("sync", staged.path()))?;
    fsutil::sync_directory(staged.path())
}
