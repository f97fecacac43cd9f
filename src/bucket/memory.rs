//! A bucket in memory, for unit tests and simulations.
//!
//! Versions are a counter of all writes, so that no state of any key ever comes back.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt as _};

use crate::clock::{Clock, Timestamp};
use crate::fsutil::FileError;
use crate::path::RelPath;

use super::{
    Body, Bucket, BucketError, GetOptions, ListOptions, Object, ObjectMeta, Page, PutMode, Version, directories,
};

/// Keys in a page when the caller does not say, as S3 has it.
const PAGE_KEYS: u32 = 1_000;

/// Bytes in one piece of a body.
const CHUNK_BYTES: usize = 64 * 1024;

/// A bucket in memory.
#[derive(Debug)]
pub struct MemoryBucket {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    writes: u64,
    objects: BTreeMap<RelPath, Stored>,
}

#[derive(Clone, Debug)]
struct Stored {
    bytes: Bytes,
    modified: Timestamp,
    version: Version,
}

impl Stored {
    fn meta(&self, key: &RelPath) -> ObjectMeta {
        ObjectMeta {
            key: key.clone(),
            size: self.bytes.len() as u64,
            modified: self.modified,
            version: self.version.clone(),
        }
    }
}

impl State {
    fn write(&mut self, key: &RelPath, bytes: Bytes, modified: Timestamp) -> Version {
        self.writes += 1;
        let version = Version::new(self.writes.to_string());
        self.objects.insert(key.clone(), Stored { bytes, modified, version: version.clone() });
        version
    }

    fn find(&self, key: &RelPath) -> Result<&Stored, BucketError> {
        self.objects.get(key).ok_or_else(|| BucketError::NotFound { key: key.to_string() })
    }
}

impl MemoryBucket {
    /// Returns an empty bucket whose objects are dated by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Bucket for MemoryBucket {
    async fn get(&self, key: &RelPath, options: GetOptions) -> Result<Object, BucketError> {
        let stored = self.state().find(key)?.clone();
        let meta = stored.meta(key);
        let range = options.admit(&meta)?;
        // The object is in memory, so its offsets fit.
        let at = |offset| usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = stored.bytes.slice(at(range.start)..at(range.end));
        let body = stream::unfold(bytes, |mut rest| async move {
            let chunk = rest.split_to(rest.len().min(CHUNK_BYTES));
            (!chunk.is_empty()).then_some((Ok(chunk), rest))
        });
        Ok(Object { meta, body: body.boxed() })
    }

    async fn put(&self, key: &RelPath, body: Body, mode: PutMode) -> Result<Version, BucketError> {
        let bytes = match body {
            Body::Bytes(bytes) => bytes,
            Body::File(path) => {
                let read = fs::read(&path).map_err(FileError::at("read", &path));
                read.map_err(|error| BucketError::unreadable(key, error))?.into()
            }
        };
        let now = self.clock.now();
        let mut state = self.state();
        mode.admit(key, state.objects.get(key).map(|stored| &stored.version))?;
        Ok(state.write(key, bytes, now))
    }

    async fn head(&self, key: &RelPath) -> Result<ObjectMeta, BucketError> {
        Ok(self.state().find(key)?.meta(key))
    }

    async fn delete(&self, key: &RelPath, expected: Option<Version>) -> Result<(), BucketError> {
        let mut state = self.state();
        match (state.objects.get(key), expected) {
            (Some(stored), Some(expected)) if stored.version != expected => {
                Err(BucketError::Precondition { key: key.to_string() })
            }
            _ => {
                state.objects.remove(key);
                Ok(())
            }
        }
    }

    async fn list(&self, options: ListOptions) -> Result<Page, BucketError> {
        if options.directories {
            return directories::by_keys(self, options).await;
        }
        let beginning = options.prefix.map(|prefix| format!("{prefix}/")).unwrap_or_default();
        let start = options.start_after.unwrap_or_default().max(beginning.clone());
        let page_size = options.page_size.unwrap_or(PAGE_KEYS).max(1) as usize;
        let state = self.state();
        let mut found = state
            .objects
            .range::<str, _>((Bound::Excluded(start.as_str()), Bound::Unbounded))
            .take_while(|(key, _)| key.as_str().starts_with(&beginning));
        let objects: Vec<_> = found.by_ref().take(page_size).map(|(key, stored)| stored.meta(key)).collect();
        let more = found.next().is_some();
        let next = objects.last().filter(|_| more).map(|last| last.key.to_string());
        Ok(Page { objects, next, ..Page::default() })
    }

    async fn copy(&self, source: &RelPath, target: &RelPath) -> Result<Version, BucketError> {
        let now = self.clock.now();
        let mut state = self.state();
        let bytes = state.find(source)?.bytes.clone();
        Ok(state.write(target, bytes, now))
    }

    fn locate(&self, key: &str) -> String {
        format!("memory:{key}")
    }
}
