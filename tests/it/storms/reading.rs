//! Files are read when they are sent, here and now: a real reader would be a thread, and no seed decides about those.

use std::fs;

use async_trait::async_trait;
use bytes::Bytes;
use swamp::bucket::retry::Retry;
use swamp::bucket::{Body, Bucket, BucketError, GetOptions, ListOptions, Object, ObjectMeta, Page, PutMode, Version};
use swamp::path::RelPath;

use super::network::unavailable;

/// A bucket to which bytes are sent, and never files.
#[derive(Debug)]
pub(crate) struct Reading(pub(crate) Retry);

#[async_trait]
impl Bucket for Reading {
    async fn get(&self, key: &RelPath, options: GetOptions) -> Result<Object, BucketError> {
        self.0.get(key, options).await
    }

    async fn put(&self, key: &RelPath, body: Body, mode: PutMode) -> Result<Version, BucketError> {
        let bytes = match body {
            Body::Bytes(bytes) => bytes,
            Body::File(path) => match fs::read(&path) {
                Ok(bytes) => Bytes::from(bytes),
                Err(_gone) => return Err(unavailable("read the local file for", key.as_str())),
            },
        };
        self.0.put(key, Body::Bytes(bytes), mode).await
    }

    async fn head(&self, key: &RelPath) -> Result<ObjectMeta, BucketError> {
        self.0.head(key).await
    }

    async fn delete(&self, key: &RelPath, expected: Option<Version>) -> Result<(), BucketError> {
        self.0.delete(key, expected).await
    }

    async fn list(&self, options: ListOptions) -> Result<Page, BucketError> {
        self.0.list(options).await
    }

    async fn copy(&self, source: &RelPath, target: &RelPath) -> Result<Version, BucketError> {
        self.0.copy(source, target).await
    }

    fn locate(&self, key: &str) -> String {
        self.0.locate(key)
    }
}
