//! Reading an object, or a range of it.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::FutureExt as _;
use futures::stream::{self, StreamExt as _};
use google_cloud_storage::builder::storage::ReadObject;
use google_cloud_storage::model_ext::ReadRange;
use google_cloud_storage::read_object::ReadObjectResponse;

use super::{Store, generation_of, written_at};
use crate::bucket::resume::{Chunks, Patience, Reopen, resumed};
use crate::bucket::{BucketError, GetOptions, Object, ObjectMeta, Version};
use crate::clock::Timestamp;
use crate::path::RelPath;

/// An object in the state it was found in.
struct Found {
    store: Arc<Store>,
    key: RelPath,
    generation: i64,
}

/// Starts reading.
pub(super) async fn get(store: &Arc<Store>, key: &RelPath, options: GetOptions) -> Result<Object, BucketError> {
    options.check(key)?;
    let mut request = store.read(key).await?;
    if let Some(version) = &options.if_match {
        request = request.set_if_generation_match(generation_of(key, version)?);
    }
    // An object is not in a state that is none.
    if let Some(generation) = options.if_none_match.as_ref().and_then(|version| generation_of(key, version).ok()) {
        request = request.set_if_generation_not_match(generation);
    }
    if let Some(range) = &options.range {
        request = request.set_read_range(segment(range));
    }
    let answer = store.answered("read", key.as_str(), store.timeout(), request.send().boxed()).await?;
    let found = answer.object();
    let size = u64::try_from(found.size).unwrap_or_default();
    let range = options.range.map_or(0..size, |range| range.start..range.end.min(size));
    let version = Version::new(found.generation.to_string());
    let modified = match written_at(found.generation) {
        Some(modified) => modified,
        None => store.modified(key, &version).await?,
    };
    let patience = Patience { timeout: store.timeout(), policy: store.policy.clone() };
    let found = Found { store: Arc::clone(store), key: key.clone(), generation: found.generation };
    let body = resumed(Box::new(found), patience, range, chunks(answer));
    Ok(Object { meta: ObjectMeta { key: key.clone(), size, modified, version }, body })
}

impl Store {
    async fn read(&self, key: &RelPath) -> Result<ReadObject, BucketError> {
        Ok(self.clients().await?.storage.read_object(self.resource(), self.full_key(key.as_str())))
    }

    /// Asks when an object was written, of a server whose generations do not tell.
    async fn modified(&self, key: &RelPath, version: &Version) -> Result<Timestamp, BucketError> {
        match self.head(key).await {
            Ok(meta) if meta.version == *version => Ok(meta.modified),
            Ok(_) | Err(BucketError::NotFound { .. }) => Ok(Timestamp::default()),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Reopen for Found {
    fn key(&self) -> &RelPath {
        &self.key
    }

    async fn reopen(&self, left: &Range<u64>) -> Result<Chunks, BucketError> {
        let Self { store, key, generation } = self;
        let request = store.read(key).await?.set_if_generation_match(*generation).set_read_range(segment(left));
        Ok(chunks(store.answered("read", key.as_str(), store.timeout(), request.send().boxed()).await?))
    }
}

fn chunks(body: ReadObjectResponse) -> Chunks {
    let next = |mut body: ReadObjectResponse| async move {
        let chunk = body.next().await?;
        Some((chunk.map_err(Into::into), body))
    };
    stream::unfold(body, next).boxed()
}

/// Returns a range, which must not be empty, as the client wants it; sizes are signed there.
fn segment(range: &Range<u64>) -> ReadRange {
    const MAX: u64 = i64::MAX.unsigned_abs();
    let start = range.start.min(MAX - 1);
    ReadRange::segment(start, (range.end - range.start).min(MAX - start))
}
