//! An S3 server in memory, with faults and counters.
//!
//! One bucket, path-style addresses, `SigV4` with one credential. It answers as AWS does in what a client can notice:
//! conditional reads and writes (with `If-Match`, an absent key is 404 `NoSuchKey`), multipart uploads, checksums of all
//! five algorithms in headers and trailers, listings in pages. Not there: versions, tags, access lists,
//! `UploadPartCopy`, `ListObjects` version 1, virtual-host addresses, conditions by date.

mod classify;
mod gate;
mod handlers;
mod listing;
mod multipart;
mod pages;
mod store;
mod upload;
mod wire;

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::auth::{S3Auth, SecretKey};
use s3s::dto::Checksum;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Result, s3_error};
use tokio::net::TcpStream;

use crate::counters::{Counters, Recorder, Request};
use crate::faults::{Faults, Plan};
use crate::listening::Listening;
pub(crate) use classify::parameter;
use gate::Gate;
use handlers::Handlers;
use store::{Attributes, Object, Store};
use wire::Wire;

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

/// A running server; it is gone, with all it holds, when dropped.
#[derive(Debug)]
pub struct S3Server {
    options: Options,
    listening: Listening,
    shared: Backdoor,
}

/// The ways into a server that do not lead through HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Backdoor {
    pub(crate) store: Arc<Store>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) faults: Arc<Faults>,
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
        let shared = Backdoor { store: Arc::default(), recorder: Arc::default(), faults: Arc::default() };
        let mut builder = S3ServiceBuilder::new(Handlers {
            bucket: options.bucket.clone(),
            region: options.region.clone(),
            store: Arc::clone(&shared.store),
            faults: Arc::clone(&shared.faults),
        });
        builder.set_auth(Credential {
            access_key_id: options.access_key_id.clone(),
            secret_access_key: options.secret_access_key.clone().into(),
        });
        let service = builder.build();
        let entrance = shared.clone();
        let listening = Listening::open(options.port, move |stream| converse(stream, entrance.gate(&service)))?;
        Ok(Self { options, listening, shared })
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

    /// Returns the requests received so far, by kind.
    pub fn counters(&self) -> Counters {
        self.shared.recorder.counters()
    }

    /// Returns the requests received so far, in order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.recorder.requests()
    }

    /// Forgets the requests received so far.
    pub fn reset_counters(&self) {
        self.shared.recorder.reset();
    }

    /// Waits until the counters satisfy `enough`; false when `patience` ended first.
    ///
    /// With [`crate::faults::Fault::Hold`] this stops a race at a known point.
    pub fn wait_until(&self, patience: Duration, enough: impl Fn(&Counters) -> bool) -> bool {
        self.shared.recorder.wait_until(patience, enough)
    }

    /// Replaces what is to go wrong; rules count from here.
    pub fn faults(&self, plan: impl Into<Plan>) {
        self.shared.faults.set(plan.into());
    }

    /// Lets nothing go wrong any more and releases held requests.
    pub fn clear_faults(&self) {
        self.faults(Plan::default());
    }

    /// Stores an object, uncounted.
    pub fn put(&self, key: &str, bytes: impl AsRef<[u8]>) {
        let bytes = Bytes::copy_from_slice(bytes.as_ref());
        let object = Object::new(bytes, Attributes::default(), Checksum::default());
        self.shared.store.overwrite(key, object);
    }

    /// Returns an object's bytes, uncounted.
    pub fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.shared.store.get(key).map(|object| object.bytes.to_vec())
    }

    /// Returns the keys that begin with `prefix` in byte order, uncounted.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        self.shared.store.keys(prefix)
    }

    /// Deletes an object, uncounted; says whether there was one.
    pub fn delete(&self, key: &str) -> bool {
        self.shared.store.remove(key)
    }

    /// Changes when an object was last written, to the second; says whether there is one.
    pub fn set_modified(&self, key: &str, modified: SystemTime) -> bool {
        self.shared.store.set_modified(key, modified)
    }

    /// Stores the files of a directory tree as `{prefix}/{path}` (as `{path}` without a prefix); returns how many.
    pub fn load_directory(&self, directory: impl AsRef<Path>, prefix: &str) -> io::Result<usize> {
        let mut loaded = 0;
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name().into_string().map_err(|name| {
                io::Error::new(io::ErrorKind::InvalidData, format!("file name {} is not UTF-8", name.display()))
            })?;
            let key = if prefix.is_empty() { name } else { format!("{}/{name}", prefix.trim_end_matches('/')) };
            if entry.file_type()?.is_dir() {
                loaded += self.load_directory(entry.path(), &key)?;
            } else {
                self.put(&key, fs::read(entry.path())?);
                loaded += 1;
            }
        }
        Ok(loaded)
    }

    pub(crate) fn backdoor(&self) -> Backdoor {
        self.shared.clone()
    }
}

impl Backdoor {
    fn gate(&self, service: &S3Service) -> Gate {
        Gate {
            recorder: Arc::clone(&self.recorder),
            faults: Arc::clone(&self.faults),
            service: service.clone(),
            reset: Arc::new(AtomicBool::new(false)),
        }
    }
}

async fn converse(stream: TcpStream, gate: Gate) {
    let wire = Wire { stream, reset: Arc::clone(&gate.reset) };
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
