//! Moving single files, with what arrives compared with what was promised.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use futures::stream::StreamExt as _;
use sha2::{Digest as _, Sha256};

use super::Engine;
use super::boundary::{self, Crossing};
use super::watermark::Watermark;
use crate::bucket::{Bucket, BucketError, GetOptions, Version};
use crate::data::layout::{Location, Part};
use crate::data::metadata::{METADATA_BYTES_MAX, Metadata};
use crate::fsutil::{self, Beneath, Durability, FileError, Install, Pinned, Staged};
use crate::index::{Entry, Stamp, Verified};
use crate::path::RelPath;

/// The directories that a transfer works in.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// The namespace's root in the cache.
    pub(super) root: PathBuf,
    /// Where files are staged, on the same file system.
    pub(super) staging: PathBuf,
    /// Tells which files may be being written to.
    pub(super) watermark: Arc<Watermark>,
}

/// A file that arrived.
#[derive(Clone, Debug)]
pub(super) struct Fetched {
    /// The file.
    pub(super) verified: Verified,
    /// The object that it was, if that was ours.
    pub(super) version: Option<Version>,
}

/// Where an object is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// In our part of the datastore.
    Own,
    /// Where it was before the datastore had namespaces: there it is ours only if it is exactly what our index promises.
    Former,
}

/// A failed transfer of one file.
#[derive(Debug, thiserror::Error)]
pub(super) enum TransferError {
    #[error(transparent)]
    Bucket(#[from] BucketError),
    #[error(transparent)]
    File(#[from] FileError),
}

impl TransferError {
    /// Returns the error as one of the store, which aggregated failures carry.
    pub(super) fn into_bucket_error(self, operation: &'static str, path: &RelPath) -> BucketError {
        match self {
            Self::Bucket(error) => error,
            Self::File(error) => BucketError::Unavailable { operation, key: path.to_string(), source: Box::new(error) },
        }
    }
}

impl Places {
    /// Fetches a file into its place in the cache.
    ///
    /// An immutable file must be what its entry says. A mutable one, and a version that grew, may be newer than the entry,
    /// when its writer has not committed yet: it is taken as it is, and what is returned tells that it differs. `seen` is
    /// the local file the plan was made for; `None` is returned if somebody changed it since or may be doing so, and nothing
    /// is replaced.
    async fn download(
        &self,
        bucket: &dyn Bucket,
        entry: &Entry,
        seen: Option<Stamp>,
        origin: Origin,
    ) -> Result<Option<Fetched>, TransferError> {
        let mut object = bucket.get(&entry.key, GetOptions::default()).await?;
        let mut staged = Staged::new(&self.staging)?;
        let mut growing = Growing::of(entry);
        let mut size = 0;
        while let Some(chunk) = object.body.next().await {
            let chunk = chunk?;
            size += chunk.len() as u64;
            growing.update(&chunk);
            staged.file().write_all(&chunk).map_err(FileError::at("write", staged.path()))?;
        }
        let (sha256, has_grown) = growing.finish(&staged)?;
        let differs = size != entry.size || entry.sha256.as_ref().is_some_and(|expected| *expected != sha256);
        if differs && origin == Origin::Former {
            return Err(BucketError::NotFound { key: entry.key.to_string() }.into());
        }
        if differs && !has_grown && boundary::crossing(&entry.key) == Crossing::Immutable {
            let expected = entry.sha256.as_deref().unwrap_or("unknown");
            let text =
                format!("{size} bytes with hash {sha256}, its index entry says {} bytes, {expected}", entry.size);
            return Err(BucketError::Corrupt { key: entry.key.to_string(), source: text.into() }.into());
        }
        // One `syncfs` per batch follows before anything is recorded as verified.
        if seen.is_some() && self.watermark.is_in_use(&entry.key) {
            return Ok(None);
        }
        let Some(file) = self.install(staged, &entry.key, seen)? else { return Ok(None) };
        let metadata = file.metadata().map_err(FileError::at("examine", &entry.key.under(&self.root)))?;
        let verified = Verified { stamp: Stamp::from(&metadata), sha256 };
        let version = Some(object.meta.version).filter(|_| origin == Origin::Own);
        Ok(Some(Fetched { verified, version }))
    }

    /// Moves a file that arrived to its place and returns it; `None` if what is there is not what was `seen`.
    fn install(&self, staged: Staged, path: &RelPath, seen: Option<Stamp>) -> Result<Option<File>, FileError> {
        let install = match seen {
            Some(seen) if !self.is_still(path, seen) => return Ok(None),
            Some(_) => Install::Replace,
            None => Install::New,
        };
        let target = path.under(&self.root);
        let failed = FileError::at("create", &target);
        match self.tree().install(staged.path(), path, install, Durability::Relaxed) {
            Ok(()) => staged.moved().map(Some),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match self.tree().has_directory(path) {
                Ok(false) => Ok(None),
                Ok(true) => Err(failed(io::ErrorKind::IsADirectory.into())),
                Err(error) => Err(failed(error)),
            },
            Err(error) => Err(failed(error)),
        }
    }

    /// Whether a file is what it was when it was looked at.
    pub(super) fn is_still(&self, path: &RelPath, seen: Stamp) -> bool {
        let pinned = self.tree().pin(path).ok().flatten();
        pinned.and_then(|file| file.metadata().ok()).is_some_and(|metadata| Stamp::from(&metadata) == seen)
    }

    /// Removes a file, and the directories that are empty then; returns whether it was there.
    pub(super) fn remove(&self, path: &RelPath) -> Result<bool, FileError> {
        match self.tree().remove(path) {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
            Err(error) => Err(FileError::at("delete", &path.under(&self.root))(error)),
        }
    }

    /// Finds a file that is to be sent, `None` if there is none.
    pub(super) fn pin(&self, path: &RelPath) -> Result<Option<Pinned>, FileError> {
        self.tree().pin(path).map_err(FileError::at("read", &path.under(&self.root)))
    }

    /// Returns the file's modification time as index entries show it.
    pub(super) fn modified(&self, path: &RelPath) -> Option<String> {
        let modified = self.tree().pin(path).ok()??.metadata().ok()?.modified().ok()?;
        Some(crate::clock::Timestamp::from(modified).to_string())
    }

    fn tree(&self) -> Beneath {
        Beneath::new(&self.root)
    }
}

impl Engine {
    /// Fetches a file of our namespace into its place, as [`Places::download`] does.
    ///
    /// An object that is missing may lie where it was before the datastore had namespaces (formats.md 3.3). What lies there
    /// may be another repository's by now, so that only an entry with a hash tells.
    pub(super) async fn fetch(&self, entry: &Entry, seen: Option<Stamp>) -> Result<Option<Fetched>, TransferError> {
        let fetched = self.places.download(&*self.scope, entry, seen, Origin::Own).await;
        let is_missing = matches!(fetched, Err(TransferError::Bucket(BucketError::NotFound { .. })));
        if !is_missing || self.parts.namespace.is_none() || entry.sha256.is_none() {
            return fetched;
        }
        match self.places.download(&*self.parts.bucket, entry, seen, Origin::Former).await {
            // Whoever may read our part only is told nothing new.
            Err(TransferError::Bucket(BucketError::NotFound { .. } | BucketError::Denied { .. })) => fetched,
            former => former,
        }
    }
}

/// The hash of a file that arrives, and whether the file is what its entry says and more: a stream that was appended to.
struct Growing<'a> {
    entry: &'a Entry,
    hasher: Sha256,
    /// How many bytes are still to come before the file is as long as its entry says.
    left: u64,
    /// The hash of so many bytes.
    beginning: Option<String>,
}

impl<'a> Growing<'a> {
    fn of(entry: &'a Entry) -> Self {
        Self { entry, hasher: Sha256::new(), left: entry.size, beginning: None }
    }

