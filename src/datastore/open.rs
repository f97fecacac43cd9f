//! From configuration to a bucket.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Backend, Checksums, ConfigError, GcsConfig, S3Config};
use crate::bucket::directory::DirectoryBucket;
use crate::bucket::{SharedBucket, gcs, s3};
use crate::clock::Clock;

/// What opening a datastore needs besides its configuration.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// Where a directory datastore prepares files, on the same file system.
    pub staging: PathBuf,
    /// Where Google's application default credentials are; `None` leaves them to the machine.
    pub google_credentials: Option<PathBuf>,
    /// How long one request may take, where the environment says so.
    pub request_timeout: Option<Duration>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Opens the place; asks nothing of it yet.
pub async fn open(backend: &Backend, options: OpenOptions) -> Result<SharedBucket, ConfigError> {
    match backend {
        Backend::Filesystem(filesystem) => {
            let bucket = DirectoryBucket::new(filesystem.path.clone(), options.staging, options.clock);
            Ok(Arc::new(bucket))
        }
        Backend::S3(config) => {
            let request_timeout = options.request_timeout.unwrap_or(config.transfers.request_timeout);
            let opened = s3::open(&s3_client(config, request_timeout), options.clock).await;
            opened.map_err(|source| ConfigError::Open { location: backend.location(), source })
        }
        Backend::Gcs(config) => {
            let request_timeout = options.request_timeout.unwrap_or(config.transfers.request_timeout);
            let client = gcs_client(config, request_timeout, options.google_credentials);
            Ok(gcs::open(&client, options.clock))
        }
    }
}

fn s3_client(config: &S3Config, request_timeout: Duration) -> s3::S3Config {
    let mut client = s3::S3Config::new(&config.bucket);
    client.prefix.clone_from(&config.prefix);
    client.region.clone_from(&config.region);
    client.endpoint.clone_from(&config.endpoint);
    client.force_path_style = config.force_path_style;
    client.checksums = match config.checksums {
        Checksums::WhenSupported => s3::Checksums::WhenSupported,
        Checksums::WhenRequired => s3::Checksums::WhenRequired,
    };
    client.request_timeout = request_timeout;
    client
}

fn gcs_client(config: &GcsConfig, request_timeout: Duration, file: Option<PathBuf>) -> gcs::GcsConfig {
    gcs::GcsConfig {
        bucket: config.bucket.clone(),
        prefix: config.prefix.clone(),
        endpoint: config.api_endpoint.clone(),
        request_timeout,
        // Another server must not learn what opens the buckets at Google.
        credentials: match (&config.api_endpoint, file) {
            (Some(_), _) => gcs::Credentials::Anonymous,
            (None, Some(file)) => gcs::Credentials::File(file),
            (None, None) => gcs::Credentials::Machine,
        },
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "`#[tokio::test]` blocks on its own runtime")]
mod tests {
    use super::*;
    use crate::bucket::{Body, PutMode, read_if_exists};
    use crate::clock::SystemClock;
    use crate::datastore::{FilesystemConfig, Transfers};

    fn options(staging: PathBuf) -> OpenOptions {
        OpenOptions { staging, google_credentials: None, request_timeout: None, clock: Arc::new(SystemClock::new()) }
    }

    #[tokio::test]
    async fn a_directory_opens_as_a_bucket() {
        let root = tempfile::tempdir().expect("a directory");
        let backend = Backend::Filesystem(FilesystemConfig { path: root.path().join("store") });
        let key = "a/b".parse().expect("a key");

        let bucket = open(&backend, options(root.path().join("staging"))).await.expect("opened");
        bucket.put(&key, Body::Bytes("x".into()), PutMode::Create).await.expect("written");

        let found = read_if_exists(&*bucket, &key, 10).await.expect("readable");
        assert_eq!(found.map(|(_, bytes)| bytes).as_deref(), Some(b"x".as_slice()));
    }

    #[test]
    fn another_server_than_googles_gets_no_credentials() {
        let file = Some(PathBuf::from("/home/ana/key.json"));
        let config = |api_endpoint: Option<&str>| GcsConfig {
            bucket: "team".to_owned(),
            prefix: String::new(),
            project_id: None,
            api_endpoint: api_endpoint.map(str::to_owned),
            transfers: Transfers::default(),
        };
        let credentials = |endpoint, file| gcs_client(&config(endpoint), Duration::from_secs(1), file).credentials;

        assert_eq!(credentials(Some("http://127.0.0.1:9"), file.clone()), gcs::Credentials::Anonymous);
        assert_eq!(credentials(None, file), gcs::Credentials::File(PathBuf::from("/home/ana/key.json")));
        assert_eq!(credentials(None, None), gcs::Credentials::Machine);
    }
}
