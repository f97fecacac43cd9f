//! What a synchronisation is about to do, written down before it does it.
//!
//! A process can die between a change and the record that the change was made. Then the next session would take a file
//! that was published here and deleted since for one that others published, and fetch it back; or a file that was fetched
//! and that others deleted since for one of ours, and publish it again. The notes kept here tell it which is which. A
//! note says what may have happened: it counts only where the index, or the file, agrees.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::SyncError;
use super::local;
use super::plan::Local;
use super::watermark::DirtySet;
use crate::fsutil::{self, Durability, FileError};
use crate::index::{Known, Record, Stamp, Verified};
use crate::path::RelPath;

const FORMAT: u32 = 2;

/// The longest file of notes that is read, in bytes; a longer one is not ours.
const BYTES_MAX: u64 = 256 << 20;

/// How many contents of a file are remembered, one for every session that ended early.
const CONTENTS_MAX: usize = 16;

/// What is about to become of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Intent {
    /// It gets a content, by its SHA-256, after what earlier sessions were about to give it. None where an index entry does
    /// not tell.
    Write(Vec<String>),
    /// It is deleted, if it is a version with one of these contents, or no version.
    Delete(Vec<String>),
}

impl Intent {
    /// Returns the contents that the file has, or had, by their SHA-256.
    pub(super) fn contents(&self) -> &[String] {
        match self {
            Self::Write(contents) | Self::Delete(contents) => contents,
        }
    }

    /// Remembers what an earlier session was about to do: it may have done it.
    fn after(mut self, earlier: &Self) -> Self {
        let (Self::Write(contents) | Self::Delete(contents)) = &mut self;
        let mut all: Vec<String> = earlier.contents().iter().filter(|it| !contents.contains(it)).cloned().collect();
        all.append(contents);
        all.drain(..all.len().saturating_sub(CONTENTS_MAX));
        *contents = all;
        self
    }
}

/// The notes of one direction: read as a map of their own, written from one that is borrowed.
#[derive(Debug, Serialize, Deserialize)]
struct Notes<F> {
    format: u32,
    files: F,
    /// Whether the catalog is published as well.
    #[serde(default)]
    exports: bool,
}

/// The notes of a cache.
#[derive(Debug)]
pub(super) struct InFlight {
    directory: PathBuf,
    staging: PathBuf,
    pushing: BTreeMap<RelPath, Intent>,
    /// Whether a push was about to publish the catalog: it may be another than the index says.
    exporting: bool,
    pulling: BTreeMap<RelPath, Intent>,
    /// What pushes create while there is no index.
    creating: BTreeMap<RelPath, Intent>,
    /// What pushes of earlier sessions were about to commit.
    left: BTreeSet<RelPath>,
}

impl InFlight {
    /// Reads what earlier sessions left; unreadable notes are none.
    pub(super) fn open(directory: &Path, staging: &Path) -> Result<Self, FileError> {
        let read = |name: &str| -> Result<(BTreeMap<RelPath, Intent>, bool), FileError> {
            let bytes = fsutil::read_if_exists(&directory.join(name), BYTES_MAX)?;
            let notes = bytes.and_then(|bytes| serde_json::from_slice::<Notes<_>>(&bytes).ok());
            let notes = notes.filter(|notes| notes.format == FORMAT);
            Ok(notes.map(|notes| (notes.files, notes.exports)).unwrap_or_default())
        };
        let ((pushing, exporting), (pulling, _), (creating, _)) =
            (read("pushing.json")?, read("pulling.json")?, read("creating.json")?);
        let (directory, staging, left) = (directory.to_owned(), staging.to_owned(), pushing.keys().cloned().collect());
        Ok(Self { directory, staging, pushing, exporting, pulling, creating, left })
    }

    /// What pushes were about to do to the files of the datastore.
    pub(super) fn pushing(&self) -> &BTreeMap<RelPath, Intent> {
        &self.pushing
    }

    /// Whether a push was about to publish the catalog, and nobody knows whether it did.
    pub(super) fn is_exporting(&self) -> bool {
        self.exporting
    }

    /// What pushes of earlier sessions were about to commit: others may know it from a shard, and have deleted it since.
    pub(super) fn left(&self) -> impl Iterator<Item = &RelPath> {
        self.left.iter()
    }

    /// Returns the files that pushes were about to send.
    pub(super) fn sending(&self) -> impl Iterator<Item = &RelPath> {
        self.pushing.keys().chain(self.creating.keys())
    }

    /// Whether a push was about to send a file with this content.
    pub(super) fn is_sent(&self, path: &RelPath, sha256: &String) -> bool {
        let intents = [self.pushing.get(path), self.creating.get(path)];
        intents.into_iter().flatten().any(|intent| intent.contents().contains(sha256))
    }

    /// Returns the files that pulls were about to put into the cache.
    pub(super) fn pulling(&self) -> impl Iterator<Item = &RelPath> {
        self.pulling.keys()
    }

    /// Notes what a push is about to commit, and whether it may publish the catalog.
    pub(super) fn begin_push(&mut self, files: BTreeMap<RelPath, Intent>, exports: bool) -> Result<(), FileError> {
        let is_news = add(&mut self.pushing, files);
        if !is_news && exports <= self.exporting {
            return Ok(());
        }
        self.exporting |= exports;
        self.store("pushing.json", &self.pushing, self.exporting)
    }

