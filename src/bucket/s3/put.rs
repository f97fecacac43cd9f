//! Writing an object in one request.

use std::path::Path;
use std::time::Duration;

use aws_sdk_s3::primitives::{ByteStream, Length};
use tokio::fs;

use super::config::lasting;
use super::key::{tag_of, version_of};
use super::{S3Bucket, Store, multipart};
use crate::bucket::{Body, BucketError, PutMode, Version};
use crate::fsutil::FileError;
use crate::path::RelPath;

/// The largest file that is read into memory instead of streamed; a body in memory needs no chunked signature.
const READ_BYTES_MAX: u64 = 1024 * 1024;

/// The largest file that is written in one request.
pub(super) const SINGLE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The slowest upload that is waited for, in bytes per second.
const UPLOAD_SPEED_MIN: u64 = 64 * 1024;

/// What every object is declared to be, as the other writers of these datastores have it.
pub(super) const CONTENT_TYPE: &str = "application/octet-stream";

/// Writes an object, in parts if it is a large file.
pub(super) async fn put(bucket: &S3Bucket, key: &RelPath, body: Body, mode: PutMode) -> Result<Version, BucketError> {
    let store = &*bucket.store;
    let path = match body {
        Body::Bytes(bytes) => return single(store, key, bytes.len() as u64, bytes.into(), &mode).await,
        Body::File(path) => path,
    };
    let unreadable = |error| BucketError::unreadable(key, FileError::at("read", &path)(error));
    let size = fs::metadata(&path).await.map_err(unreadable)?.len();
    if size > SINGLE_BYTES_MAX {
        return multipart::upload(bucket, key, &path, size, &mode).await;
    }
    if size > READ_BYTES_MAX {
        return single(store, key, size, part_of(key, &path, 0, size).await?, &mode).await;
    }
    let bytes = fs::read(&path).await.map_err(unreadable)?;
    single(store, key, bytes.len() as u64, bytes.into(), &mode).await
}

/// Returns a stream of a part of a file.
pub(super) async fn part_of(key: &RelPath, path: &Path, offset: u64, size: u64) -> Result<ByteStream, BucketError> {
    let built = ByteStream::read_from().path(path).offset(offset).length(Length::Exact(size)).build().await;
    built.map_err(|error| BucketError::unreadable(key, FileError::at("read", path)(std::io::Error::other(error))))
}

async fn single(
    store: &Store,
    key: &RelPath,
    size: u64,
    body: ByteStream,
    mode: &PutMode,
) -> Result<Version, BucketError> {
    let mut request = store.client.put_object().bucket(&store.bucket).key(store.full_key(key.as_str()));
    request = request.content_type(CONTENT_TYPE).body(body);
    request = match mode {
        PutMode::Overwrite => request,
        PutMode::Create => request.if_none_match("*"),
        PutMode::Update(version) => request.if_match(tag_of(version)),
    };
    let sent = request.customize().config_override(lasting(store.upload_time(size))).send().await;
    let output = sent.map_err(|error| refused_write(store.failed("write", key.as_str())(error), mode))?;
    required_version(key, output.e_tag())
}

/// Says of an absent object that was to be updated what the port says of it: it is not in the expected state.
pub(super) fn refused_write(error: BucketError, mode: &PutMode) -> BucketError {
    match (error, mode) {
        (BucketError::NotFound { key }, PutMode::Update(_)) => BucketError::Precondition { key },
        (error, _) => error,
    }
}

/// Returns the version a store must have told.
pub(super) fn required_version(key: &RelPath, tag: Option<&str>) -> Result<Version, BucketError> {
    tag.map(version_of).ok_or_else(|| BucketError::Invalid {
        operation: "identify",
        key: key.to_string(),
        source: "the store answers without an entity tag".into(),
    })
}

impl Store {
    /// Returns how long a request with this much body may take.
    pub(super) fn upload_time(&self, size: u64) -> Duration {
        self.timeout + Duration::from_secs(size / UPLOAD_SPEED_MIN)
    }
}
