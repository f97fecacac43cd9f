//! Looking at a namespace's index: whether it changed, and the shards that did.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tracing::{debug, warn};

use super::entry::{Body, INDEX_BYTES_MAX, Meta};
use super::{Head, IndexError, Layout, Mirror, PartitionKey, ShardId};
use crate::bucket::{self, BucketError, GetOptions, ListOptions, SharedBucket, Version};
use crate::clock::Timestamp;
use crate::path::RelPath;

/// Shards read or written at a time.
pub(super) const SHARDS_CONCURRENT_MAX: usize = 10;

/// The largest meta object we read, in bytes.
pub(super) const META_BYTES_MAX: u64 = 64 << 20;

/// How often the index is looked at again because others change it while it is read.
const LOOKS_MAX: u32 = 5;

/// A namespace's index in its datastore; the bucket is the namespace's own part of it.
#[derive(Clone, Debug)]
pub struct Index {
    pub(super) bucket: SharedBucket,
}

/// What a look at the index found.
#[derive(Debug)]
pub enum Probe {
    /// What the head says. This answer costs one request.
    Unchanged,
    /// Another state; [`Index::refresh`] reads it.
    Changed(Seen),
}

/// The state of an index as seen remotely.
#[derive(Debug)]
pub struct Seen {
    pub(super) layout: Layout,
    pub(super) meta: Option<(Meta, Version)>,
}

impl Seen {
    /// Returns how the index is stored.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Returns the state of the meta object.
    fn state(&self) -> Option<&Version> {
        self.meta.as_ref().map(|(_, version)| version)
    }
}

/// What changed since the cache was last reconciled.
#[derive(Debug)]
pub struct Refreshed {
    /// Shards whose records were replaced and wait for reconciliation, removed ones included.
    pub shards: Vec<ShardId>,
    /// The head to save once all of them are reconciled.
    pub head: Head,
}

pub(super) fn meta_path() -> RelPath {
    RelPath::from_trusted("_index/_meta.json".to_owned())
}

impl Index {
    /// Returns the index of the namespace whose part of the datastore `bucket` is.
    pub fn new(bucket: SharedBucket) -> Self {
        Self { bucket }
    }

    /// Asks whether the index is still what `head` says: one request if it is.
    pub async fn probe(&self, head: &Head) -> Result<Probe, IndexError> {
        match head.layout {
            Layout::Sharded => self.probe_meta(head.meta.as_ref()).await,
            Layout::Monolith => self.probe_monolith(head).await,
            Layout::Absent => self.look().await.map(Probe::Changed),
        }
    }

    /// As [`Self::probe`], without a listing, which may lag behind: for those who are about to replace what they see.
    pub async fn probe_directly(&self, head: &Head) -> Result<Probe, IndexError> {
        if head.layout != Layout::Monolith {
            return self.probe(head).await;
        }
        let options = GetOptions { if_none_match: head.meta.clone(), ..GetOptions::default() };
        let is_meta_same = match self.bucket.get(&meta_path(), options).await {
            Ok(_) => false,
            Err(BucketError::NotModified { .. }) => true,
            Err(BucketError::NotFound { .. }) => head.meta.is_none(),
            Err(error) => return Err(IndexError::Read(error)),
        };
        let known = head.shard(&ShardId::Monolith);
        let is_monolith_same = match self.bucket.head(&ShardId::Monolith.to_path()).await {
            Ok(found) => known == Some(&found.version),
            Err(BucketError::NotFound { .. }) => known.is_none(),
            Err(error) => return Err(IndexError::Read(error)),
        };
        if is_meta_same && is_monolith_same { Ok(Probe::Unchanged) } else { self.look().await.map(Probe::Changed) }
    }

    async fn probe_meta(&self, known: Option<&Version>) -> Result<Probe, IndexError> {
        let options = GetOptions { if_none_match: known.cloned(), ..GetOptions::default() };
        let object = match self.bucket.get(&meta_path(), options).await {
            Ok(object) => object,
            Err(BucketError::NotModified { .. }) => return Ok(Probe::Unchanged),
            Err(BucketError::NotFound { .. }) => return self.look().await.map(Probe::Changed),
            Err(error) => return Err(IndexError::Read(error)),
        };
        let version = object.meta.version.clone();
        let bytes = object.bytes(META_BYTES_MAX).await.map_err(IndexError::Read)?;
        match Meta::parse(&bytes) {
            Some(meta) if meta.is_sharded() => {
                Ok(Probe::Changed(Seen { layout: Layout::Sharded, meta: Some((meta, version)) }))
            }
            _ => self.look().await.map(Probe::Changed),
        }
    }

