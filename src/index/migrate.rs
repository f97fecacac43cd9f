//! From a monolith to shards, once (trap T4), and indexes for places that have none.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tracing::warn;

use super::entry::{Entries, Entry, Meta, Unusable, monolith_bytes, shard_bytes};
use super::mirror::Record;
use super::remote::{SHARDS_CONCURRENT_MAX, meta_path};
use super::{Head, Index, IndexError, Layout, Mirror, PartitionKey, ShardId};
use crate::bucket::{self, Body as Payload, ObjectMeta, PutMode, Version};
use crate::clock::Timestamp;
use crate::lock::Held;
use crate::path::RelPath;

/// How many unpartitionable paths an error names.
const SAMPLE_MAX: usize = 10;

/// What a migration did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// Whether anything was written; `false` where the index was sharded already.
    pub is_new: bool,
    /// The shards, in byte order.
    pub partitions: Vec<String>,
    /// The present sequence number.
    pub commit_seq: u64,
}

impl Index {
    /// Turns a monolith into shards. Running it again changes nothing: the shards are the truth from then on, and the
    /// monolith that stays behind is never read back (trap T4). The mirror has been refreshed under the same lock.
    pub async fn migrate(&self, mirror: &mut Mirror, held: &Held, now: Timestamp) -> Result<Migrated, IndexError> {
        let head = mirror.head().clone();
        if head.layout == Layout::Sharded {
            let partitions = head.shards().map(|shard| shard_name(&shard)).collect();
            return Ok(Migrated { is_new: false, partitions, commit_seq: head.commit_seq.unwrap_or(0) });
        }
        if head.layout == Layout::Absent {
            return Ok(Migrated { is_new: false, partitions: Vec::new(), commit_seq: 0 });
        }
        let whole = mirror.record(&ShardId::Monolith)?;
        if whole.entries.is_empty() && head.meta.is_none() {
            let partitions = self.left_shards().await?;
            if !partitions.is_empty() {
                return self.migrate_to_left(partitions, &head, held, now).await;
            }
        }
        let records = split(&whole)?;
        let mut new_head = Head::new(Layout::Sharded);
        new_head.commit_seq = Some(1);
        new_head.is_hydrated = head.is_hydrated;
        new_head.meta_extra.clone_from(&head.meta_extra);
        held.check()?;
        let writes = records.iter().map(|(key, record)| async move {
            let payload = Payload::Bytes(shard_bytes(&record.entries, &record.unusable).into());
            let version = self.bucket.put(&key.to_path(), payload, PutMode::Overwrite).await;
            Ok::<_, IndexError>((key, version.map_err(IndexError::Write)?))
        });
        let written: BTreeMap<_, _> =
            stream::iter(writes).buffer_unordered(SHARDS_CONCURRENT_MAX).try_collect().await?;
        for (key, version) in &written {
            new_head.set_shard(&ShardId::Partition((*key).clone()), Some(version.clone()));
        }
        let partitions: Vec<String> = records.keys().map(|key| key.as_str().to_owned()).collect();
        new_head.meta = Some(self.write_first_meta(&partitions, &head, held).await?);
        if head.layout == Layout::Monolith {
            self.touch_monolith(&whole.entries, &whole.unusable, now).await;
        }
        for (key, record) in &records {
            let mut record = record.clone();
            record.version = written.get(key).cloned();
            mirror.set_record(&ShardId::Partition(key.clone()), &record)?;
        }
        mirror.set_head(new_head)?;
        mirror.set_record(&ShardId::Monolith, &Record::default())?;
        Ok(Migrated { is_new: true, partitions, commit_seq: 1 })
    }

    /// Returns the readable shards beside a monolith that says nothing, in byte order: somebody lost the list of them.
    async fn left_shards(&self) -> Result<Vec<String>, IndexError> {
        let below = RelPath::from_trusted("_index".to_owned());
        let refuse = |key| warn!(key, "unusable key in the index");
        let objects = bucket::list_all(&*self.bucket, Some(&below), refuse).await.map_err(IndexError::Read)?;
        let looks = objects.iter().filter_map(|object| PartitionKey::from_path(&object.key)).map(|key| async move {
            match self.read_shard(&ShardId::Partition(key.clone())).await {
                Ok(found) => Ok(found.filter(|(body, _)| !body.entries.is_empty()).map(|_| key.as_str().to_owned())),
                Err(error @ IndexError::Damaged { .. }) => {
                    warn!(%error, "damaged shard left out of the index");
                    Ok(None)
                }
                Err(error) => Err(error),
            }
        });
        let looks: Vec<_> = stream::iter(looks).buffer_unordered(SHARDS_CONCURRENT_MAX).try_collect().await?;
        let mut partitions: Vec<String> = looks.into_iter().flatten().collect();
        partitions.sort();
        Ok(partitions)
    }

