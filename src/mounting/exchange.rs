//! What the keeper has done by the sync engine, and the thread that does it.
//!
//! The futures of the engine stay on one thread, and hashing a large file keeps that thread busy: it is another one
//! than the keeper's, which always answers.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::relayed::Relayed;
use super::summary::{CatalogOutcome, Pulled, Pushed};
use crate::data::layout::Artifact;
use crate::data::name::VersionNumber;
use crate::data::store::Restated;
use crate::fsutil::{self, FileError};
use crate::namespace::Namespace;
use crate::repo::{EngineOptions, Repo, RepoError};
use crate::sync::{Affected, Depth, Silent, SyncOptions, SyncService as _};

/// Orders that wait for the thread; whoever gives more waits as well.
const ORDERS_MAX: usize = 64;

/// How long requests may take to end once nobody waits for them any more.
const END_MAX: std::time::Duration = std::time::Duration::from_secs(5);

/// Exchanges files and catalogs with the datastore, for one namespace.
#[async_trait(?Send)]
pub trait Exchange: Send + Sync + fmt::Debug {
    /// Publishes what is dirty.
    async fn push(&self) -> Result<Pushed, Relayed>;

    /// Brings the cache up to date.
    async fn pull(&self, depth: Option<Depth>) -> Result<Pulled, Relayed>;

    /// Fetches the catalogs of some namespaces, of all others if there are none. A failure of one leaves the others.
    async fn pull_catalogs(&self, namespaces: &[Namespace]) -> Result<Catalogs, Relayed>;

    /// Hears of the content of a version that may have been written in place.
    fn edited(&self, artifact: &Artifact, version: VersionNumber) -> Result<Restated, Relayed>;

    /// Returns a number that grows with every change of our rows, whoever makes it.
    fn generation(&self) -> Result<u64, Relayed>;

    /// Reads whatever changed while nobody followed. Returns whether rows may have changed.
    fn read_missed(&self) -> Result<bool, Relayed>;

    /// Reads the affected data names again. Returns whether rows changed.
    fn read_again(&self, affected: &Affected) -> Result<bool, Relayed>;
}

/// What became of catalogs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogs {
    /// Of those that could be asked for.
    pub outcomes: Vec<CatalogOutcome>,
    /// Of the others.
    pub failures: Vec<(Namespace, Relayed)>,
}

impl Catalogs {
    /// Whether anything is shown that was not shown before.
    pub(super) fn is_change(&self) -> bool {
        self.outcomes.iter().any(|outcome| matches!(outcome, CatalogOutcome::Rows { is_unchanged: false, .. }))
    }
}

/// The exchange of a repository. Its datastore is opened by the thread that uses it.
#[derive(Debug)]
pub struct RepoExchange {
    repo: Arc<Repo>,
    stop: CancellationToken,
    is_unsure: bool,
    /// Other namespaces that were seen to be registered.
    known: Mutex<BTreeSet<Namespace>>,
}

impl RepoExchange {
    /// Returns the exchange of a repository, which `stop` ends.
    pub fn new(repo: Arc<Repo>, stop: CancellationToken) -> Self {
        Self { repo, stop, is_unsure: false, known: Mutex::default() }
    }

    /// Returns one that reads the whole tree at first if `is_unsure`: the last mount did not live to follow its changes.
    pub fn unsure(self, is_unsure: bool) -> Self {
        Self { is_unsure, ..self }
    }

