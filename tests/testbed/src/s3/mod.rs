//! An S3 server in memory, with faults and counters.
//!
//! One bucket, path-style addresses, `SigV4` with one credential. It answers as AWS does in what a client can notice:
//! conditional reads and writes (with `If-Match`, an absent key is 404 `NoSuchKey`), multipart uploads, checksums of all
//! five algorithms in headers and trailers, listings in pages. Not there: versions, tags, access lists,
//! `UploadPartCopy`, `ListObjects` version 1, virtual-host addresses, conditions by date.

mod classify;
mod handlers;
mod multipart;
mod pages;
mod protocol;
mod store;
mod upload;

use std::io;
use std::ops::Deref;
use std::sync::Arc;

use async_trait::async_trait;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::auth::{S3Auth, SecretKey};
use s3s::service::S3ServiceBuilder;
use s3s::{S3Result, s3_error};
use tokio::net::TcpStream;

use crate::controls::Controls;
use crate::gate::{Gate, Reset};
use crate::listening::Listening;
use crate::wire::Wire;
use handlers::Handlers;
use protocol::S3Protocol;
use store::Store;

/// What a server is called and how to get in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The port of the loopback interface; 0 takes any free one.
    pub port: u16,
    /// The name of the one bucket.
    pub bucket: String,
    /// The region it claims to be in.
    pub region: String,
    /// The one credential's name.
    pub access_key_id: String,
    /// The one credential's secret.
    pub secret_access_key: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            bucket: "testbed".to_owned(),
            region: "us-east-1".to_owned(),
            access_key_id: "TESTBEDACCESSKEY".to_owned(),
            secret_access_key: "testbed-secret".to_owned(),
        }
    }
}

/// A running server; it is gone, with all it holds, when dropped. What tests do to it is in [`Controls`].
#[derive(Debug)]
pub struct S3Server {
    options: Options,
    listening: Listening,
    controls: Controls,
}

impl S3Server {
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
        let mut builder = S3ServiceBuilder::new(Handlers {
            bucket: options.bucket.clone(),
            region: options.region.clone(),
            store,
            faults: Arc::clone(&controls.faults),
        });
        builder.set_auth(Credential {
            access_key_id: options.access_key_id.clone(),
            secret_access_key: options.secret_access_key.clone().into(),
        });
        let protocol = S3Protocol { service: builder.build() };
        let entrance = controls.clone();
        let listening = Listening::open(options.port, move |stream| {
            converse(stream, Gate { controls: entrance.clone(), protocol: protocol.clone(), reset: Reset::default() })
        })?;
        Ok(Self { options, listening, controls })
    }

    /// Returns the endpoint, like `http://127.0.0.1:4711`.
    pub fn endpoint(&self) -> String {
        self.listening.endpoint()
    }

    /// Returns the address it listens on.
    pub fn address(&self) -> std::net::SocketAddr {
        self.listening.address()
    }

    /// Returns the name of its bucket.
    pub fn bucket(&self) -> &str {
        &self.options.bucket
    }

    /// Returns the region it claims to be in.
    pub fn region(&self) -> &str {
        &self.options.region
    }

    /// Returns the name of its credential.
    pub fn access_key_id(&self) -> &str {
        &self.options.access_key_id
    }

    /// Returns the secret of its credential.
    pub fn secret_access_key(&self) -> &str {
        &self.options.secret_access_key
    }

    /// Returns the environment a child process needs to get in, and to look nowhere else for credentials.
    pub fn environment(&self) -> Vec<(String, String)> {
        let variables = [
            ("AWS_ACCESS_KEY_ID", self.access_key_id()),
            ("AWS_SECRET_ACCESS_KEY", self.secret_access_key()),
            ("AWS_REGION", self.region()),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            ("NO_PROXY", "127.0.0.1,localhost"),
        ];
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }
}

impl Deref for S3Server {
    type Target = Controls;

    fn deref(&self) -> &Controls {
        &self.controls
    }
}

async fn converse(stream: TcpStream, gate: Gate<S3Protocol>) {
    let wire = Wire { stream, reset: Arc::clone(&gate.reset.is_due) };
    let answer = service_fn(move |request| gate.clone().serve(request));
    let conversation = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(wire), answer);
    // It ends in an error whenever a fault closes it or a client leaves; the client saw that, nobody else cares.
    drop(conversation.await);
}

/// The one credential.
#[derive(Debug)]
struct Credential {
    access_key_id: String,
    secret_access_key: SecretKey,
}

#[async_trait]
impl S3Auth for Credential {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == self.access_key_id {
            Ok(self.secret_access_key.clone())
        } else {
            Err(s3_error!(InvalidAccessKeyId, "The AWS Access Key Id you provided does not exist in our records."))
        }
    }
}
