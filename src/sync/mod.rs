//! Moving files between a cache and its datastore, and everything that follows from it.
//!
//! [`SyncService`] is the contract (seven verbs), [`Engine`] its one implementation over any bucket. The invariants:
//! a push never touches a key outside its namespace, because the bucket it writes to begins there; immutable files are
//! created before the lock and mutable ones written under it; nothing is deleted remotely that was not announced here
//! and held here before; a pull never discards what was changed here; the catalog follows every pull.

mod affected;
mod apply;
mod boundary;
mod deadline;
mod engine;
mod error;
mod export;
mod foreign;
mod history;
mod hydrate;
mod in_flight;
mod local;
mod migrate;
mod owner;
mod plan;
mod progress;
mod pull;
mod push;
mod report;
mod rows;
mod session;
mod transfer;
mod watermark;

use async_trait::async_trait;
use bytes::Bytes;

use crate::namespace::Namespace;
use crate::path::RelPath;

pub use affected::Affected;
pub use boundary::{Fate, fate, has_place, is_temporary_name, keeps_places};
pub use engine::{Engine, EngineParts, Limits, Placement};
pub use error::{Failed, PartError, SyncError};
pub use history::{Direction, last_done};
pub use plan::Depth;
pub use progress::{Progress, Silent, Step};
pub use report::{CatalogPulled, Exported, PullReport, PushReport, Renumbered, Stray};
pub use rows::{TreeRows, artifact_of, name_of};
pub use watermark::{DIRTY_PATHS_MAX, DirtySet, Hold, Watermark};

/// What a caller may say about a synchronisation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncOptions {
    /// The namespace to synchronise, which is the cache's own; a service that ignores it synchronises everything.
    pub namespace: Option<Namespace>,
    /// How much a pull fetches; `None` as the datastore's hydration strategy says.
    pub depth: Option<Depth>,
}

/// What a service can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// It honours [`SyncOptions::namespace`].
    pub namespaced_sync: bool,
    /// It can leave content to be fetched when it is read.
    pub lazy_hydration: bool,
    /// It uploads before it takes the lock.
    pub two_phase_sync: bool,
}

/// The contract between a repository and whatever moves its files.
#[async_trait(?Send)]
pub trait SyncService: Send + Sync {
    /// Says what the service can do.
    fn capabilities(&self) -> Capabilities;

    /// Records that something below `path` is about to change; `None` that anything may. Returns once that is durable.
    ///
    /// The path is relative to the cache root, with forward slashes, and so begins with the namespace if there is one.
    fn mark_dirty(&self, path: Option<&RelPath>) -> Result<(), SyncError>;

    /// Brings the cache up to date with the datastore.
    async fn pull_changed(&self, options: &SyncOptions) -> Result<PullReport, SyncError>;

    /// Brings the datastore up to date with the cache.
    async fn push_changed(&self, options: &SyncOptions) -> Result<PushReport, SyncError>;

    /// Publishes the catalog of the namespace, if it differs from what was published last.
    async fn export_catalog(&self, options: &SyncOptions) -> Result<Exported, SyncError>;

    /// Fetches the published catalogs of other namespaces, those that changed.
    async fn pull_foreign_catalogs(&self, namespaces: &[Namespace]) -> Result<Vec<CatalogPulled>, SyncError>;

    /// Fetches one file of another namespace, `None` if it does not exist. The bytes never touch a disk.
    async fn fetch_foreign_content(&self, namespace: &Namespace, path: &RelPath) -> Result<Option<Bytes>, SyncError>;
}
