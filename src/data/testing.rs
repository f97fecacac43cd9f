//! What the tests of this module share: a tree in a temporary directory, a listener that remembers, a clock.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use indexmap::IndexMap;

use crate::clock::ManualClock;
use crate::error::{Failure, Kind};
use crate::path::RelPath;

use super::layout::Artifact;
use super::metadata::{Owner, OwnerType};
use super::name::VersionNumber;
use super::period::{GarbageCollection, Lifetime};
use super::store::{Content, Draft, MarkDirty, MarkError, Saved, Store};

/// Remembers the directories that were marked dirty, or refuses.
#[derive(Debug, Default)]
pub(super) struct Marks {
    pub(super) seen: Mutex<Vec<String>>,
    pub(super) refuses: bool,
}

/// The refusal of [`Marks`].
#[derive(Debug, thiserror::Error)]
#[error("the disk is full")]
struct Full;

impl Failure for Full {
    fn kind(&self) -> Kind {
        Kind::Unavailable
    }
}

impl MarkDirty for Marks {
    fn mark_dirty(&self, directory: &RelPath) -> Result<(), MarkError> {
        if self.refuses {
            return Err(Full.into());
        }
        self.seen.lock().expect("not poisoned").push(directory.to_string());
        Ok(())
    }
}

/// A store in a temporary directory.
#[derive(Debug)]
pub(super) struct Bed {
    pub(super) directory: tempfile::TempDir,
    pub(super) marks: Arc<Marks>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) store: Store,
}

impl Bed {
    pub(super) fn new() -> Self {
        Self::with_marks(Marks::default())
    }

    pub(super) fn with_marks(marks: Marks) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let marks = Arc::new(marks);
        let clock = Arc::new(ManualClock::new("2026-08-22T10:15:30.123Z".parse().expect("a time")));
        let (root, staging) = (directory.path().join("tree"), directory.path().join("staging"));
        let store = Store::new(&root, &staging, Arc::clone(&marks) as _, Arc::clone(&clock) as _);
        Self { directory, marks, clock, store }
    }

    pub(super) fn root(&self) -> PathBuf {
        self.directory.path().join("tree")
    }

    /// Saves the bytes with ordinary metadata.
    pub(super) fn save(&self, artifact: &Artifact, bytes: &[u8]) -> Saved {
        self.store.save(artifact, &draft(), Content::Bytes(bytes)).expect("saved")
    }

    /// Puts a file into the tree behind the store's back.
    pub(super) fn plant(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        crate::fsutil::write_atomic(&path, text.as_bytes(), self.directory.path(), crate::fsutil::Durability::Relaxed)
            .expect("written");
    }

    pub(super) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).expect("readable")
    }

    /// Returns every file in the tree, relative to its root, in order.
    pub(super) fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        crate::fsutil::walk(&self.root(), &mut |found| {
            files.push(found.path.strip_prefix(self.root()).expect("below").to_string_lossy().into_owned());
            Ok(())
        })
        .expect("walked");
        files
    }

    pub(super) fn staged(&self) -> usize {
        count(&self.directory.path().join("staging"))
    }
}

fn count(directory: &Path) -> usize {
    fs::read_dir(directory).map_or(0, Iterator::count)
}

pub(super) fn artifact(name: &str) -> Artifact {
    Artifact::new(
        "aws/ec2".parse().expect("a type"),
        "0bc79a8f-d9d2-4ec5-a37f-8d88bbb3ee27".parse().expect("an id"),
        name.parse().expect("a name"),
    )
    .expect("short enough")
}

pub(super) fn number(number: u64) -> VersionNumber {
    VersionNumber::try_from(number).expect("a version")
}

pub(super) fn draft() -> Draft {
    Draft {
        id: None,
        content_type: "application/json".to_owned(),
        lifetime: Lifetime::Infinite,
        garbage_collection: GarbageCollection::Newest(10),
        streaming: false,
        tags: IndexMap::from_iter([("type".to_owned(), "resource".to_owned())]),
        owner: Owner::new(OwnerType::ModelMethod, "0bc79a8f-d9d2-4ec5-a37f-8d88bbb3ee27"),
        lifecycle: None,
        renamed_to: None,
    }
}
