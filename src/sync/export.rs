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
use super::plan::{Depth, Local};
use super::push::PushPlan;
use super::session::Session;
use super::{Engine, Exported, PullReport, SyncError, local, rows};
use crate::bucket::{Body, Version};
use crate::catalog::{self, Withheld};
use crate::data::layout::{Artifact, Location, Part};
use crate::data::metadata::{METADATA_BYTES_MAX, Metadata};
use crate::data::name::VersionNumber;
use crate::fsutil::{self, FileError, Staged};
use crate::index::replace::{self, Before};
use crate::index::{Change, Entry, Known, Probe, Record, ShardId};
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

/// An export that the datastore has.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) entry: Entry,
    version: Version,
    generation: u64,
    rows: u64,
    is_whole: bool,
}

fn export_path() -> RelPath {
    RelPath::from_trusted(EXPORT.to_owned())
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
        let refused = self.refused(namespace)?;
        let mut withheld = refused.clone();
        let (mut file, mut exported) = self.render(namespace, &withheld)?;
        for _ in 0..RENDERINGS_MAX {
            // Looked for after the rows were read: what they show was in the tree by then.
            let mut found = unpublished()?;
            for (name, versions) in &refused {
                found.entry(name.clone()).or_default().extend(versions);
            }
            if found == withheld {
                break;
            }
            withheld = found;
            (file, exported) = self.render(namespace, &withheld)?;
        }
        let (generation, rows) = (exported.generation, exported.rows);
        Ok(Some(Rendered { file, generation, rows, is_whole: withheld == refused }))
    }

    /// Returns the versions whose names the datastore does not take, which stay here for good.
    fn refused(&self, namespace: &Namespace) -> Result<Withheld, SyncError> {
        let catalog = &self.parts.catalog;
        let mut refused = Withheld::new();
        for mark in catalog.scan_marks(Some(namespace))? {
            let Some(artifact) = rows::artifact_of(&mark.name) else { continue };
            let is_refused = |version| self.scope.refuses(artifact.path(Part::Metadata(version)).as_str()).is_some();
            // The longest number may be too long where others are not.
            if !is_refused(VersionNumber::MAX) {
                continue;
            }
            for record in catalog.versions(Some(namespace), &mark.name)? {
                if VersionNumber::try_from(record.version).is_ok_and(is_refused) {
                    refused.entry(mark.name.clone()).or_default().insert(record.version);
                }
            }
        }
        Ok(refused)
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

    /// Writes the export object.
    pub(super) async fn publish(&self, export: Rendered, before: Before, held: &Held) -> Result<Published, SyncError> {
        held.check()?;
        let key = export_path();
        let digested = fsutil::digest_file(export.file.path())?;
        let body = Body::File(export.file.path().to_owned());
        let written = replace::put(&*self.scope, &key, body, before, Some(held)).await;
        held.check()?;
        let version = written?;
        let now = self.parts.clock.now().to_string();
        info!(rows = export.rows, "catalog published");
        let entry = Entry {
            key,
            size: digested.size,
            last_modified: now.clone(),
            local_mtime: Some(now),
            sha256: Some(digested.sha256),
            extra: serde_json::Map::new(),
        };
        let Rendered { generation, rows, is_whole, .. } = export;
        Ok(Published { entry, version, generation, rows, is_whole })
    }

    /// Remembers what was published. What is withheld is for a later push to publish.
    fn record_generation(&self, export: &Published) -> Result<(), SyncError> {
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
        self.check_owner().await?;
        let lock = self.parts.lock.stopping_with(stop.clone());
        match self.parts.placement {
            Placement::Cache => {
                let mut session = self.session(stop).await?;
                lock.hold(async |held| session.export(held).await).await
            }
            Placement::InPlace => {
                lock.hold(async |held| {
                    // Others write the tree: what is published is read under the lock.
                    self.rebuild_catalog()?;
                    let export = self.rendered_export(|| Ok(Withheld::new()))?;
                    let Some(export) = export else { return Ok(Exported::Unchanged) };
                    let published = self.publish(export, Before::Unknown, held).await?;
                    self.record_generation(&published)?;
                    Ok(Exported::Published { rows: published.rows })
                })
                .await
            }
        }
    }
}

