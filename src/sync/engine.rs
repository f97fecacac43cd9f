//! The one implementation of [`SyncService`], for every kind of bucket.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::deadline::Deadline;
use super::foreign::Remembered;
use super::history::Direction;
use super::progress::Progress;
use super::transfer::Places;
use super::watermark::Watermark;
use super::{
    Capabilities, CatalogPulled, Depth, Exported, PullReport, PushReport, Renumbered, SyncError, SyncOptions,
    SyncService,
};
use crate::bucket::SharedBucket;
use crate::bucket::prefixed::Prefixed;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::data::layout::Artifact;
use crate::data::name::VersionNumber;
use crate::data::store::Store;
use crate::index::{Founding, Index};
use crate::lock::Lock;
use crate::namespace::Namespace;
use crate::path::RelPath;

/// Where the files of our namespace are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// In a cache of ours, a copy of what a remote datastore holds.
    Cache,
    /// In the datastore itself, a shared directory: there is no index and nothing to transfer.
    InPlace,
}

/// The bounds of a synchronisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files fetched at a time.
    pub downloads_concurrent_max: usize,
    /// Files sent at a time.
    pub uploads_concurrent_max: usize,
    /// Files of new versions that one commit publishes, give or take a version: bounds memory.
    pub creations_max: usize,
    /// How long files are written over before a commit publishes what has been: a push that ends early begins again with
    /// the others, and others get their turn.
    pub writes_within: Duration,
    /// How long one direction may take.
    pub deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            downloads_concurrent_max: 50,
            uploads_concurrent_max: 25,
            creations_max: 20_000,
            writes_within: Duration::from_mins(1),
            deadline: Duration::from_mins(5),
        }
    }
}

/// What an engine is made of.
#[derive(Clone, Debug)]
pub struct EngineParts {
    /// The whole datastore.
    pub bucket: SharedBucket,
    /// Our namespace, `None` in solo mode.
    pub namespace: Option<Namespace>,
    /// Where our files are.
    pub placement: Placement,
    /// The directory of our namespace's files, the namespace's own directory included.
    pub root: PathBuf,
    /// Where files are staged, on the same file system as `root`.
    pub staging: PathBuf,
    /// Where index mirror and watermark are kept.
    pub state: PathBuf,
    /// Our versions.
    pub store: Arc<Store>,
    /// The rows of all namespaces.
    pub catalog: Arc<Catalog>,
    /// The dirty set, shared with whoever writes.
    pub watermark: Arc<Watermark>,
    /// The id of our repository; with `None` nobody asks whose namespace it is.
    pub repository: Option<String>,
    /// The lock of our namespace.
    pub lock: Lock,
    /// A process of this machine that holds locks of models and waits for us.
    pub parent: Option<u32>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Who hears how far we are.
    pub progress: Arc<dyn Progress>,
    /// How much a pull fetches unless it is told.
    pub depth: Depth,
    /// Bounds.
    pub limits: Limits,
    /// Cancelled when the command is interrupted.
    pub stop: CancellationToken,
}

/// The sync service of one namespace in one datastore.
#[derive(Debug)]
pub struct Engine {
    pub(super) parts: EngineParts,
    /// Our namespace's own part of the datastore: nothing else can be reached through it.
    pub(super) scope: SharedBucket,
    pub(super) index: Index,
    pub(super) places: Places,
    pub(super) remembered: Remembered,
    /// Whether an earlier session changed files and did not live to change the rows.
    pub(super) is_catalog_behind: AtomicBool,
}

impl Engine {
    /// Puts the parts together; nothing is asked of the datastore yet.
    pub fn new(parts: EngineParts) -> Self {
        let scope: SharedBucket = match &parts.namespace {
            Some(namespace) => Arc::new(Prefixed::new(Arc::clone(&parts.bucket), namespace.to_path())),
            None => Arc::clone(&parts.bucket),
        };
        let index = Index::new(Arc::clone(&scope));
        let places = Places {
            root: parts.root.clone(),
            staging: parts.staging.clone(),
            watermark: Arc::clone(&parts.watermark),
        };
        Self {
            parts,
            scope,
            index,
            places,
            remembered: Remembered::default(),
            is_catalog_behind: AtomicBool::new(false),
        }
    }

    /// Returns the parts.
    pub fn parts(&self) -> &EngineParts {
        &self.parts
    }

    /// The layout that a new index of ours gets.
    pub(super) fn founding(&self) -> Founding {
        match self.parts.namespace {
            Some(_) => Founding::Sharded,
            None => Founding::Monolith,
        }
    }