    /// One listing shows the states of monolith and meta object together: their keys are neighbours, with only
    /// `.namespace.json` and `_control/` between them. So a reader of a monolith learns in its one request that the
    /// namespace was migrated (trap T28).
    async fn probe_monolith(&self, head: &Head) -> Result<Probe, IndexError> {
        let options = ListOptions {
            start_after: Some(".datastore-index.jso".to_owned()),
            page_size: Some(1000),
            ..ListOptions::default()
        };
        let page = self.bucket.list(options).await.map_err(IndexError::Read)?;
        let meta_key = meta_path();
        let reached_meta = page.next.as_deref().is_none_or(|next| next >= meta_key.as_str());
        let state = |key: &RelPath| page.objects.iter().find(|object| object.key == *key).map(|object| &object.version);
        let is_unchanged = reached_meta
            && state(&ShardId::Monolith.to_path()) == head.shard(&ShardId::Monolith)
            && state(&meta_key) == head.meta.as_ref();
        if is_unchanged { Ok(Probe::Unchanged) } else { self.look().await.map(Probe::Changed) }
    }

    /// Finds out the layout without remembering anything.
    pub(super) async fn look(&self) -> Result<Seen, IndexError> {
        let found = bucket::read_if_exists(&*self.bucket, &meta_path(), META_BYTES_MAX).await;
        let found = found.map_err(IndexError::Read)?;
        let meta = found.and_then(|(object, bytes)| Some((Meta::parse(&bytes)?, object.version)));
        if meta.as_ref().is_some_and(|(meta, _)| meta.is_sharded()) {
            return Ok(Seen { layout: Layout::Sharded, meta });
        }
        match self.bucket.head(&ShardId::Monolith.to_path()).await {
            Ok(_) => Ok(Seen { layout: Layout::Monolith, meta }),
            Err(BucketError::NotFound { .. }) => Ok(Seen { layout: Layout::Absent, meta }),
            Err(error) => Err(IndexError::Read(error)),
        }
    }

    /// Reads the shards that changed into the mirror's records; the head is the caller's to save. `unfinished` shards may
    /// have been read by a session that did not live to save one.
    ///
    /// A listing tells which shards changed. Where listings lag behind it may miss some, so that it is looked at again
    /// later, once ([`Head::to_probe`]).
    pub async fn refresh(
        &self,
        mirror: &mut Mirror,
        mut seen: Seen,
        unfinished: impl IntoIterator<Item = ShardId>,
        now: Timestamp,
    ) -> Result<Refreshed, IndexError> {
        let old = mirror.head().clone();
        // Without an index, what was discovered is grouped as ours would be.
        let is_regrouped = mirror.layout() != seen.layout;
        let mut old_shards: BTreeSet<ShardId> =
            if is_regrouped { mirror.regroup(seen.layout)?.into_iter().collect() } else { old.shards().collect() };
        old_shards.extend(unfinished);
        old_shards.extend(old.reading());
        let mut looks = 1;
        let (mut head, fetched) = loop {
            match self.fetch(mirror, &seen).await {
                // A shard may be emptied, and its object deleted, after it was seen to be listed: look at the list again.
                Err(IndexError::MissingShard { shard }) if looks < LOOKS_MAX => {
                    looks += 1;
                    let again = self.look().await?;
                    if again.layout != seen.layout || again.state() == seen.state() {
                        return Err(IndexError::MissingShard { shard });
                    }
                    debug!(%shard, "a shard went while the index was read");
                    // Some of them have been read.
                    old_shards.extend(mirror.head().reading());
                    seen = again;
                }
                fetched => break fetched?,
            }
        };
        let is_second_look = old.listed_at_ms.is_some() && old.meta == head.meta;
        let is_listed = old.layout == Layout::Sharded && head.layout == Layout::Sharded;
        head.listed_at_ms = Some(now.milliseconds()).filter(|_| is_listed && !is_second_look);
        let mut shards = Vec::with_capacity(fetched.len());
        for (shard, version) in fetched {
            head.set_shard(&shard, Some(version));
            shards.push(shard);
        }
        for gone in old_shards.into_iter().filter(|shard| head.shard(shard).is_none()) {
            let mut record = mirror.record(&gone)?;
            record.entries.clear();
            record.unusable.clear();
            record.version = None;
            mirror.set_record(&gone, &record)?;
            shards.push(gone);
        }
        shards.sort();
        Ok(Refreshed { shards, head })
    }

