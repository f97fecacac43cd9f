//! Bodies that survive a broken connection.
//!
//! The SDK retries a request until its headers arrive, never its body. Here the rest of a truncated or stalled body is
//! asked for again, of the same version only, so that a reader gets the bytes of one state or an error.

use std::ops::Range;
use std::sync::Arc;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use tracing::debug;

use super::Store;
use super::key::{parse_content_range, range_header, tag_of};
use crate::bucket::{BucketError, ByteStream, Source, Version};
use crate::path::RelPath;

/// Interruptions of one body without much progress in between, after which it is given up.
const INTERRUPTIONS_MAX: u32 = 3;

/// Bytes that must arrive for an interruption to be forgiven, so that a long body may be interrupted often.
const PROGRESS_BYTES: u64 = 1024 * 1024;

/// A body on its way.
pub(super) struct Reading {
    store: Arc<Store>,
    key: RelPath,
    version: Version,
    body: Option<aws_sdk_s3::primitives::ByteStream>,
    /// The bytes of the object still to come.
    left: Range<u64>,
    interruptions: u32,
    interrupted_at: u64,
}

impl Reading {
    /// Returns the stream of `range` that begins with `body`.
    pub(super) fn stream(
        store: Arc<Store>,
        key: RelPath,
        version: Version,
        range: Range<u64>,
        body: aws_sdk_s3::primitives::ByteStream,
    ) -> ByteStream {
        let interrupted_at = range.start;
        let reading = Self { store, key, version, body: Some(body), left: range, interruptions: 0, interrupted_at };
        stream::try_unfold(reading, Self::step).boxed()
    }

    async fn step(mut self) -> Result<Option<(Bytes, Self)>, BucketError> {
        loop {
            let trouble = match self.next_chunk().await {
                Ok(Some(chunk)) => {
                    self.advance(chunk.len() as u64)?;
                    return Ok(Some((chunk, self)));
                }
                Ok(None) if self.left.is_empty() => return Ok(None),
                Ok(None) => "the body ended early".into(),
                // All bytes are here, so it is the checksum that fails.
                Err(source) if self.left.is_empty() => {
                    return Err(BucketError::Corrupt { key: self.key.to_string(), source });
                }
                Err(source) => source,
            };
            self.interrupted(trouble).await?;
        }
    }

    async fn next_chunk(&mut self) -> Result<Option<Bytes>, Source> {
        let Some(body) = &mut self.body else { return Err("there is no body".into()) };
        match tokio::time::timeout(self.store.timeout, body.next()).await {
            Ok(Some(Ok(chunk))) => Ok(Some(chunk)),
            Ok(Some(Err(error))) => Err(error.into()),
            Ok(None) => Ok(None),
            Err(elapsed) => Err(elapsed.into()),
        }
    }

    fn advance(&mut self, length: u64) -> Result<(), BucketError> {
        self.left.start += length;
        if self.left.start > self.left.end {
            let source = "the body is longer than announced".into();
            return Err(BucketError::Corrupt { key: self.key.to_string(), source });
        }
        if self.left.start - self.interrupted_at >= PROGRESS_BYTES {
            self.interruptions = 0;
        }
        Ok(())
    }

    /// Gets a body for what is left, or gives up with the last trouble.
    async fn interrupted(&mut self, mut trouble: Source) -> Result<(), BucketError> {
        self.body = None;
        self.interrupted_at = self.left.start;
        loop {
            self.interruptions += 1;
            if self.interruptions > INTERRUPTIONS_MAX {
                return Err(BucketError::Unavailable { operation: "read", key: self.key.to_string(), source: trouble });
            }
            debug!(key = %self.key, offset = self.left.start, trouble = &*trouble as &dyn std::error::Error, "body resumed");
            self.store.policy.pause(self.interruptions).await;
            match self.reopen().await {
                Ok(body) => {
                    self.body = Some(body);
                    return Ok(());
                }
                Err(error) if error.is_transient() => trouble = error.into(),
                Err(error) => return Err(error),
            }
        }
    }

    async fn reopen(&self) -> Result<aws_sdk_s3::primitives::ByteStream, BucketError> {
        let request = self.store.get_request(&self.key).range(range_header(&self.left)).if_match(tag_of(&self.version));
        let output = request.send().await.map_err(self.store.failed("read", self.key.as_str()))?;
        let (range, _) = answered_range(&self.key, &output)?;
        if range == self.left {
            return Ok(output.body);
        }
        let source = "another range was answered than asked for".into();
        Err(BucketError::Corrupt { key: self.key.to_string(), source })
    }
}

/// Returns which bytes an answer to a request for a range holds, and the size of the whole object.
pub(super) fn answered_range(key: &RelPath, output: &GetObjectOutput) -> Result<(Range<u64>, u64), BucketError> {
    output.content_range().and_then(parse_content_range).ok_or_else(|| BucketError::Invalid {
        operation: "read a part of",
        key: key.to_string(),
        source: "the store ignores ranges".into(),
    })
}
