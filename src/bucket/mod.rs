//! The port to bytes: our narrow view of an object store under a prefix.
//!
//! Every backend implements [`Bucket`] and passes the one contract suite in `tests/it/bucket_contract`, which is
//! the specification: conditional writes are atomic, a listing is in byte order of keys, reading gives the bytes of
//! one version. A backend whose store ignores conditions (some S3-compatible servers do) is unsafe for locks;
//! `swamp doctor` probes for it.

mod compare;
mod conditions;
mod directories;
pub mod directory;
mod error;
pub mod gcs;
pub mod memory;
mod outage;
pub mod prefixed;
pub mod probe;
mod refusal;
mod resume;
pub mod retry;
pub mod s3;

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{Stream, StreamExt as _};

use crate::clock::Timestamp;
use crate::path::RelPath;

pub use error::{BucketError, Source};
pub use outage::Outage;

/// A bucket shared by the tasks of one command.
pub type SharedBucket = Arc<dyn Bucket>;

/// The bytes of an object as they arrive.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, BucketError>> + Send>>;

/// Identifies one state of one object: an `ETag` (without quotes), a generation, an inode with its times.
///
/// Opaque, and comparable only between values of one key of one bucket.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Version(String);

impl Version {
    /// Wraps what the store calls this state.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns what the store calls this state.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What must hold for a write to happen; decided by the store, atomically.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutMode {
    /// Write whatever is there.
    Overwrite,
    /// Write only if the key is absent.
    Create,
    /// Write only if the object is still in this state.
    Update(Version),
}

/// Why a store refuses a long key.
const KEY_TOO_LONG: &str = "with its namespace and the datastore's prefix, its name is longer than 1024 bytes";

/// What to write.
#[derive(Clone, Debug)]
pub enum Body {
    /// Bytes already in memory.
    Bytes(Bytes),
    /// A file, streamed from disk: memory does not grow with its size.
    File(PathBuf),
}

/// Conditions and range of a read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetOptions {
    /// Read these bytes only, clamped to the object's end. An empty range, or a start at or past the end, is
    /// [`BucketError::Invalid`].
    pub range: Option<Range<u64>>,
    /// Fail with [`BucketError::Precondition`] unless the object is in this state.
    pub if_match: Option<Version>,
    /// Fail with [`BucketError::NotModified`] if the object is still in this state.
    pub if_none_match: Option<Version>,
}

/// What a store knows about an object without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMeta {
    /// The object's key, relative to the bucket's prefix.
    pub key: RelPath,
    /// The size of the whole object, in bytes.
    pub size: u64,
    /// When the store last wrote it, by the store's clock.
    pub modified: Timestamp,
    /// Its present state.
    pub version: Version,
}

/// An object being read.
pub struct Object {
    /// The whole object's properties, also when a range was asked for.
    pub meta: ObjectMeta,
    /// The bytes asked for, of exactly the version in `meta`.
    pub body: ByteStream,
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object").field("meta", &self.meta).finish_non_exhaustive()
    }
}

impl Object {
    /// Collects the body, refusing with [`BucketError::TooLarge`] as soon as it exceeds `bytes_max`.
    pub async fn bytes(mut self, bytes_max: u64) -> Result<Bytes, BucketError> {
        let too_large = |key: &RelPath| BucketError::TooLarge { key: key.to_string(), bytes_max };
        let capacity = usize::try_from(self.meta.size.min(bytes_max).min(1 << 20)).unwrap_or(0);
        let mut collected = Vec::with_capacity(capacity);
        while let Some(chunk) = self.body.next().await {
            let chunk = chunk?;
            if collected.len() as u64 + chunk.len() as u64 > bytes_max {
                return Err(too_large(&self.meta.key));
            }
            collected.extend_from_slice(&chunk);
        }
        Ok(collected.into())
    }
}

