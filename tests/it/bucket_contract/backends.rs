//! The implementations, each empty, with what must outlive them; and short spellings of calls.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use swamp::bucket::directory::DirectoryBucket;
use swamp::bucket::gcs::{self, GcsConfig};
use swamp::bucket::memory::MemoryBucket;
use swamp::bucket::prefixed::Prefixed;
use swamp::bucket::s3::{self, Credentials, S3Config};
use swamp::bucket::{Body, BucketError, GetOptions, PutMode, SharedBucket, Version};
use swamp::clock::{Clock, SystemClock};
use swamp::path::RelPath;
use swamp_testbed::gcs::GcsServer;
use swamp_testbed::s3::S3Server;

/// Enough for every small object of these tests.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// An empty bucket.
pub(crate) struct Backend {
    pub(crate) bucket: SharedBucket,
    /// Which keys it knows; it must refuse every other.
    pub(crate) takes: fn(&str) -> bool,
    /// The directory or server behind it.
    _alive: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bucket.fmt(f)
    }
}

fn every_key(_: &str) -> bool {
    true
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

pub(crate) fn memory() -> Backend {
    Backend { bucket: Arc::new(MemoryBucket::new(clock())), takes: every_key, _alive: Box::new(()) }
}

pub(crate) fn prefixed_memory() -> Backend {
    let inner: SharedBucket = Arc::new(MemoryBucket::new(clock()));
    Backend { bucket: Arc::new(Prefixed::new(inner, key("n"))), takes: every_key, _alive: Box::new(()) }
}

pub(crate) fn directory() -> Backend {
    let root = tempfile::tempdir().expect("a directory");
    let staging = root.path().join(".swamp-tmp");
    let bucket = DirectoryBucket::new(root.path().to_owned(), staging, clock());
    Backend { bucket: Arc::new(bucket), takes: every_key, _alive: Box::new(root) }
}

pub(crate) async fn s3() -> Backend {
    let server = S3Server::start();
    let config = S3Config { prefix: "p".to_owned(), ..config_of(&server) };
    let bucket = s3::open(&config, clock()).await.expect("opened");
    Backend { bucket, takes: every_key, _alive: Box::new(server) }
}

pub(crate) fn gcs() -> Backend {
    let server = GcsServer::start();
    let config = GcsConfig { prefix: "p".to_owned(), ..gcs_config_of(&server) };
    // The service refuses names that break a line.
    let takes = |key: &str| !key.contains(['\r', '\n']);
    Backend { bucket: gcs::open(&config, clock()), takes, _alive: Box::new(server) }
}

/// Returns how to reach a server's bucket, without a prefix.
pub(crate) fn gcs_config_of(server: &GcsServer) -> GcsConfig {
    GcsConfig {
        endpoint: Some(server.endpoint()),
        credentials: gcs::Credentials::Anonymous,
        ..GcsConfig::new(server.bucket())
    }
}

/// Returns how to reach a server's bucket, without a prefix.
pub(crate) fn config_of(server: &S3Server) -> S3Config {
    S3Config {
        region: Some(server.region().to_owned()),
        endpoint: Some(server.endpoint()),
        force_path_style: Some(true),
        credentials: Credentials::Key {
            access_key_id: server.access_key_id().to_owned(),
            secret_access_key: server.secret_access_key().to_owned(),
        },
        ..S3Config::new(server.bucket())
    }
}

pub(crate) fn key(text: &str) -> RelPath {
    text.parse().expect("a relative path")
}

pub(crate) fn body(text: &str) -> Body {
    Body::Bytes(Bytes::copy_from_slice(text.as_bytes()))
}

/// Returns bytes that repeat late and look the same on every call.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

impl Backend {
    pub(crate) async fn put(&self, at: &str, text: &str, mode: PutMode) -> Result<Version, BucketError> {
        self.bucket.put(&key(at), body(text), mode).await
    }

    /// Writes an object, expecting nothing to go wrong.
    pub(crate) async fn write(&self, at: &str, text: &str) -> Version {
        self.put(at, text, PutMode::Overwrite).await.expect("written")
    }

    pub(crate) async fn get(&self, at: &str, options: GetOptions) -> Result<Bytes, BucketError> {
        self.bucket.get(&key(at), options).await?.bytes(BYTES_MAX).await
    }

    /// Reads a whole object as text, expecting nothing to go wrong.
    pub(crate) async fn read(&self, at: &str) -> String {
        let bytes = self.get(at, GetOptions::default()).await.expect("read");
        String::from_utf8(bytes.to_vec()).expect("text")
    }
}

/// Returns a failure's variant, which is what the port promises.
pub(crate) fn variant<T>(result: Result<T, BucketError>) -> &'static str {
    let Err(error) = result else { return "no failure" };
    match error {
        BucketError::NotFound { .. } => "NotFound",
        BucketError::NotModified { .. } => "NotModified",
        BucketError::Precondition { .. } => "Precondition",
        BucketError::Denied { .. } => "Denied",
        BucketError::Unavailable { .. } => "Unavailable",
        BucketError::Invalid { .. } => "Invalid",
        BucketError::TooLarge { .. } => "TooLarge",
        BucketError::Corrupt { .. } => "Corrupt",
    }
}
