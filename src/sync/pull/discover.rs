//! Files in a datastore without an index: what others put there, and what a first push left that died before its commit.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tracing::info;

use super::super::boundary::{self, Crossing};
use super::super::session::Session;
use super::super::{SyncError, transfer};
use crate::bucket::BucketError;
use crate::index::{Entries, Known, Layout, ShardId, Stamp, Verified};
use crate::path::RelPath;

impl Session<'_> {
    /// Finds files that lie in the datastore without an index; the next push publishes one that names them.
    pub(super) async fn discover(&mut self) -> Result<Vec<ShardId>, SyncError> {
        let crosses = |path: &RelPath| matches!(boundary::crossing(path), Crossing::Immutable | Crossing::Mutable);
        let found = self.engine.index.discover(crosses).await?;
        let left = self.left_by_us(&found, self.sent()).await?;
        let mut groups: BTreeMap<ShardId, Entries> = BTreeMap::new();
        for (path, entry) in found {
            if let Some(shard) = self.mirror.shard_of(&path) {
                groups.entry(shard).or_default().insert(path, entry);
            }
        }
        if !groups.is_empty() {
            info!(shards = groups.len(), "files without an index found");
        }
        for (shard, entries) in &groups {
            let mut record = self.mirror.record(shard)?;
            record.entries.clone_from(entries);
            let ours = left.iter().filter(|(path, _)| entries.contains_key(*path));
            record.known.extend(ours.map(|(path, known)| (path.clone(), known.clone())));
            self.mirror.set_record(shard, &record)?;
        }
        let shards: Vec<ShardId> = groups.into_keys().collect();
        // What they say ends with the first index, whether that has the shard or not.
        self.mirror.begin_reading(&shards)?;
        self.discovered.clone_from(&shards);
        Ok(shards)
    }

    /// Looks at what our pushes sent before there was an index, now that there is the first.
    ///
    /// Where it does not name a file that is still there, whoever founded it did not see the file: then it is ours to publish,
    /// not theirs to delete. Where it names one without a hash, ours is told from theirs as it was without an index.
    pub(super) async fn keep_unfounded(&mut self, layout: Layout) -> Result<(), SyncError> {
        let mut by_shard: BTreeMap<ShardId, Vec<&RelPath>> = BTreeMap::new();
        for path in self.sent() {
            if let Some(shard) = ShardId::holding(path, layout) {
                by_shard.entry(shard).or_default().push(path);
            }
        }
        let engine = self.engine;
        for (shard, mut paths) in by_shard {
            let mut record = self.mirror.record(&shard)?;
            let left = self.left_by_us(&record.entries, paths.iter().copied()).await?;
            paths.retain(|path| record.known.contains_key(*path) && !record.entries.contains_key(*path));
            let looks = stream::iter(paths).map(|path| async move {
                match engine.scope.head(path).await {
                    Ok(_) => Ok(Some(path)),
                    Err(BucketError::NotFound { .. }) => Ok(None),
                    Err(error) => Err(SyncError::from(error)),
                }
            });
            let looks = looks.buffer_unordered(engine.parts.limits.downloads_concurrent_max.max(1));
            let unseen: BTreeSet<Option<&RelPath>> = looks.try_collect().await?;
            record.known.retain(|path, _| !unseen.contains(&Some(path)));
            record.known.extend(left);
            self.mirror.set_record(&shard, &record)?;
        }
        // Others took what we sent for theirs, and may have deleted it since: what is created next is looked at.
        Ok(self.uploaded.clear()?)
    }

    /// Returns what pushes of ours sent, or were about to, and did not live to see in an index.
    fn sent(&self) -> BTreeSet<&RelPath> {
        self.in_flight.sending().chain(self.uploaded.paths()).collect()
    }

    /// Returns what a push of ours left and was deleted or rewritten here since. Whose it is, only its content tells; if its
    /// entry does not, the object does.
    async fn left_by_us(
        &self,
        entries: &Entries,
        sent: impl IntoIterator<Item = &RelPath>,
    ) -> Result<BTreeMap<RelPath, Known>, SyncError> {
        let engine = self.engine;
        let noted = sent.into_iter().filter_map(|path| entries.get(path).map(|entry| (path, entry)));
        // What is created and is still here is compared when it is sent.
        let is_unclear =
            |path: &RelPath| boundary::crossing(path) == Crossing::Mutable || !path.under(&engine.places.root).exists();
        let unclear: Vec<_> = noted.filter(|(path, _)| is_unclear(path)).collect();
        let looks = stream::iter(unclear).map(|(path, entry)| async move {
            let content = match &entry.sha256 {
                Some(sha256) => Some((sha256.clone(), None)),
                None => transfer::content_of(&*engine.scope, path).await?.map(|(sha256, it)| (sha256, Some(it))),
            };
            Ok::<_, SyncError>((path, entry, content))
        });
        let looks = looks.buffer_unordered(engine.parts.limits.downloads_concurrent_max.max(1));
        let looked: Vec<_> = looks.try_collect().await?;
        let mut left = BTreeMap::new();
        for (path, entry, content) in looked {
            let Some((sha256, version)) = content else { continue };
            let is_created = self.uploaded.get(path).is_some_and(|uploaded| uploaded.sha256 == sha256);
            if is_created || self.in_flight.is_sent(path, &sha256) {
                let held = Verified { stamp: Stamp::of_nothing(entry.size), sha256 };
                let last_modified = entry.last_modified.clone();
                left.insert(path.clone(), Known { last_modified, local: Some(held), version });
            }
        }
        Ok(left)
    }
}
