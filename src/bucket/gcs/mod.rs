//! A bucket of Google Cloud Storage, or of a server that speaks its protocols.
//!
//! A key is `{prefix}/{key}` verbatim, a version is a generation. Content travels by the JSON API, everything else by
//! gRPC, as the official client has it. [`GcsBucket`] makes each request once, except for bodies and resumable uploads;
//! [`open`] adds the retries. Nothing is asked of anybody before the first request: neither tokens nor connections.

mod client;
mod config;
mod credentials;
mod error;
mod listing;
mod put;
mod read;
mod source;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::FutureExt as _;
use google_cloud_storage::model;
use tokio::sync::OnceCell;

use super::retry::{Policy, Retry};
use super::{
    Body, Bucket, BucketError, GetOptions, KEY_TOO_LONG, ListOptions, Object, ObjectMeta, Page, PutMode, SharedBucket,
    Version,
};
use crate::clock::{Clock, Timestamp};
use crate::path::{PATH_BYTES_MAX, RelPath};
use client::Clients;

pub use config::{Credentials, GcsConfig, REQUEST_TIMEOUT_DEFAULT};

/// How much longer than others those requests may take in which the store moves bytes itself.
const LONG_REQUEST_FACTOR: u32 = 10;

/// A bucket of Google Cloud Storage that makes each request once.
#[derive(Clone, Debug)]
pub struct GcsBucket {
    store: Arc<Store>,
}

/// What every request needs.
struct Store {
    config: GcsConfig,
    /// Made for the first request.
    clients: OnceCell<Clients>,
    policy: Policy,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GcsConfig { bucket, prefix, .. } = &self.config;
        f.debug_struct("Store").field("bucket", bucket).field("prefix", prefix).finish_non_exhaustive()
    }
}

/// Opens a bucket with retries. Asks nothing of anybody.
pub fn open(config: &GcsConfig, clock: Arc<dyn Clock>) -> SharedBucket {
    let bucket = GcsBucket::new(config, Arc::clone(&clock));
    Arc::new(Retry::new(Arc::new(bucket), Policy::new(clock)))
}

impl GcsBucket {
    /// Returns the bucket. Asks nothing of anybody.
    pub fn new(config: &GcsConfig, clock: Arc<dyn Clock>) -> Self {
        let store = Store { config: config.clone(), clients: OnceCell::new(), policy: Policy::new(clock) };
        Self { store: Arc::new(store) }
    }
}

impl Store {
    /// Returns the key in the bucket, or with an empty text the beginning of all of them.
    fn full_key(&self, key: &str) -> String {
        let prefix = &self.config.prefix;
        if prefix.is_empty() { key.to_owned() } else { format!("{prefix}/{key}") }
    }

    /// Returns the bucket as requests name it.
    fn resource(&self) -> String {
        format!("projects/_/buckets/{}", self.config.bucket)
    }

    fn timeout(&self) -> Duration {
        self.config.request_timeout
    }

    async fn head(&self, key: &RelPath) -> Result<ObjectMeta, BucketError> {
        let clients = self.clients().await?;
        let request = clients.control.get_object().set_bucket(self.resource()).set_object(self.full_key(key.as_str()));
        let object = self.answered("examine", key.as_str(), self.timeout(), request.send().boxed()).await?;
        meta_of(key.clone(), &object)
    }
}

#[async_trait]
impl Bucket for GcsBucket {
    async fn get(&self, key: &RelPath, options: GetOptions) -> Result<Object, BucketError> {
        read::get(&self.store, key, options).await
    }

    async fn put(&self, key: &RelPath, body: Body, mode: PutMode) -> Result<Version, BucketError> {
        put::put(self, key, body, mode).await
    }

    async fn head(&self, key: &RelPath) -> Result<ObjectMeta, BucketError> {
        self.store.head(key).await
    }

