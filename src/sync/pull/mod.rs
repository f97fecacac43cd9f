//! Bringing the cache up to date: read the shards that changed, plan each file, fetch, remove, record.

mod carry_out;
mod discover;
mod plan;

use std::sync::atomic::Ordering;

use tokio_util::sync::CancellationToken;

use self::plan::{Planned, plan_shard};
use super::plan::Depth;
use super::session::Session;
use super::{Engine, PullReport, SyncError};
use crate::index::{Head, Layout, Probe, Seen, ShardId};

/// How many files are planned before they are fetched: bounds memory, not concurrency.
const BATCH_FILES_MAX: usize = 10_000;

impl Engine {
    pub(super) async fn pull(&self, depth: Depth, stop: CancellationToken) -> Result<PullReport, SyncError> {
        let mut session = self.session(stop).await?;
        match session.pull(depth).await {
            Ok(report) => {
                self.apply(&report)?;
                Ok(report)
            }
            Err(error) => {
                // What did arrive is shown; an interrupted command leaves that to the next one.
                if matches!(error, SyncError::Transfers { .. }) && self.changes_flag().exists() {
                    self.is_catalog_behind.store(true, Ordering::Release);
                    self.apply(&PullReport::default())?;
                }
                Err(error)
            }
        }
    }
}

impl Session<'_> {
    /// Pulls what changed; exactly one request if nothing did.
    async fn pull(&mut self, depth: Depth) -> Result<PullReport, SyncError> {
        match self.engine.index.probe(&self.mirror.head().to_probe(self.engine.parts.clock.now())).await? {
            Probe::Changed(seen) => {
                let report = self.catch_up(seen, depth).await?;
                self.damaged.take().map_or(Ok(report), Err)
            }
            Probe::Unchanged if depth == Depth::Content && !self.mirror.head().is_hydrated => {
                // An earlier pull left content for later (trap T5): this one asked for it.
                let shards = self.mirror.head().shards().collect();
                let head = self.mirror.head().clone();
                let report = self.reconcile(shards, head, depth).await?;
                self.damaged.take().map_or(Ok(report), Err)
            }
            Probe::Unchanged => Ok(PullReport::default()),
        }
    }

    /// Brings the cache to the state of the index that was seen.
    pub(super) async fn catch_up(&mut self, seen: Seen, depth: Depth) -> Result<PullReport, SyncError> {
        let old = self.mirror.head().clone();
        if seen.layout() == Layout::Absent {
            if old.layout != Layout::Absent {
                return Err(SyncError::IndexGone { namespace: self.engine.parts.namespace.clone() });
            }
            let shards = self.discover().await?;
            let head = self.mirror.head().clone();
            return self.reconcile(shards, head, depth).await;
        }
        if old.layout == Layout::Sharded && seen.layout() == Layout::Monolith {
            // A monolith that a migration left behind is never the truth again (traps T4, T28).
            return Err(SyncError::IndexGone { namespace: self.engine.parts.namespace.clone() });
        }
        let unfinished: Vec<_> = self.in_flight.pulling().filter_map(|path| self.mirror.shard_of(path)).collect();
        let refreshed =
            self.engine.index.refresh(&mut self.mirror, seen, unfinished, self.engine.parts.clock.now()).await?;
        let mut shards = refreshed.shards;
        if old.layout == Layout::Absent {
            self.keep_unfounded(refreshed.head.layout).await?;
        }
        if depth == Depth::Content && !old.is_hydrated {
            shards.extend(refreshed.head.shards());
            shards.sort();
            shards.dedup();
        }
        let mut head = refreshed.head;
        head.is_hydrated = old.is_hydrated || old.layout == Layout::Absent;
        self.reconcile(shards, head, depth).await
    }

    /// Makes the local files of some shards what their records say, then saves `head`.
    async fn reconcile(&mut self, shards: Vec<ShardId>, mut head: Head, depth: Depth) -> Result<PullReport, SyncError> {
        let (dirty, _) = self.engine.parts.watermark.snapshot()?;
        let mut report = PullReport::default();
        self.is_lacking = false;
        let mut is_settled = true;
        let mut batch = Vec::new();
        let mut planned_files = 0;
        for shard in shards {
            let record = self.completed_record(&shard, &dirty)?;
            let plan = plan_shard(&self.engine.places, &record, &dirty, depth)?;
            if plan.changes_files() {
                self.engine.announce_changes()?;
            }
            planned_files += plan.downloads.len();
            batch.push(Planned { shard, record, plan });
            if planned_files >= BATCH_FILES_MAX {
                is_settled &= self.carry_out(std::mem::take(&mut batch), &mut report).await?;
                planned_files = 0;
            }
        }
        is_settled &= self.carry_out(batch, &mut report).await?;
        if depth == Depth::Content {
            head.is_hydrated = true;
        } else if report.postponed > 0 {
            head.is_hydrated = false;
        }
        if is_settled {
            self.mirror.set_head(head)?;
        }
        self.in_flight.end_pull()?;
        Ok(report)
    }
}
