//! Failures of commands that no module of the library has.

use std::path::PathBuf;

use swamp::error::{Failure, Kind};
use swamp::namespace::Namespace;

/// A command that cannot do what it was asked.
///
/// Some texts begin with a capital: scripts written for the existing swamp look for them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("Model not found: {reference}")]
    ModelNotFound { reference: String },
    #[error("model name `{reference}` means several models: {}", .candidates.join(", "))]
    ModelAmbiguous { reference: String, candidates: Vec<String> },
    #[error("Data not found: \"{name}\" for model \"{model}\"{}", .version.map(|number| format!(" (version {number})")).unwrap_or_default())]
    DataNotFound { name: String, model: String, version: Option<u64> },
    #[error("the content of `{name}` version {version} is not in the datastore")]
    ContentMissing { name: String, version: u64, namespace: Option<Namespace> },
    #[error("the catalog of namespace `{namespace}` was never pulled")]
    CatalogNotPulled { namespace: Namespace },
    #[error("namespace `{namespace}` belongs to another repository and cannot be changed from here")]
    ReadOnly { namespace: Namespace },
    #[error("nothing was deleted: there is nobody to ask whether it is meant")]
    Unconfirmed,
    #[error("`{}` cannot be read", .path.display())]
    Input { path: PathBuf, source: std::io::Error },
    #[error("`--config` is not a JSON object")]
    Config { source: serde_json::Error },
}

impl Failure for CommandError {
    fn kind(&self) -> Kind {
        match self {
            Self::ModelNotFound { .. }
            | Self::DataNotFound { .. }
            | Self::ContentMissing { .. }
            | Self::CatalogNotPulled { .. }
            | Self::Input { .. } => Kind::NotFound,
            Self::ModelAmbiguous { .. } | Self::Unconfirmed | Self::Config { .. } => Kind::Invalid,
            Self::ReadOnly { .. } => Kind::Denied,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::ModelNotFound { .. } => {
                Some("list models with `swamp data list`; one of another namespace is `NAMESPACE:MODEL`".to_owned())
            }
            Self::ModelAmbiguous { .. } => Some("use the id instead of the name".to_owned()),
            Self::DataNotFound { model, version: None, .. } => {
                Some(format!("list its data with `swamp data list {model}`"))
            }
            Self::DataNotFound { name, model, version: Some(_) } => {
                Some(format!("list its versions with `swamp data versions {model} {name}`"))
            }
            Self::CatalogNotPulled { namespace } => {
                Some(format!("run `swamp datastore catalog pull --namespaces {namespace}`"))
            }
            Self::Unconfirmed => Some("add `--yes`".to_owned()),
            Self::ContentMissing { namespace: None, .. } => {
                Some("bring the cache up to date with `swamp datastore sync`".to_owned())
            }
            Self::ContentMissing { namespace: Some(namespace), .. } => {
                Some(format!("it may be gone: run `swamp datastore catalog pull --namespaces {namespace}`"))
            }
            Self::ReadOnly { .. } => Some(
                "what stands before the first `:` is a namespace; a model of ours with one in its name is `:NAME`"
                    .to_owned(),
            ),
            Self::Input { .. } => None,
            Self::Config { .. } => Some(r#"for example `--config '{"bucket": "team"}'`"#.to_owned()),
        }
    }
}