/// Which objects to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// Only keys that lie strictly below this path; `None` lists the whole bucket.
    pub prefix: Option<RelPath>,
    /// Only keys whose bytes sort after this text (a whole key or a beginning of one).
    pub start_after: Option<String>,
    /// At most this many keys in the page; `None` leaves it to the store (S3: 1,000).
    pub page_size: Option<u32>,
    /// Name the directories directly below the prefix, and no keys: all of them, in one page.
    pub directories: bool,
}

/// One page of a listing, in byte order of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The objects of this page.
    pub objects: Vec<ObjectMeta>,
    /// Keys that are not a [`RelPath`], escaped for showing; they exist and cannot be used.
    pub refused: Vec<String>,
    /// The directories, if it was them that were asked for, in the order of the keys below them.
    pub directories: Vec<String>,
    /// What to give as `start_after` for the next page; `None` on the last one.
    pub next: Option<String>,
}

/// An object store under a prefix.
///
/// Every call ends within the deadline the implementation was configured with. Dropping a future leaves the object
/// either as it was or as it should be, never half written.
#[async_trait]
pub trait Bucket: Send + Sync + fmt::Debug {
    /// Starts reading an object.
    async fn get(&self, key: &RelPath, options: GetOptions) -> Result<Object, BucketError>;

    /// Writes an object and returns its new state.
    ///
    /// A lost reply to a conditional write may be reported as [`BucketError::Precondition`] although the write
    /// happened: the caller compares content before it speaks of a conflict.
    async fn put(&self, key: &RelPath, body: Body, mode: PutMode) -> Result<Version, BucketError>;

    /// Returns an object's properties.
    async fn head(&self, key: &RelPath) -> Result<ObjectMeta, BucketError>;

    /// Deletes an object, with `expected` only if it is in that state. Deleting an absent object succeeds.
    async fn delete(&self, key: &RelPath, expected: Option<Version>) -> Result<(), BucketError>;

    /// Returns one page of a listing.
    async fn list(&self, options: ListOptions) -> Result<Page, BucketError>;

    /// Copies an object on the store's side, overwriting `target`.
    async fn copy(&self, source: &RelPath, target: &RelPath) -> Result<Version, BucketError>;

    /// Says why no object of this store can have a key, `None` if one can. Asks nobody.
    fn refuses(&self, key: &str) -> Option<&'static str> {
        let _ = key;
        None
    }

    /// Returns the address of a key for messages: `s3://bucket/prefix/key`, `/srv/swamp/key`.
    fn locate(&self, key: &str) -> String;
}

/// Lists every object under `prefix`, page by page; keys that cannot be used are passed to `refused`.
pub async fn list_all(
    bucket: &dyn Bucket,
    prefix: Option<&RelPath>,
    mut refused: impl FnMut(String) + Send,
) -> Result<Vec<ObjectMeta>, BucketError> {
    let mut objects = Vec::new();
    let mut start_after = None;
    loop {
        let options = ListOptions { prefix: prefix.cloned(), start_after, ..ListOptions::default() };
        let page = bucket.list(options).await?;
        objects.extend(page.objects);
        page.refused.into_iter().for_each(&mut refused);
        match page.next {
            Some(next) => start_after = Some(next),
            None => return Ok(objects),
        }
    }
}

/// Lists the directories at the top: what is before the first `/` of a key.
///
/// Where the store can tell, a request for every thousand of them, however many objects they hold.
pub async fn list_directories(bucket: &dyn Bucket) -> Result<Vec<String>, BucketError> {
    let options = ListOptions { directories: true, ..ListOptions::default() };
    Ok(bucket.list(options).await?.directories)
}

/// Reads a whole small object, `None` if it does not exist.
pub async fn read_if_exists(
    bucket: &dyn Bucket,
    key: &RelPath,
    bytes_max: u64,
) -> Result<Option<(ObjectMeta, Bytes)>, BucketError> {
    match bucket.get(key, GetOptions::default()).await {
        Ok(object) => {
            let meta = object.meta.clone();
            Ok(Some((meta, object.bytes(bytes_max).await?)))
        }
        Err(BucketError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
