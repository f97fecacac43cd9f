//! Publishing the catalog of our namespace as `.catalog-export.json` (formats.md 6.4).
//!
//! Written from a complete catalog only (trap T10): one that holds every version the index names, because the push
//! that publishes it has caught up with the index under the lock. It shows nothing that the index does not name: others
//! could not fetch that, and the next machine to publish would take it away again.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write as _};
use std::sync::atomic::Ordering;

use tokio_util::sync::CancellationToken;
use tracing::info;

use super::boundary::EXPORT;
use super::engine::Placement;
use super::plan::Depth;
use super::push::PushPlan;
use super::session::Session;
use super::{Engine, Exported, PullReport, SyncError, apply, local};
use crate::bucket::{Body, PutMode};
use crate::catalog::{self, Withheld};
use crate::data::layout::{Artifact, Location, Part};
use crate::fsutil::{self, FileError, Staged};
use crate::index::{Change, Entry, Migrated, Probe, ShardId};
use crate::lock::Held;
use crate::namespace::Namespace;
use crate::path::RelPath;

/// How often an export is rendered again because versions appear meanwhile.
const RENDERINGS_MAX: u32 = 3;

/// How much of an export is written at a time, in bytes.
const BUFFER_BYTES: usize = 1 << 18;

/// An export that is put aside: it may be longer than memory should be.
#[derive(Debug)]
pub(super) struct Rendered {
    file: Staged,
    generation: u64,
    rows: u64,
    /// Whether it shows all that the catalog says.
    is_whole: bool,
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

    /// Returns the export if it is due, without the versions that `unpublished` finds.
    pub(super) fn rendered_export(
        &self,
        unpublished: impl Fn() -> Result<Withheld, SyncError>,
    ) -> Result<Option<Rendered>, SyncError> {
        let Some(namespace) = &self.parts.namespace else { return Ok(None) };
        if !self.is_export_due()? {
            return Ok(None);
        }
        let mut withheld = Withheld::new();
        let (mut file, mut exported) = self.render(namespace, &withheld)?;
        for _ in 0..RENDERINGS_MAX {
            // Looked for after the rows were read: what they show was in the tree by then.
            let found = unpublished()?;
            if found == withheld {
                break;
            }
            withheld = found;
            (file, exported) = self.render(namespace, &withheld)?;
        }
        let (generation, rows) = (exported.generation, exported.rows);
        Ok(Some(Rendered { file, generation, rows, is_whole: withheld.is_empty() }))
    }

    fn render(&self, namespace: &Namespace, withheld: &Withheld) -> Result<(Staged, catalog::Exported), SyncError> {
        let mut file = Staged::new(&self.parts.staging)?;
        let path = file.path().to_owned();
        let mut writer = BufWriter::with_capacity(BUFFER_BYTES, file.file());
        let exported = self.parts.catalog.export_without(namespace, withheld, &mut writer)?;
        writer.flush().map_err(FileError::at("write", &path))?;
        drop(writer);
        Ok((file, exported))
    }

    /// Writes the export object and returns its index entry.
    pub(super) async fn publish(&self, export: &Rendered) -> Result<Entry, SyncError> {
        let key = RelPath::from_trusted(EXPORT.to_owned());
        let digested = fsutil::digest_file(export.file.path())?;
        self.scope.put(&key, Body::File(export.file.path().to_owned()), PutMode::Overwrite).await?;
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

    /// Remembers what was published. What is withheld is for a later push to publish.
    pub(super) fn record_export(&self, export: &Rendered) -> Result<(), SyncError> {
        if !export.is_whole {
            return Ok(());
        }
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
                    let export = self.rendered_export(|| Ok(Withheld::new()))?;
                    let Some(export) = export else { return Ok(Exported::Unchanged) };
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
        let export = self.engine.rendered_export(|| self.unpublished(&PushPlan::default()))?;
        let Some(export) = export else { return Ok(Exported::Unchanged) };
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

    /// Returns the versions in our tree that the datastore will not hold when `plan` is carried out.
    pub(super) fn unpublished(&self, plan: &PushPlan) -> Result<Withheld, SyncError> {
        let dirty = self.engine.parts.watermark.peek()?;
        let mut versions: BTreeMap<ShardId, Vec<(RelPath, Artifact, u64)>> = BTreeMap::new();
        let mut found = |path: RelPath| {
            let location = Location::parse(&path);
            if let Some(Location { artifact, part: Part::Metadata(version) }) = location
                && !plan.creates.contains_key(&path)
                && let Some(shard) = self.mirror.shard_of(&path)
            {
                versions.entry(shard).or_default().push((path, artifact, version.get()));
            }
        };
        let root = &self.engine.places.root;
        let everything = dirty.is_everything.then_some(None);
        let starts = everything.into_iter().chain(dirty.paths.iter().map(Some).filter(|_| !dirty.is_everything));
        for start in starts {
            local::files_below(root, start, &mut found, &mut drop)?;
        }
        let mut withheld = Withheld::new();
        for (shard, versions) in versions {
            let record = self.mirror.record(&shard)?;
            let is_missing = |(path, _, _): &(RelPath, _, _)| !record.entries.contains_key(path);
            for (_, artifact, version) in versions.into_iter().filter(is_missing) {
                withheld.entry(apply::name_of(&artifact)).or_default().insert(version);
            }
        }
        Ok(withheld)
    }
}
