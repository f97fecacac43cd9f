//! The bytes of remote files: the bridge from the threads of a mount to the asynchronous world of datastores.
//!
//! Every fetch ends within the deadline. What it returns has the length the catalog says, and the digest the index says
//! where that is known; anything else is an error. Nothing is ever written to a disk.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::{Either, select};
use swamp_mount::{Fetched, NodeId, Part, TreeError};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tracing::debug;

use super::breaker::Breaker;
use super::error::{of_bucket, of_kind, told};
use super::recent::Recent;
use super::sizes::{Known, Sizes, joined};
use crate::bucket::{self, Bucket, BucketError, GetOptions, SharedBucket, Version};
use crate::catalog::CatalogError;
use crate::clock::Clock;
use crate::error::Failure as _;
use crate::fsutil;
use crate::index::{Body, PartitionKey, ShardId};
use crate::path::RelPath;
use crate::repo::{Repo, RepoError};

/// The largest file of unknown size that is fetched as a whole, in bytes.
const WHOLE_BYTES_MAX: u64 = 64 << 20;

/// The largest index object that is read for the sizes in it, in bytes.
const INDEX_BYTES_MAX: u64 = 64 << 20;

/// How often the same index object is read at most.
const INDEX_PAUSE: Duration = Duration::from_mins(1);

/// How many index objects are remembered to have been read.
const INDEXES_MAX: usize = 4_096;

/// How many index objects are read at a time.
const INDEXES_CONCURRENT_MAX: usize = 4;

/// How often a file is fetched whose bytes are not what they must be.
const ATTEMPTS_MAX: usize = 2;

/// Somebody who opens the datastore when it is needed for the first time.
#[async_trait]
pub trait Datastore: Send + Sync + fmt::Debug {
    /// Returns the datastore.
    async fn bucket(&self) -> Result<SharedBucket, RepoError>;
}

#[async_trait]
impl Datastore for Repo {
    async fn bucket(&self) -> Result<SharedBucket, RepoError> {
        Self::bucket(self).await
    }
}

/// Why there are no bytes: for the caller, and for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) error: TreeError,
    pub(super) reason: String,
    /// Whether the bytes came and are not what they must be, so that another try may bring better ones.
    is_damage: bool,
}

impl Trouble {
    pub(super) fn new(error: TreeError, reason: impl Into<String>) -> Self {
        Self { error, reason: reason.into(), is_damage: false }
    }

    fn damage(reason: impl Into<String>) -> Self {
        Self { is_damage: true, ..Self::new(TreeError::Input, reason) }
    }
}

impl From<BucketError> for Trouble {
    fn from(error: BucketError) -> Self {
        let is_damage = matches!(error, BucketError::Corrupt { .. });
        Self { is_damage, ..Self::new(of_bucket(&error), told(&error)) }
    }
}

/// A remote file.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// The namespace's slug, `""` in solo mode.
    pub(super) namespace: String,
    /// The file, below the namespace.
    pub(super) path: RelPath,
    /// The length it must have.
    pub(super) size: Option<u64>,
    /// What its length and digest are remembered by.
    pub(super) node: NodeId,
    /// Whether they are worth remembering and asking for: the catalog does not have them.
    pub(super) is_metadata: bool,
}

impl Wanted {
    fn key(&self) -> Result<RelPath, Trouble> {
        let key = joined(&self.namespace, self.path.as_str());
        key.parse().map_err(|error: crate::path::InvalidPath| Trouble::new(TreeError::Input, told(&error)))
    }
}

/// Fetches.
#[derive(Debug)]
pub(super) struct Content {
    shared: Arc<Shared>,
    runtime: Handle,
    deadline: Duration,
    breaker: Breaker,
    /// Index objects on their way.
    learning: Mutex<JoinSet<()>>,
}

#[derive(Debug)]
struct Shared {
    datastore: Arc<dyn Datastore>,
    sizes: Arc<Sizes>,
    clock: Arc<dyn Clock>,
    /// When index objects were asked for.
    asked: Mutex<Recent<RelPath, Duration>>,
}

