//! The datastores stories play on: a directory, or a bucket on one of the testbed's servers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use swamp_testbed::controls::Controls;
use swamp_testbed::gcs::GcsServer;
use swamp_testbed::s3::S3Server;

use crate::files::files_below;

/// The kind of a datastore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A directory that all machines see.
    Directory,
    /// A bucket on an S3 server of the story's own.
    S3,
    /// A bucket on a GCS server of the story's own.
    Gcs,
}

/// One datastore.
#[derive(Debug)]
pub enum Datastore {
    /// A directory, by its path.
    Directory(PathBuf),
    /// An S3 server with one bucket.
    S3(S3Server),
    /// A GCS server with one bucket.
    Gcs(GcsServer),
}

/// The prefix of everything a story writes to a bucket.
const PREFIX: &str = "team";

impl Datastore {
    pub(crate) fn new(backend: Backend, root: &Path) -> Self {
        match backend {
            Backend::Directory => Self::Directory(root.join("datastore")),
            Backend::S3 => Self::S3(S3Server::start()),
            Backend::Gcs => Self::Gcs(GcsServer::start()),
        }
    }

    /// Returns the arguments of `swamp datastore setup` that lead here.
    pub fn setup_args(&self) -> Vec<String> {
        let place: Vec<String> = match self {
            Self::Directory(path) => words(&["filesystem", "--path", &path.display().to_string()]).collect(),
            Self::S3(server) => {
                words(&["s3", "--bucket", server.bucket(), "--prefix", PREFIX, "--region", "us-east-1"])
                    .chain(words(&["--endpoint", &server.endpoint(), "--force-path-style"]))
                    .collect()
            }
            Self::Gcs(server) => words(&["gcs", "--bucket", server.bucket(), "--prefix", PREFIX])
                .chain(words(&["--api-endpoint", &server.endpoint()]))
                .collect(),
        };
        words(&["datastore", "setup"]).chain(place).collect()
    }

    /// Returns the variables that lead in.
    pub fn environment(&self) -> Vec<(String, String)> {
        match self {
            Self::Directory(_) => Vec::new(),
            Self::S3(server) => server.environment(),
            Self::Gcs(_) => GcsServer::environment(),
        }
    }

    /// Returns the server.
    ///
    /// # Panics
    ///
    /// On a directory: the story is not for this backend.
    pub fn server(&self) -> &Controls {
        match self {
            Self::Directory(_) => panic!("a directory has no server"),
            Self::S3(server) => server,
            Self::Gcs(server) => server,
        }
    }

    /// Returns the address of the server.
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Directory(_) => panic!("a directory has no address"),
            Self::S3(server) => server.address(),
            Self::Gcs(server) => server.address(),
        }
    }

    /// Returns the address of the server as an endpoint, like `http://127.0.0.1:4711`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Returns every object by its key below the prefix, with its bytes.
    pub fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        match self {
            Self::Directory(path) => files_below(path),
            Self::S3(_) | Self::Gcs(_) => {
                let server = self.server();
                let below = |key: &str| key.strip_prefix(PREFIX)?.strip_prefix('/').map(str::to_owned);
                let object = |key: String| (below(&key).unwrap_or(key.clone()), server.get(&key).unwrap_or_default());
                server.keys("").into_iter().map(object).collect()
            }
        }
    }
}

fn words<'a>(words: &'a [&'a str]) -> impl Iterator<Item = String> + 'a {
    words.iter().map(|&word| word.to_owned())
}
