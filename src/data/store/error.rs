//! What can go wrong in the store.

use std::fmt;

use crate::error::{Failure, Kind};
use crate::fsutil::FileError;
use crate::path::RelPath;

use super::super::layout::Artifact;
use super::super::metadata::{MetadataError, Owner};
use super::super::name::VersionNumber;

/// A failed operation of the store.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message is the documentation")]
pub enum StoreError {
    #[error("there is no data `{artifact}`")]
    NameNotFound { artifact: Artifact },
    #[error("data `{artifact}` has no version {version}")]
    VersionNotFound { artifact: Artifact, version: VersionNumber, available: Vec<VersionNumber> },
    #[error("data `{artifact}` belongs to {owner}, not to {writer}")]
    OwnedByAnother { artifact: Artifact, owner: Box<Owner>, writer: Box<Owner> },
    #[error("cannot {operation} data `{artifact}`: {reason}")]
    Refused { artifact: Artifact, operation: &'static str, reason: &'static str },
    #[error("cannot find a free version number for data `{artifact}`")]
    Contended { artifact: Artifact },
    #[error("cannot save data with such metadata")]
    Metadata { source: MetadataError },
    #[error("cannot record that `{directory}` is about to change")]
    MarkDirty { directory: RelPath, source: MarkError },
    #[error(transparent)]
    File(#[from] FileError),
}

impl Failure for StoreError {
    fn kind(&self) -> Kind {
        match self {
            Self::NameNotFound { .. } | Self::VersionNotFound { .. } => Kind::NotFound,
            Self::OwnedByAnother { .. } | Self::Contended { .. } => Kind::Conflict,
            Self::Refused { .. } | Self::Metadata { .. } => Kind::Invalid,
            Self::MarkDirty { source, .. } => source.kind(),
            Self::File(source) => source.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::VersionNotFound { available, .. } if !available.is_empty() => Some(available_versions(available)),
            Self::OwnedByAnother { .. } => Some("choose another data name".to_owned()),
            Self::MarkDirty { source, .. } => source.hint(),
            Self::File(source) => source.hint(),
            Self::NameNotFound { .. }
            | Self::VersionNotFound { .. }
            | Self::Refused { .. }
            | Self::Contended { .. }
            | Self::Metadata { .. } => None,
        }
    }
}

/// Returns the numbers as a person reads them, the newest of many.
fn available_versions(available: &[VersionNumber]) -> String {
    const SHOWN_MAX: usize = 20;
    let shown: Vec<String> = available.iter().rev().take(SHOWN_MAX).map(ToString::to_string).collect();
    let more = if available.len() > SHOWN_MAX { ", …" } else { "" };
    format!("available versions: {}{more}", shown.join(", "))
}

/// Why a directory could not be marked dirty: whatever the listener says.
pub struct MarkError(Box<dyn Failure>);

impl<F: Failure> From<F> for MarkError {
    fn from(failure: F) -> Self {
        Self(Box::new(failure))
    }
}

impl MarkError {
    fn kind(&self) -> Kind {
        self.0.kind()
    }

    fn hint(&self) -> Option<String> {
        self.0.hint()
    }
}

impl fmt::Debug for MarkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for MarkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for MarkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
