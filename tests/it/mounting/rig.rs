//! A machine with a recorder and a keeper.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use swamp::clock::{Clock, SystemClock};
use swamp::data::layout::Artifact;
use swamp::data::name::VersionNumber;
use swamp::data::store::Restated;
use swamp::error::Kind;
use swamp::mounting::control::{Answer, Verb};
use swamp::mounting::{
    Admission, Catalogs, Exchange, Flushed, Keeper, KeeperParts, Links, Phase, Pulled, Pushed, Pushes, Recorder,
    Relayed, Surroundings, Timing,
};
use swamp::namespace::Namespace;
use swamp::sync::{Affected, Depth, Engine, SyncError, SyncOptions, SyncService as _, Watermark};
use swamp_mount::Observer as _;

use crate::sync::world::{Machine, World};

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Rig {
    pub(super) world: World,
    pub(super) machine: Machine,
    pub(super) recorder: Recorder,
    pub(super) links: Links,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) around: Arc<Around>,
    /// How often reading rows again fails before it works.
    pub(super) readings_failing: Arc<AtomicU64>,
    keeper: Option<Keeper>,
}

/// Counts what the keeper tells.
#[derive(Debug, Default)]
pub(super) struct Around {
    pub(super) changes: AtomicU64,
}

impl Surroundings for Around {
    fn names_changed(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    fn status(&self) -> serde_json::Value {
        serde_json::json!({"is": "mounted"})
    }
}

/// The exchange of an engine, whose catalog may be out of order for some time.
#[derive(Debug)]
struct OfEngine(Arc<Engine>, Arc<AtomicU64>);

fn relayed(error: &SyncError) -> Relayed {
    Relayed::of(error)
}

#[async_trait(?Send)]
impl Exchange for OfEngine {
    async fn push(&self) -> Result<Pushed, Relayed> {
        self.0
            .push_changed(&SyncOptions::default())
            .await
            .map(|report| (&report).into())
            .map_err(|error| relayed(&error))
    }

    async fn pull(&self, depth: Option<Depth>) -> Result<Pulled, Relayed> {
        let options = SyncOptions { depth, ..SyncOptions::default() };
        self.0.pull_changed(&options).await.map(|report| (&report).into()).map_err(|error| relayed(&error))
    }

    async fn pull_catalogs(&self, namespaces: &[Namespace]) -> Result<Catalogs, Relayed> {
        let pulled = self.0.pull_foreign_catalogs(namespaces).await.map_err(|error| relayed(&error))?;
        Ok(Catalogs { outcomes: pulled.into_iter().map(Into::into).collect(), failures: Vec::new() })
    }

    fn edited(&self, _: &Artifact, _: VersionNumber) -> Result<Restated, Relayed> {
        Ok(Restated::Unchanged)
    }

    fn generation(&self) -> Result<u64, Relayed> {
        let parts = self.0.parts();
        parts.catalog.generation(parts.namespace.as_ref()).map_err(|error| Relayed::of(&error))
    }

    fn read_missed(&self) -> Result<bool, Relayed> {
        self.0.refresh_rows(&BTreeSet::new()).map(|()| true).map_err(|error| relayed(&error))
    }

    fn read_again(&self, affected: &Affected) -> Result<bool, Relayed> {
        if self.1.load(Ordering::Relaxed) > 0 {
            self.1.fetch_sub(1, Ordering::Relaxed);
            return Err(Relayed::new(Kind::Unavailable, "the database is locked"));
        }
        self.0.refresh_rows(&affected.artifacts).map(|()| true).map_err(|error| relayed(&error))
    }
}

impl Rig {
    /// A machine whose changes are pushed as soon as they are over.
    pub(super) fn pushing() -> Self {
        Self::with(&World::namespaced(), Pushes::Automatic)
    }

    /// A machine whose changes are pushed when somebody asks.
    pub(super) fn waiting() -> Self {
        Self::with(&World::namespaced(), Pushes::OnRequest)
    }

    pub(super) fn with(world: &World, pushes: Pushes) -> Self {
        let machine = world.machine("infra", "one");
        // A first push, so that only what a test changes is dirty.
        machine.push();
        Self::of(world, machine, pushes)
    }

    fn of(world: &World, machine: Machine, pushes: Pushes) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let links = Links::new(&clock);
        let block = serde_json::json!({"type": "s3", "bucket": "team", "namespace": "infra"});
        let places = swamp::datastore::Places { repository: Path::new("/r"), home: None, variable: &|_| None };
        let config = swamp::datastore::DatastoreConfig::from_block(block.as_object().expect("a block"), &places);
        let admission = Admission::new(&config.expect("a configuration"));
        let watermark = Arc::clone(&machine.engine().parts().watermark);
        let recorder = Recorder::new(Arc::clone(&watermark), admission, &links);
        let around = Arc::new(Around::default());
        let readings_failing = Arc::new(AtomicU64::new(0));
        let (push_delay, push_delay_max) = (Duration::from_millis(30), Duration::from_millis(300));
        let parts = KeeperParts {
            exchange: Arc::new(OfEngine(Arc::clone(machine.engine()), Arc::clone(&readings_failing))),
            watermark,
            root: machine.engine().parts().root.clone(),
            timing: Timing { push_delay, push_delay_max, refresh: Duration::from_mins(1), pushes },
            clock: Arc::clone(&clock),
            surroundings: Arc::clone(&around) as _,
        };
        let keeper = Some(Keeper::start(parts, links.clone()).expect("started"));
        Self { world: world.clone(), machine, recorder, links, clock, around, readings_failing, keeper }
    }

    /// The same machine in a new process, after the old one ended as it should.
    pub(super) fn remounted(mut self) -> Self {
        self.keeper().finish();
        assert!(self.watermark().leave().expect("left"));
        let machine = self.machine.reopened();
        let world = self.world.clone();
        drop(self);
        Self::of(&world, machine, Pushes::Automatic)
    }

    pub(super) fn keeper(&mut self) -> Keeper {
        self.keeper.take().expect("a keeper")
    }

    pub(super) fn watermark(&self) -> &Watermark {
        &self.machine.engine().parts().watermark
    }

    /// Writes a file as the mount would.
    pub(super) fn write(&self, path: &str, content: &str) {
        let directory = Path::new(path).parent().expect("a parent");
        let change = self.recorder.changing(directory).expect("recorded");
        self.machine.overwrite(path, content);
        drop(change);
        self.recorder.changed(Path::new(path));
    }

    /// Writes a file behind everybody's back, as a mapping does.
    pub(super) fn write_unnoticed(&self, path: &str, content: &str) {
        self.machine.overwrite(path, content);
    }

    pub(super) fn is_remote(&self, path: &str, size: u64) -> bool {
        self.world.keys_and_sizes().contains(&(format!("infra/{path}"), size))
    }

    pub(super) fn links_phase(&self) -> Phase {
        self.links.doing().phase
    }

    pub(super) fn links_local(&self) -> Vec<String> {
        self.links.doing().local_only.into_iter().map(|(path, _)| path).collect()
    }

    pub(super) fn ask(&self, verb: Verb) -> Result<Answer, Relayed> {
        wait(self.keeper.as_ref().expect("a keeper").ask(verb))
    }

    pub(super) fn flush(&self, timeout: Duration) -> Flushed {
        wait(self.keeper.as_ref().expect("a keeper").flush(timeout)).expect("an answer")
    }
}

pub(super) fn wait<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(PATIENCE, work).await.expect("in time") })
}

/// Waits until something is so.
pub(super) fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