    /// Reads the shards that changed since the mirror's head; returns a new head with the others, and the states read.
    async fn fetch(&self, mirror: &mut Mirror, seen: &Seen) -> Result<(Head, Vec<(ShardId, Version)>), IndexError> {
        let old = mirror.head();
        let mut head = Head::new(seen.layout);
        head.meta = seen.meta.as_ref().map(|(_, version)| version.clone());
        head.unusable_partitions = seen.meta.as_ref().map(|(meta, _)| meta.unusable_partitions()).unwrap_or_default();
        head.meta_extra = seen.meta.as_ref().map(|(meta, _)| meta.extra.clone()).unwrap_or_default();
        let wanted = match (&seen.layout, &seen.meta) {
            (Layout::Absent, _) => Vec::new(),
            (Layout::Monolith, _) => vec![ShardId::Monolith],
            (Layout::Sharded, meta) => {
                let meta = meta.as_ref().map(|(meta, _)| meta);
                head.commit_seq = meta.and_then(|meta| meta.commit_seq);
                self.changed_partitions(meta, old, &mut head).await?
            }
        };
        debug!(layout = ?seen.layout, shards = wanted.len(), "index changed");
        // A record that ran ahead of every head would be believed when its shard is gone.
        mirror.begin_reading(&wanted)?;
        let mirror = &*mirror;
        let fetched = stream::iter(wanted).map(|shard| async move {
            let (body, version) = self.read_shard(&shard).await?.ok_or_else(|| missing(&shard))?;
            let mut record = mirror.record(&shard)?;
            (record.entries, record.unusable) = (body.entries, body.unusable);
            record.version = Some(version.clone());
            mirror.set_record(&shard, &record)?;
            Ok::<_, IndexError>((shard, version))
        });
        let fetched = fetched.buffer_unordered(SHARDS_CONCURRENT_MAX).try_collect().await?;
        Ok((head, fetched))
    }

    /// Compares the listed states of shards with those reconciled; puts the unchanged ones into `head`.
    async fn changed_partitions(
        &self,
        meta: Option<&Meta>,
        old: &Head,
        head: &mut Head,
    ) -> Result<Vec<ShardId>, IndexError> {
        let listed: Vec<PartitionKey> = meta.map(|meta| meta.partition_keys().collect()).unwrap_or_default();
        if old.layout != Layout::Sharded {
            return Ok(listed.into_iter().map(ShardId::Partition).collect());
        }
        let below = RelPath::from_trusted("_index".to_owned());
        let refuse = |key| warn!(key, "unusable key in the index");
        let objects = bucket::list_all(&*self.bucket, Some(&below), refuse).await.map_err(IndexError::Read)?;
        let states: std::collections::HashMap<_, _> =
            objects.into_iter().map(|object| (object.key, object.version)).collect();
        // The listing shows the meta object too. Where that is not the one just read, and no other has come since, the
        // listing lags behind and says nothing of the shards.
        let is_current = states.get(&meta_path()) == head.meta.as_ref()
            || matches!(self.probe_meta(head.meta.as_ref()).await?, Probe::Changed(_));
        let mut changed = Vec::new();
        for key in listed {
            let shard = ShardId::Partition(key);
            match (states.get(&shard.to_path()), old.shard(&shard)) {
                (Some(now), Some(then)) if now == then && is_current => head.set_shard(&shard, Some(now.clone())),
                _ => changed.push(shard),
            }
        }
        Ok(changed)
    }

    /// Whether the meta object lists a shard now.
    pub(super) async fn lists(&self, shard: &ShardId) -> Result<bool, IndexError> {
        let meta = self.look().await?.meta.filter(|(meta, _)| meta.is_sharded());
        Ok(meta.is_some_and(|(meta, _)| meta.partition_keys().any(|key| ShardId::Partition(key) == *shard)))
    }

    /// Reads one shard, `None` if its object does not exist.
    pub(super) async fn read_shard(&self, shard: &ShardId) -> Result<Option<(Body, Version)>, IndexError> {
        let key = shard.to_path();
        let found = bucket::read_if_exists(&*self.bucket, &key, INDEX_BYTES_MAX).await.map_err(IndexError::Read)?;
        let Some((object, bytes)) = found else { return Ok(None) };
        let body = Body::parse(&bytes)
            .map_err(|source| IndexError::Damaged { location: self.bucket.locate(key.as_str()), source })?;
        for refused in &body.refused {
            warn!(shard = %key, key = refused.key, reason = refused.reason, "index entry refused");
        }
        Ok(Some((body, object.version)))
    }
}

fn missing(shard: &ShardId) -> IndexError {
    match shard {
        ShardId::Partition(key) => IndexError::MissingShard { shard: key.clone() },
        // It was there a moment ago: somebody migrates or repairs right now.
        ShardId::Monolith => IndexError::Contended { attempts: 1 },
    }
}