    /// Notes what a push is about to create though no index tells whose it is.
    pub(super) fn begin_create(&mut self, files: BTreeMap<RelPath, Intent>) -> Result<(), FileError> {
        if !add(&mut self.creating, files) {
            return Ok(());
        }
        self.store("creating.json", &self.creating, false)
    }

    /// Forgets what pushes did, but for `unfinished` files, and for the catalog unless it `is_exported`.
    pub(super) fn end_push(
        &mut self,
        unfinished: impl Fn(&RelPath) -> bool,
        is_exported: bool,
    ) -> Result<(), FileError> {
        let before = (self.creating.len(), self.pushing.len(), self.exporting);
        self.creating.retain(|path, _| unfinished(path));
        self.pushing.retain(|path, _| unfinished(path));
        self.left.retain(unfinished);
        self.exporting &= !is_exported;
        if self.creating.len() != before.0 {
            self.store("creating.json", &self.creating, false)?;
        }
        if (self.pushing.len(), self.exporting) != (before.1, before.2) {
            self.store("pushing.json", &self.pushing, self.exporting)?;
        }
        Ok(())
    }

    /// Notes which contents a pull is about to put into the cache.
    pub(super) fn begin_pull(&mut self, files: BTreeMap<RelPath, Intent>) -> Result<(), FileError> {
        if files.is_empty() {
            return Ok(());
        }
        self.pulling.extend(files);
        self.store("pulling.json", &self.pulling, false)
    }

    /// Forgets files that a pull has recorded. On disk their notes stay until others replace them, which does no harm.
    pub(super) fn recorded(&mut self, files: &[RelPath]) {
        for path in files {
            self.pulling.remove(path);
        }
    }

    /// Forgets what pulls did, once all of it is recorded.
    pub(super) fn end_pull(&mut self) -> Result<(), FileError> {
        self.pulling.clear();
        self.store("pulling.json", &self.pulling, false)
    }

    /// Writes into the record of a shard what a session that ended early knew of its files; returns whether that is news.
    pub(super) fn complete(
        &self,
        record: &mut Record,
        root: &Path,
        dirty: &DirtySet,
        is_of_shard: impl Fn(&RelPath) -> bool,
    ) -> Result<bool, SyncError> {
        let mut is_news = false;
        for (path, sha256) in contents(&self.pushing).filter(|(path, _)| is_of_shard(path)) {
            // The index agrees: a push did publish it.
            let Some(entry) = record.entries.get(path).filter(|entry| entry.sha256.as_ref() == Some(sha256)) else {
                continue;
            };
            // Whatever is here now is looked at.
            let published = Verified { stamp: Stamp::of_nothing(entry.size), sha256: sha256.clone() };
            let last_modified = entry.last_modified.clone();
            is_news |= note(record, path, last_modified, published);
        }
        for (path, intent) in self.pulling.iter().filter(|(path, _)| is_of_shard(path)) {
            let known = record.known.get(path);
            // The file agrees: the pull did put it here. Where nobody knows what it was to be, nobody has changed it since.
            let is_untold = intent.contents().is_empty() && !dirty.is_named(path);
            if let Local::Present(found) = local::examine(root, path, known, None)?
                && (intent.contents().contains(&found.sha256) || is_untold)
            {
                // What is not told is of nobody knows when.
                let entry = record.entries.get(path).filter(|_| !intent.contents().is_empty());
                let last_modified = entry.map(|entry| entry.last_modified.clone()).unwrap_or_default();
                is_news |= note(record, path, last_modified, found);
            }
        }
        Ok(is_news)
    }

    fn store(&self, name: &str, files: &BTreeMap<RelPath, Intent>, exports: bool) -> Result<(), FileError> {
        store(&self.directory, &self.staging, name, files, exports)
    }
}

fn store(
    directory: &Path,
    staging: &Path,
    name: &str,
    files: &BTreeMap<RelPath, Intent>,
    exports: bool,
) -> Result<(), FileError> {
    let path = directory.join(name);
    if files.is_empty() && !exports {
        return fsutil::remove_file(&path).map(drop);
    }
    let notes = Notes { format: FORMAT, files, exports };
    fsutil::write_atomic(&path, &serde_json::to_vec(&notes).unwrap_or_default(), staging, Durability::Synced)
}

/// Adds notes to those of earlier sessions; returns whether they say more now.
fn add(notes: &mut BTreeMap<RelPath, Intent>, files: BTreeMap<RelPath, Intent>) -> bool {
    let mut is_news = false;
    for (path, intent) in files {
        let intent = match notes.get(&path) {
            Some(earlier) => intent.after(earlier),
            None => intent,
        };
        if notes.get(&path) != Some(&intent) {
            is_news = true;
            notes.insert(path, intent);
        }
    }
    is_news
}

fn contents(files: &BTreeMap<RelPath, Intent>) -> impl Iterator<Item = (&RelPath, &String)> {
    files.iter().flat_map(|(path, intent)| intent.contents().iter().map(move |sha256| (path, sha256)))
}

/// Records content as the one this cache held last; returns false if that is known already.
pub(super) fn note(record: &mut Record, path: &RelPath, last_modified: String, held: Verified) -> bool {
    let known = record.known.get(path).and_then(|known| known.local.as_ref());
    let is_news = known.is_none_or(|known| known.sha256 != held.sha256);
    if is_news {
        record.known.insert(path.clone(), Known { last_modified, local: Some(held), version: None });
    }
    is_news
}
