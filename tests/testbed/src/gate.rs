//! What stands between the network and a store: counts every request, then lets happen what is planned for it.
//!
//! Everything here happens to whole HTTP messages, so that the store behind it is never in a state of its own: a request
//! is executed or it is not. What cannot be said in HTTP is done to the connection: a reset, a connection that ends
//! without an answer, an answer that ends too early.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use s3s::{Body, HttpRequest, HttpResponse, StdError};
use tokio::sync::Notify;

use crate::controls::Controls;
use crate::counters::Request;
use crate::faults::Fault;

/// What a request asks for, as far as the gate must know.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) request: Request,
    /// Whether it changes the store.
    pub(crate) is_write: bool,
}

/// An answer that says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    SlowDown,
    InternalError,
    Denied,
    ExpiredToken,
    Conflict,
    Precondition,
}

/// The message of every planned refusal.
pub(crate) const PLANNED: &str = "planned by the testbed";

/// A way to speak to a store.
#[async_trait]
pub(crate) trait Protocol: Clone + Send + Sync + 'static {
    /// Says what a request asks for, before anything of it is executed.
    async fn classify(&self, request: HttpRequest) -> Result<(Asked, HttpRequest), StdError>;

    /// Executes a request; an error closes the connection without an answer.
    async fn apply(&self, request: HttpRequest) -> Result<HttpResponse, StdError>;

    /// Returns the answer to a request that is refused.
    fn refuse(&self, request: &HttpRequest, refusal: Refusal) -> Result<HttpResponse, StdError>;
}

/// Set to have a connection reset, not just closed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reset {
    pub(crate) is_due: Arc<AtomicBool>,
    due: Arc<Notify>,
}

impl Reset {
    fn cause(&self) {
        self.is_due.store(true, Ordering::Relaxed);
        self.due.notify_one();
    }

    /// Waits until the connection is to be reset.
    pub(crate) async fn due(&self) {
        self.due.notified().await;
    }
}

/// One connection's way to the store.
#[derive(Clone, Debug)]
pub(crate) struct Gate<P> {
    pub(crate) controls: Controls,
    pub(crate) protocol: P,
    pub(crate) reset: Reset,
}

impl<P: Protocol> Gate<P> {
    /// Answers one request; an error closes the connection without an answer.
    pub(crate) async fn serve(self, request: hyper::Request<Incoming>) -> Result<HttpResponse, StdError> {
        let (asked, request) = self.protocol.classify(request.map(Body::from)).await?;
        let faults = &self.controls.faults;
        let mut plans = faults.plans();
        let decided = faults.decide(&asked.request);
        let is_denied = faults.is_read_only() && asked.is_write;
        self.controls.recorder.record(asked.request);
        match decided {
            None if is_denied => self.refuse(request, Refusal::Denied).await,
            None => self.protocol.apply(request).await,
            Some(Fault::SlowDown) => self.refuse(request, Refusal::SlowDown).await,
            Some(Fault::InternalError) => self.refuse(request, Refusal::InternalError).await,
            Some(Fault::Denied) => self.refuse(request, Refusal::Denied).await,
            Some(Fault::ExpiredToken) => self.refuse(request, Refusal::ExpiredToken).await,
            Some(Fault::Conflict) => self.refuse(request, Refusal::Conflict).await,
            Some(Fault::Precondition) => self.refuse(request, Refusal::Precondition).await,
            Some(Fault::Reset) => self.end(),
            Some(Fault::Interrupted { bytes }) => {
                let begun = request.map(|body| Body::http_body_unsync(Beginning { body, left: bytes }));
                // Whatever became of it: there is no answer.
                drop(self.protocol.apply(begun).await);
                self.end()
            }
            Some(Fault::Stall) => {
                drain(request).await;
                pending().await
            }
            Some(Fault::ApplyThenDrop) => {
                let _answer = self.protocol.apply(request).await?;
                Err("the answer is dropped as planned".into())
            }
            Some(Fault::TruncatedBody) => cut(self.protocol.apply(request).await?, End::Close).await,
            Some(Fault::StalledBody) => cut(self.protocol.apply(request).await?, End::Stall).await,
            Some(Fault::Delay { ms }) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                self.protocol.apply(request).await
            }
            Some(Fault::Hold) => {
                // The sender lives as long as the server: an error means that nobody waits for the answer.
                plans.changed().await?;
                self.protocol.apply(request).await
            }
        }
    }

    /// Reads the whole request first: an early answer may be lost when the connection closes under an unread body.
    async fn refuse(&self, request: HttpRequest, refusal: Refusal) -> Result<HttpResponse, StdError> {
        let answer = self.protocol.refuse(&request, refusal);
        drain(request).await;
        answer
    }

    fn end(&self) -> Result<HttpResponse, StdError> {
        self.reset.cause();
        Err("the connection is reset as planned".into())
    }
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

/// The beginning of a request's body, after which its sender seems to be gone.
#[derive(Debug)]
struct Beginning {
    body: Body,
    left: u64,
}

impl hyper::body::Body for Beginning {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.left == 0 {
            return Poll::Ready(Some(Err("the request is interrupted as planned".into())));
        }
        let frame = ready!(hyper::body::Body::poll_frame(Pin::new(&mut self.body), cx));
        let Some(Ok(Ok(mut data))) = frame.map(|frame| frame.map(Frame::into_data)) else {
            self.left = 0;
            return self.poll_frame(cx);
        };
        data.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= data.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(data))))
    }
}
