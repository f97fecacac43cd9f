//! The door to the store: counts every request and lets the faults happen.
//!
//! It sits below HTTP semantics and above the socket, because some faults have no HTTP form: a connection that ends
//! without an answer, an answer that ends too early.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use s3s::service::S3Service;
use s3s::{Body, HttpRequest, HttpResponse, S3ErrorCode, StdError};

use super::classify::{classify, is_write};
use crate::counters::Recorder;
use crate::faults::{Fault, Faults};

/// One connection's way to the store.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) service: S3Service,
    /// Set to have the connection reset, not just closed.
    pub(crate) reset: Arc<AtomicBool>,
}

impl Gate {
    /// Answers one request; an error closes the connection without an answer.
    pub(crate) async fn serve(self, request: hyper::Request<Incoming>) -> Result<HttpResponse, StdError> {
        let request = request.map(Body::from);
        let asked = classify(request.method(), request.uri(), request.headers());
        let mut plans = self.faults.plans();
        let decided = self.faults.decide(&asked);
        let is_denied = self.faults.is_read_only() && is_write(request.method());
        self.recorder.record(asked);
        match decided {
            None if is_denied => refuse(request, S3ErrorCode::AccessDenied).await,
            None => self.apply(request).await,
            Some(Fault::SlowDown) => refuse(request, S3ErrorCode::SlowDown).await,
            Some(Fault::InternalError) => refuse(request, S3ErrorCode::InternalError).await,
            Some(Fault::Denied) => refuse(request, S3ErrorCode::AccessDenied).await,
            Some(Fault::ExpiredToken) => refuse(request, S3ErrorCode::ExpiredToken).await,
            Some(Fault::Conflict) => refuse(request, S3ErrorCode::ConditionalRequestConflict).await,
            Some(Fault::Precondition) => refuse(request, S3ErrorCode::PreconditionFailed).await,
            Some(Fault::Reset) => {
                self.reset.store(true, Ordering::Relaxed);
                Err("the connection is reset as planned".into())
            }
            Some(Fault::Stall) => {
                drain(request).await;
                pending().await
            }
            Some(Fault::ApplyThenDrop) => {
                let _answer = self.apply(request).await?;
                Err("the answer is dropped as planned".into())
            }
            Some(Fault::TruncatedBody) => cut(self.apply(request).await?, End::Close).await,
            Some(Fault::StalledBody) => cut(self.apply(request).await?, End::Stall).await,
            Some(Fault::Delay { ms }) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                self.apply(request).await
            }
            Some(Fault::Hold) => {
                // The sender lives as long as the server: an error means that nobody waits for the answer.
                plans.changed().await?;
                self.apply(request).await
            }
        }
    }

    async fn apply(&self, request: HttpRequest) -> Result<HttpResponse, StdError> {
        Ok(self.service.call(request).await?)
    }
}

/// Reads the whole request first: an early answer may be lost when the connection closes under an unread body.
async fn refuse(request: HttpRequest, code: S3ErrorCode) -> Result<HttpResponse, StdError> {
    drain(request).await;
    Ok(s3s::S3Error::with_message(code, "planned by the testbed").to_http_response()?)
}

async fn drain(request: HttpRequest) {
    let mut body = request.into_body();
    while let Some(Ok(_chunk)) = body.next().await {}
}

/// Replaces the body by its first half and an end that is none.
async fn cut(answer: HttpResponse, end: End) -> Result<HttpResponse, StdError> {
    let (mut parts, mut body) = answer.into_parts();
    let whole = body.store_all_limited(usize::MAX).await?;
    if whole.is_empty() {
        return match end {
            End::Close => Err("there is no body to cut: the answer is dropped".into()),
            End::Stall => pending().await,
        };
    }
    parts.headers.remove(TRANSFER_ENCODING);
    parts.headers.insert(CONTENT_LENGTH, whole.len().into());
    let half = whole.slice(..whole.len() / 2);
    Ok(HttpResponse::from_parts(parts, Body::http_body(Half { unsent: Some(half), is_flushed: false, end })))
}

#[derive(Clone, Copy, Debug)]
enum End {
    Close,
    Stall,
}

/// A body that never reaches its declared length.
#[derive(Debug)]
struct Half {
    unsent: Option<Bytes>,
    is_flushed: bool,
    end: End,
}

impl hyper::body::Body for Half {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if let Some(half) = self.unsent.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        match self.end {
            End::Stall => Poll::Pending,
            // An error at once would take the bytes not yet written with it.
            End::Close if !self.is_flushed => {
                self.is_flushed = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            End::Close => Poll::Ready(Some(Err("the answer is truncated as planned".into()))),
        }
    }
}