impl Content {
    /// `runtime` has threads of its own: it works while a thread of the mount waits.
    pub(super) fn new(
        datastore: Arc<dyn Datastore>,
        sizes: Arc<Sizes>,
        clock: Arc<dyn Clock>,
        runtime: Handle,
        deadline: Duration,
    ) -> Self {
        let shared = Arc::new(Shared { datastore, sizes, clock, asked: Mutex::new(Recent::new(INDEXES_MAX)) });
        Self { shared, runtime, deadline, breaker: Breaker::default(), learning: Mutex::default() }
    }

    /// Fetches a part of a file; waits for it on a thread that is not the runtime's.
    pub(super) fn fetch(&self, wanted: &Wanted, part: &Part) -> Result<Fetched, Trouble> {
        if let Some(error) = self.breaker.refuses(self.shared.clock.elapsed()) {
            return Err(Trouble::new(error, "the datastore did not answer a moment ago; it is asked again soon"));
        }
        let is_unknown = wanted.is_metadata && self.shared.sizes.get(wanted.node).is_none();
        if is_unknown {
            self.learn_sizes(wanted);
        }
        let fetched = self.wait(self.shared.fetch(wanted, part));
        let outcome = fetched.as_ref().map(drop).map_err(|trouble| trouble.error);
        self.breaker.record(outcome, self.shared.clock.elapsed());
        let fetched = fetched?;
        if is_unknown {
            self.shared.sizes.insert(wanted.node, Known { size: fetched.size, sha256: None });
        }
        Ok(fetched)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the bridge")]
    fn wait<T>(&self, work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
        self.runtime.block_on(async {
            let work = std::pin::pin!(work);
            match select(work, self.shared.clock.sleep(self.deadline)).await {
                Either::Left((outcome, _)) => outcome,
                Either::Right(((), _)) => {
                    let reason = format!("the datastore did not answer within {:?}", self.deadline);
                    Err(Trouble::new(TreeError::TimedOut, reason))
                }
            }
        })
    }

    /// Begins to read the index of the model of a file, so that the sizes of its other files are known too.
    fn learn_sizes(&self, wanted: &Wanted) {
        let Some(shard) = PartitionKey::of(&wanted.path).map(ShardId::Partition) else { return };
        let mut learning = self.learning.lock().unwrap_or_else(PoisonError::into_inner);
        while learning.try_join_next().is_some() {}
        if learning.len() < INDEXES_CONCURRENT_MAX && self.shared.is_due(&wanted.namespace, &shard) {
            let (shared, namespace, path) = (Arc::clone(&self.shared), wanted.namespace.clone(), wanted.path.clone());
            let learn = async move {
                let learned = shared.learn(&namespace, &path, &shard).await;
                if let Err(error) = learned {
                    debug!(namespace, shard = ?shard, reason = error.reason, "sizes stay unknown");
                }
            };
            learning.spawn_on(learn, &self.runtime);
        }
    }
}

impl Shared {
    /// Whether an index object was not read lately; then it counts as read now.
    fn is_due(&self, namespace: &str, shard: &ShardId) -> bool {
        let Ok(key) = joined(namespace, shard.to_path().as_str()).parse::<RelPath>() else { return false };
        let now = self.clock.elapsed();
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = asked.peek(&key).is_none_or(|then| now >= *then + INDEX_PAUSE);
        if is_due {
            asked.insert(key, now);
        }
        is_due
    }

    /// Reads a shard, or the whole index where there are no shards.
    async fn learn(&self, namespace: &str, path: &RelPath, shard: &ShardId) -> Result<(), Trouble> {
        if self.learn_from(namespace, path, shard).await? {
            return Ok(());
        }
        if self.is_due(namespace, &ShardId::Monolith) {
            self.learn_from(namespace, path, &ShardId::Monolith).await?;
        }
        Ok(())
    }

