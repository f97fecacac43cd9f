//! A repository: its marker, its paths, its environment, and everything wired together.
//!
//! [`Repo::open`] reads `.swamp.yaml` and nothing else; what a command needs beyond that (the datastore, the catalog)
//! is opened when it is asked for, so that reading our own data works without a network.

mod coordination;
mod discovery;
mod environment;
mod error;
mod init;
mod marker;
pub mod migration;
mod models;
mod namespaces;
mod paths;
mod place;
mod reconcile;
mod runs;
mod setup;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::bucket::SharedBucket;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::data::definition::AUTO_DEFINITIONS_DIRECTORY;
use crate::data::layout::DATA_DIRECTORY;
use crate::data::store::Store;
use crate::datastore::{self, Backend, ConfigError, DatastoreConfig, Hydration, OpenOptions, Places};
use crate::lock::{self, Holder, Lock};
use crate::namespace::Namespace;
use crate::path::RelPath;
use crate::sync::{Depth, Engine, EngineParts, Limits, Placement, Progress, Watermark};

pub use discovery::discover;
pub use environment::Environment;
pub use error::RepoError;
pub use init::{Existing, Initialised, init};
pub use marker::Marker;
pub use namespaces::{Direction, NamespaceSet};
pub use paths::{LOCAL_DIRECTORY, Paths, STAGING_DIRECTORY, relative};
pub use runs::Runs;
pub use setup::{Migration, SetUp};

/// What stands for the identity of a repository that is older than identities.
const REPO_ID_UNKNOWN: &str = "unknown";

/// What a caller may say about an engine.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Who hears how far we are.
    pub progress: Arc<dyn Progress>,
    /// Cancelled when the command is interrupted.
    pub stop: CancellationToken,
    /// How long one direction may take; the environment or the default decides if it is `None`.
    pub deadline: Option<Duration>,
    /// Files fetched at a time; the configuration decides if it is `None`.
    pub downloads_concurrent_max: Option<usize>,
    /// Files sent at a time; the configuration decides if it is `None`.
    pub uploads_concurrent_max: Option<usize>,
}

/// An open repository.
#[derive(Debug)]
pub struct Repo {
    marker: Marker,
    config: DatastoreConfig,
    paths: Paths,
    environment: Environment,
    clock: Arc<dyn Clock>,
    bucket: OnceCell<SharedBucket>,
    catalog: OnceLock<Arc<Catalog>>,
    watermark: Arc<Watermark>,
    store: Arc<Store>,
}

impl Repo {
    /// Opens the repository at `root`; asks nothing of its datastore.
    pub fn open(root: &Path, environment: Environment, clock: Arc<dyn Clock>) -> Result<Self, RepoError> {
        let marker = Marker::load(root)?;
        let marker = marker.ok_or_else(|| RepoError::NotARepository { directory: root.to_owned() })?;
        let config = resolve_datastore(root, &marker, &environment)?;
        Self::with_config(root, marker, config, environment, clock)
    }

    /// Returns this repository as it would be with another datastore.
    pub fn reconfigured(&self, config: DatastoreConfig) -> Result<Self, RepoError> {
        let clock = Arc::clone(&self.clock);
        Self::with_config(&self.paths.root, self.marker.clone(), config, self.environment.clone(), clock)
    }

