//! Bringing the datastore up to date: catch up, upload what is new, then commit under the lock.
//!
//! Immutable files are created before the lock is taken, each by a conditional write, so that two machines cannot
//! publish different bytes under one version number (trap T23). Mutable files are written under the lock, after a last
//! look at the index: nobody else commits meanwhile, so index and object cannot disagree. Objects are deleted after the
//! index no longer names them (trap T24). The catalog is published before the last write, which makes all visible.

mod commit;
mod models;
mod plan;
mod send;
mod upload;
mod uploads;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::plan::Depth;
use super::session::Session;
use super::{Engine, PushReport, SyncError};
use crate::index::{Head, Layout, Probe, Record, Seen, ShardId};

use commit::Committed;
pub(super) use plan::PushPlan;
pub(super) use uploads::Uploads;

/// How often a push looks again at what others published while it did not see it.
const ROUNDS_MAX: u32 = 3;

impl Engine {
    pub(super) async fn push(&self, stop: CancellationToken) -> Result<PushReport, SyncError> {
        self.session(stop).await?.push().await
    }
}

impl Session<'_> {
    /// Pushes what is dirty; exactly one request if nothing is.
    async fn push(&mut self) -> Result<PushReport, SyncError> {
        let report = self.push_in(ROUNDS_MAX, PushReport::default()).await?;
        // Everything that could be was sent; that others see no new catalog, or this machine not all of theirs, is told.
        self.damaged.take().map_or(Ok(report), Err)
    }

    /// Pushes, and again if there is more than is created at a time, or if the commit met what this cache did not know of:
    /// the catalog shows that as well.
    async fn push_in(&mut self, rounds_left: u32, mut report: PushReport) -> Result<PushReport, SyncError> {
        let (dirty, mark) = self.engine.parts.watermark.snapshot()?;
        let is_export_due = self.engine.is_export_due()?;
        let is_idle = dirty.is_empty() && !is_export_due && self.in_flight.pushing().is_empty();
        let head = self.mirror.head();
        let head = if is_idle { head.clone() } else { head.to_probe(self.engine.parts.clock.now()) };
        match self.engine.index.probe(&head).await? {
            Probe::Unchanged => {}
            Probe::Changed(seen) if is_gone(self.mirror.head(), &seen) => {
                self.forget_everything()?;
                return Box::pin(self.push_in(rounds_left, report)).await;
            }
            // Nothing to say: what others published is for a pull to fetch.
            Probe::Changed(_) if is_idle => {}
            Probe::Changed(seen) => self.catch_up_before_push(seen, &mut report).await?,
        }
        if is_idle {
            return Ok(report);
        }
        self.engine.check_owner().await?;
        let mut plan = self.plan_push(&dirty)?;
        self.upload_versions(&mut plan, &dirty, &mut report).await?;
        // Catching up or renumbering may have changed what the catalog says.
        let is_export_due = self.engine.is_export_due()?;
        report.strays = std::mem::take(&mut plan.strays);
        if !plan.is_empty() || (is_export_due && !self.is_export_published(&plan)?) {
            // Planned anew under the lock, which must be renewed meanwhile: no time to read large files.
            self.hashed = std::mem::take(&mut plan.writes);
            self.hashed.append(&mut plan.verified);
            drop(plan);
            let lock = self.engine.parts.lock.stopping_with(self.stop.clone());
            match lock.hold(async |held| self.commit(held, &dirty, &mut report).await).await? {
                Committed::Awaiting(model) => {
                    warn!(lock = %model.key(), "somebody works on a model of which versions are pushed; waiting");
                    model.wait_until_free(self.engine.parts.parent).await?;
                    return Box::pin(self.push_in(rounds_left, report)).await;
                }
                Committed::Partly => return Box::pin(self.push_in(rounds_left, report)).await,
                Committed::Overtaken if rounds_left > 0 && self.damaged.is_none() => {
                    return Box::pin(self.push_in(rounds_left - 1, report)).await;
                }
                Committed::Overtaken | Committed::Wholly => {}
            }
        } else {
            self.record_verified(&plan)?;
            self.in_flight.end_push(|_| false, false)?;
            self.uploaded.clear()?;
        }
        self.engine.parts.watermark.clear(mark)?;
        Ok(report)
    }

    /// The datastore was emptied behind our back, or given another index: this cache publishes all it has.
    fn forget_everything(&mut self) -> Result<(), SyncError> {
        warn!("the index has disappeared from the datastore; publishing everything this cache holds");
        let shards: Vec<ShardId> = self.mirror.head().shards().collect();
        for shard in shards {
            self.mirror.set_record(&shard, &Record::default())?;
        }
        self.engine.parts.watermark.mark(None)?;
        self.engine.forget_owner()?;
        Ok(self.mirror.set_head(Head::default())?)
    }

    async fn catch_up_before_push(&mut self, seen: Seen, report: &mut PushReport) -> Result<(), SyncError> {
        let caught_up = self.catch_up(seen, Depth::Metadata).await?;
        self.engine.apply(&caught_up)?;
        report.caught_up.add(caught_up);
        Ok(())
    }
}

/// Whether there is no index any more, or shards were replaced by a monolith: other swamps do that when they move or repair
/// what a namespace holds.
fn is_gone(known: &Head, seen: &Seen) -> bool {
    match (known.layout, seen.layout()) {
        (Layout::Monolith | Layout::Sharded, Layout::Absent) | (Layout::Sharded, Layout::Monolith) => true,
        (Layout::Absent, _) | (_, Layout::Sharded) | (Layout::Monolith, Layout::Monolith) => false,
    }
}