    async fn delete(&self, key: &RelPath, expected: Option<Version>) -> Result<(), BucketError> {
        let store = &self.store;
        let expected = expected.map(|version| generation_of(key, &version)).transpose()?;
        let clients = store.clients().await?;
        let request = clients.control.delete_object().set_bucket(store.resource());
        let request = request.set_object(store.full_key(key.as_str())).set_or_clear_if_generation_match(expected);
        match store.answered("delete", key.as_str(), store.timeout(), request.send().boxed()).await {
            Ok(()) | Err(BucketError::NotFound { .. }) => Ok(()),
            // Some stores find that an absent object does not match either.
            Err(error @ BucketError::Precondition { .. }) => match store.head(key).await {
                Err(BucketError::NotFound { .. }) => Ok(()),
                _ => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    async fn list(&self, options: ListOptions) -> Result<Page, BucketError> {
        listing::list(&self.store, options).await
    }

    async fn copy(&self, source: &RelPath, target: &RelPath) -> Result<Version, BucketError> {
        let store = &self.store;
        let clients = store.clients().await?;
        let request = clients.control.rewrite_object();
        let request = request.set_source_bucket(store.resource()).set_source_object(store.full_key(source.as_str()));
        let mut request =
            request.set_destination_bucket(store.resource()).set_destination_name(store.full_key(target.as_str()));
        loop {
            let limit = store.timeout() * LONG_REQUEST_FACTOR;
            let answer = store.answered("copy", source.as_str(), limit, request.clone().send().boxed()).await?;
            if answer.done {
                return version_of(target, &answer.resource.unwrap_or_default());
            }
            // A large copy takes several calls, each of which goes on where the one before ended.
            request = request.set_rewrite_token(answer.rewrite_token);
        }
    }

    fn refuses(&self, key: &str) -> Option<&'static str> {
        if key.contains(['\r', '\n']) {
            return Some("Google Cloud Storage takes no names with line breaks");
        }
        (self.store.full_key(key).len() > PATH_BYTES_MAX).then_some(KEY_TOO_LONG)
    }

    fn locate(&self, key: &str) -> String {
        format!("gs://{}/{}", self.store.config.bucket, self.store.full_key(key))
    }
}

fn meta_of(key: RelPath, object: &model::Object) -> Result<ObjectMeta, BucketError> {
    let version = version_of(&key, object)?;
    let created = object.create_time.as_ref();
    let created =
        created.map(|time| Timestamp::from_milliseconds(time.seconds() * 1000 + i64::from(time.nanos()) / 1_000_000));
    let size = u64::try_from(object.size).unwrap_or_default();
    Ok(ObjectMeta {
        key,
        size,
        modified: created.or_else(|| written_at(object.generation)).unwrap_or_default(),
        version,
    })
}

/// Returns the version that the store must have told.
fn version_of(key: &RelPath, object: &model::Object) -> Result<Version, BucketError> {
    if object.generation > 0 {
        return Ok(Version::new(object.generation.to_string()));
    }
    let source = "the store answers without a generation".into();
    Err(BucketError::Invalid { operation: "identify", key: key.to_string(), source })
}

/// Returns a version as the store counts it; anything else is no state that the object can be in.
fn generation_of(key: &RelPath, version: &Version) -> Result<i64, BucketError> {
    let generation = version.as_str().parse().ok().filter(|generation| *generation > 0);
    generation.ok_or_else(|| BucketError::Precondition { key: key.to_string() })
}

/// Returns when a generation was written: GCS counts them in microseconds since 1970. `None` for one that is no time
/// after 2001, as servers that only count have them.
fn written_at(generation: i64) -> Option<Timestamp> {
    const MICROSECONDS: std::ops::Range<i64> = 1_000_000_000_000_000..10_000_000_000_000_000;
    MICROSECONDS.contains(&generation).then(|| Timestamp::from_milliseconds(generation / 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_tell_when_they_were_written() {
        assert_eq!(written_at(1_767_225_600_123_456), Some(Timestamp::from_milliseconds(1_767_225_600_123)));
        assert_eq!(written_at(42), None);
    }

    #[test]
    fn a_version_that_is_no_generation_is_never_present() {
        let key = RelPath::from_trusted("a".to_owned());

        assert_eq!(generation_of(&key, &Version::new("17")).expect("a generation"), 17);
        for text in ["", "0", "-1", "d41d8cd98f00b204e9800998ecf8427e"] {
            let refused = generation_of(&key, &Version::new(text));
            assert!(matches!(refused, Err(BucketError::Precondition { .. })), "{text}: {refused:?}");
        }
    }
}
