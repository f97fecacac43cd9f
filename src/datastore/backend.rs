//! The kinds of place a datastore can be in, and the settings of each (formats.md 10, 11.1).

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tracing::warn;

use super::ConfigError;
use super::fields::{Fields, Places, expand};

/// The type name of an S3 datastore.
pub const S3_TYPE: &str = "@swamp/s3-datastore";

/// The type name of a GCS datastore.
pub const GCS_TYPE: &str = "@swamp/gcs-datastore";

/// How many objects are downloaded at once unless told otherwise.
const PULL_CONCURRENCY: u64 = 50;

/// How many objects are uploaded at once unless told otherwise.
const PUSH_CONCURRENCY: u64 = 25;

/// How long one request may take unless told otherwise, in milliseconds.
const REQUEST_TIMEOUT_MS: u64 = 30_000;

/// Where the bytes of a datastore are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A directory, possibly shared between machines.
    Filesystem(FilesystemConfig),
    /// A bucket of S3 or of a store that speaks its protocol.
    S3(S3Config),
    /// A bucket of Google Cloud Storage.
    Gcs(GcsConfig),
}

/// A datastore in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesystemConfig {
    /// The directory, absolute.
    pub path: PathBuf,
}

/// Bounds on requests to a remote store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfers {
    /// How many objects are downloaded at once.
    pub pull_concurrency: usize,
    /// How many objects are uploaded at once.
    pub push_concurrency: usize,
    /// How long one request may take.
    pub request_timeout: Duration,
}

impl Default for Transfers {
    fn default() -> Self {
        Self {
            pull_concurrency: to_usize(PULL_CONCURRENCY),
            push_concurrency: to_usize(PUSH_CONCURRENCY),
            request_timeout: Duration::from_millis(REQUEST_TIMEOUT_MS),
        }
    }
}

/// When requests carry checksums; some S3-compatible stores choke on those the client adds by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksums {
    /// Wherever the protocol has a place for one.
    #[default]
    WhenSupported,
    /// Only where the protocol demands one.
    WhenRequired,
}

/// A datastore in an S3 bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Config {
    /// The bucket's name.
    pub bucket: String,
    /// What every key begins with, verbatim; empty for the whole bucket.
    pub prefix: String,
    /// The region; `None` asks the environment.
    pub region: Option<String>,
    /// The address of a store that is not Amazon's.
    pub endpoint: Option<String>,
    /// Whether the bucket's name goes into the path of requests; `None` leaves it to the client.
    pub force_path_style: Option<bool>,
    /// When requests carry checksums.
    pub checksums: Checksums,
    /// Bounds on requests.
    pub transfers: Transfers,
}

/// A datastore in a bucket of Google Cloud Storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcsConfig {
    /// The bucket's name.
    pub bucket: String,
    /// What every key begins with, verbatim; empty for the whole bucket.
    pub prefix: String,
    /// The project, for people; requests do not need it.
    pub project_id: Option<String>,
    /// The address of a store that is not Google's; requests to it carry no credentials.
    pub api_endpoint: Option<String>,
    /// Bounds on requests.
    pub transfers: Transfers,
}

impl Backend {
    /// Returns the type name that `.swamp.yaml` and JSON output use.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Filesystem(_) => "filesystem",
            Self::S3(_) => S3_TYPE,
            Self::Gcs(_) => GCS_TYPE,
        }
    }

    /// Returns the directory of a filesystem datastore.
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Self::Filesystem(filesystem) => Some(&filesystem.path),
            Self::S3(_) | Self::Gcs(_) => None,
        }
    }

    /// Returns the address for messages.
    pub fn location(&self) -> String {
        let object_store = |scheme: &str, bucket: &str, prefix: &str| {
            let slash = if prefix.is_empty() { "" } else { "/" };
            format!("{scheme}://{bucket}{slash}{prefix}")
        };
        match self {
            Self::Filesystem(filesystem) => filesystem.path.display().to_string(),
            Self::S3(s3) => object_store("s3", &s3.bucket, &s3.prefix),
            Self::Gcs(gcs) => object_store("gs", &gcs.bucket, &gcs.prefix),
        }
    }

    /// Returns the bounds on requests.
    pub fn transfers(&self) -> Transfers {
        match self {
            Self::Filesystem(_) => Transfers::default(),
            Self::S3(s3) => s3.transfers,
            Self::Gcs(gcs) => gcs.transfers,
        }
    }

    pub(super) fn identity(&self) -> Value {
        let address = |endpoint: &Option<String>| endpoint.as_deref().unwrap_or("").trim_end_matches('/').to_owned();
        match self {
            Self::Filesystem(filesystem) => json!([self.type_name(), canonical(&filesystem.path)]),
            Self::S3(s3) => json!([self.type_name(), s3.bucket, s3.prefix, address(&s3.endpoint)]),
            Self::Gcs(gcs) => json!([self.type_name(), gcs.bucket, gcs.prefix, address(&gcs.api_endpoint)]),
        }
    }

    pub(super) fn from_fields(fields: &Fields<'_>, places: &Places<'_>) -> Result<Self, ConfigError> {
        let meaning = "`filesystem`, `@swamp/s3-datastore` or `@swamp/gcs-datastore`";
        let name = fields.text("type")?.ok_or_else(|| fields.missing("type", meaning))?;
        match name.as_str() {
            "filesystem" => {
                let path = fields.text("path")?.filter(|path| !path.is_empty());
                let path = path.ok_or_else(|| fields.missing("path", "the directory that holds the data"))?;
                Ok(Self::Filesystem(FilesystemConfig { path: expand(&path, places)? }))
            }
            "s3" => {
                warn!(replacement = S3_TYPE, "datastore type `s3` is an old name");
                Ok(Self::S3(S3Config::from_fields(fields)?))
            }
            S3_TYPE => Ok(Self::S3(S3Config::from_fields(&config_of(fields)?)?)),
            GCS_TYPE => Ok(Self::Gcs(GcsConfig::from_fields(&config_of(fields)?)?)),
            _ => Err(ConfigError::UnknownType { name }),
        }
    }
}

