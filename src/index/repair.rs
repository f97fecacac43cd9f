//! Writing shards again that were lost or damaged.
//!
//! What a shard said is known in part: its files lie in the datastore, and this cache remembers what it knew of them. An
//! entry is taken from there if its object is still the one that this cache sent or fetched; all others have no hash, as
//! those of files that are found without an index.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tracing::warn;

use super::entry::{Entries, Entry, Unusable, shard_bytes};
use super::remote::{SHARDS_CONCURRENT_MAX, meta_path};
use super::replace::{self, Before};
use super::{Index, IndexError, Mirror, PartitionKey, Record, ShardId};
use crate::bucket::{Body as Payload, ObjectMeta, PutMode};
use crate::lock::Held;
use crate::path::RelPath;

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// The shards that were written again, in byte order.
    pub partitions: Vec<PartitionKey>,
    /// Whether they named files that this cache knows, and that the datastore has no more.
    pub has_lost_files: bool,
}

impl Index {
    /// Writes the shards of a sharded index again that are listed and cannot be read. `is_ours` decides by path which
    /// objects belong in an index.
    pub async fn repair(
        &self,
        mirror: &Mirror,
        held: &Held,
        is_ours: impl Fn(&RelPath) -> bool + Send,
    ) -> Result<Repaired, IndexError> {
        let mut repaired = Repaired::default();
        let Some((mut meta, version)) = self.look().await?.meta.filter(|(meta, _)| meta.is_sharded()) else {
            return Ok(repaired);
        };
        repaired.partitions = self.unreadable(meta.partition_keys().collect()).await?;
        if repaired.partitions.is_empty() {
            return Ok(repaired);
        }
        let mut found: BTreeMap<PartitionKey, Vec<ObjectMeta>> = BTreeMap::new();
        for object in self.find(is_ours).await? {
            if let Some(key) = PartitionKey::of(&object.key) {
                found.entry(key).or_default().push(object);
            }
        }
        for key in &repaired.partitions {
            let shard = ShardId::Partition(key.clone());
            let mut record = mirror.record(&shard)?;
            let entries = entries_of(found.remove(key).unwrap_or_default(), &record);
            let known = record.known.len();
            // Nobody deleted these: they are to be sent again, not removed here.
            record.known.retain(|path, _| entries.contains_key(path) || !record.entries.contains_key(path));
            repaired.has_lost_files |= record.known.len() < known;
            mirror.set_record(&shard, &record)?;
            held.check()?;
            let payload = Payload::Bytes(shard_bytes(&entries, &Unusable::new()).into());
            let written = replace::put(&*self.bucket, &key.to_path(), payload, Before::Unknown, Some(held)).await;
            written.map_err(IndexError::Write)?;
            warn!(shard = %key, entries = entries.len(), "shard was missing or damaged; written again");
        }
        held.check()?;
        // Whoever has read the shards that were left looks again.
        meta.commit_seq = Some(meta.commit_seq.unwrap_or(0) + 1);
        let payload = Payload::Bytes(meta.to_bytes().into());
        self.bucket.put(&meta_path(), payload, PutMode::Update(version)).await.map_err(IndexError::Write)?;
        Ok(repaired)
    }

    /// Returns the shards that are missing or damaged, in byte order.
    async fn unreadable(&self, listed: Vec<PartitionKey>) -> Result<Vec<PartitionKey>, IndexError> {
        let looks = stream::iter(listed).map(|key| async move {
            match self.read_shard(&ShardId::Partition(key.clone())).await {
                Ok(Some(_)) => Ok(None),
                Ok(None) | Err(IndexError::Damaged { .. }) => Ok(Some(key)),
                Err(error) => Err(error),
            }
        });
        let looks: Vec<_> = looks.buffer_unordered(SHARDS_CONCURRENT_MAX).try_collect().await?;
        let mut unreadable: Vec<_> = looks.into_iter().flatten().collect();
        unreadable.sort();
        unreadable.dedup();
        Ok(unreadable)
    }
}

fn entries_of(objects: Vec<ObjectMeta>, record: &Record) -> Entries {
    let entries = objects.into_iter().map(|object| {
        let known = record.known.get(&object.key).and_then(|known| known.version.as_ref());
        let entry = record.entries.get(&object.key).filter(|_| known == Some(&object.version)).cloned();
        (object.key.clone(), entry.unwrap_or_else(|| Entry::of_found(&object)))
    });
    entries.collect()
}
