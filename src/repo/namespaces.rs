//! Changing which namespace a repository works in (formats.md 3.4).
//!
//! The datastore is asked first and `.swamp.yaml` is written last: a refused registration leaves the repository as it
//! was (trap T11).

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::migration::{self, DirectoryMove, MigrationPlan};
use super::{Repo, RepoError};
use crate::clock::Timestamp;
use crate::datastore::DatastoreConfig;
use crate::fsutil::{self, Durability};
use crate::lock;
use crate::manifest::{self, Form, Registered, Registration};
use crate::namespace::Namespace;

/// A namespace that was set.
#[derive(Clone, Debug)]
pub struct NamespaceSet {
    /// Whether it was registered now or before.
    pub registration: Registration,
    /// The root of the tree that is worked on from now on.
    pub tree: PathBuf,
    /// What still lies outside the namespace.
    pub unmigrated: MigrationPlan,
}

/// Which way data moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the solo layout into the namespace.
    Into,
    /// From the namespace back to the solo layout.
    OutOf,
}

impl Repo {
    /// Registers `namespace` for this repository, then writes it into `.swamp.yaml`.
    pub async fn set_namespace(&self, namespace: &Namespace) -> Result<NamespaceSet, RepoError> {
        self.check_block_counts()?;
        if self.namespace() == Some(namespace) {
            return Err(RepoError::NamespaceUnchanged { namespace: namespace.clone() });
        }
        let now = self.clock.now();
        let mut marker = self.marker.clone();
        marker.complete(now);
        if marker.datastore().is_none() {
            marker.set_datastore(&default_block());
        }
        marker.set_namespace(Some(namespace));
        let id = marker.repo_id().unwrap_or_default().to_owned();
        let registration = self.register(namespace, &id, now).await?;
        marker.store(&self.paths.root)?;
        let clock = Arc::clone(&self.clock);
        let changed = Self::open(&self.paths.root, self.environment.clone(), clock)?;
        let unmigrated = changed.plan_migration(Direction::Into)?;
        Ok(NamespaceSet { registration, tree: changed.paths.tree, unmigrated })
    }

    pub(super) async fn register(
        &self,
        namespace: &Namespace,
        id: &str,
        now: Timestamp,
    ) -> Result<Registration, RepoError> {
        let form = if self.config.backend.directory().is_some() { Form::File } else { Form::Object };
        Ok(manifest::register(&*self.bucket().await?, namespace, id, now, form).await?)
    }

    /// Returns to the solo layout; returns the namespace that was left. Its registration stays where its data does.
    pub async fn unset_namespace(&self) -> Result<Namespace, RepoError> {
        let namespace = self.check_alone().await?;
        let mut marker = self.marker.clone();
        marker.set_namespace(None);
        marker.store(&self.paths.root)?;
        Ok(namespace)
    }

    /// Returns our namespace, if it may be left: nobody else shares the datastore.
    pub async fn check_alone(&self) -> Result<Namespace, RepoError> {
        self.check_block_counts()?;
        let namespace = self.namespace().cloned().ok_or(RepoError::NoNamespace)?;
        self.check_unshared().await?;
        Ok(namespace)
    }

    /// Checks that nobody else shares the datastore.
    pub(super) async fn check_unshared(&self) -> Result<(), RepoError> {
        let others = self.other_namespaces().await?;
        if others.is_empty() { Ok(()) } else { Err(RepoError::Shared { others }) }
    }

    /// Returns every namespace of the datastore.
    pub async fn namespaces(&self) -> Result<Vec<Registered>, RepoError> {
        Ok(manifest::list(&*self.bucket().await?).await?)
    }

    /// Returns the other namespaces of the datastore, without asking again for those that are `known` to be registered.
    pub async fn neighbours(&self, known: &BTreeSet<Namespace>) -> Result<Vec<Namespace>, RepoError> {
        let known: BTreeSet<_> = known.iter().chain(self.namespace()).cloned().collect();
        let mut names = manifest::list_names(&*self.bucket().await?, &known).await?;
        names.retain(|namespace| Some(namespace) != self.namespace());
        Ok(names)
    }

