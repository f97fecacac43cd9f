//! Publishing the catalog of our namespace as `.catalog-export.json` (formats.md 6.4).
//!
//! Written from a complete catalog only (trap T10): one that holds every version the index names, because the push
//! that publishes it has caught up with the index under the lock.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::boundary::EXPORT;
use super::engine::Placement;
use super::plan::Depth;
use super::session::Session;
use super::{Engine, Exported, PullReport, SyncError};
use crate::bucket::{Body, PutMode};
use crate::fsutil;
use crate::index::{Change, Entry, Migrated, Probe};
use crate::lock::Held;
use crate::path::RelPath;

/// An export in memory.
#[derive(Debug)]
pub(super) struct Rendered {
    bytes: Bytes,
    generation: u64,
    rows: u64,
}

impl Engine {
    /// Whether the catalog says something else than what we published last.
    pub(super) fn is_export_due(&self) -> Result<bool, SyncError> {
        let Some(namespace) = &self.parts.namespace else { return Ok(false) };
        let catalog = &self.parts.catalog;
        let is_behind = self.is_catalog_behind.load(Ordering::Acquire);
        if is_behind || !catalog.is_complete(Some(namespace))? {
            self.apply(&PullReport::default())?;
        }
        let generation = catalog.generation(Some(namespace))?;
        Ok(match catalog.exported_generation(Some(namespace))? {
            Some(exported) => exported != generation,
            // An empty namespace has nothing to say before its first artifact.
            None => generation > 0,
        })
    }

    /// Returns the export if it is due.
    pub(super) fn rendered_export(&self) -> Result<Option<Rendered>, SyncError> {
        let Some(namespace) = &self.parts.namespace else { return Ok(None) };
        if !self.is_export_due()? {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        let exported = self.parts.catalog.export(namespace, &mut bytes)?;
        Ok(Some(Rendered { bytes: bytes.into(), generation: exported.generation, rows: exported.rows }))
    }

    /// Writes the export object and returns its index entry.
    pub(super) async fn publish(&self, export: &Rendered) -> Result<Entry, SyncError> {
        let key = RelPath::from_trusted(EXPORT.to_owned());
        self.scope.put(&key, Body::Bytes(export.bytes.clone()), PutMode::Overwrite).await?;
        let digested = fsutil::digest_bytes(&export.bytes);
        let now = self.parts.clock.now().to_string();
        info!(rows = export.rows, "catalog published");
        Ok(Entry {
            key,
            size: digested.size,
            last_modified: now.clone(),
            local_mtime: Some(now),
            sha256: Some(digested.sha256),
            extra: serde_json::Map::new(),
        })
    }

    /// Remembers what was published.
    pub(super) fn record_export(&self, export: &Rendered) -> Result<(), SyncError> {
        let namespace = self.parts.namespace.as_ref();
        Ok(self.parts.catalog.set_exported_generation(namespace, export.generation)?)
    }

    /// Publishes the catalog without pushing anything else.
    pub(super) async fn export(&self, stop: CancellationToken) -> Result<Exported, SyncError> {
        if self.parts.namespace.is_none() {
            return Ok(Exported::Solo);
        }
        if self.parts.placement == Placement::Cache && !self.is_export_due()? {
            return Ok(Exported::Unchanged);
        }
        let lock = self.parts.lock.stopping_with(stop.clone());
        match self.parts.placement {
            Placement::Cache => {
                let mut session = self.session(stop).await?;
                lock.hold(async |held| session.export(held).await).await
            }
            Placement::InPlace => {
                lock.hold(async |_| {
                    // Others write the tree: what is published is read under the lock.
                    self.rebuild_catalog()?;
                    let Some(export) = self.rendered_export()? else { return Ok(Exported::Unchanged) };
                    self.publish(&export).await?;
                    self.record_export(&export)?;
                    Ok(Exported::Published { rows: export.rows })
                })
                .await
            }
        }
    }
}

impl Engine {
    /// Turns a monolithic index into shards, under the lock; a sharded one stays as it is (trap T4).
    pub async fn migrate_index(&self) -> Result<Migrated, SyncError> {
        self.within_deadline("migration", async |stop| {
            let mut session = self.session(stop.clone()).await?;
            let lock = self.parts.lock.stopping_with(stop);
            lock.hold(async |held| {
                if let Probe::Changed(seen) = self.index.probe(session.mirror.head()).await? {
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

impl Session<'_> {
    async fn export(&mut self, held: &Held<'_>) -> Result<Exported, SyncError> {
        if let Probe::Changed(seen) = self.engine.index.probe(self.mirror.head()).await? {
            let caught_up = self.catch_up(seen, Depth::Metadata).await?;
            self.engine.apply(&caught_up)?;
        }
        let Some(export) = self.engine.rendered_export()? else { return Ok(Exported::Unchanged) };
        let founding = self.founding_entries()?.into_iter().map(Change::Upsert).collect();
        let mut commit = self.engine.index.begin(&mut self.mirror, held);
        held.check()?;
        let entry = self.engine.publish(&export).await?;
        commit.apply(founding).await?;
        commit.apply(vec![Change::Upsert(entry)]).await?;
        commit.finish(self.engine.parts.clock.now()).await?;
        self.engine.record_export(&export)?;
        Ok(Exported::Published { rows: export.rows })
    }
}