    fn with_config(
        root: &Path,
        marker: Marker,
        config: DatastoreConfig,
        environment: Environment,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RepoError> {
        let repo_id = marker.repo_id().unwrap_or(REPO_ID_UNKNOWN);
        let paths = Paths::new(root, repo_id, &config, &environment.swamp_home()?);
        // Not the staging of the tree: a shared directory may lie on another file system than our state.
        let watermark = Arc::new(Watermark::new(&paths.state.join("watermark"), &paths.cache.join("tmp")));
        let place = |subdirectory| place::of(subdirectory, &paths, &config, &watermark);
        let data = place(DATA_DIRECTORY);
        let store = Store::new(&data.root, &data.staging, data.mark, Arc::clone(&clock));
        let store = store.with_definitions(place(AUTO_DEFINITIONS_DIRECTORY));
        let (bucket, catalog, store) = (OnceCell::new(), OnceLock::new(), Arc::new(store));
        Ok(Self { marker, config, paths, environment, clock, bucket, catalog, watermark, store })
    }

    /// Returns the marker.
    pub fn marker(&self) -> &Marker {
        &self.marker
    }

    /// Returns the repository's identity.
    pub fn id(&self) -> &str {
        self.marker.repo_id().unwrap_or(REPO_ID_UNKNOWN)
    }

    /// Returns the datastore's configuration.
    pub fn config(&self) -> &DatastoreConfig {
        &self.config
    }

    /// Returns our namespace, `None` in solo mode.
    pub fn namespace(&self) -> Option<&Namespace> {
        self.config.namespace.as_ref()
    }

    /// Returns every path.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Returns the environment it was opened in.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Returns the datastore, opening it the first time.
    pub async fn bucket(&self) -> Result<SharedBucket, RepoError> {
        let variable = match &self.config.backend {
            Backend::Filesystem(_) => None,
            Backend::S3(_) => Some("SWAMP_S3_REQUEST_TIMEOUT_MS"),
            Backend::Gcs(_) => Some("SWAMP_GCS_REQUEST_TIMEOUT_MS"),
        };
        let options = OpenOptions {
            staging: self.paths.staging.clone(),
            google_credentials: self.environment.google_credentials(),
            request_timeout: variable.and_then(|name| self.environment.request_timeout(name)),
            clock: Arc::clone(&self.clock),
        };
        let bucket = self.bucket.get_or_try_init(|| datastore::open(&self.config.backend, options)).await?;
        Ok(Arc::clone(bucket))
    }

    /// Returns the catalog, opening it the first time.
    pub fn catalog(&self) -> Result<Arc<Catalog>, RepoError> {
        if let Some(catalog) = self.catalog.get() {
            return Ok(Arc::clone(catalog));
        }
        // Of its own where data is kept in the repository: what is in it would outlive a change of the block.
        let name = if self.shares_data() { "catalog.db" } else { "catalog-local.db" };
        let opened = Arc::new(Catalog::open(&self.paths.state.join(name))?);
        Ok(Arc::clone(self.catalog.get_or_init(|| opened)))
    }

    /// Returns the directory of our namespace within the tree.
    pub fn namespaced(&self) -> PathBuf {
        self.paths.namespaced(&self.config)
    }

    /// Returns our versions.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Returns what changed here and has not reached the datastore.
    pub fn watermark(&self) -> &Arc<Watermark> {
        &self.watermark
    }

    /// Returns the service that exchanges files with the datastore.
    pub async fn engine(&self, options: EngineOptions) -> Result<Engine, RepoError> {
        let transfers = self.config.backend.transfers();
        let is_directory = self.config.backend.directory().is_some();
        Ok(Engine::new(EngineParts {
            bucket: self.bucket().await?,
            namespace: self.config.namespace.clone(),
            placement: if is_directory { Placement::InPlace } else { Placement::Cache },
            root: self.namespaced(),
            staging: self.paths.staging.clone(),
            state: self.paths.state.clone(),
            store: Arc::clone(&self.store),
            catalog: self.catalog()?,
            watermark: Arc::clone(&self.watermark),
            repository: self.marker.repo_id().map(str::to_owned),
            lock: self.global_lock(&options.stop).await?,
            parent: self.parent(),
            clock: Arc::clone(&self.clock),
            progress: options.progress,
            depth: match self.config.hydration {
                Hydration::Full => Depth::Content,
                Hydration::Lazy => Depth::Metadata,
            },
            limits: Limits {
                downloads_concurrent_max: options.downloads_concurrent_max.unwrap_or(transfers.pull_concurrency),
                uploads_concurrent_max: options.uploads_concurrent_max.unwrap_or(transfers.push_concurrency),
                deadline: options.deadline.unwrap_or(self.environment.sync_timeout()),
                ..Limits::default()
            },
            stop: options.stop,
        }))
    }

    /// Returns a lock of the datastore; `stop` ends waiting for it and working under it.
    pub async fn lock(&self, key: RelPath, stop: &CancellationToken) -> Result<Lock, RepoError> {
        let memory = Some(lock::Memory::new(self.paths.state.join("lock-taken")));
        let options = lock::Options { wait_max: self.environment.lock_timeout(), stop: stop.clone(), memory };
        let holder = Holder::this_process(self.environment.user());
        Ok(Lock::new(self.bucket().await?, key, Arc::clone(&self.clock), holder, options))
    }

    /// Returns the lock that guards our namespace's index.
    pub async fn global_lock(&self, stop: &CancellationToken) -> Result<Lock, RepoError> {
        self.lock(lock::global_key(self.namespace()), stop).await
    }
}

/// Resolves a repository's datastore: `SWAMP_DATASTORE`, else the marker's block, else `.swamp` in the repository.
pub fn resolve_datastore(
    root: &Path,
    marker: &Marker,
    environment: &Environment,
) -> Result<DatastoreConfig, ConfigError> {
    let block = marker.datastore();
    let Some(text) = environment.variable("SWAMP_DATASTORE") else {
        return parse_block(root, block.as_ref(), environment);
    };
    let variable = |name: &str| environment.variable(name).map(str::to_owned);
    let places = Places { repository: root, home: environment.home(), variable: &variable };
    let config = datastore::parse_environment(text, &places)?;
    let named = block.and_then(|block| block.get("namespace")?.as_str().map(str::to_owned));
    if let (None, Some(namespace)) = (&config.namespace, named.filter(|name| !name.is_empty())) {
        warn!(%namespace, "`SWAMP_DATASTORE` replaces the datastore block, also its namespace; name it in the JSON");
    }
    Ok(config)
}

/// Checks a datastore block as the marker of the repository at `root` would hold it; no block is the default place.
pub fn parse_block(
    root: &Path,
    block: Option<&Map<String, Value>>,
    environment: &Environment,
) -> Result<DatastoreConfig, ConfigError> {
    let variable = |name: &str| environment.variable(name).map(str::to_owned);
    let places = Places { repository: root, home: environment.home(), variable: &variable };
    match block {
        Some(block) => DatastoreConfig::from_block(block, &places),
        None => Ok(DatastoreConfig::default_for(&places)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn location(variable: Option<&str>, block: Option<Value>) -> String {
        let variables = variable.map(|text| ("SWAMP_DATASTORE".to_owned(), text.to_owned()));
        let environment = Environment::new(variables.into_iter().collect::<BTreeMap<_, _>>(), PathBuf::from("/"));
        let mut marker = Marker::default();
        if let Some(Value::Object(block)) = block {
            marker.set_datastore(&block);
        }
        resolve_datastore(Path::new("/r"), &marker, &environment).expect("a datastore").backend.location()
    }

    #[test]
    fn the_environment_comes_before_the_marker_and_the_marker_before_the_default() {
        let block = || Some(serde_json::json!({"type": "filesystem", "path": "/srv"}));

        assert_eq!(location(Some("s3:team/p"), block()), "s3://team/p");
        assert_eq!(location(None, block()), "/srv");
        assert_eq!(location(None, None), "/r/.swamp");
    }
}
