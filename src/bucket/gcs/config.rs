//! How to reach a bucket.

use std::path::PathBuf;
use std::time::Duration;

/// The time for one request and its answer when the configuration does not say.
pub const REQUEST_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// Whose requests they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// Nobody's: for servers that are not Google's.
    Anonymous,
    /// Those in a file, as `gcloud auth application-default login` writes it or as it is downloaded for a service account.
    File(PathBuf),
    /// Those of the machine, which its metadata server tells.
    Machine,
}

/// How to reach a bucket.
#[derive(Clone, Debug)]
pub struct GcsConfig {
    /// The bucket's name.
    pub bucket: String,
    /// What stands before every key, verbatim, with a slash between; empty for nothing.
    pub prefix: String,
    /// The address of a server that is not Google's.
    pub endpoint: Option<String>,
    /// The time for one request and its answer, bodies not counted.
    pub request_timeout: Duration,
    /// Whose requests they are.
    pub credentials: Credentials,
}

impl GcsConfig {
    /// Returns the configuration of a bucket at Google with everything else by default.
    pub fn new(bucket: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            prefix: String::new(),
            endpoint: None,
            request_timeout: REQUEST_TIMEOUT_DEFAULT,
            credentials: Credentials::Machine,
        }
    }
}
