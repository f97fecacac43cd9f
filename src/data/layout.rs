//! The layout of the data tree: which path holds which part of which version. Pure, and a bijection.
//!
//! All paths are relative to the namespace root: `data/{type…}/{model id}/{data name}/{version}/raw`. A type has any
//! number of directories, so paths are read from the right.

use std::fmt;

use crate::path::{PATH_BYTES_MAX, RelPath};

use super::name::{DataName, InvalidName, ModelId, ModelType, VersionNumber};

/// The directory of the namespace root that holds all data.
pub const DATA_DIRECTORY: &str = "data";

/// The file of a version that holds its content.
pub const RAW_FILE: &str = "raw";

/// The file of a version that describes it.
pub const METADATA_FILE: &str = "metadata.yaml";

/// The file of a data name that holds the number of its latest version.
pub const LATEST_FILE: &str = "latest";

/// What must be left of a key for the namespace, the largest version number and the longest file name.
const KEY_RESERVE_BYTES: usize = 65 + 17 + 14;

/// One data name of one model: what versions are versions of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Artifact {
    model_type: ModelType,
    model_id: ModelId,
    name: DataName,
}

impl Artifact {
    /// Joins checked names, if the keys they lead to are short enough for every datastore.
    pub fn new(model_type: ModelType, model_id: ModelId, name: DataName) -> Result<Self, InvalidName> {
        let artifact = Self { model_type, model_id, name };
        let length = artifact.directory_text().len();
        if length + KEY_RESERVE_BYTES > PATH_BYTES_MAX {
            return Err(InvalidName::new("usable name", &artifact.directory_text(), "its keys exceed 1,024 bytes"));
        }
        Ok(artifact)
    }

    /// Returns the type of the model.
    pub fn model_type(&self) -> &ModelType {
        &self.model_type
    }

    /// Returns the identity of the model.
    pub fn model_id(&self) -> &ModelId {
        &self.model_id
    }

    /// Returns the data name.
    pub fn name(&self) -> &DataName {
        &self.name
    }

    /// Returns another data name of the same model.
    pub fn sibling(&self, name: DataName) -> Result<Self, InvalidName> {
        Self::new(self.model_type.clone(), self.model_id.clone(), name)
    }

    /// Returns the directory of all versions.
    pub fn directory(&self) -> RelPath {
        RelPath::from_trusted(self.directory_text())
    }

    /// Returns the directory of one version.
    pub fn version_directory(&self, version: VersionNumber) -> RelPath {
        RelPath::from_trusted(format!("{}/{version}", self.directory_text()))
    }

    /// Returns the path of one file.
    pub fn path(&self, part: Part) -> RelPath {
        let directory = self.directory_text();
        RelPath::from_trusted(match part {
            Part::Raw(version) => format!("{directory}/{version}/{RAW_FILE}"),
            Part::Metadata(version) => format!("{directory}/{version}/{METADATA_FILE}"),
            Part::Latest => format!("{directory}/{LATEST_FILE}"),
        })
    }

    /// Returns the artifact whose directory this is.
    pub fn from_directory(directory: &RelPath) -> Option<Self> {
        let segments: Vec<&str> = directory.segments().collect();
        let [DATA_DIRECTORY, types @ .., model_id, name] = segments.as_slice() else { return None };
        let model_type = ModelType::from_normalized(&types.join("/")).ok()?;
        Self::new(model_type, model_id.parse().ok()?, name.parse().ok()?).ok()
    }

    fn directory_text(&self) -> String {
        format!("{DATA_DIRECTORY}/{}/{}/{}", self.model_type, self.model_id, self.name)
    }
}

impl fmt::Display for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.model_type, self.model_id, self.name)
    }
}

/// A file of an artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The content of a version.
    Raw(VersionNumber),
    /// The description of a version.
    Metadata(VersionNumber),
    /// The number of the latest version.
    Latest,
}

