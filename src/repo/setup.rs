//! Giving a repository another datastore (formats.md 8.4).
//!
//! The new place is verified, the namespace registered and the data copied before `.swamp.yaml` changes: a setup that
//! fails leaves the repository as it was. What the old block said and the new one does not contradict stays (trap T15),
//! and no source is ever deleted (trap T27).

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::migration::{self, DirectoryMove, MigrationPlan};
use super::{Repo, RepoError, parse_block};
use crate::bucket::probe::{Conditions, probe_conditions};
use crate::bucket::{Bucket, ListOptions};
use crate::fsutil;
use crate::namespace::Namespace;
use crate::path::RelPath;

/// What becomes of data that is here already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Migration {
    /// It is copied to the new place.
    Copy,
    /// It stays where it is.
    Skip,
}

/// A datastore that was set up.
#[derive(Debug)]
pub struct SetUp {
    /// The repository with the new datastore.
    pub repo: Repo,
    /// Where data was copied from.
    pub source: PathBuf,
    /// Where it was copied to.
    pub target: PathBuf,
    /// What was copied.
    pub copied: MigrationPlan,
    /// Which conditional writes the store honours.
    pub conditions: Conditions,
}

/// Keys of the old block that a new one inherits.
const INHERITED: [&str; 3] = ["namespace", "directories", "exclude"];

impl Repo {
    /// Makes `block` this repository's datastore.
    pub async fn set_up(&self, block: Map<String, Value>, migration: Migration) -> Result<SetUp, RepoError> {
        self.check_block_counts()?;
        let root = &self.paths.root;
        let block = inherit(block, self.marker.datastore());
        let now = self.clock.now();
        let mut marker = self.marker.clone();
        marker.complete(now);
        let config = parse_block(root, Some(&block), &self.environment)?;
        marker.set_datastore(&block);
        let environment = self.environment.clone();
        let changed = Self::with_config(root, marker, config, environment, Arc::clone(&self.clock))?;
        let conditions = changed.verify().await?;
        match changed.namespace() {
            Some(namespace) => {
                changed.register(namespace, changed.id(), now).await?;
            }
            // Without one a repository takes everything outside of namespaces for its own.
            None => changed.check_unshared().await?,
        }
        let (source, target) = (self.namespaced(), changed.namespaced());
        let copied = match migration {
            Migration::Copy => self.copy_into(&changed)?,
            Migration::Skip => MigrationPlan::default(),
        };
        changed.marker.store(root)?;
        Ok(SetUp { repo: changed, source, target, copied, conditions })
    }

    /// Asks the datastore whether it is there and keeps its promises.
    async fn verify(&self) -> Result<Conditions, RepoError> {
        if let Some(directory) = self.config.backend.directory() {
            fsutil::create_directory(directory)?;
        }
        let location = self.config.backend.location();
        let unreachable = |source| RepoError::Unreachable { location: location.clone(), source };
        let bucket = self.bucket().await?;
        bucket.list(ListOptions { page_size: Some(1), ..ListOptions::default() }).await.map_err(unreachable)?;
        self.probe(&*bucket).await
    }

    /// Finds out which conditional writes the datastore honours, by writing a scratch object.
    pub async fn probe(&self, bucket: &dyn Bucket) -> Result<Conditions, RepoError> {
        let location = self.config.backend.location();
        let scratch = RelPath::from_trusted(format!("_control/probe-{}", uuid::Uuid::new_v4()));
        let scratch = self.namespace().map(Namespace::to_path).map_or(scratch.clone(), |path| path.join(&scratch));
        let probed = probe_conditions(bucket, &scratch).await;
        probed.map_err(|source| RepoError::Unreachable { location, source })
    }

