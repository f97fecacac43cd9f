//! An S3 bucket, at AWS or at a compatible server.
//!
//! A key is `{prefix}/{key}` verbatim, a version is an entity tag without its quotes. [`S3Bucket`] makes each request
//! once, except for bodies and parts; [`open`] adds the retries. Copies are limited to 5 GB by the store.

mod config;
mod error;
mod key;
mod listing;
mod multipart;
mod put;
mod read;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::primitives::DateTime;

use super::retry::{Policy, Retry};
use super::{
    Body, Bucket, BucketError, GetOptions, KEY_TOO_LONG, ListOptions, Object, ObjectMeta, Page, PutMode, SharedBucket,
    Version,
};
use crate::clock::{Clock, Timestamp};
use crate::path::{PATH_BYTES_MAX, RelPath};
use put::required_version;

pub use config::{Checksums, Credentials, REQUEST_TIMEOUT_DEFAULT, S3Config};

/// How much longer than others those requests may take in which the store moves bytes itself.
const LONG_REQUEST_FACTOR: u32 = 10;

/// An S3 bucket that makes each request once.
#[derive(Clone, Debug)]
pub struct S3Bucket {
    store: Arc<Store>,
}

/// What every request needs.
struct Store {
    client: Client,
    bucket: String,
    prefix: String,
    profile: Option<String>,
    /// Where requests go, for messages.
    address: String,
    timeout: Duration,
    policy: Policy,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("bucket", &self.bucket).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// Opens a bucket with retries. Asks nothing of the bucket itself.
pub async fn open(config: &S3Config, clock: Arc<dyn Clock>) -> Result<SharedBucket, BucketError> {
    let bucket = S3Bucket::open(config, Arc::clone(&clock)).await?;
    Ok(Arc::new(Retry::new(Arc::new(bucket), Policy::new(clock))))
}

impl S3Bucket {
    /// Opens a bucket. Asks nothing of the bucket itself, though perhaps the machine for its region.
    pub async fn open(config: &S3Config, clock: Arc<dyn Clock>) -> Result<Self, BucketError> {
        let client = config.connect().await?;
        let region = client.config().region().map_or("an unknown region", |region| region.as_ref());
        let store = Store {
            address: config.endpoint.clone().unwrap_or_else(|| format!("S3 in {region}")),
            client,
            bucket: config.bucket.clone(),
            prefix: config.prefix.clone(),
            profile: config.profile.clone(),
            timeout: config.request_timeout,
            policy: Policy::new(clock),
        };
        Ok(Self { store: Arc::new(store) })
    }
}

impl Store {
    /// Returns the key in the bucket, or with an empty text the beginning of all of them.
    fn full_key(&self, key: &str) -> String {
        if self.prefix.is_empty() { key.to_owned() } else { format!("{}/{key}", self.prefix) }
    }

    fn get_request(&self, key: &RelPath) -> GetObjectFluentBuilder {
        self.client.get_object().bucket(&self.bucket).key(self.full_key(key.as_str()))
    }
}

#[async_trait]
impl Bucket for S3Bucket {
    async fn get(&self, key: &RelPath, options: GetOptions) -> Result<Object, BucketError> {
        read::get(&self.store, key, options).await
    }

    async fn put(&self, key: &RelPath, body: Body, mode: PutMode) -> Result<Version, BucketError> {
        put::put(self, key, body, mode).await
    }

    async fn head(&self, key: &RelPath) -> Result<ObjectMeta, BucketError> {
        let store = &self.store;
        let request = store.client.head_object().bucket(&store.bucket).key(store.full_key(key.as_str()));
        let output = request.send().await.map_err(store.failed("examine", key.as_str()))?;
        Ok(ObjectMeta {
            key: key.clone(),
            size: required_size(key, output.content_length())?,
            modified: timestamp_of(output.last_modified()),
            version: required_version(key, output.e_tag())?,
        })
    }

    async fn delete(&self, key: &RelPath, expected: Option<Version>) -> Result<(), BucketError> {
        let store = &self.store;
        let request = store.client.delete_object().bucket(&store.bucket).key(store.full_key(key.as_str()));
        let sent = request.set_if_match(expected.as_ref().map(key::tag_of)).send().await;
        match sent.map_err(store.failed("delete", key.as_str())) {
            Ok(_) | Err(BucketError::NotFound { .. }) => Ok(()),
            // Some stores find that an absent object does not match either.
            Err(error @ BucketError::Precondition { .. }) => match self.head(key).await {
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
        let copy_source = key::escape(&format!("{}/{}", store.bucket, store.full_key(source.as_str())));
        let request = store.client.copy_object().bucket(&store.bucket).key(store.full_key(target.as_str()));
        let time = config::lasting(store.timeout * LONG_REQUEST_FACTOR);
        let sent = request.copy_source(copy_source).customize().config_override(time).send().await;
        let output = sent.map_err(store.failed("copy", source.as_str()))?;
        required_version(target, output.copy_object_result().and_then(|result| result.e_tag()))
    }

    fn refuses(&self, key: &str) -> Option<&'static str> {
        (self.store.full_key(key).len() > PATH_BYTES_MAX).then_some(KEY_TOO_LONG)
    }

    fn locate(&self, key: &str) -> String {
        format!("s3://{}/{}", self.store.bucket, self.store.full_key(key))
    }
}

fn required_size(key: &RelPath, length: Option<i64>) -> Result<u64, BucketError> {
    length.and_then(|length| length.try_into().ok()).ok_or_else(|| BucketError::Invalid {
        operation: "measure",
        key: key.to_string(),
        source: "the store answers without a length".into(),
    })
}

fn timestamp_of(time: Option<&DateTime>) -> Timestamp {
    let milliseconds = time.and_then(|time| time.to_millis().ok());
    milliseconds.map(Timestamp::from_milliseconds).unwrap_or_default()
}