    /// Runs one direction of a synchronisation within its deadline.
    pub(super) async fn within_deadline<T, W>(&self, direction: &'static str, work: W) -> Result<T, SyncError>
    where
        W: AsyncFnOnce(CancellationToken) -> Result<T, SyncError>,
    {
        let stop = self.parts.stop.child_token();
        let deadline = Deadline { clock: &*self.parts.clock, limit: self.parts.limits.deadline, direction };
        deadline.run(&stop, work(stop.clone())).await
    }

    /// Gives versions of ours, `lowest` and those above it, numbers above all that are taken here and, as far as known,
    /// there. Their order stays.
    pub(super) fn renumber(
        &self,
        artifact: &Artifact,
        lowest: VersionNumber,
        taken: Option<VersionNumber>,
        is_ours: impl Fn(VersionNumber) -> bool,
    ) -> Result<Vec<Renumbered>, SyncError> {
        let store = &self.parts.store;
        let local: Vec<VersionNumber> = store.versions(artifact)?.versions.iter().map(|found| found.number).collect();
        let mut highest = local.iter().copied().max().max(taken).unwrap_or(lowest).max(lowest);
        let mut ours: Vec<_> = local.into_iter().filter(|number| *number >= lowest && is_ours(*number)).collect();
        ours.sort();
        let mut renumbered = Vec::with_capacity(ours.len());
        for version in ours {
            highest = highest.next().unwrap_or(highest);
            store.renumber(artifact, version, highest)?;
            info!(%artifact, from = version.get(), to = highest.get(), "version number was taken, ours renumbered");
            renumbered.push(Renumbered { artifact: artifact.clone(), from: version, to: highest });
        }
        Ok(renumbered)
    }

    fn check(&self, options: &SyncOptions) -> Result<(), SyncError> {
        match &options.namespace {
            Some(asked) if self.parts.namespace.as_ref() != Some(asked) => {
                Err(SyncError::OtherNamespace { bound: self.parts.namespace.clone(), asked: Some(asked.clone()) })
            }
            _ => Ok(()),
        }
    }
}

#[async_trait(?Send)]
impl SyncService for Engine {
    fn capabilities(&self) -> Capabilities {
        let is_cache = self.parts.placement == Placement::Cache;
        Capabilities { namespaced_sync: true, lazy_hydration: is_cache, two_phase_sync: is_cache }
    }

    fn mark_dirty(&self, path: Option<&RelPath>) -> Result<(), SyncError> {
        let prefix = self.parts.namespace.as_ref().map(Namespace::to_path);
        let relative = match (path, &prefix) {
            (Some(path), Some(prefix)) => path.strip(prefix),
            (path, _) => path.cloned(),
        };
        Ok(self.parts.watermark.mark(relative.as_ref())?)
    }

    async fn pull_changed(&self, options: &SyncOptions) -> Result<PullReport, SyncError> {
        self.check(options)?;
        let depth = options.depth.unwrap_or(self.parts.depth);
        let report = match self.parts.placement {
            Placement::Cache => self.within_deadline("pull", async |stop| self.pull(depth, stop).await).await?,
            Placement::InPlace => self.rebuild_catalog().map(|()| PullReport::default())?,
        };
        self.done(Direction::Pull)?;
        Ok(report)
    }

    async fn push_changed(&self, options: &SyncOptions) -> Result<PushReport, SyncError> {
        self.check(options)?;
        let report = match self.parts.placement {
            Placement::Cache => self.within_deadline("push", async |stop| Box::pin(self.push(stop)).await).await?,
            Placement::InPlace => {
                let exported = self.export_catalog(options).await?;
                let exported = matches!(exported, Exported::Published { .. });
                let (_, mark) = self.parts.watermark.snapshot()?;
                self.parts.watermark.clear(mark)?;
                PushReport { exported, ..PushReport::default() }
            }
        };
        self.done(Direction::Push)?;
        Ok(report)
    }

    async fn export_catalog(&self, options: &SyncOptions) -> Result<Exported, SyncError> {
        self.check(options)?;
        self.within_deadline("push", async |stop| self.export(stop).await).await
    }

    async fn pull_foreign_catalogs(&self, namespaces: &[Namespace]) -> Result<Vec<CatalogPulled>, SyncError> {
        self.within_deadline("pull", async |_| self.pull_catalogs(namespaces).await).await
    }

    async fn fetch_foreign_content(&self, namespace: &Namespace, path: &RelPath) -> Result<Option<Bytes>, SyncError> {
        self.within_deadline("pull", async |_| self.fetch_foreign(namespace, path).await).await
    }
}
