//! Saving a new version.

use std::io::{Read, Write as _};

use indexmap::IndexMap;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::fsutil::{Digested, FileError, StagedDirectory};

use super::super::layout::{Artifact, RAW_FILE};
use super::super::metadata::{Lifecycle, Metadata, Owner};
use super::super::name::{DataName, VersionNumber};
use super::super::period::{GarbageCollection, Lifetime};
use super::{Changes, Store, StoreError};

/// What the writer of a version says about it; number, time, size and checksum are added by the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The UUID of the version, a new one if `None`.
    pub id: Option<String>,
    /// The media type.
    pub content_type: String,
    /// When the data name ends.
    pub lifetime: Lifetime,
    /// Which versions garbage collection leaves.
    pub garbage_collection: GarbageCollection,
    /// Whether the content may grow.
    pub streaming: bool,
    /// Free texts by key; `type` must be there.
    pub tags: IndexMap<String, String>,
    /// Who writes.
    pub owner: Owner,
    /// Whether this version says that the data name was deleted.
    pub lifecycle: Option<Lifecycle>,
    /// The data name that takes over; such a version has no size and no checksum.
    pub renamed_to: Option<DataName>,
}

impl Draft {
    /// Returns a draft of a further version like `metadata`, with an id of its own.
    pub fn like(metadata: &Metadata) -> Self {
        Self {
            id: None,
            content_type: metadata.content_type.clone(),
            lifetime: metadata.lifetime.clone(),
            garbage_collection: metadata.garbage_collection.clone(),
            streaming: metadata.streaming,
            tags: metadata.tags.clone(),
            owner: metadata.owner.clone(),
            lifecycle: None,
            renamed_to: None,
        }
    }

    fn to_metadata(&self, name: &DataName, created_at: Timestamp) -> Metadata {
        Metadata {
            id: self.id.clone().unwrap_or_else(|| Uuid::new_v4().to_string()),
            name: name.clone(),
            version: VersionNumber::FIRST,
            content_type: self.content_type.clone(),
            lifetime: self.lifetime.clone(),
            garbage_collection: self.garbage_collection.clone(),
            streaming: self.streaming,
            tags: self.tags.clone(),
            owner: self.owner.clone(),
            created_at,
            size: None,
            checksum: None,
            lifecycle: self.lifecycle,
            renamed_to: self.renamed_to.clone(),
        }
    }
}

/// Where the bytes of a version come from.
pub enum Content<'a> {
    /// From memory.
    Bytes(&'a [u8]),
    /// From a reader, in pieces.
    Reader(&'a mut dyn Read),
}

impl std::fmt::Debug for Content<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Reader(_) => f.write_str("Reader"),
        }
    }
}

/// A version that was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// What is known about it.
    pub metadata: Metadata,
    /// What changed.
    pub changes: Changes,
}

impl Store {
    /// Saves a new version, durable when this returns.
    ///
    /// Whoever owns the latest version, renames followed, must be the owner of the draft.
    pub fn save(&self, artifact: &Artifact, draft: &Draft, content: Content<'_>) -> Result<Saved, StoreError> {
        let now = self.clock.now();
        self.save_at(artifact, draft, content, now)
    }

    pub(super) fn save_at(
        &self,
        artifact: &Artifact,
        draft: &Draft,
        content: Content<'_>,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let mut metadata = draft.to_metadata(artifact.name(), now);
        metadata.check().map_err(|source| StoreError::Metadata { source })?;
        self.check_owner(artifact, &draft.owner)?;
        self.begin(artifact, "save")?;
        let staged = StagedDirectory::new(&self.staging)?;
        let digested = write_raw(&staged, content)?;
        if draft.renamed_to.is_none() {
            metadata.size = Some(digested.size);
            metadata.checksum = Some(digested.sha256);
        }
        let mut changes = Changes::none(artifact);
        changes.add_version(self.publish_next(artifact, &staged, &mut metadata)?);
        self.settle(&mut changes)?;
        Ok(Saved { metadata, changes })
    }

    fn check_owner(&self, artifact: &Artifact, writer: &Owner) -> Result<(), StoreError> {
        // A rename that leads nowhere still has the owner of its tombstone.
        let found = match self.resolve(artifact)? {
            Some(resolved) => Some(resolved.metadata),
            None => self.latest(artifact)?,
        };
        match found {
            Some(metadata) if !metadata.owner.is_same(writer) => Err(StoreError::OwnedByAnother {
                artifact: artifact.clone(),
                owner: Box::new(metadata.owner),
                writer: Box::new(writer.clone()),
            }),
            Some(_) | None => Ok(()),
        }
    }
}

/// Writes the content into staging, durably, and returns its length and SHA-256.
fn write_raw(staged: &StagedDirectory, content: Content<'_>) -> Result<Digested, FileError> {
    const PIECE_BYTES: usize = 64 * 1024;
    let path = staged.path().join(RAW_FILE);
    let mut file = staged.create(RAW_FILE)?;
    let (mut hasher, mut size) = (Sha256::new(), 0_u64);
    let mut write = |piece: &[u8]| {
        hasher.update(piece);
        size += piece.len() as u64;
        file.write_all(piece).map_err(FileError::at("write", &path))
    };
    match content {
        Content::Bytes(bytes) => write(bytes)?,
        Content::Reader(reader) => {
            let mut piece = vec![0; PIECE_BYTES];
            loop {
                let length = match reader.read(&mut piece) {
                    Ok(0) => break,
                    Ok(length) => length,
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(FileError::at("read the content of", &path)(error)),
                };
                write(piece.get(..length).unwrap_or_default())?;
            }
        }
    }
    file.sync_all().map_err(FileError::at("sync", &path))?;
    Ok(Digested { size, sha256: hex::encode(hasher.finalize()) })
}
