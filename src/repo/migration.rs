//! Moving local data into a namespace's directory, or out of it (formats.md 3.4).
//!
//! What is always local stays where it is, and so does a catalog of the existing swamp (trap T13). Nothing is ever
//! overwritten: a file that is there already with the same bytes counts as moved, one with other bytes stops the whole
//! migration before it begins.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Failure, Kind};
use crate::fsutil::{self, FileError, Found, Staged};

/// One subdirectory that has something to move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryMove {
    /// Its name.
    pub subdir: String,
    /// Where it is.
    pub source: PathBuf,
    /// Where it goes.
    pub target: PathBuf,
    /// How many files it has.
    pub files: u64,
    /// How many bytes they have.
    pub bytes: u64,
}

/// What a migration would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MigrationPlan {
    /// The subdirectories with something to move.
    pub directories: Vec<DirectoryMove>,
    /// Files that are at the target with other bytes.
    pub collisions: Vec<PathBuf>,
    /// Files to move, and those whose source can go because the target has it.
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Move { source: PathBuf, target: PathBuf },
    Drop { source: PathBuf },
}

/// Files that exist with different content where data would be moved to.
#[derive(Debug, thiserror::Error)]
#[error("{} files exist at the target with other content: {}", .paths.len(), listed(.paths))]
pub struct Collisions {
    paths: Vec<PathBuf>,
}

fn listed(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(", ")
}

impl DirectoryMove {
    /// Describes the move of a subdirectory from one place to another, of which nothing was looked at yet.
    pub fn new(subdir: &str, source: &Path, target: &Path) -> Self {
        Self { subdir: subdir.to_owned(), source: source.join(subdir), target: target.join(subdir), files: 0, bytes: 0 }
    }
}

impl Failure for Collisions {
    fn kind(&self) -> Kind {
        Kind::Conflict
    }

    fn hint(&self) -> Option<String> {
        Some("nothing was moved; keep one of each two files, then run the command again".to_owned())
    }
}

/// Compares sources and targets; changes nothing.
pub fn plan(directories: Vec<DirectoryMove>) -> Result<MigrationPlan, FileError> {
    let mut plan = MigrationPlan::default();
    for mut directory in directories {
        let (from, to) = (directory.source.clone(), directory.target.clone());
        fsutil::walk(&from, &mut |found| {
            if stays(&found.path) {
                return Ok(());
            }
            directory.files += 1;
            directory.bytes += found.metadata.len();
            let below = found.path.strip_prefix(&from).map_err(io::Error::other);
            let target = to.join(below.map_err(FileError::at("place", &found.path))?);
            plan.add(found, target)
        })?;
        if directory.files > 0 {
            plan.directories.push(directory);
        }
    }
    Ok(plan)
}

/// Returns a file of data that lies in one of the subdirectories already, and how many there are.
pub fn occupied(root: &Path, directories: &[String]) -> Result<Option<(PathBuf, u64)>, FileError> {
    let mut found_first: Option<(PathBuf, u64)> = None;
    for subdir in directories {
        fsutil::walk(&root.join(subdir), &mut |found| {
            if !stays(&found.path) {
                let (_, count) = found_first.get_or_insert((found.path, 0));
                *count += 1;
            }
            Ok(())
        })?;
    }
    Ok(found_first)
}

/// Whether a file belongs to a running swamp rather than to the data.
fn stays(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("_catalog.db") || name == ".lock"
}

impl MigrationPlan {
    /// Returns how many files are to be moved.
    pub fn files(&self) -> u64 {
        self.directories.iter().map(|directory| directory.files).sum()
    }

    /// Returns how many bytes are to be moved.
    pub fn bytes(&self) -> u64 {
        self.directories.iter().map(|directory| directory.bytes).sum()
    }

    /// Returns an error that names every collision, if there are any.
    pub fn check(&self) -> Result<(), Collisions> {
        match self.collisions.as_slice() {
            [] => Ok(()),
            paths => Err(Collisions { paths: paths.to_vec() }),
        }
    }

    /// Moves everything, file by file: after an interruption the same command does the rest.
    pub fn apply(&self) -> Result<(), FileError> {
        for step in &self.steps {
            match step {
                Step::Move { source, target } => fsutil::rename(source, target)?,
                Step::Drop { source } => drop(fsutil::remove_file(source)?),
            }
        }
        for step in &self.steps {
            let (Step::Move { source, .. } | Step::Drop { source }) = step;
            if let (Some(parent), Some(root)) = (source.parent(), self.root_of(source)) {
                fsutil::remove_empty_parents(parent, root);
            }
        }
        Ok(())
    }

