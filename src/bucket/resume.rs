//! Bodies that survive a broken connection.
//!
//! The clients of the stores are told to repeat nothing, and a body they cannot repeat anyway. Here the rest of a
//! truncated or stalled body is asked for again, of the same version only, so that a reader gets the bytes of one state
//! or an error.

use std::ops::Range;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt as _};
use tracing::debug;

use super::retry::Policy;
use super::{BucketError, ByteStream, Source};
use crate::path::RelPath;

/// Interruptions of one body without much progress in between, after which it is given up.
const INTERRUPTIONS_MAX: u32 = 3;

/// Bytes that must arrive for an interruption to be forgiven, so that a long body may be interrupted often.
const PROGRESS_BYTES: u64 = 1024 * 1024;

/// A body as it comes from the store, with whatever may happen to it.
pub(super) type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Source>> + Send>>;

/// An object in one state, whose bytes can be asked for again.
#[async_trait]
pub(super) trait Reopen: Send + Sync {
    /// Returns the object's key.
    fn key(&self) -> &RelPath;

    /// Asks for these bytes of the object, if it is still in the same state.
    async fn reopen(&self, left: &Range<u64>) -> Result<Chunks, BucketError>;
}

/// How long to wait for the next bytes, and between attempts.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    /// The longest wait for the next bytes.
    pub(super) timeout: Duration,
    /// The waits between attempts.
    pub(super) policy: Policy,
}

/// A body on its way.
struct Reading {
    object: Box<dyn Reopen>,
    patience: Patience,
    body: Option<Chunks>,
    /// The bytes of the object still to come.
    left: Range<u64>,
    interruptions: u32,
    interrupted_at: u64,
}

/// Returns the stream of `range` that begins with `body`.
pub(super) fn resumed(object: Box<dyn Reopen>, patience: Patience, range: Range<u64>, body: Chunks) -> ByteStream {
    let interrupted_at = range.start;
    let reading = Reading { object, patience, body: Some(body), left: range, interruptions: 0, interrupted_at };
    stream::try_unfold(reading, Reading::step).boxed()
}

impl Reading {
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
                Err(source) if self.left.is_empty() => return Err(self.corrupt(source)),
                Err(source) => source,
            };
            self.interrupted(trouble).await?;
        }
    }

    async fn next_chunk(&mut self) -> Result<Option<Bytes>, Source> {
        let Some(body) = &mut self.body else { return Err("there is no body".into()) };
        tokio::time::timeout(self.patience.timeout, body.next()).await?.transpose()
    }

    fn advance(&mut self, length: u64) -> Result<(), BucketError> {
        self.left.start += length;
        if self.left.start > self.left.end {
            return Err(self.corrupt("the body is longer than announced".into()));
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
        let key = self.object.key();
        loop {
            self.interruptions += 1;
            if self.interruptions > INTERRUPTIONS_MAX {
                return Err(BucketError::Unavailable { operation: "read", key: key.to_string(), source: trouble });
            }
            debug!(%key, offset = self.left.start, trouble = &*trouble as &dyn std::error::Error, "body resumed");
            self.patience.policy.pause(self.interruptions).await;
            match self.object.reopen(&self.left).await {
                Ok(body) => {
                    self.body = Some(body);
                    return Ok(());
                }
                Err(error) if error.is_transient() => trouble = error.into(),
                Err(error) => return Err(error),
            }
        }
    }

    fn corrupt(&self, source: Source) -> BucketError {
        BucketError::Corrupt { key: self.object.key().to_string(), source }
    }
}
