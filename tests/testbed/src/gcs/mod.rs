//! A GCS server in memory, with faults and counters.
//!
//! One bucket, no credentials. The JSON API (reading and writing content) speaks HTTP/1.1 and the gRPC service
//! (properties, listings, deletions, copies) cleartext HTTP/2, on one port, as the official client expects it of an
//! endpoint. States are counted in microseconds since 1970, preconditions are atomic, checksums are verified, and a write
//! whose idempotency token is known is answered as it was the first time. Not there: old generations, metadata updates,
//! access lists, `BidiReadObject`, `BidiWriteObject`, composed objects.
//!
//! Counted are, as [`crate::counters::Kind`] calls them: reading content `get`; a whole object in one request `put`;
//! properties `head`; each call of a copy `copy`; beginning a resumable upload `create_multipart`; a piece of it
//! `upload_part`, the last one `complete`; asking how far it came `other`.

mod answer;
mod framed;
mod grpc;
mod messages;
mod multipart;
mod rest;
mod store;
mod upload;

use std::io;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

use async_trait::async_trait;
use hyper::Method;
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use s3s::{HttpRequest, HttpResponse, StdError};
use tokio::net::TcpStream;

use crate::controls::Controls;
use crate::gate::{Asked, Gate, Protocol, Refusal, Reset};
use crate::listening::Listening;
use crate::wire::Wire;
use answer::{Answer, Reason, Refused};
use grpc::Call;
use store::{Conditions, Store};

/// Bytes of a gRPC message.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// The header that tells a repeated write from a new one.
const TOKEN: &str = "x-goog-gcs-idempotency-token";

/// What a server is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The port of the loopback interface; 0 takes any free one.
    pub port: u16,
    /// The name of the one bucket.
    pub bucket: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { port: 0, bucket: "testbed".to_owned() }
    }
}

/// A running server; it is gone, with all it holds, when dropped. What tests do to it is in [`Controls`].
#[derive(Debug)]
pub struct GcsServer {
    bucket: String,
    listening: Listening,
    controls: Controls,
}

impl GcsServer {
    /// Starts an empty server on a free port of the loopback interface.
    ///
    /// # Panics
    ///
    /// When the machine has no port or thread left for it.
    pub fn start() -> Self {
        Self::open(Options::default()).expect("a free port of the loopback interface can be bound")
    }

    /// Starts an empty server.
    pub fn open(options: Options) -> io::Result<Self> {
        let store: Arc<Store> = Arc::default();
        let controls = Controls::new(Arc::clone(&store) as _);
        let (entrance, bucket) = (controls.clone(), Arc::from(options.bucket.as_str()));
        let listening = Listening::open(options.port, move |stream| {
            let (controls, bucket, store) = (entrance.clone(), Arc::clone(&bucket), Arc::clone(&store));
            converse(stream, controls, bucket, store)
        })?;
        Ok(Self { bucket: options.bucket, listening, controls })
    }

    /// Returns the endpoint, like `http://127.0.0.1:4711`.
    pub fn endpoint(&self) -> String {
        self.listening.endpoint()
    }

    /// Returns the address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.listening.address()
    }

    /// Returns the name of its bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Returns the environment a child process needs to get in directly.
    pub fn environment() -> Vec<(String, String)> {
        vec![("NO_PROXY".to_owned(), "127.0.0.1,localhost".to_owned())]
    }
}

impl Deref for GcsServer {
    type Target = Controls;

    fn deref(&self) -> &Controls {
        &self.controls
    }
}

async fn converse(stream: TcpStream, controls: Controls, bucket: Arc<str>, store: Arc<Store>) {
    let Ok(address) = stream.local_addr() else { return };
    let endpoint = Arc::from(format!("http://{address}"));
    let protocol = GcsProtocol { bucket, endpoint, store, controls: controls.clone() };
    let reset = Reset::default();
    let wire = Wire { stream, reset: Arc::clone(&reset.is_due) };
    let gate = Gate { controls, protocol, reset: reset.clone() };
    let answer = service_fn(move |request| gate.clone().serve(request));
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new());
    tokio::select! {
        // It ends in an error whenever a fault closes it or a client leaves; the client saw that, nobody else cares.
        _ended = server.serve_connection(TokioIo::new(wire), answer) => {}
        // An error ends an exchange, and of HTTP/2 only that: the connection is dropped here.
        () = reset.due() => {}
    }
}

/// The way to the one bucket.
#[derive(Clone, Debug)]
struct GcsProtocol {
    bucket: Arc<str>,
    /// The address this connection was made to.
    endpoint: Arc<str>,
    store: Arc<Store>,
    controls: Controls,
}

impl GcsProtocol {
    fn check_bucket(&self, bucket: &str) -> Result<(), Refused> {
        if *bucket == *self.bucket {
            return Ok(());
        }
        Err(Refused::new(Reason::NotFound, "The specified bucket does not exist."))
    }

    /// Returns the conditions of a write that are looked at.
    fn admitted(&self, conditions: Conditions) -> Conditions {
        if self.controls.faults.is_ignoring_conditions() { Conditions::default() } else { conditions }
    }
}

fn is_grpc(request: &HttpRequest) -> bool {
    let kind = request.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// A call that was read before it was executed.
#[derive(Clone, Debug)]
struct Read(Arc<Result<Call, Refused>>);

#[async_trait]
impl Protocol for GcsProtocol {
    async fn classify(&self, mut request: HttpRequest) -> Result<(Asked, HttpRequest), StdError> {
        if !is_grpc(&request) {
            let is_write = request.method() != Method::GET;
            let asked = rest::classify(request.method(), request.uri(), request.headers());
            return Ok((Asked { request: asked, is_write }, request));
        }
        // What a call is about stands in its message.
        let message = request.body_mut().store_all_limited(MESSAGE_BYTES_MAX).await?;
        let call = Call::parse(request.uri().path(), &message);
        let asked = match &call {
            Ok(call) => Asked { request: call.classify(), is_write: call.is_write() },
            Err(_) => Asked { request: Call::Unknown(String::new()).classify(), is_write: false },
        };
        request.extensions_mut().insert(Read(Arc::new(call)));
        Ok((asked, request))
    }

    async fn apply(&self, mut request: HttpRequest) -> Result<HttpResponse, StdError> {
        let token = request.headers().get(TOKEN).and_then(|token| token.to_str().ok()).map(str::to_owned);
        if let Some(answer) = token.as_deref().and_then(|token| self.store.remembered(token)) {
            return answer.into_response();
        }
        let answer = match request.extensions_mut().remove::<Read>() {
            Some(Read(call)) => {
                let call = Arc::into_inner(call).ok_or("the call was taken")?;
                call.and_then(|call| self.call(call)).unwrap_or_else(|refused| Answer::of_grpc(&refused))
            }
            None => self.rest(request).await.unwrap_or_else(|refused| Answer::of_rest(&refused)),
        };
        if let Some(token) = token
            && answer.is_success()
        {
            self.store.remember(token, answer.clone());
        }
        answer.into_response()
    }

    fn refuse(&self, request: &HttpRequest, refusal: Refusal) -> Result<HttpResponse, StdError> {
        let refused = refusal.into();
        let answer = if is_grpc(request) { Answer::of_grpc(&refused) } else { Answer::of_rest(&refused) };
        answer.into_response()
    }
}