impl Session<'_> {
    async fn export(&mut self, held: &Held) -> Result<Exported, SyncError> {
        if let Probe::Changed(seen) = self.engine.index.probe_directly(self.mirror.head()).await? {
            let caught_up = self.catch_up(seen, Depth::Metadata).await?;
            self.engine.apply(&caught_up)?;
        }
        let export = if self.is_lacking {
            // What it lacks is for the next pull to fetch, and the catalog stays due.
            None
        } else {
            self.engine.rendered_export(|| self.unpublished(&PushPlan::default()))?
        };
        let Some(export) = export else { return Ok(Exported::Unchanged) };
        let founding = self.founding_entries()?.into_iter().map(Change::Upsert).collect();
        self.in_flight.begin_push(BTreeMap::new(), true)?;
        let published = self.engine.publish(export, self.before_export()?, held).await?;
        let mut commit = self.engine.index.begin(&mut self.mirror, held);
        commit.apply(founding).await?;
        commit.apply(vec![Change::Upsert(published.entry.clone())]).await?;
        commit.finish(self.engine.parts.clock.now()).await?;
        let rows = published.rows;
        self.record_export(published)?;
        self.in_flight.end_push(|_| true, true)?;
        Ok(Exported::Published { rows })
    }

    /// Whether the export that is due is what the datastore has already: another machine published the same rows. Then
    /// that is remembered, and there is nothing to send. Where a push of ours ended while it published, nobody knows what the
    /// datastore has.
    pub(super) fn is_export_published(&self, plan: &PushPlan) -> Result<bool, SyncError> {
        if self.in_flight.is_exporting() {
            return Ok(false);
        }
        let path = export_path();
        let Some(shard) = self.mirror.shard_of(&path) else { return Ok(false) };
        let record = self.mirror.record(&shard)?;
        let Some(entry) = record.entries.get(&path).filter(|entry| entry.sha256.is_some()) else { return Ok(false) };
        let Some(export) = self.engine.rendered_export(|| self.unpublished(plan))? else { return Ok(true) };
        let digested = fsutil::digest_file(export.file.path())?;
        let is_published = export.is_whole && entry.is_same_content(digested.size, &digested.sha256);
        if is_published {
            let namespace = self.engine.parts.namespace.as_ref();
            self.engine.parts.catalog.set_exported_generation(namespace, export.generation)?;
        }
        Ok(is_published)
    }

    /// Returns what is known of the export that is there.
    pub(super) fn before_export(&self) -> Result<Before, SyncError> {
        let path = export_path();
        let Some(shard) = self.mirror.shard_of(&path) else { return Ok(Before::Unknown) };
        let record = self.mirror.record(&shard)?;
        Ok(Before::of(record.entries.get(&path), record.known.get(&path)))
    }

    /// Remembers what was published, and as which object.
    pub(super) fn record_export(&self, published: Published) -> Result<(), SyncError> {
        self.engine.record_generation(&published)?;
        if let Some(shard) = self.mirror.shard_of(&published.entry.key) {
            let mut record = self.mirror.record(&shard)?;
            let (last_modified, version) = (published.entry.last_modified, Some(published.version));
            record.known.insert(published.entry.key, Known { last_modified, local: None, version });
            self.mirror.set_record(&shard, &record)?;
        }
        Ok(())
    }

    /// Returns the versions in our tree that the datastore will not hold when `plan` is carried out.
    pub(super) fn unpublished(&self, plan: &PushPlan) -> Result<Withheld, SyncError> {
        let dirty = self.engine.parts.watermark.peek()?;
        let mut versions: BTreeMap<ShardId, Vec<(RelPath, Artifact, VersionNumber)>> = BTreeMap::new();
        let mut found = |path: RelPath| {
            let location = Location::parse(&path);
            if let Some(Location { artifact, part: Part::Metadata(version) }) = location
                && let Some(shard) = self.mirror.shard_of(&path)
            {
                versions.entry(shard).or_default().push((path, artifact, version));
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
            for (path, artifact, version) in versions {
                if plan.deletes.contains_key(&path) || !self.is_published(&artifact, version, &record, plan)? {
                    withheld.entry(rows::name_of(&artifact)).or_default().insert(version.get());
                }
            }
        }
        Ok(withheld)
    }

    /// Whether the index will name a version of our tree: not another one that had the same number and was deleted here.
    fn is_published(
        &self,
        artifact: &Artifact,
        version: VersionNumber,
        record: &Record,
        plan: &PushPlan,
    ) -> Result<bool, SyncError> {
        let root = &self.engine.places.root;
        let (metadata, raw) = (artifact.path(Part::Metadata(version)), artifact.path(Part::Raw(version)));
        let sent = |path: &RelPath| plan.creates.get(path).or_else(|| plan.writes.get(path));
        let is_same = |expected: Option<&String>, found: &str| expected.is_none_or(|expected| expected == found);
        let expected = match (sent(&metadata), record.entries.get(&metadata)) {
            (Some(sent), _) => Some(&sent.sha256),
            (None, Some(entry)) => entry.sha256.as_ref(),
            (None, None) => return Ok(false),
        };
        match local::examine(root, &metadata, record.known.get(&metadata), sent(&metadata))? {
            Local::Present(found) if !is_same(expected, &found.sha256) => {}
            Local::Present(_) | Local::Absent { .. } => return Ok(true),
        }
        // A stream that was appended to has another description, and what was published is its beginning. Any other version is
        // another one, also if its content is the same.
        let description = fsutil::read_if_exists(&metadata.under(root), METADATA_BYTES_MAX)?;
        if let Some(bytes) = description
            && !Metadata::parse(&bytes).is_ok_and(|description| description.streaming)
        {
            return Ok(false);
        }
        let (size, expected) = match (sent(&raw), record.entries.get(&raw)) {
            (Some(sent), _) => (sent.stamp.size, Some(&sent.sha256)),
            (None, Some(entry)) => (entry.size, entry.sha256.as_ref()),
            (None, None) => return Ok(false),
        };
        match fsutil::digest_beginning(&raw.under(root), size) {
            Ok(beginning) => Ok(is_same(expected, &beginning.sha256)),
            Err(error) if error.is_not_found() => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}
