//! The store itself: a bucket in memory whose listings may lag behind, with a watchman who sees every change.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use swamp::bucket::memory::MemoryBucket;
use swamp::bucket::{Body, Bucket as _, BucketError, GetOptions, ListOptions, ObjectMeta, Page, PutMode, Version};
use swamp::path::RelPath;

use super::timeline::{MachineClock, Timeline, Who};
use super::watchman::Watchman;

/// The largest object a run looks at, in bytes.
const BYTES_MAX: u64 = 1 << 24;

/// Keys in a page unless asked otherwise, as S3 has it.
const PAGE_KEYS: usize = 1_000;

/// A defect of the store: a simulation that does not notice is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    /// Writes over whatever is there although it was told which state to replace.
    IgnoresUpdate,
    /// Writes over what is there although it was told to create.
    IgnoresCreate,
    /// Lets everybody have a lock.
    LocksExcludeNobody,
    /// Says that it wrote a version, and did not, now and then.
    LosesWrites,
}

/// What listings showed of a key since when, the oldest first.
type Shown = Vec<(Duration, Option<ObjectMeta>)>;

/// The objects.
pub(crate) struct Shelf {
    timeline: Arc<Timeline>,
    memory: MemoryBucket,
    shown: Mutex<BTreeMap<RelPath, Shown>>,
    /// Machines whose last listing hid something from them.
    misled: Mutex<BTreeSet<Who>>,
    listing_lag_ms: AtomicU64,
    writes: AtomicU64,
    pub(crate) watchman: Watchman,
    defect: Option<Defect>,
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").finish_non_exhaustive()
    }
}

fn at_once<T>(answer: impl Future<Output = T>) -> T {
    answer.now_or_never().expect("memory answers at once")
}

impl Shelf {
    pub(crate) fn new(timeline: &Arc<Timeline>, watchman: Watchman, defect: Option<Defect>) -> Self {
        let clock = MachineClock { timeline: Arc::clone(timeline), who: usize::MAX, skew_ms: 0 };
        Self {
            timeline: Arc::clone(timeline),
            memory: MemoryBucket::new(Arc::new(clock)),
            shown: Mutex::default(),
            misled: Mutex::default(),
            listing_lag_ms: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            watchman,
            defect,
        }
    }

    /// Makes listings lag up to so many milliseconds behind.
    pub(crate) fn set_listing_lag(&self, milliseconds: u64) {
        self.listing_lag_ms.store(milliseconds, Ordering::Relaxed);
    }

    /// Whether the listing that a machine got last hid something from it.
    pub(crate) fn was_misled(&self, who: Who) -> bool {
        self.misled.lock().unwrap_or_else(PoisonError::into_inner).contains(&who)
    }

    pub(crate) fn get(&self, key: &RelPath, options: GetOptions) -> Result<(ObjectMeta, Bytes), BucketError> {
        let object = at_once(self.memory.get(key, options))?;
        let meta = object.meta.clone();
        Ok((meta, at_once(object.bytes(BYTES_MAX))?))
    }

    /// Returns an object's bytes, `None` if there is none.
    pub(crate) fn bytes(&self, key: &str) -> Option<Bytes> {
        let key = key.parse().expect("a key");
        self.get(&key, GetOptions::default()).ok().map(|(_, bytes)| bytes)
    }

    pub(crate) fn head(&self, key: &RelPath) -> Result<ObjectMeta, BucketError> {
        at_once(self.memory.head(key))
    }

    pub(crate) fn put(&self, who: Who, key: &RelPath, bytes: &Bytes, mode: &PutMode) -> Result<Version, BucketError> {
        let nth = self.writes.fetch_add(1, Ordering::Relaxed);
        let is_lock = is_lock(key);
        let mode = match (self.defect, mode) {
            (Some(Defect::IgnoresUpdate), PutMode::Update(_)) | (Some(Defect::IgnoresCreate), PutMode::Create)
                if !is_lock =>
            {
                &PutMode::Overwrite
            }
            (Some(Defect::LocksExcludeNobody), _) if is_lock => &PutMode::Overwrite,
            (Some(Defect::LosesWrites), _) if nth % 50 == 49 && key.file_name() == "raw" => {
                return Ok(Version::new("lost"));
            }
            _ => mode,
        };
        let version = at_once(self.memory.put(key, Body::Bytes(bytes.clone()), mode.clone()))?;
        self.show(key);
        self.watchman.wrote(self, who, key);
        Ok(version)
    }

    pub(crate) fn delete(&self, who: Who, key: &RelPath, expected: Option<&Version>) -> Result<(), BucketError> {
        let before = self.bytes(key.as_str());
        at_once(self.memory.delete(key, expected.cloned()))?;
        self.show(key);
        self.watchman.deleted(who, key, before.as_ref());
        Ok(())
    }

    /// Writes down from when listings show a key as it is now.
    fn show(&self, key: &RelPath) {
        let lag_ms = self.listing_lag_ms.load(Ordering::Relaxed);
        // Spread by what was written last, which is as good as any die and needs no state.
        let lag =
            Duration::from_millis(if lag_ms == 0 { 0 } else { self.writes.load(Ordering::Relaxed) * 7919 % lag_ms });
        let now = self.timeline.now();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let history = shown.entry(key.clone()).or_default();
        let since = history.last().map_or(now + lag, |(since, _)| (*since).max(now + lag));
        history.push((since, self.head(key).ok()));
        let current = history.iter().rposition(|(since, _)| *since <= now).unwrap_or(0);
        history.drain(..current);
    }

    /// Returns a page of a listing, as it shows by now.
    pub(crate) fn list(&self, who: Who, options: &ListOptions) -> Page {
        let now = self.timeline.now();
        let beginning = options.prefix.as_ref().map(|prefix| format!("{prefix}/")).unwrap_or_default();
        let after = options.start_after.clone().unwrap_or_default();
        let page_keys = options.page_size.map_or(PAGE_KEYS, |size| size as usize).max(1);
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let listed = || shown.iter().filter(|(key, _)| key.as_str().starts_with(&beginning) && key.as_str() > &*after);
        let is_misled = listed().any(|(_, history)| history.last().is_some_and(|(since, _)| *since > now));
        let mut misled = self.misled.lock().unwrap_or_else(PoisonError::into_inner);
        if is_misled {
            misled.insert(who)
        } else {
            misled.remove(&who)
        };
        let mut visible = listed().filter_map(|(_, history)| {
            history.iter().rev().find(|(since, _)| *since <= now).and_then(|(_, meta)| meta.clone())
        });
        let objects: Vec<ObjectMeta> = visible.by_ref().take(page_keys).collect();
        let next = objects.last().filter(|_| visible.next().is_some()).map(|last| last.key.to_string());
        Page { objects, next, ..Page::default() }
    }
}

/// Whether an object is a lock.
pub(crate) fn is_lock(key: &RelPath) -> bool {
    Path::new(key.file_name()).extension().is_some_and(|end| end == "lock")
}
