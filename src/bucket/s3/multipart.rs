//! Writing a large file in parts, streamed from disk: memory grows neither with the file nor with its parts.
//!
//! The condition is decided by the last request; until then no reader sees anything. A process that dies in between
//! leaves parts behind, which cost money and are removed by a lifecycle rule of the bucket.

use std::path::Path;

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tracing::debug;

use super::config::lasting;
use super::key::tag_of;
use super::put::{CONTENT_TYPE, part_of, refused_write, required_version};
use super::{LONG_REQUEST_FACTOR, S3Bucket, Store};
use crate::bucket::compare::holds;
use crate::bucket::conditions::refuse_early;
use crate::bucket::{Body, BucketError, PutMode, Version};
use crate::path::RelPath;

/// The size of a part of all but the largest files.
const PART_BYTES_MIN: u64 = 16 * 1024 * 1024;

/// The most parts S3 accepts.
const PARTS_MAX: u64 = 10_000;

/// Parts of one file under way at once.
const PARTS_PARALLEL_MAX: usize = 4;

/// One upload that has been begun.
struct Upload<'a> {
    store: &'a Store,
    key: &'a RelPath,
    path: &'a Path,
    size: u64,
    id: String,
}

/// Uploads a file and makes it visible if `mode` allows.
pub(super) async fn upload(
    bucket: &S3Bucket,
    key: &RelPath,
    path: &Path,
    size: u64,
    mode: &PutMode,
) -> Result<Version, BucketError> {
    let store = &*bucket.store;
    refuse_early(bucket, &store.policy, key, mode).await?;
    let begin = || async {
        let request = store.client.create_multipart_upload().bucket(&store.bucket).key(store.full_key(key.as_str()));
        request.content_type(CONTENT_TYPE).send().await.map_err(store.failed("begin the upload of", key.as_str()))
    };
    let id = store.policy.run(begin).await.result?.upload_id.ok_or_else(|| BucketError::Invalid {
        operation: "begin the upload of",
        key: key.to_string(),
        source: "the store answers without an upload id".into(),
    })?;
    let upload = Upload { store, key, path, size, id };
    let uploaded = match upload.send_parts().await {
        Ok(parts) => upload.complete(bucket, parts, mode).await,
        Err(error) => Err(error),
    };
    if uploaded.is_err() {
        upload.abort().await;
    }
    uploaded
}

impl Upload<'_> {
    async fn send_parts(&self) -> Result<Vec<CompletedPart>, BucketError> {
        let part_bytes = part_bytes(self.size);
        let parts = (0..self.size.div_ceil(part_bytes)).map(|index| {
            let offset = index * part_bytes;
            self.send_part(index, offset, part_bytes.min(self.size - offset))
        });
        let mut parts: Vec<_> = stream::iter(parts).buffer_unordered(PARTS_PARALLEL_MAX).try_collect().await?;
        parts.sort_unstable_by_key(CompletedPart::part_number);
        Ok(parts)
    }

    async fn send_part(&self, index: u64, offset: u64, size: u64) -> Result<CompletedPart, BucketError> {
        let number = i32::try_from(index + 1).unwrap_or(i32::MAX);
        let (store, key) = (self.store, self.key);
        let send = || async {
            let body = part_of(key, self.path, offset, size).await?;
            let request = store.client.upload_part().bucket(&store.bucket).key(store.full_key(key.as_str()));
            let request = request.upload_id(&self.id).part_number(number).body(body);
            let sent = request.customize().config_override(lasting(store.upload_time(size))).send().await;
            sent.map_err(store.failed("write a part of", key.as_str()))
        };
        let output = store.policy.run(send).await.result?;
        // A store that verified a checksum of a part wants to hear it again at the end.
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(output.e_tag)
            .set_checksum_crc32(output.checksum_crc32)
            .set_checksum_crc32_c(output.checksum_crc32_c)
            .set_checksum_crc64_nvme(output.checksum_crc64_nvme)
            .build())
    }

    async fn complete(
        &self,
        bucket: &S3Bucket,
        parts: Vec<CompletedPart>,
        mode: &PutMode,
    ) -> Result<Version, BucketError> {
        let (store, key) = (self.store, self.key);
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let complete = || async {
            let request = store.client.complete_multipart_upload().bucket(&store.bucket);
            let request = request.key(store.full_key(key.as_str())).upload_id(&self.id).multipart_upload(parts.clone());
            let request = match mode {
                PutMode::Overwrite => request,
                PutMode::Create => request.if_none_match("*"),
                PutMode::Update(version) => request.if_match(tag_of(version)),
            };
            let override_ = lasting(store.timeout * LONG_REQUEST_FACTOR);
            let sent = request.customize().config_override(override_).send().await;
            let output = sent.map_err(|error| refused_write(store.failed("write", key.as_str())(error), mode))?;
            required_version(key, output.e_tag())
        };
        let outcome = store.policy.run(complete).await;
        match outcome.result {
            // An earlier attempt may have been carried out, and all that got lost is the reply.
            Err(error) if outcome.is_repeated => {
                let body = Body::File(self.path.to_owned());
                holds(bucket, key, &body).await?.ok_or(error)
            }
            result => result,
        }
    }

    async fn abort(&self) {
        let request = self.store.client.abort_multipart_upload().bucket(&self.store.bucket);
        let aborted = request.key(self.store.full_key(self.key.as_str())).upload_id(&self.id).send().await;
        if let Err(error) = aborted {
            debug!(key = %self.key, error = &error as &dyn std::error::Error, "upload could not be aborted");
        }
    }
}

/// Returns the size of the parts of a file: whole mebibytes, as many as it takes to stay within [`PARTS_MAX`].
fn part_bytes(size: u64) -> u64 {
    size.div_ceil(PARTS_MAX).next_multiple_of(1024 * 1024).max(PART_BYTES_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_grow_when_there_would_be_too_many() {
        let largest: u64 = 5 * 1024 * 1024 * 1024 * 1024;

        assert_eq!(part_bytes(20 * 1024 * 1024), PART_BYTES_MIN);
        assert_eq!(part_bytes(PARTS_MAX * PART_BYTES_MIN + 1), PART_BYTES_MIN + 1024 * 1024);
        assert!(largest.div_ceil(part_bytes(largest)) <= PARTS_MAX);
    }
}
