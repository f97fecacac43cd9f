//! Writing an object: a small one in one request, a large file in an upload that is resumed where it was interrupted.
//!
//! Files are streamed from disk: memory does not grow with them. An upload becomes visible with its last byte, and the
//! condition is decided then.

use std::time::Duration;

use futures::future::FutureExt as _;
use google_cloud_gax::exponential_backoff::ExponentialBackoffBuilder;
use google_cloud_gax::retry_policy::{NeverRetry, RetryPolicyExt as _};
use google_cloud_storage::builder::storage::WriteObject;
use google_cloud_storage::retry_policy::RetryableErrors;
use tokio::fs;

use super::source::Upload;
use super::{GcsBucket, LONG_REQUEST_FACTOR, Store, generation_of, version_of};
use crate::bucket::conditions::refuse_early;
use crate::bucket::retry::ATTEMPTS_MAX;
use crate::bucket::{Body, BucketError, Outage, PutMode, Version};
use crate::fsutil::FileError;
use crate::path::RelPath;

/// The largest file that is read into memory instead of streamed.
const READ_BYTES_MAX: u64 = 1024 * 1024;

/// The largest object that is written in one request.
const SINGLE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The slowest upload that is waited for, in bytes per second.
const UPLOAD_SPEED_MIN: u64 = 64 * 1024;

/// The first wait before an interrupted upload is resumed.
const RESUME_DELAY: Duration = Duration::from_millis(500);

/// What every object is declared to be, as the other writers of these datastores have it.
const CONTENT_TYPE: &str = "application/octet-stream";

/// Writes an object.
pub(super) async fn put(bucket: &GcsBucket, key: &RelPath, body: Body, mode: PutMode) -> Result<Version, BucketError> {
    let store = &*bucket.store;
    let upload = match body {
        Body::Bytes(bytes) => Upload::of_bytes(bytes),
        Body::File(path) => {
            let unreadable = |error| BucketError::unreadable(key, FileError::at("read", &path)(error));
            let size = fs::metadata(&path).await.map_err(unreadable)?.len();
            if size > READ_BYTES_MAX {
                Upload::of_file(&path).await.map_err(unreadable)?
            } else {
                Upload::of_bytes(fs::read(&path).await.map_err(unreadable)?.into())
            }
        }
    };
    let written = if upload.size() > SINGLE_BYTES_MAX {
        refuse_early(bucket, &store.policy, key, &mode).await?;
        resumable(store, key, upload, &mode).await
    } else {
        single(store, key, upload, &mode).await
    };
    match written {
        // There is nothing that a write could not find, but the upload that was begun for it.
        Err(BucketError::NotFound { key }) => {
            let source = Outage::Failing.caused_by("the upload is gone".into());
            Err(BucketError::Unavailable { operation: "write", key, source })
        }
        written => written,
    }
}

async fn single(store: &Store, key: &RelPath, upload: Upload, mode: &PutMode) -> Result<Version, BucketError> {
    let limit = store.timeout() + Duration::from_secs(upload.size() / UPLOAD_SPEED_MIN);
    let request = store.write(key, upload, mode).await?.with_resumable_upload_threshold(usize::MAX);
    let request = request.with_retry_policy(NeverRetry).send_unbuffered().boxed();
    version_of(key, &store.answered("write", key.as_str(), limit, request).await?)
}

/// The one request that the client itself repeats: only it knows how far an upload came.
async fn resumable(store: &Store, key: &RelPath, upload: Upload, mode: &PutMode) -> Result<Version, BucketError> {
    let progress = upload.progress();
    let delays = ExponentialBackoffBuilder::new().with_initial_delay(RESUME_DELAY).clamp();
    let request = store.write(key, upload, mode).await?.with_resumable_upload_threshold(0_usize);
    let request =
        request.with_retry_policy(RetryableErrors.with_attempt_limit(ATTEMPTS_MAX)).with_backoff_policy(delays);
    let idle_max = store.timeout() * LONG_REQUEST_FACTOR;
    let sent = progress.watch(idle_max, request.send_unbuffered().boxed()).await.map_err(|elapsed| {
        let source = Outage::TimedOut.at(store.address(), elapsed.into());
        BucketError::Unavailable { operation: "write", key: key.to_string(), source }
    })?;
    version_of(key, &sent.map_err(|error| store.meaning("write", key.as_str(), error))?)
}

impl Store {
    async fn write(&self, key: &RelPath, upload: Upload, mode: &PutMode) -> Result<WriteObject<Upload>, BucketError> {
        let clients = self.clients().await?;
        let request = clients.storage.write_object(self.resource(), self.full_key(key.as_str()), upload);
        let request = request.set_content_type(CONTENT_TYPE);
        Ok(match mode {
            PutMode::Overwrite => request,
            PutMode::Create => request.set_if_generation_match(0_i64),
            PutMode::Update(version) => request.set_if_generation_match(generation_of(key, version)?),
        })
    }
}