    /// Lists shards that are there already. The mirror stays as it is: the next look finds them, here as elsewhere.
    async fn migrate_to_left(
        &self,
        partitions: Vec<String>,
        head: &Head,
        held: &Held,
        now: Timestamp,
    ) -> Result<Migrated, IndexError> {
        self.write_first_meta(&partitions, head, held).await?;
        self.touch_monolith(&Entries::new(), &Unusable::new(), now).await;
        Ok(Migrated { is_new: true, partitions, commit_seq: 1 })
    }

    async fn write_first_meta(&self, partitions: &[String], head: &Head, held: &Held) -> Result<Version, IndexError> {
        held.check()?;
        let (partitions, extra) = (partitions.to_owned(), head.meta_extra.clone());
        let meta = Meta { version: 2, partitions, commit_seq: Some(1), extra };
        let mode = head.meta.clone().map_or(PutMode::Create, PutMode::Update);
        let payload = Payload::Bytes(meta.to_bytes().into());
        self.bucket.put(&meta_path(), payload, mode).await.map_err(IndexError::Write)
    }

    /// Writes the monolith once more: a reader that remembers its state looks again and finds the shards (trap T28).
    async fn touch_monolith(&self, entries: &Entries, unusable: &Unusable, now: Timestamp) {
        let payload = Payload::Bytes(monolith_bytes(entries, unusable, now).into());
        if let Err(error) = self.bucket.put(&ShardId::Monolith.to_path(), payload, PutMode::Overwrite).await {
            warn!(%error, "old index not touched; readers of it may not notice the migration");
        }
    }

    /// Builds the entries of a place that has files but no index, by listing it. `is_ours` decides by path.
    pub async fn discover(&self, is_ours: impl Fn(&RelPath) -> bool + Send) -> Result<Entries, IndexError> {
        let found = self.find(is_ours).await?;
        Ok(found.into_iter().map(|object| (object.key.clone(), Entry::of_found(&object))).collect())
    }

    /// Lists what `is_ours` says belongs in the index.
    pub(super) async fn find(&self, is_ours: impl Fn(&RelPath) -> bool + Send) -> Result<Vec<ObjectMeta>, IndexError> {
        let refuse = |key| warn!(key, "unusable key in the datastore");
        let mut objects = bucket::list_all(&*self.bucket, None, refuse).await.map_err(IndexError::Read)?;
        // In a solo datastore, whole namespaces of others lie beside our files.
        let namespaces: Vec<RelPath> = objects
            .iter()
            .filter(|object| object.key.file_name() == ".namespace.json")
            .filter_map(|object| object.key.parent())
            .collect();
        let is_foreign = |path: &RelPath| namespaces.iter().any(|namespace| path.is_within(namespace));
        objects.retain(|object| is_ours(&object.key) && !is_foreign(&object.key));
        Ok(objects)
    }
}

fn shard_name(shard: &ShardId) -> String {
    match shard {
        ShardId::Partition(key) => key.as_str().to_owned(),
        ShardId::Monolith => String::new(),
    }
}

fn split(whole: &Record) -> Result<BTreeMap<PartitionKey, Record>, IndexError> {
    let mut records: BTreeMap<PartitionKey, Record> = BTreeMap::new();
    let mut lost = Vec::new();
    for (path, entry) in &whole.entries {
        let Some(key) = PartitionKey::of(path) else {
            lost.push(path.to_string());
            continue;
        };
        let record = records.entry(key.clone()).or_insert_with(|| Record::named(&ShardId::Partition(key)));
        record.entries.insert(path.clone(), entry.clone());
        if let Some(known) = whole.known.get(path) {
            record.known.insert(path.clone(), known.clone());
        }
    }
    for (path, entry) in &whole.unusable {
        // What is no path is no file either.
        if let Some(key) = path.parse().ok().and_then(|path| PartitionKey::of(&path)) {
            let record = records.entry(key.clone()).or_insert_with(|| Record::named(&ShardId::Partition(key)));
            record.unusable.insert(path.clone(), entry.clone());
        }
    }
    if lost.is_empty() {
        return Ok(records);
    }
    let count = lost.len();
    lost.truncate(SAMPLE_MAX);
    Err(IndexError::Unpartitionable { count, sample: lost })
}