    fn copy_into(&self, target: &Self) -> Result<MigrationPlan, RepoError> {
        let wanted = target.config.directories.iter().filter(|name| target.config.holds(name));
        let moves = wanted.map(|name| DirectoryMove::new(name, &self.place(name), &target.place(name)));
        let plan = migration::plan(moves.filter(|one| one.source != one.target).collect())?;
        plan.check()?;
        // Nothing below a cache may count as published before it was, also if copying ends halfway.
        target.watermark.mark(None)?;
        plan.copy(&target.paths.staging)?;
        // Again, now that it is there: a push in between looked, found nothing, and cleared the first mark.
        target.watermark.mark(None)?;
        Ok(plan)
    }
}

fn inherit(mut block: Map<String, Value>, old: Option<Map<String, Value>>) -> Map<String, Value> {
    for (key, value) in old.unwrap_or_default() {
        if INHERITED.contains(&key.as_str()) && !block.contains_key(&key) {
            block.insert(key, value);
        }
    }
    block
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "`#[tokio::test]` blocks on its own runtime")]
mod tests {
    use super::*;
    use crate::clock::{ManualClock, Timestamp};
    use crate::fsutil::Durability;
    use crate::repo::{Environment, Existing, Marker, init};
    use serde_json::json;
    use std::collections::BTreeMap;

    /// Makes a repository with one file of data.
    fn repository() -> (tempfile::TempDir, Repo) {
        let root = tempfile::tempdir().expect("a directory");
        let directory = root.path().join("repo");
        init(&directory, Existing::Refuse, Timestamp::default()).expect("made");
        let file = directory.join(".swamp/data/t/id/n/1/raw");
        fsutil::write_atomic(&file, b"x", &root.path().join("staging"), Durability::Relaxed).expect("written");
        let home = root.path().join("home").display().to_string();
        let environment = Environment::new(BTreeMap::from([("SWAMP_HOME".to_owned(), home)]), directory.clone());
        let clock = Arc::new(ManualClock::new(Timestamp::default()));
        let repo = Repo::open(&directory, environment, clock).expect("opened");
        (root, repo)
    }

    fn block(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().expect("an object")
    }

    #[tokio::test]
    async fn t27_data_is_copied_and_its_source_stays() {
        let (root, repo) = repository();
        let wanted = json!({"type": "filesystem", "path": "../store", "namespace": "infra"});

        let done = repo.set_up(block(&wanted), Migration::Copy).await.expect("set up");

        assert_eq!(done.copied.files(), 1);
        assert!(root.path().join("store/infra/data/t/id/n/1/raw").is_file());
        assert!(root.path().join("store/infra/.namespace.json").is_file());
        assert!(root.path().join("repo/.swamp/data/t/id/n/1/raw").is_file());
    }

    #[tokio::test]
    async fn t15_what_the_old_block_said_stays() {
        let (root, repo) = repository();
        let first = json!({"type": "filesystem", "path": "../store", "namespace": "infra", "exclude": ["logs"]});
        let first = repo.set_up(block(&first), Migration::Skip).await.expect("set up");

        let second = json!({"type": "filesystem", "path": "../other"});
        first.repo.set_up(block(&second), Migration::Skip).await.expect("set up");

        let marker = Marker::load(&root.path().join("repo")).expect("readable").expect("there");
        let written = Value::Object(marker.datastore().expect("a block"));
        let expected = json!({"type": "filesystem", "path": "../other", "namespace": "infra", "exclude": ["logs"]});
        assert_eq!(written, expected);
    }

    #[tokio::test]
    async fn a_refused_setup_leaves_the_repository_alone() {
        let (root, repo) = repository();
        let taken = json!({"type": "filesystem", "path": "../store", "namespace": "infra"});
        let store = repo.set_up(block(&taken), Migration::Skip).await.expect("set up");
        let other = root.path().join("second");
        init(&other, Existing::Refuse, Timestamp::default()).expect("made");
        let second = Repo::open(&other, store.repo.environment().clone(), Arc::clone(&repo.clock)).expect("opened");

        let refused = second.set_up(block(&taken), Migration::Copy).await.expect_err("taken");

        assert!(matches!(refused, RepoError::Manifest(_)), "{refused}");
        assert!(Marker::load(&other).expect("readable").expect("there").datastore().is_none());
    }
}
