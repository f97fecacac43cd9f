//! Finds out whether a store honours conditional writes; some S3-compatible servers accept and ignore them.

use bytes::Bytes;

use crate::path::RelPath;

use super::{Body, Bucket, BucketError, PutMode, Version};

/// Which conditional writes a store honours. Locks need `create`; index commits are safest with `update`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// [`PutMode::Create`] writes an absent key and leaves a present one alone.
    pub create: bool,
    /// [`PutMode::Update`] writes a key in the given state and leaves it alone in any other.
    pub update: bool,
}

/// Tries conditional writes on `scratch_key`, which should be a fresh name, and deletes it afterwards.
pub async fn probe_conditions(bucket: &dyn Bucket, scratch_key: &RelPath) -> Result<Conditions, BucketError> {
    let probed = probe(bucket, scratch_key).await;
    let cleaned = bucket.delete(scratch_key, None).await;
    let conditions = probed?;
    cleaned?;
    Ok(conditions)
}

async fn probe(bucket: &dyn Bucket, key: &RelPath) -> Result<Conditions, BucketError> {
    bucket.delete(key, None).await?;
    let made = attempt(bucket, key, "one", PutMode::Create).await?;
    let made_twice = attempt(bucket, key, "two", PutMode::Create).await?;
    let first = write(bucket, key, "three", PutMode::Overwrite).await?;
    let second = attempt(bucket, key, "four", PutMode::Update(first.clone())).await?;
    let outdated = attempt(bucket, key, "five", PutMode::Update(first)).await?;
    Ok(Conditions { create: made.is_some() && made_twice.is_none(), update: second.is_some() && outdated.is_none() })
}

/// Writes under a condition; `None` if the store refused, because of the condition or because it knows none.
async fn attempt(
    bucket: &dyn Bucket,
    key: &RelPath,
    text: &'static str,
    mode: PutMode,
) -> Result<Option<Version>, BucketError> {
    match write(bucket, key, text, mode).await {
        Ok(version) => Ok(Some(version)),
        Err(BucketError::Precondition { .. } | BucketError::Invalid { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn write(bucket: &dyn Bucket, key: &RelPath, text: &'static str, mode: PutMode) -> Result<Version, BucketError> {
    bucket.put(key, Body::Bytes(Bytes::from_static(text.as_bytes())), mode).await
}
