//! From configuration to a bucket.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Backend, Checksums, ConfigError, S3Config};
use crate::bucket::directory::DirectoryBucket;
use crate::bucket::{SharedBucket, s3};
use crate::clock::Clock;

/// What opening a datastore needs besides its configuration.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// Where a directory datastore prepares files, on the same file system.
    pub staging: PathBuf,
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
            let opened = s3::open(&client_config(config, request_timeout), options.clock).await;
            opened.map_err(|source| ConfigError::Open { location: backend.location(), source })
        }
        Backend::Gcs(_) => Err(ConfigError::Unsupported { what: "GCS" }),
    }
}

fn client_config(config: &S3Config, request_timeout: Duration) -> s3::S3Config {
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

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "`#[tokio::test]` blocks on its own runtime")]
mod tests {
    use super::*;
    use crate::bucket::{Body, PutMode, read_if_exists};
    use crate::clock::SystemClock;
    use crate::datastore::{FilesystemConfig, GcsConfig, Transfers};
    use crate::error::{Failure as _, Kind};

    fn options(staging: PathBuf) -> OpenOptions {
        OpenOptions { staging, request_timeout: None, clock: Arc::new(SystemClock::new()) }
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

    #[tokio::test]
    async fn a_gcs_bucket_is_refused_as_not_built_in() {
        let config = GcsConfig {
            bucket: "team".to_owned(),
            prefix: String::new(),
            project_id: None,
            api_endpoint: None,
            transfers: Transfers::default(),
        };

        let refused = open(&Backend::Gcs(config), options(PathBuf::new())).await.expect_err("a refusal");

        assert_eq!(refused.kind(), Kind::Invalid);
    }
}