    async fn other_namespaces(&self) -> Result<Vec<Namespace>, RepoError> {
        let all = self.namespaces().await?;
        let is_other = |namespace: &Namespace| Some(namespace) != self.namespace();
        Ok(all.into_iter().map(|registered| registered.namespace).filter(is_other).collect())
    }

    /// Compares both layouts on this machine; changes nothing.
    pub fn plan_migration(&self, direction: Direction) -> Result<MigrationPlan, RepoError> {
        let solo = self.solo()?;
        let (solo, namespaced) = (&solo.paths.tree, &self.paths.namespaced(&self.config));
        let (source, target) = match direction {
            Direction::Into => (solo, namespaced),
            Direction::OutOf => (namespaced, solo),
        };
        let shared: Vec<String> =
            self.config.directories.iter().filter(|name| self.config.holds(name)).cloned().collect();
        // What a migration moved that did not end is ours; anything else may belong to a repository without a namespace.
        if direction == Direction::OutOf
            && !self.way_out().exists()
            && let Some((path, files)) = migration::occupied(target, &shared)?
        {
            return Err(RepoError::Occupied { path, files });
        }
        let moves = shared.iter().map(|name| DirectoryMove::new(name, source, target));
        Ok(migration::plan(moves.collect())?)
    }

    /// Returns the file that is there from the beginning of a migration out of the namespace to its end.
    fn way_out(&self) -> PathBuf {
        self.paths.state.join("leaving-namespace")
    }

    /// Moves local data between the layouts, under the locks of both.
    pub async fn migrate(&self, direction: Direction, stop: &CancellationToken) -> Result<MigrationPlan, RepoError> {
        // In a shared directory, data outside every namespace may be somebody else's.
        if self.config.backend.directory().is_some() {
            let others = self.other_namespaces().await?;
            if !others.is_empty() {
                return Err(RepoError::Shared { others });
            }
        }
        let solo = self.lock(lock::global_key(None), stop).await?;
        let namespaced = self.global_lock(stop).await?;
        let outside = self.solo()?;
        let models = async || {
            outside.await_models(stop).await?;
            self.await_models(stop).await
        };
        models().await?;
        let work = async || {
            models().await?;
            self.keep_registration(direction).await?;
            let plan = self.move_data(direction)?;
            self.give_up_registration(direction).await?;
            fsutil::remove_file(&self.way_out())?;
            Ok(plan)
        };
        solo.hold(async |_| namespaced.hold(async |_| Box::pin(work()).await).await).await
    }

    /// A directory whose data was moved out is registered again before data is moved in.
    async fn keep_registration(&self, direction: Direction) -> Result<(), RepoError> {
        let Some(namespace) = self.namespace().filter(|_| direction == Direction::Into) else { return Ok(()) };
        let is_directory = self.config.backend.directory().is_some();
        if is_directory && manifest::read(&*self.bucket().await?, namespace).await?.is_none() {
            self.register(namespace, self.id(), self.clock.now()).await?;
        }
        Ok(())
    }

    /// Nothing is left of the namespace in a directory, so that its name is free again; in a bucket its objects are.
    async fn give_up_registration(&self, direction: Direction) -> Result<(), RepoError> {
        let Some(namespace) = self.namespace().filter(|_| direction == Direction::OutOf) else { return Ok(()) };
        if self.config.backend.directory().is_some() {
            manifest::unregister(&*self.bucket().await?, namespace, self.id()).await?;
        }
        Ok(())
    }

    fn move_data(&self, direction: Direction) -> Result<MigrationPlan, RepoError> {
        let plan = self.plan_migration(direction)?;
        plan.check()?;
        let solo = self.solo()?;
        if direction == Direction::OutOf {
            fsutil::write_atomic(&self.way_out(), b"", &self.paths.cache.join("tmp"), Durability::Synced)?;
        }
        self.announce_migration(&solo, direction)?;
        plan.apply()?;
        // Again, now that it happened: a push in between looked, found nothing, and cleared the first mark.
        self.announce_migration(&solo, direction)?;
        Ok(plan)
    }