    fn update(&mut self, chunk: &[u8]) {
        let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(chunk.len());
        let (within, beyond) = chunk.split_at(length);
        self.hasher.update(within);
        self.left -= within.len() as u64;
        if !beyond.is_empty() {
            if self.beginning.is_none() {
                self.beginning = Some(hex::encode(self.hasher.clone().finalize()));
            }
            self.hasher.update(beyond);
        }
    }

    /// Returns the hash of the whole file, and whether it is newer than its entry: content that begins with what the entry
    /// describes, or the description of content that may grow.
    fn finish(self, staged: &Staged) -> Result<(String, bool), FileError> {
        let sha256 = hex::encode(self.hasher.finalize());
        let has_grown = match Location::parse(&self.entry.key).map(|location| location.part) {
            Some(Part::Raw(_)) => self.beginning.is_some() && self.beginning == self.entry.sha256,
            Some(Part::Metadata(_)) if self.entry.sha256.as_ref() != Some(&sha256) => {
                let bytes = fsutil::read_if_exists(staged.path(), METADATA_BYTES_MAX)?.unwrap_or_default();
                Metadata::parse(&bytes).is_ok_and(|metadata| metadata.streaming)
            }
            Some(Part::Metadata(_) | Part::Latest) | None => false,
        };
        Ok((sha256, has_grown))
    }
}

/// Returns the object if it has exactly this content: reads it only if its size fits.
pub(super) async fn holding(
    bucket: &dyn Bucket,
    path: &RelPath,
    local: &Verified,
) -> Result<Option<Version>, BucketError> {
    let mut object = match bucket.get(path, GetOptions::default()).await {
        Ok(object) => object,
        Err(BucketError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    if object.meta.size != local.stamp.size {
        return Ok(None);
    }
    let mut hasher = Sha256::new();
    while let Some(chunk) = object.body.next().await {
        hasher.update(&chunk?);
    }
    Ok((hex::encode(hasher.finalize()) == local.sha256).then_some(object.meta.version))
}

/// Reads an object; returns the SHA-256 of its content and its version, `None` if there is none.
pub(super) async fn content_of(bucket: &dyn Bucket, path: &RelPath) -> Result<Option<(String, Version)>, BucketError> {
    let mut object = match bucket.get(path, GetOptions::default()).await {
        Ok(object) => object,
        Err(BucketError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut hasher = Sha256::new();
    while let Some(chunk) = object.body.next().await {
        hasher.update(&chunk?);
    }
    Ok(Some((hex::encode(hasher.finalize()), object.meta.version)))
}
