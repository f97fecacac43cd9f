//! A directory as a bucket: a key is the path of a file below a root.
//!
//! Files appear and change in one step, by rename from a staging directory on the same file system. A write under a
//! condition on the present state holds an exclusive `flock` while it compares and renames, every other write holds
//! it shared, so that of many racers one wins, also between processes. What other programs do in the tree without the
//! lock is seen as it is: whole files, whatever their writer's care.
//!
//! A state is an inode with its size and times. The file's modification time carries random nanoseconds, because an
//! inode number is soon used again and the kernel's clock may stand still for milliseconds.
//!
//! Unlike in an object store, `a` and `a/b` cannot both exist, and no segment is longer than 255 bytes.

mod body;
mod error;
mod listing;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rustix::fs::{FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::clock::{Clock, Timestamp};
use crate::fsutil::{self, Beneath, Durability, FileError, Install, Staged};
use crate::path::RelPath;

use super::{
    Body, Bucket, BucketError, GetOptions, ListOptions, Object, ObjectMeta, Page, PutMode, Version, directories,
};
use error::{failed, is_absent, refused};

/// The longest wait for other writers. Each holds the lock for two system calls, unless it is stopped meanwhile.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(30);

/// The pause between two looks at the lock.
const LOCK_POLL: Duration = Duration::from_millis(2);

/// The lock file's name in the staging directory.
const LOCK_NAME: &str = "bucket.lock";

/// A directory as a bucket.
#[derive(Clone, Debug)]
pub struct DirectoryBucket {
    tree: Arc<Tree>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Tree {
    beneath: Beneath,
    staging: PathBuf,
    /// Where the staging directory lies in the tree, if it does.
    staging_key: Option<RelPath>,
}

/// Proof that the lock file is locked; unlocks on drop.
struct Locked(#[expect(dead_code, reason = "closing the descriptor unlocks")] OwnedFd);

impl DirectoryBucket {
    /// Returns the bucket of the files below `root`; both directories are made by the first write.
    ///
    /// `staging` must be on the same file system. It may lie inside `root`: its files are then not keys.
    pub fn new(root: PathBuf, staging: PathBuf, clock: Arc<dyn Clock>) -> Self {
        let staging_key = RelPath::between(&root, &staging).ok();
        Self { tree: Arc::new(Tree { beneath: Beneath::new(root), staging, staging_key }), clock }
    }

    /// Does file I/O off the asynchronous threads.
    async fn blocking<T: Send + 'static>(
        &self,
        operation: &'static str,
        key: &RelPath,
        work: impl FnOnce(&Tree, &RelPath) -> Result<T, BucketError> + Send + 'static,
    ) -> Result<T, BucketError> {
        if self.tree.staging_key.as_ref().is_some_and(|staging| key.is_within(staging)) {
            return Err(refused(operation, key, "the name is reserved for temporary files"));
        }
        let (tree, inner_key) = (Arc::clone(&self.tree), key.clone());
        let done = tokio::task::spawn_blocking(move || work(&tree, &inner_key)).await;
        done.unwrap_or_else(|error| {
            Err(BucketError::Unavailable { operation, key: key.to_string(), source: error.into() })
        })
    }

    async fn lock(&self, key: &RelPath, operation: FlockOperation) -> Result<Locked, BucketError> {
        let started = self.clock.elapsed();
        loop {
            let locked = self.blocking("lock", key, move |tree, key| {
                tree.try_lock(operation).map_err(|error| failed("lock", key, tree.beneath.root())(error.source))
            });
            if let Some(locked) = locked.await? {
                return Ok(locked);
            }
            if self.clock.elapsed().saturating_sub(started) > LOCK_WAIT_MAX {
                let source = format!("another process holds `{}`", self.tree.lock_path().display()).into();
                return Err(BucketError::Unavailable { operation: "lock", key: key.to_string(), source });
            }
            self.clock.sleep(LOCK_POLL).await;
        }
    }

    async fn install(&self, key: &RelPath, staged: Staged, mode: PutMode) -> Result<Version, BucketError> {
        let operation = match mode {
            PutMode::Overwrite | PutMode::Create => FlockOperation::NonBlockingLockShared,
            PutMode::Update(_) => FlockOperation::NonBlockingLockExclusive,
        };
        let locked = self.lock(key, operation).await?;
        self.blocking("write", key, move |tree, key| tree.install(&locked, key, staged, &mode)).await
    }
}

impl Tree {
    fn lock_path(&self) -> PathBuf {
        self.staging.join(LOCK_NAME)
    }

    fn try_lock(&self, operation: FlockOperation) -> Result<Option<Locked>, FileError> {
        fsutil::create_directory(&self.staging)?;
        let path = self.lock_path();
        let flags = OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::open(&path, flags, Mode::from_raw_mode(0o666))
            .map_err(|error| FileError::at("lock", &path)(error.into()))?;
        match rustix::fs::flock(&file, operation) {
            Ok(()) => Ok(Some(Locked(file))),
            Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(None),
            Err(error) => Err(FileError::at("lock", &path)(error.into())),
        }
    }

    /// Returns the properties of the object at `key`, `None` if there is none.
    fn find(&self, key: &RelPath) -> Result<Option<ObjectMeta>, BucketError> {
        match self.beneath.stat(key) {
            Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => Ok(Some(meta_of(key.clone(), &stat))),
                FileType::Directory => Ok(None),
                FileType::Symlink => Err(refused("examine", key, "it is a symbolic link")),
                _ => Err(refused("examine", key, "it is not a regular file")),
            },
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(failed("examine", key, self.beneath.root())(error)),
        }
    }

