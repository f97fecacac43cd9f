//! Reading: versions, the latest one, its content.

use std::fs::File;

use tracing::warn;

use crate::fsutil::FileError;

use super::super::layout::{Artifact, Part};
use super::super::metadata::Metadata;
use super::super::name::VersionNumber;
use super::super::walk::{self, FoundName, Unreadable};
use super::{Store, StoreError};

/// How many renames a lookup of the latest version follows.
pub const RENAME_HOPS_MAX: usize = 5;

/// The latest version of a data name, found under the name it has now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The data name, after renames.
    pub artifact: Artifact,
    /// What is known about its latest version.
    pub metadata: Metadata,
}

impl Store {
    /// Returns all versions of a data name, readable or not, ascending. Renames are not followed.
    pub fn versions(&self, artifact: &Artifact) -> Result<FoundName, StoreError> {
        self.refuse_links(artifact, "read")?;
        Ok(walk::scan_name(&self.root, artifact)?)
    }

    /// Returns what is known about the highest readable version. Renames are not followed.
    pub fn latest(&self, artifact: &Artifact) -> Result<Option<Metadata>, StoreError> {
        self.refuse_links(artifact, "read")?;
        self.highest_readable(artifact)
    }

    /// Returns the latest version, under whatever name renames gave the data; `None` if there is none.
    ///
    /// More than [`RENAME_HOPS_MAX`] renames, or renames in a circle, lead nowhere.
    pub fn resolve(&self, artifact: &Artifact) -> Result<Option<Resolved>, StoreError> {
        let mut current = artifact.clone();
        for _ in 0..=RENAME_HOPS_MAX {
            let Some(metadata) = self.latest(&current)? else { return Ok(None) };
            let next = metadata.successor().map(|name| current.sibling(name.clone()));
            match next {
                None => return Ok(Some(Resolved { artifact: current, metadata })),
                Some(Ok(next)) => current = next,
                Some(Err(error)) => {
                    warn!(%artifact, %error, "renamed to an unusable name");
                    return Ok(None);
                }
            }
        }
        warn!(%artifact, hops = RENAME_HOPS_MAX, "too many renames to follow");
        Ok(None)
    }

    /// Returns what is known about one version, or why nothing is. Renames are not followed.
    pub fn metadata(
        &self,
        artifact: &Artifact,
        version: VersionNumber,
    ) -> Result<Result<Metadata, Unreadable>, StoreError> {
        self.refuse_links(artifact, "read")?;
        let directory = self.directory(artifact);
        let found = walk::read_version(&directory, version);
        if matches!(found, Err(Unreadable::Absent)) && !directory.join(version.to_string()).is_dir() {
            return Err(self.version_not_found(artifact, version)?);
        }
        Ok(found)
    }

    /// Opens the content of a version; `None` if it is not here, which may mean that it was not fetched yet.
    pub fn open_raw(&self, artifact: &Artifact, version: VersionNumber) -> Result<Option<File>, StoreError> {
        self.refuse_links(artifact, "read")?;
        let path = artifact.path(Part::Raw(version)).under(&self.root);
        match walk::open_file(&path).map_err(FileError::at("read", &path)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns a number above all that the data name has here, readable or not.
    pub fn next_version(&self, artifact: &Artifact) -> Result<VersionNumber, StoreError> {
        let highest = walk::version_numbers(&self.directory(artifact))?.last().copied();
        let next = highest.map_or(Some(VersionNumber::FIRST), VersionNumber::next);
        next.ok_or_else(|| StoreError::Contended { artifact: artifact.clone() })
    }

    pub(super) fn highest_readable(&self, artifact: &Artifact) -> Result<Option<Metadata>, StoreError> {
        let directory = self.directory(artifact);
        let numbers = walk::version_numbers(&directory)?;
        Ok(numbers.into_iter().rev().find_map(|number| walk::read_version(&directory, number).ok()))
    }

    /// Returns the error that says which versions there are instead.
    pub(super) fn version_not_found(
        &self,
        artifact: &Artifact,
        version: VersionNumber,
    ) -> Result<StoreError, StoreError> {
        let available = walk::version_numbers(&self.directory(artifact))?;
        let artifact = artifact.clone();
        if available.is_empty() {
            return Ok(StoreError::NameNotFound { artifact });
        }
        Ok(StoreError::VersionNotFound { artifact, version, available })
    }
}