    /// Whatever is at the target has yet to reach the datastore, and what the catalogs of both layouts say is outdated.
    fn announce_migration(&self, solo: &Self, direction: Direction) -> Result<(), RepoError> {
        match direction {
            Direction::Into => self.watermark.mark(None)?,
            Direction::OutOf => solo.watermark.mark(None)?,
        }
        self.catalog()?.mark_incomplete(self.namespace())?;
        solo.catalog()?.mark_incomplete(None)?;
        Ok(())
    }

    /// Returns this repository as it is without a namespace.
    fn solo(&self) -> Result<Self, RepoError> {
        if self.namespace().is_none() {
            return Err(RepoError::NoNamespace);
        }
        self.reconfigured(DatastoreConfig { namespace: None, ..self.config.clone() })
    }

    /// A change of the block would have no effect while the environment replaces it.
    pub(super) fn check_block_counts(&self) -> Result<(), RepoError> {
        match self.environment.variable("SWAMP_DATASTORE") {
            Some(_) => Err(RepoError::Overridden),
            None => Ok(()),
        }
    }
}

/// The block that says what no block means.
fn default_block() -> Map<String, Value> {
    match json!({"type": "filesystem", "path": super::LOCAL_DIRECTORY}) {
        Value::Object(block) => block,
        _ => Map::new(),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "`#[tokio::test]` blocks on its own runtime")]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::repo::{Environment, Existing, Marker, init};
    use std::collections::BTreeMap;
    use std::path::Path;

    struct World {
        root: tempfile::TempDir,
    }

    impl World {
        fn new() -> Self {
            Self { root: tempfile::tempdir().expect("a directory") }
        }

        /// Makes a repository that shares the directory `store`, or keeps its data to itself.
        fn repository(&self, name: &str, block: Value) -> PathBuf {
            let directory = self.root.path().join(name);
            let mut made = init(&directory, Existing::Refuse, Timestamp::default()).expect("made");
            if let Value::Object(block) = block {
                made.marker.set_datastore(&block);
                made.marker.store(&directory).expect("written");
            }
            directory
        }

        fn open(&self, directory: &Path) -> Repo {
            let home = self.root.path().join("home").display().to_string();
            let variables = BTreeMap::from([("SWAMP_HOME".to_owned(), home)]);
            let environment = Environment::new(variables, directory.to_owned());
            Repo::open(directory, environment, clock()).expect("opened")
        }
    }

    fn clock() -> Arc<ManualClock> {
        Arc::new(ManualClock::new(Timestamp::default()))
    }

    fn shared() -> Value {
        json!({"type": "filesystem", "path": "../store", "exclude": ["logs"]})
    }

    fn namespace(text: &str) -> Namespace {
        text.parse().expect("a namespace")
    }

    #[tokio::test]
    async fn t11_a_refused_namespace_leaves_the_marker_alone() {
        let world = World::new();
        let (first, second) = (world.repository("first", shared()), world.repository("second", shared()));
        world.open(&first).set_namespace(&namespace("infra")).await.expect("set");
        let before = Marker::load(&second).expect("readable");

        let refused = world.open(&second).set_namespace(&namespace("infra")).await.expect_err("taken");

        assert!(matches!(refused, RepoError::Manifest(_)), "{refused}");
        assert_eq!(Marker::load(&second).expect("readable"), before);
    }

    #[tokio::test]
    async fn setting_keeps_the_rest_of_the_block() {
        let world = World::new();
        let directory = world.repository("first", shared());

        world.open(&directory).set_namespace(&namespace("infra")).await.expect("set");

        let block = Marker::load(&directory).expect("readable").expect("there").datastore().expect("a block");
        assert_eq!(
            Value::Object(block),
            json!({"type": "filesystem", "path": "../store", "exclude": ["logs"], "namespace": "infra"})
        );
    }

    #[tokio::test]
    async fn data_moves_into_the_namespace_and_back() {
        let world = World::new();
        let directory = world.repository("first", Value::Null);
        let file = directory.join(".swamp/data/t/id/n/1/raw");
        fsutil::write_atomic(&file, b"x", &directory.join("staging"), Durability::Relaxed).expect("written");
        let stop = CancellationToken::new();

        let set = world.open(&directory).set_namespace(&namespace("infra")).await.expect("set");
        let moved = world.open(&directory).migrate(Direction::Into, &stop).await.expect("moved");

        assert_eq!((set.unmigrated.files(), moved.files()), (1, 1));
        assert!(directory.join(".swamp/infra/data/t/id/n/1/raw").is_file());
        world.open(&directory).migrate(Direction::OutOf, &stop).await.expect("moved back");
        assert!(file.is_file());
        assert!(!directory.join(".swamp/infra/.namespace.json").exists(), "the name is free again");
        world.open(&directory).migrate(Direction::Into, &stop).await.expect("moved again");
        assert!(directory.join(".swamp/infra/.namespace.json").is_file());
    }

    #[tokio::test]
    async fn data_that_lies_outside_the_namespace_is_not_mixed_with_what_comes_out_of_it() {
        let world = World::new();
        let directory = world.repository("first", Value::Null);
        let stop = CancellationToken::new();
        world.open(&directory).set_namespace(&namespace("infra")).await.expect("set");
        let plant = |file: &str| {
            let path = directory.join(".swamp").join(file);
            fsutil::write_atomic(&path, b"x", &directory.join("staging"), Durability::Relaxed).expect("written");
        };
        plant("infra/data/t/id/n/1/raw");
        plant("data/t/other/n/1/raw");
        plant("data/_catalog.db");

        let refused = world.open(&directory).migrate(Direction::OutOf, &stop).await.expect_err("occupied");

        assert!(matches!(refused, RepoError::Occupied { files: 1, .. }), "{refused}");
        assert!(directory.join(".swamp/infra/data/t/id/n/1/raw").is_file());
        // What a migration moved that was interrupted is no obstacle.
        let repo = world.open(&directory);
        fsutil::write_atomic(&repo.way_out(), b"", &repo.paths.cache.join("tmp"), Durability::Relaxed)
            .expect("written");
        repo.migrate(Direction::OutOf, &stop).await.expect("moved");
        assert!(directory.join(".swamp/data/t/id/n/1/raw").is_file());
        assert!(!repo.way_out().exists());
    }

    #[tokio::test]
    async fn what_moves_is_dirty_where_it_goes() {
        let world = World::new();
        let s3 = json!({"type": "@swamp/s3-datastore", "config": {"bucket": "team"}, "namespace": "infra"});
        let infra = world.open(&world.repository("first", s3));
        let solo = infra.solo().expect("a namespace is set");
        for repo in [&infra, &solo] {
            let (_, mark) = repo.watermark.snapshot().expect("readable");
            repo.watermark.clear(mark).expect("cleared");
        }
        let file = solo.paths.tree.join("data/t/id/n/1/raw");
        fsutil::write_atomic(&file, b"x", &solo.paths.staging, Durability::Relaxed).expect("written");

        infra.move_data(Direction::Into).expect("moved");
        let moved_into = infra.watermark.peek().expect("readable").is_everything;
        infra.move_data(Direction::OutOf).expect("moved back");

        assert!(moved_into);
        assert!(solo.watermark.peek().expect("readable").is_everything);
        assert!(file.is_file());
    }

    #[tokio::test]
    async fn a_shared_datastore_keeps_its_namespaces() {
        let world = World::new();
        let (first, second) = (world.repository("first", shared()), world.repository("second", shared()));
        world.open(&first).set_namespace(&namespace("infra")).await.expect("set");
        world.open(&second).set_namespace(&namespace("security")).await.expect("set");

        let refused = world.open(&first).unset_namespace().await.expect_err("refused");

        assert!(matches!(refused, RepoError::Shared { others } if others == [namespace("security")]));
    }

    #[tokio::test]
    async fn the_environment_form_cannot_be_changed_by_the_marker() {
        let world = World::new();
        let directory = world.repository("first", Value::Null);
        let variables = [("SWAMP_HOME", "/nowhere"), ("SWAMP_DATASTORE", "filesystem:/nowhere")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let environment = Environment::new(BTreeMap::from(variables), directory.clone());
        let repo = Repo::open(&directory, environment, clock()).expect("opened");

        let refused = repo.set_namespace(&namespace("infra")).await.expect_err("refused");

        assert!(matches!(refused, RepoError::Overridden));
    }
}
