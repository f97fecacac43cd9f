//! Files in a datastore without an index: what others put there, and what a first push left that died before its commit.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tracing::info;

use super::super::boundary::{self, Crossing};
use super::super::session::Session;
use super::super::{SyncError, transfer};
use crate::index::{Entries, Known, ShardId, Stamp, Verified};
use crate::path::RelPath;

impl Session<'_> {
    /// Finds files that lie in the datastore without an index; the next push publishes one that names them.
    pub(super) async fn discover(&mut self) -> Result<Vec<ShardId>, SyncError> {
        let crosses = |path: &RelPath| matches!(boundary::crossing(path), Crossing::Immutable | Crossing::Mutable);
        let mut found = self.engine.index.discover(crosses).await?;
        let left = self.left_by_us(&mut found).await?;
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
        self.discovered.clone_from(&shards);
        Ok(shards)
    }

    /// Returns what a push of ours left and is gone here since, and gives its entries their hashes. Without an index only
    /// the content tells it from files of others, which a pull would fetch.
    async fn left_by_us(&self, found: &mut Entries) -> Result<BTreeMap<RelPath, Known>, SyncError> {
        let engine = self.engine;
        let sent: BTreeSet<&RelPath> = self.in_flight.pushing().keys().chain(self.uploaded.paths()).collect();
        let is_gone = |path: &&RelPath| found.contains_key(*path) && !path.under(&engine.places.root).exists();
        let gone: Vec<&RelPath> = sent.into_iter().filter(is_gone).collect();
        let looks = stream::iter(gone)
            .map(|path| async move { Ok::<_, SyncError>((path, transfer::content_of(&*engine.scope, path).await?)) });
        let looks = looks.buffer_unordered(engine.parts.limits.downloads_concurrent_max.max(1));
        let looked: Vec<_> = looks.try_collect().await?;
        let mut left = BTreeMap::new();
        for (path, content) in looked {
            let (Some((sha256, version)), Some(entry)) = (content, found.get_mut(path)) else { continue };
            let noted = self.in_flight.pushing().get(path).is_some_and(|intent| intent.contents().contains(&sha256));
            if noted || self.uploaded.get(path).is_some_and(|uploaded| uploaded.sha256 == sha256) {
                entry.sha256 = Some(sha256.clone());
                let held = Verified { stamp: Stamp::of_nothing(entry.size), sha256 };
                let known =
                    Known { last_modified: entry.last_modified.clone(), local: Some(held), version: Some(version) };
                left.insert(path.clone(), known);
            }
        }
        Ok(left)
    }
}
