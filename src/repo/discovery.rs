//! Finding the repository a command is about (formats.md 1.5).

use std::path::{Path, PathBuf};

use super::{Environment, RepoError, marker};

/// How many directories upwards are searched.
const LEVELS_MAX: usize = 10;

/// Returns the repository's root: `explicit`, else `SWAMP_REPO_DIR`, else the nearest directory upwards with a
/// `.swamp.yaml`. The search stops at the root of a git repository.
pub fn discover(explicit: Option<&Path>, environment: &Environment) -> Result<PathBuf, RepoError> {
    let named = explicit.or_else(|| environment.variable("SWAMP_REPO_DIR").map(Path::new));
    let start = environment.directory();
    match named {
        Some(directory) => check(start.join(directory)),
        None => check(search(start).unwrap_or(start).to_owned()),
    }
}

fn search(start: &Path) -> Option<&Path> {
    for directory in start.ancestors().take(LEVELS_MAX) {
        if directory.join(marker::FILE_NAME).is_file() {
            return Some(directory);
        }
        if directory.join(".git").exists() {
            return None;
        }
    }
    None
}

fn check(directory: PathBuf) -> Result<PathBuf, RepoError> {
    if directory.join(marker::FILE_NAME).is_file() {
        Ok(directory)
    } else if directory.join(".swamp").is_dir() {
        Err(RepoError::Orphaned { directory })
    } else {
        Err(RepoError::NotARepository { directory })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fsutil::{self, Durability};
    use std::collections::BTreeMap;

    struct World(tempfile::TempDir);

    impl World {
        fn new(files: &[&str]) -> Self {
            let world = Self(tempfile::tempdir().expect("a directory"));
            for file in files {
                let staging = world.path("staging");
                fsutil::write_atomic(&world.path(file), b"", &staging, Durability::Relaxed).expect("written");
            }
            world
        }

        fn path(&self, below: &str) -> PathBuf {
            self.0.path().join(below)
        }

        fn discover(&self, directory: &str, explicit: Option<&str>) -> Result<PathBuf, RepoError> {
            let environment = Environment::new(BTreeMap::new(), self.path(directory));
            discover(explicit.map(Path::new), &environment)
        }
    }

    #[test]
    fn the_nearest_marker_upwards_is_found() {
        let world = World::new(&["repo/.swamp.yaml", "repo/a/b/file"]);

        assert_eq!(world.discover("repo/a/b", None).expect("found"), world.path("repo"));
    }

    #[test]
    fn the_search_stops_at_a_git_root() {
        let world = World::new(&[".swamp.yaml", "inner/.git/config", "inner/a/file"]);

        let refused = world.discover("inner/a", None).expect_err("nothing to find");

        assert!(matches!(refused, RepoError::NotARepository { directory } if directory == world.path("inner/a")));
    }

    #[test]
    fn a_named_directory_is_not_searched_upwards() {
        let world = World::new(&["repo/.swamp.yaml", "repo/a/file"]);

        assert_eq!(world.discover("", Some("repo")).expect("found"), world.path("repo"));
        assert!(matches!(world.discover("", Some("repo/a")), Err(RepoError::NotARepository { .. })));
    }

    #[test]
    fn state_without_a_marker_is_told_apart() {
        let world = World::new(&["repo/.swamp/data/file"]);

        assert!(matches!(world.discover("repo", None), Err(RepoError::Orphaned { .. })));
    }
}