    async fn learn_from(&self, namespace: &str, path: &RelPath, shard: &ShardId) -> Result<bool, Trouble> {
        let key = joined(namespace, shard.to_path().as_str()).parse::<RelPath>();
        let key = key.map_err(|error| Trouble::new(TreeError::Input, told(&error)))?;
        let unreadable = |error: CatalogError| Trouble::new(of_kind(error.kind()), told(&error));
        let pulled = self.sizes.pulled(namespace).map_err(unreadable)?;
        let bucket = self.open().await?;
        let Some((_, bytes)) = bucket::read_if_exists(&*bucket, &key, INDEX_BYTES_MAX).await? else {
            return Ok(false);
        };
        let body = Body::parse(&bytes).map_err(|error| Trouble::new(TreeError::Input, error.to_string()))?;
        // `data/{type}/{model}/{name}/{version}/{file}`: three up is the model.
        let model = [(); 3].iter().try_fold(path.clone(), |path, ()| path.parent());
        let learned = self.sizes.learn(namespace, &body.entries, model.as_ref().unwrap_or(path), pulled);
        learned.map_err(unreadable)?;
        Ok(true)
    }

    async fn open(&self) -> Result<SharedBucket, Trouble> {
        let opened = self.datastore.bucket().await;
        opened.map_err(|error| Trouble::new(of_kind(error.kind()), told(&error)))
    }

    async fn fetch(&self, wanted: &Wanted, part: &Part) -> Result<Fetched, Trouble> {
        let (key, bucket) = (wanted.key()?, self.open().await?);
        match part {
            Part::Whole => {
                let mut attempts = 1;
                loop {
                    match self.whole(&*bucket, &key, wanted).await {
                        Err(trouble) if trouble.is_damage && attempts < ATTEMPTS_MAX => {
                            debug!(key = %key, reason = trouble.reason, "file is fetched again");
                            attempts += 1;
                        }
                        outcome => return outcome,
                    }
                }
            }
            Part::Range { bytes, version } => {
                let options = GetOptions {
                    range: Some(bytes.clone()),
                    if_match: version.clone().map(Version::new),
                    if_none_match: None,
                };
                range(&*bucket, &key, wanted, options).await
            }
        }
    }

    async fn whole(&self, bucket: &dyn Bucket, key: &RelPath, wanted: &Wanted) -> Result<Fetched, Trouble> {
        let object = bucket.get(key, GetOptions::default()).await?;
        let (size, version) = (object.meta.size, object.meta.version.as_str().to_owned());
        check_size(wanted, size)?;
        let bytes = object.bytes(wanted.size.unwrap_or(WHOLE_BYTES_MAX)).await?;
        if bytes.len() as u64 != size {
            return Err(Trouble::damage(format!("{} of {size} bytes arrived", bytes.len())));
        }
        let known = wanted.size.and_then(|_| self.sizes.get(wanted.node));
        if let Some(Known { size: known_size, sha256: Some(sha256) }) = known
            && known_size == size
            && fsutil::digest_bytes(&bytes).sha256 != sha256
        {
            return Err(Trouble::damage("its bytes do not have the digest that the index says"));
        }
        Ok(Fetched { bytes, version: Some(version), size })
    }
}

async fn range(bucket: &dyn Bucket, key: &RelPath, wanted: &Wanted, options: GetOptions) -> Result<Fetched, Trouble> {
    let asked = options.range.clone().unwrap_or_default();
    let object = match bucket.get(key, options).await {
        Ok(object) => object,
        // Nothing lies beyond the end, and where that is only the datastore knows.
        Err(error @ BucketError::Invalid { .. }) => {
            let meta = bucket.head(key).await?;
            if asked.start < meta.size {
                return Err(error.into());
            }
            check_size(wanted, meta.size)?;
            let version = Some(meta.version.as_str().to_owned());
            return Ok(Fetched { bytes: bytes::Bytes::new(), version, size: meta.size });
        }
        Err(error) => return Err(error.into()),
    };
    let (size, version) = (object.meta.size, object.meta.version.as_str().to_owned());
    check_size(wanted, size)?;
    let expected = asked.end.min(size).saturating_sub(asked.start);
    let bytes = object.bytes(expected).await?;
    if bytes.len() as u64 != expected {
        return Err(Trouble::new(TreeError::Input, format!("{} of {expected} bytes arrived", bytes.len())));
    }
    Ok(Fetched { bytes, version: Some(version), size })
}

fn check_size(wanted: &Wanted, size: u64) -> Result<(), Trouble> {
    match wanted.size {
        Some(expected) if expected != size => {
            let reason = format!("it has {size} bytes in the datastore, the catalog says {expected}");
            Err(Trouble::new(TreeError::Input, reason))
        }
        Some(_) | None => Ok(()),
    }
}
