//! How to reach a bucket, and the client that follows from it.
//!
//! Timeouts are always set: the SDK by itself waits for ever on a server that accepts and never answers. Its retries
//! are off: they live in [`crate::bucket::retry`], once, on our clock.

use std::fmt;
use std::time::Duration;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::imds;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Config, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    SharedCredentialsProvider,
};

use crate::bucket::BucketError;

/// The time for one request and its answer when the configuration does not say.
pub const REQUEST_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// The longest wait for a connection.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(5);

/// The wait for an instance metadata service. Where there is one, it answers within a millisecond; where there is
/// none, the packets may be lost, and every command without credentials would wait for it.
const METADATA_TIMEOUT: Duration = Duration::from_millis(300);

/// The region named to servers that are not AWS and for which none is configured.
const REGION_OF_ENDPOINTS: &str = "us-east-1";

/// When requests and answers carry checksums beside those of TCP and TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksums {
    /// Whenever the operation supports it.
    #[default]
    WhenSupported,
    /// Only where the protocol demands it; for compatible servers that do not understand the newer checksums.
    WhenRequired,
}

/// Whose requests they are.
#[derive(Clone, Default)]
pub enum Credentials {
    /// The first of environment, profile (with SSO, process and role), web identity, container and instance.
    #[default]
    Chain,
    /// A key given here.
    Key {
        /// The key's name.
        access_key_id: String,
        /// The key's secret.
        secret_access_key: String,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain => f.write_str("Chain"),
            Self::Key { access_key_id, .. } => f.debug_tuple("Key").field(access_key_id).finish(),
        }
    }
}

/// How to reach a bucket.
#[derive(Clone, Debug)]
pub struct S3Config {
    /// The bucket's name.
    pub bucket: String,
    /// What stands before every key, verbatim, with a slash between; empty for nothing.
    pub prefix: String,
    /// The region; `None` asks environment, profile and instance.
    pub region: Option<String>,
    /// The address of a server that is not AWS.
    pub endpoint: Option<String>,
    /// Whether the bucket's name goes into the path and not into the host name; `None` leaves it to the SDK.
    pub force_path_style: Option<bool>,
    /// When to use checksums.
    pub checksums: Checksums,
    /// The time for one request and its answer, bodies not counted.
    pub request_timeout: Duration,
    /// The profile of the AWS configuration files; `None` asks the environment.
    pub profile: Option<String>,
    /// Whose requests they are.
    pub credentials: Credentials,
}

impl S3Config {
    /// Returns the configuration of a bucket at AWS with everything else by default.
    pub fn new(bucket: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            prefix: String::new(),
            region: None,
            endpoint: None,
            force_path_style: None,
            checksums: Checksums::default(),
            request_timeout: REQUEST_TIMEOUT_DEFAULT,
            profile: None,
            credentials: Credentials::default(),
        }
    }

    /// Makes the client. Reads the environment and the AWS configuration files, and may ask the instance for a region.
    pub(super) async fn connect(&self) -> Result<Client, BucketError> {
        let metadata = imds::Client::builder()
            .max_attempts(1)
            .connect_timeout(METADATA_TIMEOUT)
            .read_timeout(METADATA_TIMEOUT)
            .build();
        let region = self.region(&metadata).await?;
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(region.clone())
            .credentials_provider(self.credentials(region, metadata).await)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts(self.request_timeout));
        loader = match self.checksums {
            Checksums::WhenSupported => loader
                .request_checksum_calculation(RequestChecksumCalculation::WhenSupported)
                .response_checksum_validation(ResponseChecksumValidation::WhenSupported),
            Checksums::WhenRequired => loader
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
                .response_checksum_validation(ResponseChecksumValidation::WhenRequired),
        };
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(endpoint) = &self.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        let mut config = Builder::from(&loader.load().await);
        config.set_force_path_style(self.force_path_style);
        Ok(Client::from_conf(config.build()))
    }

    async fn region(&self, metadata: &imds::Client) -> Result<Region, BucketError> {
        if let Some(region) = &self.region {
            return Ok(Region::new(region.clone()));
        }
        let mut profile = ProfileFileRegionProvider::builder();
        if let Some(name) = &self.profile {
            profile = profile.profile_name(name);
        }
        let mut chain =
            RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new()).or_else(profile.build());
        chain = match self.endpoint {
            Some(_) => chain.or_else(Region::new(REGION_OF_ENDPOINTS)),
            None => chain.or_else(ImdsRegionProvider::builder().imds_client(metadata.clone()).build()),
        };
        chain.region().await.ok_or_else(|| BucketError::Invalid {
            operation: "open",
            key: format!("s3://{}", self.bucket),
            source: "no region is configured: set `region` in the datastore's configuration or AWS_REGION".into(),
        })
    }

    async fn credentials(&self, region: Region, metadata: imds::Client) -> SharedCredentialsProvider {
        match &self.credentials {
            Credentials::Key { access_key_id, secret_access_key } => SharedCredentialsProvider::new(
                aws_sdk_s3::config::Credentials::new(access_key_id, secret_access_key, None, None, "configuration"),
            ),
            Credentials::Chain => {
                let mut chain = DefaultCredentialsChain::builder().region(region).imds_client(metadata);
                if let Some(profile) = &self.profile {
                    chain = chain.profile_name(profile);
                }
                SharedCredentialsProvider::new(chain.build().await)
            }
        }
    }
}

fn timeouts(attempt: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(attempt.min(CONNECT_TIMEOUT_MAX))
        .read_timeout(attempt)
        .operation_attempt_timeout(attempt)
        .build()
}

/// Returns what to override in a request that may take this long.
pub(super) fn lasting(attempt: Duration) -> Builder {
    Config::builder().timeout_config(timeouts(attempt))
}
