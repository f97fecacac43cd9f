//! The content queries ask for: our own from the tree, that of others from the datastore.

use std::sync::Arc;

use futures::stream::{self, StreamExt as _};
use swamp::fsutil;
use swamp::query::{Artifact, CONTENT_BYTES_MAX, Contents, Unfetched};
use swamp::repo::{EngineOptions, Repo};
use swamp::sync::{Engine, SyncService as _};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use crate::cli::runtime;

/// Artifacts fetched at a time.
const FETCHES_CONCURRENT_MAX: usize = 16;

/// Content of a repository, for a thread that may wait.
pub(super) struct RepoContents {
    repo: Arc<Repo>,
    options: EngineOptions,
    engine: OnceCell<Engine>,
    runtime: Handle,
}

impl RepoContents {
    /// Makes it; nothing is opened before content is asked for.
    pub(super) fn new(repo: Arc<Repo>, options: EngineOptions) -> Self {
        Self { repo, options, engine: OnceCell::new(), runtime: Handle::current() }
    }

    async fn engine(&self) -> Result<&Engine, Unfetched> {
        Ok(self.engine.get_or_try_init(|| self.repo.engine(self.options.clone())).await?)
    }

    async fn fetch_one(&self, artifact: &Artifact) -> Result<Option<Vec<u8>>, Unfetched> {
        match &artifact.namespace {
            Some(namespace) if self.repo.namespace() != Some(namespace) => {
                let content = self.engine().await?.fetch_foreign_content(namespace, &artifact.path).await?;
                Ok(content.map(Vec::from))
            }
            Some(_) | None => self.own(artifact).await,
        }
    }

    async fn own(&self, artifact: &Artifact) -> Result<Option<Vec<u8>>, Unfetched> {
        let path = artifact.path.under(self.repo.store().root());
        if let Some(content) = fsutil::read_if_exists(&path, CONTENT_BYTES_MAX)? {
            return Ok(Some(content));
        }
        // A lazy pull left it for now.
        if self.repo.config().backend.directory().is_some() || !self.engine().await?.hydrate(&artifact.path).await? {
            return Ok(None);
        }
        Ok(fsutil::read_if_exists(&path, CONTENT_BYTES_MAX)?)
    }
}

impl Contents for RepoContents {
    fn fetch(&self, wanted: &[Artifact]) -> Vec<Result<Option<Vec<u8>>, Unfetched>> {
        let fetches = stream::iter(wanted).map(|artifact| self.fetch_one(artifact)).buffered(FETCHES_CONCURRENT_MAX);
        runtime::wait(&self.runtime, fetches.collect())
    }
}
