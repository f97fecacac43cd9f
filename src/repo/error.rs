//! What can go wrong with a repository: the union of the modules it wires.

use std::path::PathBuf;
use std::time::Duration;

use crate::bucket::BucketError;
use crate::catalog::CatalogError;
use crate::data::definition::DefinitionError;
use crate::data::store::StoreError;
use crate::datastore::ConfigError;
use crate::error::{Failure, Kind};
use crate::fsutil::FileError;
use crate::lock::LockError;
use crate::manifest::ManifestError;
use crate::namespace::Namespace;
use crate::path::InvalidPath;
use crate::sync::SyncError;
use crate::yaml::YamlError;

use super::migration::Collisions;

/// A repository that cannot be found, read or opened.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message is the documentation")]
pub enum RepoError {
    #[error("`{}` is not a swamp repository", .directory.display())]
    NotARepository { directory: PathBuf },
    #[error("`{}` has a `.swamp` directory but no `.swamp.yaml`", .directory.display())]
    Orphaned { directory: PathBuf },
    #[error("`{}` is a swamp repository already", .directory.display())]
    AlreadyInitialised { directory: PathBuf },
    #[error("`{}` is not usable: {rule}", .path.display())]
    Marker { path: PathBuf, rule: String },
    #[error("`{}` cannot be read", .path.display())]
    MarkerSyntax { path: PathBuf, source: YamlError },
    #[error("there is no home directory to keep caches in")]
    NoHome,
    #[error("datastore directory `{}` does not exist", .directory.display())]
    DirectoryMissing { directory: PathBuf },
    #[error("datastore `{location}` does not answer")]
    Unreachable { location: String, source: BucketError },
    #[error("datastore `{location}` has not answered for {waited:?}")]
    Silent { location: String, waited: Duration },
    #[error("the namespace is `{namespace}` already")]
    NamespaceUnchanged { namespace: Namespace },
    #[error("no namespace is set")]
    NoNamespace,
    #[error("the datastore is shared with {}", listed(.others))]
    Shared { others: Vec<Namespace> },
    #[error("there is data outside the namespace already: {files} files, such as `{}`", .path.display())]
    Occupied { path: PathBuf, files: u64 },
    #[error("the datastore block keeps `data` in the repository, so that there is nothing to share")]
    Unshared,
    #[error("`SWAMP_DATASTORE` replaces the datastore block of `.swamp.yaml`")]
    Overridden,
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    #[error(transparent)]
    Sync(#[from] SyncError),
    #[error(transparent)]
    Path(#[from] InvalidPath),
    #[error("work in the background ended early")]
    Background(#[from] tokio::task::JoinError),
    #[error(transparent)]
    Collisions(#[from] Collisions),
}

fn listed(namespaces: &[Namespace]) -> String {
    let names: Vec<String> = namespaces.iter().map(|namespace| format!("`{namespace}`")).collect();
    format!("{} {}", if names.len() == 1 { "namespace" } else { "namespaces" }, names.join(", "))
}

impl Failure for RepoError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotARepository { .. }
            | Self::Orphaned { .. }
            | Self::Marker { .. }
            | Self::MarkerSyntax { .. }
            | Self::NoHome
            | Self::NoNamespace
            | Self::Unshared
            | Self::Overridden => Kind::Invalid,
            Self::DirectoryMissing { .. } => Kind::NotFound,
            Self::Unreachable { source, .. } => source.kind(),
            Self::AlreadyInitialised { .. }
            | Self::NamespaceUnchanged { .. }
            | Self::Shared { .. }
            | Self::Occupied { .. } => Kind::Conflict,
            Self::Config(source) => source.kind(),
            Self::File(source) => source.kind(),
            Self::Manifest(source) => source.kind(),
            Self::Lock(source) => source.kind(),
            Self::Catalog(source) => source.kind(),
            Self::Store(source) => source.kind(),
            Self::Definition(source) => source.kind(),
            Self::Sync(source) => source.kind(),
            Self::Path(source) => source.kind(),
            Self::Silent { .. } | Self::Background(_) => Kind::Unavailable,
            Self::Collisions(source) => source.kind(),
        }
    }

    fn code(&self) -> Option<&'static str> {
        match self {
            Self::Lock(source) => source.code(),
            Self::Sync(source) => source.code(),
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotARepository { .. } => {
                Some("go to a repository, name one with `--repo-dir`, or make one with `swamp repo init`".to_owned())
            }
            Self::Orphaned { .. } => Some(
                "restore `.swamp.yaml` from version control: a new one from `swamp repo init` would not know the \
                 datastore"
                    .to_owned(),
            ),
            Self::AlreadyInitialised { .. } => {
                Some("`swamp repo init --force` repairs it and keeps its identity and datastore".to_owned())
            }
            Self::Marker { .. } | Self::MarkerSyntax { .. } => {
                Some("correct the file, or restore it from version control".to_owned())
            }
            Self::DirectoryMissing { .. } => Some("make it, mount it, or correct `datastore.path`".to_owned()),
            Self::Unreachable { source, .. } => source.hint(),
            Self::Silent { .. } => Some("check the network and the endpoint, then try again".to_owned()),
            Self::NamespaceUnchanged { .. } | Self::Background(_) => None,
            Self::NoNamespace => Some("set one with `swamp datastore namespace set <NAME>`".to_owned()),
            Self::Shared { .. } => Some(
                "data outside a namespace could be anybody's: name one with `--namespace`, or keep the one that is set and \
                 move your data by hand"
                    .to_owned(),
            ),
            Self::Occupied { .. } => Some(
                "nothing was moved, because it may be another repository's; move it elsewhere, or keep the namespace"
                    .to_owned(),
            ),
            Self::Unshared => {
                Some("take `data` out of `datastore.exclude`, or into `datastore.directories`".to_owned())
            }
            Self::Overridden => Some("unset the variable, then run the command again".to_owned()),
            Self::NoHome => Some("set `HOME` or `SWAMP_HOME`".to_owned()),
            Self::Config(source) => source.hint(),
            Self::File(source) => source.hint(),
            Self::Manifest(source) => source.hint(),
            Self::Lock(source) => source.hint(),
            Self::Catalog(source) => source.hint(),
            Self::Store(source) => source.hint(),
            Self::Definition(source) => source.hint(),
            Self::Sync(source) => source.hint(),
            Self::Path(source) => source.hint(),
            Self::Collisions(source) => source.hint(),
        }
    }
}