fn config_of<'a>(fields: &Fields<'a>) -> Result<Fields<'a>, ConfigError> {
    fields.block("config")?.ok_or_else(|| fields.missing("config", "a map with the bucket and its settings"))
}

impl S3Config {
    fn from_fields(fields: &Fields<'_>) -> Result<Self, ConfigError> {
        let rule = "use 3 to 63 of `a-z`, `0-9`, `.` and `-`, beginning and ending with a letter or digit";
        Ok(Self {
            bucket: bucket(fields, |byte| matches!(byte, b'.' | b'-'), rule)?,
            prefix: fields.text("prefix")?.unwrap_or_default(),
            region: fields.text("region")?,
            endpoint: url(fields, "endpoint")?,
            force_path_style: fields.flag("forcePathStyle")?,
            checksums: match fields.text("checksums")?.as_deref() {
                None | Some("when_supported") => Checksums::WhenSupported,
                Some("when_required") => Checksums::WhenRequired,
                Some(other) => {
                    let rule = "use `when_supported` or `when_required`";
                    return Err(fields.refused("checksums", &Value::from(other), rule));
                }
            },
            transfers: transfers(fields)?,
        })
    }
}

impl GcsConfig {
    fn from_fields(fields: &Fields<'_>) -> Result<Self, ConfigError> {
        let rule = "use 3 to 63 of `a-z`, `0-9`, `.`, `_` and `-`, beginning and ending with a letter or digit";
        let bucket = bucket(fields, |byte| matches!(byte, b'.' | b'-' | b'_'), rule)?;
        if bucket.starts_with("goog") || bucket.contains("google") {
            let rule = "Google reserves names that begin with `goog` or contain `google`";
            return Err(fields.refused("bucket", &Value::from(bucket), rule));
        }
        Ok(Self {
            bucket,
            prefix: fields.text("prefix")?.unwrap_or_default(),
            project_id: fields.text("projectId")?,
            api_endpoint: url(fields, "apiEndpoint")?,
            transfers: transfers(fields)?,
        })
    }
}

fn bucket(fields: &Fields<'_>, is_inner: fn(u8) -> bool, rule: &str) -> Result<String, ConfigError> {
    let name = fields.text("bucket")?.ok_or_else(|| fields.missing("bucket", "the name of the bucket"))?;
    let is_outer = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    let ends_fit = bytes.first().copied().is_some_and(is_outer) && bytes.last().copied().is_some_and(is_outer);
    let inner_fits = bytes.iter().all(|byte| is_outer(*byte) || is_inner(*byte));
    if (3..=63).contains(&bytes.len()) && ends_fit && inner_fits {
        Ok(name)
    } else {
        Err(fields.refused("bucket", &Value::from(name), rule))
    }
}

fn url(fields: &Fields<'_>, key: &str) -> Result<Option<String>, ConfigError> {
    let Some(text) = fields.text(key)? else { return Ok(None) };
    let is_usable = url::Url::parse(&text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if is_usable {
        Ok(Some(text))
    } else {
        Err(fields.refused(key, &Value::from(text), "use a URL such as `http://127.0.0.1:9000`"))
    }
}

fn transfers(fields: &Fields<'_>) -> Result<Transfers, ConfigError> {
    let (concurrency, timeout_ms) = (1..=1000, 1000..=600_000);
    let pull = fields.number("pullConcurrency", &concurrency)?.unwrap_or(PULL_CONCURRENCY);
    let push = fields.number("pushConcurrency", &concurrency)?.unwrap_or(PUSH_CONCURRENCY);
    let timeout = fields.number("requestTimeoutMs", &timeout_ms)?.unwrap_or(REQUEST_TIMEOUT_MS);
    Ok(Transfers {
        pull_concurrency: to_usize(pull),
        push_concurrency: to_usize(push),
        request_timeout: Duration::from_millis(timeout),
    })
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Returns the path with links resolved as far as it exists, so that two spellings of one directory are one place.
fn canonical(path: &Path) -> PathBuf {
    for ancestor in path.ancestors() {
        if let Ok(real) = ancestor.canonicalize() {
            return path.strip_prefix(ancestor).map_or(real.clone(), |rest| real.join(rest));
        }
    }
    path.to_owned()
}
