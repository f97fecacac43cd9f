//! From a monolithic index to shards, and shards that are whole again.

use super::boundary::{self, Crossing, EXPORT};
use super::plan::Depth;
use super::{Engine, SyncError};
use crate::index::{Migrated, Probe};
use crate::path::RelPath;

impl Engine {
    /// Turns a monolithic index into shards, under the lock; a sharded one stays as it is (trap T4), but for shards that are
    /// missing or damaged: these are written again.
    pub async fn migrate_index(&self) -> Result<Migrated, SyncError> {
        self.within_deadline("migration", async |stop| {
            let mut session = self.session(stop.clone()).await?;
            let lock = self.parts.lock.stopping_with(stop);
            lock.hold(async |held| {
                let repaired = self.index.repair(&session.mirror, held, is_listed).await?;
                if repaired.has_lost_files {
                    self.parts.watermark.mark(None)?;
                }
                if let Probe::Changed(seen) = self.index.probe_directly(session.mirror.head()).await? {
                    let caught_up = session.catch_up(seen, Depth::Metadata).await?;
                    self.apply(&caught_up)?;
                }
                Ok(self.index.migrate(&mut session.mirror, held, self.parts.clock.now()).await?)
            })
            .await
        })
        .await
    }
}

/// Whether a file of the datastore has an entry.
fn is_listed(path: &RelPath) -> bool {
    path.as_str() == EXPORT || matches!(boundary::crossing(path), Crossing::Immutable | Crossing::Mutable)
}