    fn found(&self, key: &RelPath) -> Result<ObjectMeta, BucketError> {
        self.find(key)?.ok_or_else(|| BucketError::NotFound { key: key.to_string() })
    }

    fn open(&self, key: &RelPath) -> Result<(File, ObjectMeta), BucketError> {
        // Only a look at what it is keeps us from opening a device.
        self.found(key)?;
        let file = self.beneath.open_file(key).map_err(failed("read", key, self.beneath.root()))?;
        let meta = self.meta_of_file(key, &file)?;
        Ok((file, meta))
    }

    fn meta_of_file(&self, key: &RelPath, file: &File) -> Result<ObjectMeta, BucketError> {
        let stat = rustix::fs::fstat(file).map_err(|error| failed("examine", key, self.beneath.root())(error.into()));
        Ok(meta_of(key.clone(), &stat?))
    }

    fn install(&self, _: &Locked, key: &RelPath, staged: Staged, mode: &PutMode) -> Result<Version, BucketError> {
        let install = match mode {
            PutMode::Overwrite => Install::Replace,
            PutMode::Create => Install::New,
            PutMode::Update(_) => {
                mode.admit(key, self.find(key)?.map(|meta| meta.version).as_ref())?;
                Install::Replace
            }
        };
        match self.beneath.install(staged.path(), key, install, Durability::Synced) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                if self.beneath.open_directory(Some(key.as_str())).is_ok() {
                    return Err(refused("write", key, "keys below it exist, and a directory cannot be a file too"));
                }
                return Err(BucketError::Precondition { key: key.to_string() });
            }
            Err(error) => return Err(failed("write", key, self.beneath.root())(error)),
        }
        let file = staged.moved().map_err(|error| failed("write", key, self.beneath.root())(error.source))?;
        Ok(self.meta_of_file(key, &file)?.version)
    }

    fn delete(&self, _: &Locked, key: &RelPath, expected: Option<&Version>) -> Result<(), BucketError> {
        if let (Some(expected), Some(present)) = (expected, self.find(key)?)
            && present.version != *expected
        {
            return Err(BucketError::Precondition { key: key.to_string() });
        }
        match self.beneath.remove(key) {
            Err(error) if !is_absent(&error) && error.kind() != std::io::ErrorKind::IsADirectory => {
                Err(failed("delete", key, self.beneath.root())(error))
            }
            _ => Ok(()),
        }
    }
}

/// Returns what a bucket tells of a file.
fn meta_of(key: RelPath, stat: &Stat) -> ObjectMeta {
    let version = format!(
        "{:x}-{:x}.{:x}-{:x}-{:x}.{:x}",
        stat.st_ino, stat.st_mtime, stat.st_mtime_nsec, stat.st_size, stat.st_ctime, stat.st_ctime_nsec
    );
    let milliseconds = i64::try_from(stat.st_mtime_nsec / 1_000_000).unwrap_or_default();
    ObjectMeta {
        key,
        size: u64::try_from(stat.st_size).unwrap_or_default(),
        modified: Timestamp::from_milliseconds(stat.st_mtime.saturating_mul(1_000).saturating_add(milliseconds)),
        version: Version::new(version),
    }
}

#[async_trait]
impl Bucket for DirectoryBucket {
    async fn get(&self, key: &RelPath, options: GetOptions) -> Result<Object, BucketError> {
        self.blocking("read", key, move |tree, key| {
            let (file, meta) = tree.open(key)?;
            let range = options.admit(&meta)?;
            let body = body::stream(key, file, range)?;
            Ok(Object { meta, body })
        })
        .await
    }

    async fn put(&self, key: &RelPath, body: Body, mode: PutMode) -> Result<Version, BucketError> {
        let now = self.clock.now();
        let staged = self.blocking("write", key, move |tree, key| body::stage(key, &body, &tree.staging, now)).await?;
        self.install(key, staged, mode).await
    }

    async fn head(&self, key: &RelPath) -> Result<ObjectMeta, BucketError> {
        self.blocking("examine", key, Tree::found).await
    }

    async fn delete(&self, key: &RelPath, expected: Option<Version>) -> Result<(), BucketError> {
        let operation = match expected {
            None => FlockOperation::NonBlockingLockShared,
            Some(_) => FlockOperation::NonBlockingLockExclusive,
        };
        let locked = self.lock(key, operation).await?;
        self.blocking("delete", key, move |tree, key| tree.delete(&locked, key, expected.as_ref())).await
    }

    async fn list(&self, options: ListOptions) -> Result<Page, BucketError> {
        if options.directories {
            return directories::by_keys(self, options).await;
        }
        let tree = Arc::clone(&self.tree);
        let listed = tokio::task::spawn_blocking(move || {
            let staging = tree.staging_key.as_ref();
            if let (Some(staging), Some(prefix)) = (staging, &options.prefix)
                && prefix.is_within(staging)
            {
                return Ok(Page::default());
            }
            listing::list(&tree.beneath, staging, &options).map_err(|error| {
                let below = options.prefix.as_ref().map_or("", RelPath::as_str);
                error::classified("list", below, tree.beneath.root(), error)
            })
        });
        listed.await.unwrap_or_else(|error| {
            Err(BucketError::Unavailable { operation: "list", key: String::new(), source: error.into() })
        })
    }

    async fn copy(&self, source: &RelPath, target: &RelPath) -> Result<Version, BucketError> {
        let now = self.clock.now();
        let staged = self.blocking("copy", source, move |tree, key| {
            let (mut file, _) = tree.open(key)?;
            body::stage_file(key, &mut file, &tree.staging, now)
        });
        self.install(target, staged.await?, PutMode::Overwrite).await
    }

    fn locate(&self, key: &str) -> String {
        self.tree.beneath.root().join(key).display().to_string()
    }
}