/// A file of the data tree: which artifact, which part of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// Whose file it is.
    pub artifact: Artifact,
    /// Which file it is.
    pub part: Part,
}

impl Location {
    /// Returns what the path holds, `None` for every path that is no file of the data tree.
    pub fn parse(path: &RelPath) -> Option<Self> {
        let parent = path.parent()?;
        if path.file_name() == LATEST_FILE {
            return Some(Self { artifact: Artifact::from_directory(&parent)?, part: Part::Latest });
        }
        let version: VersionNumber = parent.file_name().parse().ok()?;
        let part = match path.file_name() {
            RAW_FILE => Part::Raw(version),
            METADATA_FILE => Part::Metadata(version),
            _ => return None,
        };
        Some(Self { artifact: Artifact::from_directory(&parent.parent()?)?, part })
    }

    /// Returns the path, the inverse of [`Location::parse`].
    pub fn path(&self) -> RelPath {
        self.artifact.path(self.part)
    }
}

/// Whether the path is a file of a version, which never changes once it is there.
///
/// The exception is the `raw` of a streaming version, which its metadata tells and its path does not.
pub fn is_immutable(path: &RelPath) -> bool {
    match Location::parse(path) {
        Some(Location { part: Part::Raw(_) | Part::Metadata(_), .. }) => true,
        Some(Location { part: Part::Latest, .. }) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        text.parse().expect("a relative path")
    }

    #[test]
    fn every_golden_key_of_the_data_tree_survives_the_round_trip() {
        let keys = include_str!("../../tests/data/golden-keys.txt");
        for key in keys.lines() {
            let key = path(key);

            assert_eq!(Location::parse(&key).map(|location| location.path()), Some(key));
        }
        assert_eq!(keys.lines().count(), 565);
    }

    #[test]
    fn numbers_and_reserved_words_are_read_from_the_right() {
        let location = Location::parse(&path("data/aws/ec2/vpc/id-1/7/3/raw")).expect("a location");

        assert_eq!(location.artifact.model_type().as_str(), "aws/ec2/vpc");
        assert_eq!(location.artifact.model_id().as_str(), "id-1");
        assert_eq!(location.artifact.name().as_str(), "7");
        assert_eq!(location.part, Part::Raw("3".parse().expect("a version")));
        assert_eq!(Location::parse(&path("data/t/id/raw/latest")).map(|found| found.part), Some(Part::Latest));
    }

    #[test]
    fn all_other_paths_are_refused() {
        for text in [
            "data",
            "data/t/id/latest",
            "data/t/id/name/03/raw",
            "data/t/id/name/3abc/raw",
            "data/t/id/name/3/other",
            "data/t/id/name/3/latest/raw",
            "data/t/id/LATEST/3/raw",
            "data/T/id/name/3/raw",
            "data/a.b/id/name/3/raw",
            "outputs/t/id/name/3/raw",
            "data/t/id/.lock",
            "data/t/id/name/.x.tmp",
            "data/id/name/3/raw",
        ] {
            assert_eq!(Location::parse(&path(text)), None, "{text}");
        }
    }

    #[test]
    fn only_files_of_versions_are_immutable() {
        assert!(is_immutable(&path("data/t/id/name/3/raw")));
        assert!(is_immutable(&path("data/t/id/name/3/metadata.yaml")));
        assert!(!is_immutable(&path("data/t/id/name/latest")));
        assert!(!is_immutable(&path("outputs/t/m/x.yaml")));
    }

    #[test]
    fn names_whose_keys_would_be_too_long_are_refused() {
        let long_type = ["x".repeat(255), "y".repeat(255), "z".repeat(255)].join("/");
        let refused = Artifact::new(
            long_type.parse().expect("a type"),
            "i".repeat(200).parse().expect("an id"),
            "n".parse().expect("a name"),
        );

        assert!(refused.expect_err("too long").to_string().ends_with("its keys exceed 1,024 bytes"));
    }
}
