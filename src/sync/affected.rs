//! Which rows of our catalog follow from which changed paths. Pure.

use std::collections::BTreeSet;

use crate::data::layout::{Artifact, DATA_DIRECTORY, Location};
use crate::data::name::VersionNumber;
use crate::path::RelPath;

/// What must be read again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Affected {
    /// Data names whose versions may have changed.
    pub artifacts: BTreeSet<Artifact>,
    /// Directories that came or went with everything below them.
    pub subtrees: BTreeSet<RelPath>,
}

impl Affected {
    /// Whether nothing must be.
    pub fn is_empty(&self) -> bool {
        self.artifacts.is_empty() && self.subtrees.is_empty()
    }

    /// Adds what follows from one changed path; `is_leaf` says that no other data names lie below it.
    pub fn add(&mut self, path: &RelPath, is_leaf: impl FnOnce() -> bool) {
        if path.segments().next() != Some(DATA_DIRECTORY) {
            return;
        }
        if let Some(location) = Location::parse(path) {
            self.artifacts.insert(location.artifact);
            return;
        }
        let of_version = || {
            let parent = path.parent().filter(|_| path.file_name().parse::<VersionNumber>().is_ok())?;
            Artifact::from_directory(&parent)
        };
        let found: Vec<Artifact> = Artifact::from_directory(path).into_iter().chain(of_version()).collect();
        // Numbers are versions first of all: a directory of a version says nothing about other names.
        let is_version = of_version().is_some();
        self.artifacts.extend(found);
        if !is_version && !is_leaf() {
            self.subtrees.insert(path.clone());
        }
    }

    /// Adds what else must be.
    pub fn extend(&mut self, other: Self) {
        self.artifacts.extend(other.artifacts);
        self.subtrees.extend(other.subtrees);
    }

    /// Whether a data name is among those that came or went with a directory.
    pub fn is_within(&self, artifact: &Artifact) -> bool {
        let directory = artifact.directory();
        self.subtrees.iter().any(|subtree| directory.is_within(subtree))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn affected(path: &str, is_leaf: bool) -> (Vec<String>, Vec<String>) {
        let mut affected = Affected::default();
        affected.add(&path.parse().expect("a path"), || is_leaf);
        let artifacts = affected.artifacts.iter().map(ToString::to_string).collect();
        (artifacts, affected.subtrees.iter().map(ToString::to_string).collect())
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn files_of_a_version_concern_their_data_name() {
        for path in ["data/t/id/n/3/metadata.yaml", "data/t/id/n/3/raw", "data/t/id/n/latest"] {
            assert_eq!(affected(path, true), (texts(&["t/id/n"]), vec![]), "{path}");
        }
    }

    #[test]
    fn a_version_that_came_or_went_concerns_its_data_name() {
        let (artifacts, subtrees) = affected("data/t/id/n/3", false);

        assert!(artifacts.contains(&"t/id/n".to_owned()), "{artifacts:?}");
        assert_eq!(subtrees, Vec::<String>::new());
    }

    #[test]
    fn a_model_that_came_or_went_concerns_everything_below() {
        assert_eq!(affected("data/t/id", false).1, texts(&["data/t/id"]));
        assert_eq!(affected("data", false).1, texts(&["data"]));
    }

    #[test]
    fn files_elsewhere_have_no_rows() {
        for path in ["outputs/a/b/run/x.yaml", "files/data/t/id/n/3/raw"] {
            assert_eq!(affected(path, false), (vec![], vec![]), "{path}");
        }
    }

    #[test]
    fn temporary_files_beside_data_read_nothing_but_their_own_name_again() {
        assert_eq!(affected("data/t/id/n/3/.raw.swp", true).1, Vec::<String>::new());
    }
}
