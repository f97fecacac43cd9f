//! Moving single files, with what arrives compared with what was promised.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use futures::stream::StreamExt as _;
use sha2::{Digest as _, Sha256};

use super::boundary::{self, Crossing};
use crate::bucket::{Body, Bucket, BucketError, GetOptions, Version};
use crate::data::layout::{Location, Part};
use crate::data::metadata::{METADATA_BYTES_MAX, Metadata};
use crate::fsutil::{self, Durability, FileError, Staged};
use crate::index::{Entry, Stamp, Verified};
use crate::path::RelPath;

/// The directories that a transfer works in.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// The namespace's root in the cache.
    pub(super) root: PathBuf,
    /// Where files are staged, on the same file system.
    pub(super) staging: PathBuf,
}

/// A file that arrived.
#[derive(Clone, Debug)]
pub(super) struct Fetched {
    /// The file.
    pub(super) verified: Verified,
    /// The object that it was.
    pub(super) version: Version,
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
    /// the local file the plan was made for; `None` is returned if somebody changed it since, and nothing is replaced.
    pub(super) async fn download(
        &self,
        bucket: &dyn Bucket,
        entry: &Entry,
        seen: Option<Stamp>,
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
        if differs && !has_grown && boundary::crossing(&entry.key) == Crossing::Immutable {
            let expected = entry.sha256.as_deref().unwrap_or("unknown");
            let text =
                format!("{size} bytes with hash {sha256}, its index entry says {} bytes, {expected}", entry.size);
            return Err(BucketError::Corrupt { key: entry.key.to_string(), source: text.into() }.into());
        }
        let target = entry.key.under(&self.root);
        // One `syncfs` per batch follows before anything is recorded as verified.
        let is_installed = match seen {
            None => fsutil::install_absent(staged, &target)?,
            Some(seen) if is_still(&target, seen) => {
                fsutil::install(staged, &target, Durability::Relaxed).map(|()| true)?
            }
            Some(_) => false,
        };
        if !is_installed {
            return Ok(None);
        }
        let metadata = std::fs::symlink_metadata(&target).map_err(FileError::at("examine", &target))?;
        let verified = Verified { stamp: Stamp::from(&metadata), sha256 };
        Ok(Some(Fetched { verified, version: object.meta.version }))
    }

    /// Returns a file as what is sent.
    pub(super) fn body(&self, path: &RelPath) -> Body {
        Body::File(path.under(&self.root))
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

/// Whether a file is what it was when it was looked at.
pub(super) fn is_still(file: &Path, seen: Stamp) -> bool {
    std::fs::symlink_metadata(file).is_ok_and(|metadata| Stamp::from(&metadata) == seen)
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

/// Returns the file's modification time as index entries show it.
pub(super) fn modified(file: &Path) -> Option<String> {
    let modified = std::fs::symlink_metadata(file).ok()?.modified().ok()?;
    Some(crate::clock::Timestamp::from(modified).to_string())
}