    /// Copies everything; the sources stay, and after an interruption the same command does the rest.
    pub fn copy(&self, staging: &Path) -> Result<(), FileError> {
        for step in &self.steps {
            let Step::Move { source, target } = step else { continue };
            let mut file = File::open(source).map_err(FileError::at("read", source))?;
            let mut staged = Staged::new(staging)?;
            io::copy(&mut file, staged.file()).map_err(FileError::at("copy", source))?;
            staged.file().sync_all().map_err(FileError::at("sync", target))?;
            fsutil::install_new(&staged, target)?;
        }
        Ok(())
    }

    /// Returns the directory above the subdirectory that a source lies in.
    fn root_of(&self, source: &Path) -> Option<&Path> {
        let directory = self.directories.iter().find(|directory| source.starts_with(&directory.source))?;
        directory.source.parent()
    }

    fn add(&mut self, found: Found, target: PathBuf) -> Result<(), FileError> {
        let source = found.path;
        let step = match std::fs::symlink_metadata(&target) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound) => Step::Move { source, target },
            Ok(there) if there.len() == found.metadata.len() && is_same(&source, &target)? => Step::Drop { source },
            Ok(_) => {
                self.collisions.push(target);
                return Ok(());
            }
            Err(error) => return Err(FileError::at("examine", &target)(error)),
        };
        self.steps.push(step);
        Ok(())
    }
}

fn is_same(one: &Path, other: &Path) -> Result<bool, FileError> {
    Ok(fsutil::digest_file(one)?.sha256 == fsutil::digest_file(other)?.sha256)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fsutil::Durability;

    struct World(tempfile::TempDir);

    impl World {
        fn new(files: &[(&str, &str)]) -> Self {
            let world = Self(tempfile::tempdir().expect("a directory"));
            for (file, text) in files {
                let staging = world.path("staging");
                fsutil::write_atomic(&world.path(file), text.as_bytes(), &staging, Durability::Relaxed)
                    .expect("written");
            }
            world
        }

        fn path(&self, below: &str) -> PathBuf {
            self.0.path().join(below)
        }

        fn plan(&self) -> MigrationPlan {
            let target = self.path("infra");
            let moves = ["data", "outputs"].map(|subdir| DirectoryMove::new(subdir, self.0.path(), &target));
            plan(moves.into()).expect("planned")
        }

        fn files(&self) -> Vec<String> {
            let mut files = Vec::new();
            fsutil::walk(self.0.path(), &mut |found| {
                files.push(found.path.strip_prefix(self.0.path()).expect("below").display().to_string());
                Ok(())
            })
            .expect("walked");
            files
        }
    }

    #[test]
    fn t13_data_moves_and_what_is_local_stays() {
        let world = World::new(&[
            ("data/t/id/n/1/raw", "abc"),
            ("data/_catalog.db-wal", "x"),
            ("outputs/o.yaml", "y"),
            ("secrets/key", "s"),
        ]);

        let plan = world.plan();
        plan.apply().expect("moved");

        assert_eq!((plan.files(), plan.bytes()), (2, 4));
        assert_eq!(
            world.files(),
            ["data/_catalog.db-wal", "infra/data/t/id/n/1/raw", "infra/outputs/o.yaml", "secrets/key"]
        );
        assert!(!world.path("outputs").exists());
    }

    #[test]
    fn a_plan_changes_nothing() {
        let world = World::new(&[("data/a", "1")]);

        world.plan();

        assert_eq!(world.files(), ["data/a"]);
    }

    #[test]
    fn what_was_moved_before_an_interruption_is_not_in_the_way() {
        let world = World::new(&[("data/a", "1"), ("data/b", "2"), ("infra/data/a", "1")]);

        let plan = world.plan();
        plan.check().expect("no collisions");
        plan.apply().expect("moved");

        assert_eq!(world.files(), ["infra/data/a", "infra/data/b"]);
    }

    #[test]
    fn every_collision_is_named_before_anything_moves() {
        let world = World::new(&[("data/a", "1"), ("data/b", "2"), ("infra/data/a", "x"), ("infra/data/b", "22")]);

        let refused = world.plan().check().expect_err("collisions").to_string();

        assert!(refused.starts_with("2 files exist at the target"), "{refused}");
        assert!(refused.contains("infra/data/a`") && refused.contains("infra/data/b`"), "{refused}");
    }
}
