//! One process at a time works on a cache; this is its turn.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::in_flight::InFlight;
use super::push::Uploads;
use super::watermark::DirtySet;
use super::{Engine, SyncError};
use crate::bucket::Version;
use crate::fsutil;
use crate::index::{Mirror, Record, ShardId, Verified};
use crate::path::RelPath;

/// How long to wait for another process that synchronises the same cache.
const TURN_WAIT_MAX: Duration = Duration::from_mins(1);

/// How often to look whether it is done.
const TURN_POLL: Duration = Duration::from_millis(100);

/// A turn at a cache, with the local copy of the index.
#[derive(Debug)]
pub(super) struct Session<'a> {
    pub(super) engine: &'a Engine,
    pub(super) mirror: Mirror,
    pub(super) stop: CancellationToken,
    /// Shards of an index that is still to be founded, for files that were found without one.
    pub(super) discovered: Vec<ShardId>,
    /// New versions that are certainly in the datastore, with the content that was sent.
    pub(super) uploaded: Uploads,
    /// Files that others changed or deleted, and that were left as they are because they may be being written to.
    pub(super) spared: BTreeSet<RelPath>,
    /// Whether versions that others published are not here, because something changed where they were to be put. The catalog
    /// would not show them.
    pub(super) is_lacking: bool,
    /// That files could not be brought here for what they are themselves. Told once everything else is done.
    pub(super) damaged: Option<SyncError>,
    /// Files that were read before the lock was taken: under it, what has not changed since is not read again.
    pub(super) hashed: BTreeMap<RelPath, Verified>,
    /// The objects that this session has written over others.
    pub(super) rewritten: BTreeMap<RelPath, Version>,
    /// What this session is about to do, and earlier ones did not live to finish.
    pub(super) in_flight: InFlight,
    /// Released when the session ends, also by a crash.
    _turn: File,
}

impl Engine {
    /// Waits for our turn at the cache.
    pub(super) async fn session(&self, stop: CancellationToken) -> Result<Session<'_>, SyncError> {
        let clock = Arc::clone(&self.parts.clock);
        let started = clock.elapsed();
        let path = self.parts.state.join("sync.lock");
        loop {
            if let Some(turn) = fsutil::try_lock_exclusively(&path)? {
                if self.changes_flag().exists() {
                    self.is_catalog_behind.store(true, Ordering::Release);
                }
                let directory = self.parts.state.join("index");
                let mirror = Mirror::open(&directory, &self.parts.staging, self.founding())?;
                return Ok(Session {
                    engine: self,
                    mirror,
                    stop,
                    discovered: Vec::new(),
                    spared: BTreeSet::new(),
                    is_lacking: false,
                    damaged: None,
                    hashed: BTreeMap::new(),
                    rewritten: BTreeMap::new(),
                    uploaded: Uploads::open(&self.parts.state.join("uploaded.jsonl"), &self.parts.staging)?,
                    in_flight: InFlight::open(&self.parts.state, &self.parts.staging)?,
                    _turn: turn,
                });
            }
            let waited = clock.elapsed().saturating_sub(started);
            if waited >= TURN_WAIT_MAX {
                return Err(SyncError::Busy { waited });
            }
            if stop.run_until_cancelled(clock.sleep(TURN_POLL)).await.is_none() {
                return Err(SyncError::Interrupted { direction: "synchronisation" });
            }
        }
    }
}

impl Session<'_> {
    /// Returns the record of a shard, with what sessions that ended early did not write into it.
    pub(super) fn completed_record(&self, shard: &ShardId, dirty: &DirtySet) -> Result<Record, SyncError> {
        let mut record = self.mirror.record(shard)?;
        let is_of_shard = |path: &RelPath| self.mirror.shard_of(path).as_ref() == Some(shard);
        // Kept: the note is replaced when the file is sent or fetched again, and that may end early as well.
        if self.in_flight.complete(&mut record, &self.engine.places.root, dirty, is_of_shard)? {
            self.mirror.set_record(shard, &record)?;
        }
        Ok(record)
    }
}
