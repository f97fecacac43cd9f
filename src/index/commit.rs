//! Making changes visible: under the lock, and by compare-and-swap as well (trap T25).
//!
//! Shards first, then the meta object with the next sequence number, then objects of emptied shards are deleted. A
//! crash in between leaves shards that run ahead of the meta object; the next push finds them by their state and
//! commits again. Nothing local is recorded before the meta object is written.

use std::collections::{BTreeMap, HashSet};

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tracing::{debug, warn};

use super::entry::{Entries, Entry, Meta, Unusable, monolith_bytes, shard_bytes};
use super::remote::{META_BYTES_MAX, SHARDS_CONCURRENT_MAX, meta_path};
use super::replace::{self, Before};
use super::{Head, Index, IndexError, Layout, Mirror, PartitionKey, Record, ShardId};
use crate::bucket::{self, Body as Payload, BucketError, PutMode, Version};
use crate::clock::Timestamp;
use crate::lock::Held;
use crate::path::RelPath;

/// How often a compare-and-swap is repeated before we say that somebody ignores the lock.
const ATTEMPTS_MAX: u32 = 5;

/// One change of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// This file is there now.
    Upsert(Entry),
    /// This file is gone.
    Remove {
        /// Which file.
        path: RelPath,
        /// The contents that it had here, by their SHA-256: another in its place is somebody else's, and stays. `None` for a
        /// file that is rewritten in place: whatever it is, it goes.
        held: Option<Vec<String>>,
    },
}

impl Change {
    fn path(&self) -> &RelPath {
        match self {
            Self::Upsert(entry) => &entry.key,
            Self::Remove { path, .. } => path,
        }
    }
}

/// The layout a new index starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Founding {
    /// Version 2, for namespaces.
    Sharded,
    /// Version 1, for solo datastores: what every swamp can read.
    Monolith,
}

/// A commit in progress. Dropping it before [`Commit::finish`] publishes at most whole shards.
#[derive(Debug)]
pub struct Commit<'a> {
    index: &'a Index,
    mirror: &'a mut Mirror,
    held: &'a Held,
    layout: Layout,
    staged: BTreeMap<ShardId, Written>,
    touched: Vec<PartitionKey>,
}

/// A shard as it will be, or already is, remotely.
#[derive(Clone, Debug)]
struct Written {
    entries: Entries,
    unusable: Unusable,
    /// `None` where the object does not exist.
    version: Option<Version>,
    /// Whether somebody else's change was merged that this cache has not reconciled.
    is_merged: bool,
    /// Whether the record had been reconciled: one that ran ahead of the head had not.
    is_reconciled: bool,
}

impl Index {
    /// Begins a commit. The mirror has been refreshed under the same lock.
    pub fn begin<'a>(&'a self, mirror: &'a mut Mirror, held: &'a Held) -> Commit<'a> {
        let layout = mirror.layout();
        Commit { index: self, mirror, held, layout, staged: BTreeMap::new(), touched: Vec::new() }
    }
}

