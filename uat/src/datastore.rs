//! The datastores stories play on: a directory or the testbed's S3 server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use swamp_testbed::s3::S3Server;

use crate::files::files_below;

/// The kind of a datastore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A directory that all machines see.
    Directory,
    /// A bucket on a server of the story's own.
    S3,
}

/// One datastore.
#[derive(Debug)]
pub enum Datastore {
    /// A directory, by its path.
    Directory(PathBuf),
    /// A server with one bucket.
    S3(S3Server),
}

/// The prefix of everything a story writes to a bucket.
const PREFIX: &str = "team";

impl Datastore {
    pub(crate) fn new(backend: Backend, root: &Path) -> Self {
        match backend {
            Backend::Directory => Self::Directory(root.join("datastore")),
            Backend::S3 => Self::S3(S3Server::start()),
        }
    }

    /// Returns the arguments of `swamp datastore setup` that lead here.
    pub fn setup_args(&self) -> Vec<String> {
        let words = match self {
            Self::Directory(path) => vec!["filesystem".to_owned(), "--path".to_owned(), path.display().to_string()],
            Self::S3(server) => s3_args(server, &server.endpoint()),
        };
        ["datastore", "setup"].iter().map(|&word| word.to_owned()).chain(words).collect()
    }

    /// Returns the variables that hold the credentials.
    pub fn environment(&self) -> Vec<(String, String)> {
        match self {
            Self::Directory(_) => Vec::new(),
            Self::S3(server) => server.environment(),
        }
    }

    /// Returns the server.
    ///
    /// # Panics
    ///
    /// On a directory: the story is not for this backend.
    pub fn server(&self) -> &S3Server {
        match self {
            Self::Directory(_) => panic!("a directory has no server"),
            Self::S3(server) => server,
        }
    }

    /// Returns every object by its key below the prefix, with its bytes.
    pub fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        match self {
            Self::Directory(path) => files_below(path),
            Self::S3(server) => server
                .keys("")
                .into_iter()
                .map(|key| {
                    let bytes = server.get(&key).unwrap_or_default();
                    (key.strip_prefix(PREFIX).and_then(|key| key.strip_prefix('/')).unwrap_or(&key).to_owned(), bytes)
                })
                .collect(),
        }
    }
}

/// Returns the set-up arguments of this server, reached through `endpoint`.
pub(crate) fn s3_args(server: &S3Server, endpoint: &str) -> Vec<String> {
    [
        "s3",
        "--bucket",
        server.bucket(),
        "--prefix",
        PREFIX,
        "--region",
        "us-east-1",
        "--endpoint",
        endpoint,
        "--force-path-style",
    ]
    .iter()
    .map(|&word| word.to_owned())
    .collect()
}
