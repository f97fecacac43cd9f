//! Reading an object, or a range of it.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use futures::stream::{self, StreamExt as _};

use super::key::{parse_content_range, range_header, tag_of};
use super::put::required_version;
use super::{Store, required_size, timestamp_of};
use crate::bucket::resume::{Chunks, Patience, Reopen, resumed};
use crate::bucket::{BucketError, GetOptions, Object, ObjectMeta, Version};
use crate::path::RelPath;

/// An object in the state it was found in.
struct Found {
    store: Arc<Store>,
    key: RelPath,
    version: Version,
}

/// Starts reading.
pub(super) async fn get(store: &Arc<Store>, key: &RelPath, options: GetOptions) -> Result<Object, BucketError> {
    options.check(key)?;
    let request = store
        .get_request(key)
        .set_range(options.range.as_ref().map(range_header))
        .set_if_match(options.if_match.as_ref().map(tag_of))
        .set_if_none_match(options.if_none_match.as_ref().map(tag_of));
    let output = request.send().await.map_err(store.failed("read", key.as_str()))?;
    let (range, size) = if options.range.is_some() {
        answered_range(key, &output)?
    } else {
        let size = required_size(key, output.content_length())?;
        (0..size, size)
    };
    let version = required_version(key, output.e_tag())?;
    let modified = timestamp_of(output.last_modified());
    let found = Found { store: Arc::clone(store), key: key.clone(), version: version.clone() };
    let patience = Patience { timeout: store.timeout, policy: store.policy.clone() };
    let body = resumed(Box::new(found), patience, range, chunks(output.body));
    Ok(Object { meta: ObjectMeta { key: key.clone(), size, modified, version }, body })
}

#[async_trait]
impl Reopen for Found {
    fn key(&self) -> &RelPath {
        &self.key
    }

    async fn reopen(&self, left: &Range<u64>) -> Result<Chunks, BucketError> {
        let request = self.store.get_request(&self.key).range(range_header(left)).if_match(tag_of(&self.version));
        let output = request.send().await.map_err(self.store.failed("read", self.key.as_str()))?;
        let (range, _) = answered_range(&self.key, &output)?;
        if range == *left {
            return Ok(chunks(output.body));
        }
        let source = "another range was answered than asked for".into();
        Err(BucketError::Corrupt { key: self.key.to_string(), source })
    }
}

fn chunks(body: ByteStream) -> Chunks {
    let next = |mut body: ByteStream| async move {
        let chunk = body.next().await?;
        Some((chunk.map_err(Into::into), body))
    };
    stream::unfold(body, next).boxed()
}

/// Returns which bytes an answer to a request for a range holds, and the size of the whole object.
fn answered_range(key: &RelPath, output: &GetObjectOutput) -> Result<(Range<u64>, u64), BucketError> {
    output.content_range().and_then(parse_content_range).ok_or_else(|| BucketError::Invalid {
        operation: "read a part of",
        key: key.to_string(),
        source: "the store ignores ranges".into(),
    })
}