impl Commit<'_> {
    /// Applies changes: shards are written at once, a monolith at the end.
    pub async fn apply(&mut self, changes: Vec<Change>) -> Result<(), IndexError> {
        let mut by_shard: BTreeMap<ShardId, Vec<Change>> = BTreeMap::new();
        for change in changes {
            let Some(partition) = PartitionKey::of(change.path()) else {
                return Err(IndexError::Unpartitionable { count: 1, sample: vec![change.path().to_string()] });
            };
            self.touched.push(partition.clone());
            let shard = match self.layout {
                Layout::Monolith => ShardId::Monolith,
                Layout::Sharded | Layout::Absent => ShardId::Partition(partition),
            };
            by_shard.entry(shard).or_default().push(change);
        }
        self.touched.sort();
        self.touched.dedup();
        if self.layout == Layout::Monolith {
            for (shard, changes) in by_shard {
                let mut written = self.staged(&shard)?;
                written.merge(&changes);
                self.staged.insert(shard, written);
            }
            return Ok(());
        }
        self.held.check()?;
        let mut tasks = Vec::with_capacity(by_shard.len());
        for (shard, changes) in by_shard {
            let written = self.staged(&shard)?;
            tasks.push(self.index.write_shard(shard, written, changes));
        }
        let written: Vec<_> = stream::iter(tasks).buffer_unordered(SHARDS_CONCURRENT_MAX).try_collect().await?;
        self.staged.extend(written);
        Ok(())
    }

    /// Whether a shard held what this cache has not reconciled.
    pub fn has_met_others(&self) -> bool {
        self.staged.values().any(|written| written.is_merged)
    }

    /// Whether the index will name a file, as far as shards were touched.
    pub fn names(&self, path: &RelPath) -> bool {
        self.staged.values().any(|written| written.names(path))
    }

    /// Publishes everything applied, and brings the mirror in step with it.
    pub async fn finish(mut self, now: Timestamp) -> Result<(), IndexError> {
        if self.staged.is_empty() {
            return Ok(());
        }
        self.held.check()?;
        let mut head = self.mirror.head().clone();
        head.layout = self.layout;
        match self.layout {
            Layout::Monolith => self.finish_monolith(&mut head, now).await?,
            Layout::Sharded | Layout::Absent => self.finish_shards(&mut head).await?,
        }
        for (shard, written) in &self.staged {
            if written.is_merged {
                head.forget(shard);
                continue;
            }
            let mut record = self.mirror.record(shard)?;
            record.entries.clone_from(&written.entries);
            record.unusable.clone_from(&written.unusable);
            // The object of an emptied shard is gone: nothing may name it again. An emptied monolith stays.
            let is_gone = written.is_empty() && *shard != ShardId::Monolith;
            record.version = written.version.clone().filter(|_| !is_gone);
            self.mirror.set_record(shard, &record)?;
            if written.is_reconciled {
                head.set_shard(shard, record.version);
            } else {
                head.forget(shard);
            }
        }
        self.mirror.set_head(head)
    }

    async fn finish_shards(&self, head: &mut Head) -> Result<(), IndexError> {
        let emptied = |shard: &ShardId| self.staged.get(shard).is_some_and(Written::is_empty);
        let mut partitions: Vec<String> = head
            .shards()
            .chain(self.staged.keys().cloned())
            .filter_map(|shard| match &shard {
                ShardId::Partition(key) if !emptied(&shard) => Some(key.as_str().to_owned()),
                _ => None,
            })
            .collect();
        partitions.extend(head.unusable_partitions.iter().cloned());
        partitions.sort();
        partitions.dedup();
        let mut meta = Meta { version: 2, partitions, commit_seq: head.commit_seq, extra: head.meta_extra.clone() };
        let mut expected = head.meta.clone();
        let mut is_merged = self.staged.values().any(|written| written.is_merged);
        for _ in 0..ATTEMPTS_MAX {
            meta.commit_seq = Some(meta.commit_seq.unwrap_or(0) + 1);
            let payload = Payload::Bytes(meta.to_bytes().into());
            match self.index.bucket.put(&meta_path(), payload, mode(expected.as_ref())).await {
                Ok(version) => {
                    debug!(commit_seq = meta.commit_seq, shards = self.staged.len(), "index committed");
                    if !is_merged {
                        head.meta = Some(version);
                        head.commit_seq = meta.commit_seq;
                    }
                    return self.delete_emptied().await;
                }
                Err(BucketError::Precondition { .. } | BucketError::NotFound { .. }) => {}
                Err(error) => return Err(IndexError::Write(error)),
            }
            self.held.check()?;
            is_merged = true;
            let found = bucket::read_if_exists(&*self.index.bucket, &meta_path(), META_BYTES_MAX).await;
            let found = found.map_err(IndexError::Read)?;
            expected = found.as_ref().map(|(object, _)| object.version.clone());
            if let Some(theirs) = found.and_then(|(_, bytes)| Meta::parse(&bytes)) {
                meta.commit_seq = meta.commit_seq.max(theirs.commit_seq);
                // What our head remembers besides is no source: others may have removed it.
                meta.extra = theirs.extra;
                meta.partitions = theirs.partitions;
                meta.partitions.extend(self.staged.keys().filter(|shard| !emptied(shard)).map(ShardId::to_string));
                meta.partitions.sort();
                meta.partitions.dedup();
                meta.partitions.retain(|name| {
                    PartitionKey::from_remote(name).is_none_or(|key| !emptied(&ShardId::Partition(key)))
                });
            }
        }
        Err(IndexError::Contended { attempts: ATTEMPTS_MAX })
    }

    /// Deletes objects of shards that hold nothing any more; no meta object names them now.
    async fn delete_emptied(&self) -> Result<(), IndexError> {
        for (shard, written) in self.staged.iter().filter(|(_, written)| written.is_empty()) {
            match self.index.bucket.delete(&shard.to_path(), written.version.clone()).await {
                Ok(()) | Err(BucketError::Precondition { .. } | BucketError::NotFound { .. }) => {}
                Err(error) => warn!(%error, "emptied shard not deleted"),
            }
        }
        Ok(())
    }

    /// Writes the monolith, then the advisory shards and meta object that readers of single models use.
    async fn finish_monolith(&mut self, head: &mut Head, now: Timestamp) -> Result<(), IndexError> {
        let shard = ShardId::Monolith;
        let mut written = self.staged(&shard)?;
        let payload = Payload::Bytes(monolith_bytes(&written.entries, &written.unusable, now).into());
        let outcome = self.index.bucket.put(&shard.to_path(), payload, mode(written.version.as_ref())).await;
        written.version = match outcome {
            Ok(version) => Some(version),
            // Whoever wrote it did so without the lock; the caller refreshes and plans again.
            Err(BucketError::Precondition { .. }) => return Err(IndexError::Contended { attempts: 1 }),
            Err(error) => return Err(IndexError::Write(error)),
        };
        match self.write_advisory(&written.entries, head).await {
            Ok(meta) => head.meta = Some(meta),
            Err(error) => warn!(%error, "advisory shards not written"),
        }
        self.staged.insert(shard, written);
        Ok(())
    }

    async fn write_advisory(&self, entries: &Entries, head: &Head) -> Result<Version, BucketError> {
        let is_first = head.meta.is_none();
        let mut groups: BTreeMap<PartitionKey, Entries> = BTreeMap::new();
        for (path, entry) in entries {
            if let Some(key) = PartitionKey::of(path) {
                groups.entry(key).or_default().insert(path.clone(), entry.clone());
            }
        }
        let partitions = groups.keys().map(|key| key.as_str().to_owned()).collect();
        let touched = |key: &PartitionKey| is_first || self.touched.binary_search(key).is_ok();
        let mut writes = Vec::new();
        for (key, entries) in groups.iter().filter(|(key, _)| touched(key)) {
            let payload = Payload::Bytes(shard_bytes(entries, &Unusable::new()).into());
            let before = if is_first { Before::Absent } else { Before::Unknown };
            writes.push(async move {
                replace::put(&*self.index.bucket, &key.to_path(), payload, before, Some(self.held)).await
            });
        }
        stream::iter(writes).buffer_unordered(SHARDS_CONCURRENT_MAX).try_collect::<Vec<_>>().await?;
        for key in self.touched.iter().filter(|key| !groups.contains_key(key)) {
            replace::delete(&*self.index.bucket, &key.to_path(), Before::Unknown, self.held).await?;
        }
        let meta = Meta { version: 1, partitions, commit_seq: None, extra: head.meta_extra.clone() };
        let before = head.meta.clone().map_or(Before::Absent, Before::Version);
        let payload = Payload::Bytes(meta.to_bytes().into());
        replace::put(&*self.index.bucket, &meta_path(), payload, before, Some(self.held)).await
    }

    /// Returns the present state of a shard within this commit.
    fn staged(&self, shard: &ShardId) -> Result<Written, IndexError> {
        if let Some(written) = self.staged.get(shard) {
            return Ok(written.clone());
        }
        let record = self.mirror.record(shard)?;
        let is_reconciled = record.version.as_ref() == self.mirror.head().shard(shard);
        let Record { entries, unusable, version, .. } = record;
        Ok(Written { entries, unusable, version, is_merged: false, is_reconciled })
    }
}