    fn options(&self) -> EngineOptions {
        EngineOptions {
            progress: Arc::new(Silent),
            stop: self.stop.clone(),
            deadline: None,
            downloads_concurrent_max: None,
            uploads_concurrent_max: None,
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeSet<Namespace>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked(&self, depth: Option<Depth>) -> SyncOptions {
        SyncOptions { namespace: self.repo.namespace().cloned(), depth }
    }

    async fn try_push(&self) -> Result<Pushed, RepoError> {
        if self.repo.config().backend.directory().is_none() {
            // The kernel tells of a write to a mapped file by its time, but only of the first after it has written the page
            // back: until then a file is sent as it was, and looks unchanged for ever.
            fsutil::sync_file_system(&self.repo.namespaced())?;
        }
        // What the export says must be what is in the tree.
        self.repo.catalog_to_publish()?;
        let engine = self.repo.engine(self.options()).await?;
        Ok((&engine.push_changed(&self.asked(None)).await?).into())
    }

    async fn try_pull(&self, depth: Option<Depth>) -> Result<Pulled, RepoError> {
        let engine = self.repo.engine(self.options()).await?;
        Ok((&engine.pull_changed(&self.asked(depth)).await?).into())
    }

    async fn try_pull_catalogs(&self, namespaces: &[Namespace]) -> Result<Catalogs, RepoError> {
        let mut namespaces = namespaces.to_vec();
        if namespaces.is_empty() {
            // Other machines of this namespace write to a shared directory as well.
            self.repo.current_catalog()?;
            let known = self.known().clone();
            namespaces = self.repo.neighbours(&known).await?;
            // A registration is for good, but in directories, where asking again costs nothing.
            if self.repo.config().backend.directory().is_none() {
                *self.known() = namespaces.iter().cloned().collect();
            }
        }
        let engine = self.repo.engine(self.options()).await?;
        let mut catalogs = Catalogs::default();
        // Together if that works, which is the usual case; singly to learn which one it is that fails.
        if let Ok(pulled) = engine.pull_foreign_catalogs(&namespaces).await {
            catalogs.outcomes = pulled.into_iter().map(Into::into).collect();
            return Ok(catalogs);
        }
        for namespace in namespaces {
            match engine.pull_foreign_catalogs(std::slice::from_ref(&namespace)).await {
                Ok(pulled) => catalogs.outcomes.extend(pulled.into_iter().map(Into::into)),
                Err(error) => catalogs.failures.push((namespace, Relayed::of(&error))),
            }
        }
        Ok(catalogs)
    }
}

#[async_trait(?Send)]
impl Exchange for RepoExchange {
    async fn push(&self) -> Result<Pushed, Relayed> {
        self.try_push().await.map_err(|error| Relayed::of(&error))
    }

    async fn pull(&self, depth: Option<Depth>) -> Result<Pulled, Relayed> {
        self.try_pull(depth).await.map_err(|error| Relayed::of(&error))
    }

    async fn pull_catalogs(&self, namespaces: &[Namespace]) -> Result<Catalogs, Relayed> {
        self.try_pull_catalogs(namespaces).await.map_err(|error| Relayed::of(&error))
    }

    fn edited(&self, artifact: &Artifact, version: VersionNumber) -> Result<Restated, Relayed> {
        let restated = self.repo.store().restate(artifact, version);
        restated.map_err(|error| Relayed::of(&RepoError::from(error)))
    }

    fn generation(&self) -> Result<u64, Relayed> {
        let generation = || Ok(self.repo.catalog()?.generation(self.repo.namespace())?);
        generation().map_err(|error: RepoError| Relayed::of(&error))
    }

    fn read_missed(&self) -> Result<bool, Relayed> {
        let read = if self.is_unsure { self.repo.recover_catalog() } else { self.repo.current_catalog().map(drop) };
        read.map(|()| true).map_err(|error| Relayed::of(&error))
    }

    fn read_again(&self, affected: &Affected) -> Result<bool, Relayed> {
        self.repo.read_again(affected).map_err(|error| Relayed::of(&error))
    }
}

/// What is to be done, and who is told what came of it.
#[derive(Debug)]
pub(super) enum Order {
    Push(oneshot::Sender<Result<Pushed, Relayed>>),
    Pull(Option<Depth>, oneshot::Sender<Result<Pulled, Relayed>>),
    Catalogs(Vec<Namespace>, oneshot::Sender<Result<Catalogs, Relayed>>),
}

/// Starts the thread that carries out orders, until nobody can give any more.
pub(super) fn start(exchange: Arc<dyn Exchange>) -> Result<(mpsc::Sender<Order>, JoinHandle<()>), FileError> {
    let (sender, orders) = mpsc::channel(ORDERS_MAX);
    // A worker of its own renews locks and moves bytes while the catalog is written.
    let mut runtime = runtime::Builder::new_multi_thread();
    runtime.worker_threads(1);
    let thread = on_runtime(runtime, "swamp-sync", move || carry_out_all(exchange, orders))?;
    Ok((sender, thread))
}

/// Runs a future on a thread of its own.
pub(super) fn on_thread<F: Future<Output = ()>>(
    name: &'static str,
    future: impl FnOnce() -> F + Send + 'static,
) -> Result<JoinHandle<()>, FileError> {
    on_runtime(runtime::Builder::new_current_thread(), name, future)
}

#[expect(clippy::disallowed_methods, reason = "a bridge: the thread is there for the future")]
fn on_runtime<F: Future<Output = ()>>(
    mut runtime: runtime::Builder,
    name: &'static str,
    future: impl FnOnce() -> F + Send + 'static,
) -> Result<JoinHandle<()>, FileError> {
    let start = || -> io::Result<JoinHandle<()>> {
        let runtime = runtime.enable_all().build()?;
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            runtime.block_on(future());
            // Threads that still wait for a store must not delay the end.
            runtime.shutdown_background();
        })
    };
    start().map_err(FileError::at("start", Path::new(name)))
}

async fn carry_out_all(exchange: Arc<dyn Exchange>, mut orders: mpsc::Receiver<Order>) {
    let mut running = FuturesUnordered::new();
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(order) => running.push(carry_out(&*exchange, order)),
                None => break,
            },
            Some(()) = running.next() => {}
        }
    }
    // What was interrupted releases its locks; what waits for a datastore that does not answer is given up.
    let rest = async { while running.next().await.is_some() {} };
    if tokio::time::timeout(END_MAX, rest).await.is_err() {
        tracing::debug!("the datastore does not answer, its requests are given up");
    }
}

async fn carry_out(exchange: &dyn Exchange, order: Order) {
    // Whoever gave the order may be gone.
    match order {
        Order::Push(done) => drop(done.send(exchange.push().await)),
        Order::Pull(depth, done) => drop(done.send(exchange.pull(depth).await)),
        Order::Catalogs(namespaces, done) => drop(done.send(exchange.pull_catalogs(&namespaces).await)),
    }
}
