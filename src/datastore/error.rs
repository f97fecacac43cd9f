//! What can be wrong with a `datastore:` block, or with opening what it names.

use crate::bucket::BucketError;
use crate::error::{Failure, Kind};
use crate::namespace::InvalidNamespace;

/// A datastore that cannot be configured or opened.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message is the documentation")]
pub enum ConfigError {
    #[error("`{key}` is {value}: {rule}")]
    Setting { key: String, value: String, rule: String },
    #[error("`{key}` is missing: it is {meaning}")]
    Missing { key: String, meaning: &'static str },
    #[error("`{key}` is not usable")]
    Namespace { key: String, source: InvalidNamespace },
    #[error("datastore type `{name}` is not known")]
    UnknownType { name: String },
    #[error("variable `{name}` in path `{text}` is not set")]
    UnsetVariable { name: String, text: String },
    #[error("`datastore.exclude` has the unusable pattern `{pattern}`")]
    Pattern { pattern: String, source: globset::Error },
    #[error(transparent)]
    Variable { cause: Box<Self> },
    #[error("cannot open datastore `{location}`")]
    Open { location: String, source: BucketError },
}

impl Failure for ConfigError {
    fn kind(&self) -> Kind {
        match self {
            Self::Setting { .. }
            | Self::Missing { .. }
            | Self::Namespace { .. }
            | Self::UnknownType { .. }
            | Self::UnsetVariable { .. }
            | Self::Pattern { .. } => Kind::Invalid,
            Self::Variable { cause } => cause.kind(),
            Self::Open { source, .. } => source.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Setting { .. } | Self::Missing { .. } | Self::Namespace { .. } | Self::Pattern { .. } => Some(
                "correct the `datastore:` block in `.swamp.yaml`, or run `swamp datastore setup --help`".to_owned(),
            ),
            Self::UnknownType { .. } => {
                Some("use `filesystem`, `@swamp/s3-datastore` or `@swamp/gcs-datastore`".to_owned())
            }
            Self::UnsetVariable { name, .. } => Some(format!("set `{name}`, or write the path out")),
            Self::Variable { cause } => match &**cause {
                Self::UnknownType { .. } | Self::UnsetVariable { .. } => cause.hint(),
                _ => Some("correct `SWAMP_DATASTORE`, or unset it to use the `datastore:` block".to_owned()),
            },
            Self::Open { source, .. } => source.hint(),
        }
    }
}