impl Index {
    /// Merges changes into one shard; an emptied one is written too and deleted once no meta object names it.
    async fn write_shard(
        &self,
        shard: ShardId,
        mut written: Written,
        mut changes: Vec<Change>,
    ) -> Result<(ShardId, Written), IndexError> {
        let removed = changes.iter().filter(|change| matches!(change, Change::Remove { .. }));
        let known: BTreeMap<RelPath, Option<Entry>> =
            removed.map(|change| (change.path().clone(), written.entries.get(change.path()).cloned())).collect();
        for _ in 0..ATTEMPTS_MAX {
            written.merge(&changes);
            let payload = Payload::Bytes(shard_bytes(&written.entries, &written.unusable).into());
            match self.bucket.put(&shard.to_path(), payload, mode(written.version.as_ref())).await {
                Ok(version) => {
                    written.version = Some(version);
                    return Ok((shard, written));
                }
                Err(BucketError::Precondition { .. } | BucketError::NotFound { .. }) => {}
                Err(error) => return Err(IndexError::Write(error)),
            }
            debug!(?shard, "shard changed meanwhile");
            if let Some((body, version)) = self.read_shard(&shard).await? {
                written.is_merged |= body.entries != written.entries || body.unusable != written.unusable;
                (written.entries, written.unusable) = (body.entries, body.unusable);
                // What others put in the place of a file that is removed is theirs.
                changes.retain(|change| match change {
                    Change::Remove { path, held } => {
                        let (now, then) = (written.entries.get(path), known.get(path).and_then(Option::as_ref));
                        let sha256 = now.and_then(|entry| entry.sha256.as_ref());
                        let is_ours = |sha256| held.as_ref().is_none_or(|held| held.contains(sha256));
                        now == then || sha256.is_none_or(is_ours)
                    }
                    Change::Upsert(_) => true,
                });
                written.version = Some(version);
            } else if self.lists(&shard).await? {
                // Nobody deletes a shard that is listed: it was lost, and is made again from what we know of it.
                warn!(%shard, "shard has disappeared from the datastore; written again");
                written.version = None;
            } else {
                // Others emptied it: what it held is gone.
                written.is_merged |= written.version.take().is_some();
                written.entries.clear();
                written.unusable.clear();
            }
        }
        Err(IndexError::Contended { attempts: ATTEMPTS_MAX })
    }
}

impl Written {
    fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.unusable.is_empty()
    }

    fn names(&self, path: &RelPath) -> bool {
        self.entries.contains_key(path) || self.unusable.contains_key(path.as_str())
    }

    /// Merges changes. Nothing is changed of which the entry cannot be used, but that it may have become so meanwhile.
    fn merge(&mut self, changes: &[Change]) {
        let mut removed = HashSet::new();
        for change in changes {
            match change {
                Change::Upsert(entry) => {
                    removed.remove(&entry.key);
                    self.unusable.remove(entry.key.as_str());
                    self.entries.insert(entry.key.clone(), entry.clone());
                }
                Change::Remove { path, .. } => {
                    removed.insert(path);
                }
            }
        }
        if !removed.is_empty() {
            self.entries.retain(|path, _| !removed.contains(path));
        }
    }
}

fn mode(expected: Option<&Version>) -> PutMode {
    expected.map_or(PutMode::Create, |version| PutMode::Update(version.clone()))
}
