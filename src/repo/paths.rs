//! Every path of a repository and of what belongs to it on this machine.
//!
//! What is cached lies under the user's swamp home, keyed by repository and by place, so that nothing cached outlives a
//! change of bucket, prefix or namespace (trap T12).

use std::path::{Path, PathBuf};

use crate::datastore::DatastoreConfig;
use crate::fsutil;
use crate::path::RelPath;

/// The directory of a repository that holds what is neither shared nor under version control.
pub const LOCAL_DIRECTORY: &str = ".swamp";

/// The staging directory inside a tree whose files must appear whole.
pub const STAGING_DIRECTORY: &str = ".swamp-tmp";

/// How many hexadecimal digits of the identity's digest name a cache.
const CACHE_NAME_DIGITS: usize = 16;

/// Where things are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The repository's root.
    pub root: PathBuf,
    /// The root of the tree that is worked on: the datastore itself if it is a directory, else its cache.
    pub tree: PathBuf,
    /// Where files are prepared before they appear in `tree`; on the same file system.
    pub staging: PathBuf,
    /// What we remember about the datastore: catalog, watermark, ledger, index mirror.
    pub state: PathBuf,
    /// The directory that holds all of this repository's caches of this datastore.
    pub cache: PathBuf,
}

impl Paths {
    /// Returns the paths of a repository that uses `config`.
    pub fn new(root: &Path, repo_id: &str, config: &DatastoreConfig, swamp_home: &Path) -> Self {
        let digest = fsutil::digest_bytes(config.identity().as_bytes()).sha256;
        let name = digest.get(..CACHE_NAME_DIGITS).unwrap_or(&digest);
        let cache = swamp_home.join("caches").join(safe_segment(repo_id)).join(name);
        let (tree, staging) = match config.backend.directory() {
            Some(directory) => (directory.to_owned(), directory.join(STAGING_DIRECTORY)),
            None => (cache.join("tree"), cache.join("tmp")),
        };
        Self { root: root.to_owned(), tree, staging, state: cache.join("state"), cache }
    }

    /// Returns the directory of what stays in the repository.
    pub fn local(&self) -> PathBuf {
        self.root.join(LOCAL_DIRECTORY)
    }

    /// Returns the directory that a subdirectory is in: our namespace's of the tree if the datastore holds it, else that of
    /// what stays in the repository.
    pub fn place(&self, subdirectory: &str, config: &DatastoreConfig) -> PathBuf {
        if config.holds(subdirectory) { self.namespaced(config) } else { self.local() }
    }

    /// Returns the directory of our namespace within the tree.
    pub fn namespaced(&self, config: &DatastoreConfig) -> PathBuf {
        match &config.namespace {
            Some(namespace) => namespace.to_path().under(&self.tree),
            None => self.tree.clone(),
        }
    }
}

/// Returns a path as people and upstream's output write it: relative to `base`, with `..` where needed.
pub fn relative(path: &Path, base: &Path) -> PathBuf {
    let common = path.components().zip(base.components()).take_while(|(one, other)| one == other).count();
    let upwards = base.components().skip(common).map(|_| Path::new(".."));
    let below = path.components().skip(common).map(|component| Path::new(component.as_os_str()));
    upwards.chain(below).collect()
}

/// Makes a repository id that came from a file usable as one directory name.
fn safe_segment(id: &str) -> String {
    let is_plain = id.parse::<RelPath>().is_ok_and(|path| path.segments().count() == 1) && !id.starts_with('.');
    if is_plain { id.to_owned() } else { fsutil::digest_bytes(id.as_bytes()).sha256 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(block: &serde_json::Value) -> DatastoreConfig {
        let places = crate::datastore::Places { repository: Path::new("/r"), home: None, variable: &|_| None };
        DatastoreConfig::from_block(block.as_object().expect("an object"), &places).expect("a block")
    }

    #[test]
    fn a_remote_datastore_has_a_tree_in_the_cache() {
        let s3 = config(&json!({"type": "@swamp/s3-datastore", "config": {"bucket": "team"}, "namespace": "infra"}));

        let paths = Paths::new(Path::new("/r"), "id", &s3, Path::new("/home/.swamp"));

        assert!(paths.cache.starts_with("/home/.swamp/caches/id"), "{paths:?}");
        assert_eq!(paths.tree, paths.cache.join("tree"));
        assert_eq!(paths.namespaced(&s3), paths.cache.join("tree/infra"));
    }

    #[test]
    fn a_directory_is_its_own_tree() {
        let filesystem = config(&json!({"type": "filesystem", "path": "/srv/d"}));

        let paths = Paths::new(Path::new("/r"), "../evil", &filesystem, Path::new("/home/.swamp"));

        assert_eq!(paths.tree, Path::new("/srv/d"));
        assert_eq!(paths.staging, Path::new("/srv/d/.swamp-tmp"));
        assert!(!paths.cache.to_string_lossy().contains(".."), "{paths:?}");
    }

    #[test]
    fn what_the_datastore_does_not_hold_is_in_the_repository() {
        let block = json!({"type": "filesystem", "path": "/srv/d", "namespace": "infra",
            "directories": ["data", "outputs"], "exclude": ["outputs"]});
        let chosen = config(&block);

        let paths = Paths::new(Path::new("/r"), "id", &chosen, Path::new("/h"));

        let places = ["data", "outputs", "workflow-runs"].map(|name| paths.place(name, &chosen));
        assert_eq!(places, ["/srv/d/infra", "/r/.swamp", "/r/.swamp"].map(PathBuf::from));
    }

    #[test]
    fn t12_another_prefix_is_another_cache() {
        let block = |prefix: &str| config(&json!({"type": "s3", "bucket": "team", "prefix": prefix}));
        let cache = |prefix: &str| Paths::new(Path::new("/r"), "id", &block(prefix), Path::new("/h")).cache;

        assert_ne!(cache("a"), cache("b"));
    }

    #[test]
    fn relative_paths_climb_out_of_the_base() {
        assert_eq!(relative(Path::new("/r/.swamp/data"), Path::new("/r")), Path::new(".swamp/data"));
        assert_eq!(relative(Path::new("/home/x"), Path::new("/r/a")), Path::new("../../home/x"));
    }
}
