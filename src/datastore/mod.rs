//! The `datastore:` block of a repository: where its data lives, under which namespace (formats.md 1.2-1.4).
//!
//! A block is JSON-like text from `.swamp.yaml`, from a flag or from `SWAMP_DATASTORE`; it becomes a
//! [`DatastoreConfig`] here and is trusted afterwards. Every refusal names the key, the value and the rule.

mod backend;
mod environment;
mod error;
mod fields;
mod open;
mod subdirs;

use serde_json::{Map, Value};

use crate::namespace::Namespace;

pub use backend::{Backend, Checksums, FilesystemConfig, GCS_TYPE, GcsConfig, S3_TYPE, S3Config, Transfers};
pub use environment::parse_environment;
pub use error::ConfigError;
pub use fields::{Places, expand};
pub use open::{OpenOptions, open};
pub use subdirs::{ALWAYS_LOCAL_SUBDIRS, DEFAULT_DATASTORE_SUBDIRS, Exclude};

use fields::Fields;

/// How much of a remote datastore a pull brings here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hydration {
    /// Everything.
    #[default]
    Full,
    /// Metadata; contents come when they are read.
    Lazy,
}

/// A checked `datastore:` block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatastoreConfig {
    /// Where the bytes are.
    pub backend: Backend,
    /// The subdirectories that belong to the datastore, in the order of the block or of the contract.
    pub directories: Vec<String>,
    /// Subdirectories that stay in the repository after all.
    pub exclude: Exclude,
    /// How much a pull brings here.
    pub hydration: Hydration,
    /// This repository's share; `None` is solo mode.
    pub namespace: Option<Namespace>,
}

impl DatastoreConfig {
    /// Checks a block; `places` say what relative paths, `~` and `$VAR` mean.
    pub fn from_block(block: &Map<String, Value>, places: &Places<'_>) -> Result<Self, ConfigError> {
        let fields = Fields::new("datastore", block);
        let exclude = fields.texts("exclude")?.unwrap_or_default();
        Ok(Self {
            backend: Backend::from_fields(&fields, places)?,
            directories: subdirs::effective(fields.texts("directories")?)?,
            exclude: Exclude::new(exclude)?,
            hydration: hydration(&fields, "hydrationStrategy")?,
            namespace: namespace(&fields)?,
        })
    }

    /// Returns the configuration of a repository that has no block: its own `.swamp` directory.
    pub fn default_for(places: &Places<'_>) -> Self {
        Self {
            backend: Backend::Filesystem(FilesystemConfig { path: places.repository.join(".swamp") }),
            directories: subdirs::defaults(),
            exclude: Exclude::default(),
            hydration: Hydration::Full,
            namespace: None,
        }
    }

    /// Returns a text that differs between any two places data could be in: type, bucket, prefix, endpoint or path,
    /// and namespace. Caches are keyed by it, so that they never outlive a change of the block (trap T12).
    pub fn identity(&self) -> String {
        let namespace = self.namespace.as_ref().map_or("", Namespace::as_str);
        serde_json::json!([self.backend.identity(), namespace]).to_string()
    }

    /// Whether the subdirectory's files belong to the datastore rather than to the repository's `.swamp`.
    pub fn holds(&self, subdirectory: &str) -> bool {
        self.directories.iter().any(|known| known == subdirectory) && !self.exclude.matches(subdirectory)
    }
}

fn hydration(fields: &Fields<'_>, key: &str) -> Result<Hydration, ConfigError> {
    match fields.text(key)?.as_deref() {
        None | Some("full") => Ok(Hydration::Full),
        Some("lazy") => Ok(Hydration::Lazy),
        Some(other) => Err(fields.refused(key, &Value::from(other), "use `full` or `lazy`")),
    }
}

