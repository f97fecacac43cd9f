//! The critical section of a push, and the record of what it made true.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt as _};
use tracing::warn;

use super::super::session::Session;
use super::super::watermark::DirtySet;
use super::super::{PushReport, SyncError, transfer};
use super::plan::PushPlan;
use crate::bucket::{BucketError, PutMode};
use crate::index::{Change, Entry, Known, Layout, Probe, ShardId, Verified};
use crate::lock::Held;
use crate::path::RelPath;

impl Session<'_> {
    /// The critical section: look again, write what is rewritten in place, commit, publish the catalog, delete.
    pub(super) async fn commit(
        &mut self,
        held: &Held<'_>,
        dirty: &DirtySet,
        report: &mut PushReport,
    ) -> Result<(), SyncError> {
        if let Probe::Changed(seen) = self.engine.index.probe(self.mirror.head()).await?
            && !(seen.layout() == Layout::Absent && self.mirror.head().layout == Layout::Absent)
        {
            self.catch_up_before_push(seen, report).await?;
        }
        let mut plan = self.plan_push(dirty)?;
        // Versions that appeared since the first upload; the others are not sent again.
        self.upload_versions(&mut plan, dirty, report).await?;
        held.check()?;
        self.upload(plan.writes.keys().cloned().collect(), &plan, PutMode::Overwrite, report).await?;
        let changes = self.changes(&plan);
        let engine = self.engine;
        let export = engine.rendered_export()?;
        let mut commit = engine.index.begin(&mut self.mirror, held);
        commit.apply(changes).await?;
        if let Some(export) = &export {
            held.check()?;
            let entry = engine.publish(export).await?;
            commit.apply(vec![Change::Upsert(entry)]).await?;
            report.exported = true;
        }
        commit.finish(engine.parts.clock.now()).await?;
        if let Some(export) = export {
            engine.record_export(&export)?;
        }
        self.record_verified(&plan)?;
        held.check()?;
        let deletions = plan.deletes.into_iter().map(|path| async move {
            let outcome = engine.scope.delete(&path, None).await;
            (path, outcome)
        });
        let concurrent_max = engine.parts.limits.uploads_concurrent_max.max(1);
        let mut deletions = stream::iter(deletions).buffer_unordered(concurrent_max);
        while let Some((path, outcome)) = deletions.next().await {
            match outcome {
                Ok(()) | Err(BucketError::NotFound { .. }) => report.deleted += 1,
                Err(error) => warn!(%path, %error, "object not deleted; no index names it any more"),
            }
        }
        Ok(())
    }

    /// Returns the index changes of a plan whose files are uploaded.
    fn changes(&self, plan: &PushPlan) -> Vec<Change> {
        let now = self.engine.parts.clock.now().to_string();
        let uploaded = plan.creates.iter().chain(&plan.writes).map(|(path, verified)| {
            Change::Upsert(Entry {
                key: path.clone(),
                size: verified.stamp.size,
                last_modified: now.clone(),
                local_mtime: transfer::modified(&path.under(&self.engine.places.root)),
                sha256: Some(verified.sha256.clone()),
                extra: serde_json::Map::new(),
            })
        });
        let discovered = plan.discovered.iter().cloned().map(Change::Upsert);
        discovered.chain(uploaded).chain(plan.deletes.iter().cloned().map(Change::Remove)).collect()
    }

    /// Writes down that local and remote are the same.
    pub(super) fn record_verified(&self, plan: &PushPlan) -> Result<(), SyncError> {
        let mut by_shard: BTreeMap<ShardId, Vec<(&RelPath, Option<&Verified>)>> = BTreeMap::new();
        let present = plan.creates.iter().chain(&plan.writes).chain(&plan.verified);
        let facts = present.map(|(path, verified)| (path, Some(verified)));
        for (path, verified) in facts.chain(plan.deletes.iter().map(|path| (path, None))) {
            if let Some(shard) = self.mirror.shard_of(path) {
                by_shard.entry(shard).or_default().push((path, verified));
            }
        }
        for (shard, facts) in by_shard {
            let mut record = self.mirror.record(&shard)?;
            for (path, verified) in facts {
                match (verified, record.entries.get(path)) {
                    (Some(verified), Some(entry)) => {
                        let last_modified = entry.last_modified.clone();
                        record.known.insert(path.clone(), Known { last_modified, local: Some(verified.clone()) });
                    }
                    _ => {
                        record.known.shift_remove(path);
                    }
                }
            }
            self.mirror.set_record(&shard, &record)?;
        }
        Ok(())
    }
}