fn namespace(fields: &Fields<'_>) -> Result<Option<Namespace>, ConfigError> {
    // An empty text is how the existing swamp spells solo mode.
    let Some(text) = fields.text("namespace")?.filter(|text| !text.is_empty()) else { return Ok(None) };
    let parsed = text.parse();
    parsed.map(Some).map_err(|source| ConfigError::Namespace { key: fields.name("namespace"), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use fields::tests::places;
    use serde_json::json;

    fn config(block: &Value) -> Result<DatastoreConfig, ConfigError> {
        DatastoreConfig::from_block(block.as_object().expect("an object"), &places())
    }

    fn refusal(block: &Value) -> String {
        config(block).expect_err("a refusal").to_string()
    }

    #[test]
    fn the_modern_block_is_understood() {
        let block = json!({"type": "@swamp/s3-datastore", "config": {"bucket": "team-state", "prefix": "prod",
            "region": "eu-west-1", "unknown": 1}, "hydrationStrategy": "lazy", "namespace": "infra"});

        let parsed = config(&block).expect("a block");

        let Backend::S3(s3) = &parsed.backend else { panic!("{parsed:?}") };
        assert_eq!(
            (s3.bucket.as_str(), s3.prefix.as_str(), s3.region.as_deref()),
            ("team-state", "prod", Some("eu-west-1"))
        );
        assert_eq!(parsed.namespace.as_ref().map(Namespace::as_str), Some("infra"));
        assert_eq!(parsed.hydration, Hydration::Lazy);
        assert_eq!(parsed.directories.first().map(String::as_str), Some("auto-definitions"));
    }

    #[test]
    fn the_legacy_type_has_its_keys_beside_the_type() {
        let block = json!({"type": "s3", "bucket": "old", "prefix": "p", "forcePathStyle": true});

        let parsed = config(&block).expect("a block");

        let Backend::S3(s3) = &parsed.backend else { panic!("{parsed:?}") };
        assert_eq!((s3.bucket.as_str(), s3.prefix.as_str(), s3.force_path_style), ("old", "p", Some(true)));
    }

    #[test]
    fn refusals_name_key_value_and_rule() {
        let s3 = |key: &str, value: Value| {
            let mut config = json!({"bucket": "abc"});
            config[key] = value;
            json!({"type": "@swamp/s3-datastore", "config": config})
        };

        assert_eq!(
            refusal(&s3("bucket", json!("A_b"))),
            "`datastore.config.bucket` is \"A_b\": use 3 to 63 of `a-z`, `0-9`, `.` and `-`, beginning and ending with a \
             letter or digit"
        );
        assert_eq!(
            refusal(&s3("pullConcurrency", json!(0))),
            "`datastore.config.pullConcurrency` is 0: use a whole number from 1 to 1000"
        );
        assert_eq!(
            refusal(&s3("requestTimeoutMs", json!(999))),
            "`datastore.config.requestTimeoutMs` is 999: use a whole number from 1000 to 600000"
        );
        assert_eq!(
            refusal(&s3("endpoint", json!("nowhere"))),
            "`datastore.config.endpoint` is \"nowhere\": use a URL such as `http://127.0.0.1:9000`"
        );
        assert_eq!(
            refusal(&json!({"type": "filesystem"})),
            "`datastore.path` is missing: it is the directory that holds the data"
        );
        assert_eq!(refusal(&json!({"type": "@acme/ftp"})), "datastore type `@acme/ftp` is not known");
        assert_eq!(
            refusal(&json!({"type": "filesystem", "path": "x", "namespace": "Bad"})),
            "`datastore.namespace` is not usable"
        );
    }

    #[test]
    fn t12_every_part_of_the_place_changes_the_identity() {
        let block = |bucket: &str, prefix: &str, endpoint: &str, namespace: &str| {
            json!({"type": "@swamp/s3-datastore", "config": {"bucket": bucket, "prefix": prefix, "endpoint": endpoint},
                "namespace": namespace})
        };
        let blocks = [
            block("abc", "p", "http://h", "infra"),
            block("abd", "p", "http://h", "infra"),
            block("abc", "q", "http://h", "infra"),
            block("abc", "p", "http://i", "infra"),
            block("abc", "p", "http://h", "other"),
        ];

        let mut identities: Vec<String> =
            blocks.iter().map(|block| config(block).expect("a block").identity()).collect();
        identities.sort();
        identities.dedup();

        assert_eq!(identities.len(), blocks.len());
    }

    #[test]
    fn secrets_and_bundles_are_always_local() {
        let parsed = config(
            &json!({"type": "filesystem", "path": "/d", "directories": ["secrets", "bundles", "data", "outputs"],
            "exclude": ["out*"]}),
        )
        .expect("a block");

        assert_eq!(parsed.directories, ["data", "outputs"]);
        assert!(parsed.holds("data"));
        assert!(!parsed.holds("outputs"));
        assert!(!parsed.holds("secrets"));
    }
}
