//! The dirty set: what changed here and has not reached the datastore (formats.md 5.1).
//!
//! A path is recorded durably *before* the write it announces. The file is a journal of JSON lines that only grows
//! until a push succeeds; then it is replaced by what was marked since the push began. A missing or unreadable journal
//! means that everything is dirty. Deletion is never concluded from a pathless mark.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::data::store::{MarkDirty, MarkError};
use crate::fsutil::{self, Durability, FileError};
use crate::path::RelPath;

/// How many paths are remembered singly; beyond that, paths are replaced by their parent directories.
pub const DIRTY_PATHS_MAX: usize = 4096;

/// The largest journal we read, in bytes.
const JOURNAL_BYTES_MAX: u64 = 64 << 20;

/// What is dirty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirtySet {
    /// Whether anything at all may have changed.
    pub is_everything: bool,
    /// Directories or files below which something changed, relative to the namespace.
    pub paths: Vec<RelPath>,
}

impl DirtySet {
    /// Whether nothing is dirty.
    pub fn is_empty(&self) -> bool {
        !self.is_everything && self.paths.is_empty()
    }

    /// Whether a file was announced as changed.
    pub fn covers(&self, path: &RelPath) -> bool {
        self.is_everything || self.is_named(path)
    }

    /// Whether a file lies below a path that was announced by name.
    pub fn is_named(&self, path: &RelPath) -> bool {
        self.paths.iter().any(|dirty| path.is_within(dirty))
    }
}

/// A moment in the life of the dirty set; marks made later survive [`Watermark::clear`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Names one life of the journal; an inode number would come back.
    journal: Uuid,
    length: u64,
}

/// The durable dirty set of one cache, shared by all processes that use the cache.
#[derive(Debug)]
pub struct Watermark {
    path: PathBuf,
    staging: PathBuf,
    /// Serialises the threads of this process; a file lock serialises processes.
    turn: Mutex<()>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// Absent for everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<RelPath>,
}

/// The first line of a journal.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    watermark: u32,
    journal: Uuid,
}

/// The version of the journal's format.
const FORMAT: u32 = 1;

/// A journal as it is on disk.
struct Journal {
    file: File,
    mark: Mark,
    paths: Vec<Option<RelPath>>,
}

impl Watermark {
    /// Describes the watermark of a cache; nothing is read yet.
    pub fn new(path: &Path, staging: &Path) -> Self {
        Self { path: path.to_owned(), staging: staging.to_owned(), turn: Mutex::default() }
    }

    /// Records a path as dirty; returns once that is on disk. `None` means that anything may have changed.
    ///
    /// A path that is dirty already is recorded again: a push that began in between must not clear it.
    pub fn mark(&self, path: Option<&RelPath>) -> Result<(), FileError> {
        self.exclusively(|journal| {
            if journal.paths.len() >= DIRTY_PATHS_MAX {
                let mut paths: BTreeSet<_> = journal.paths.into_iter().collect();
                collapse(&mut paths);
                paths.insert(path.cloned());
                return self.rewrite(paths);
            }
            let mut file = journal.file;
            file.write_all(&line(path)).and_then(|()| file.sync_data()).map_err(FileError::at("write", &self.path))
        })
    }

    /// Returns what is dirty now, and the moment.
    pub fn snapshot(&self) -> Result<(DirtySet, Mark), FileError> {
        self.exclusively(|journal| {
            let is_everything = journal.paths.contains(&None);
            let paths: BTreeSet<_> = journal.paths.into_iter().flatten().collect();
            Ok((DirtySet { is_everything, paths: outermost(&paths) }, journal.mark))
        })
    }

    /// Forgets what was marked up to `mark`: it has reached the datastore.
    pub fn clear(&self, mark: Mark) -> Result<(), FileError> {
        self.exclusively(|journal| {
            if journal.mark.journal != mark.journal {
                // The journal was rewritten meanwhile: what is old and what is new cannot be told apart any more.
                return Ok(());
            }
            let bytes = fsutil::read_if_exists(&self.path, JOURNAL_BYTES_MAX)?.unwrap_or_default();
            let start = usize::try_from(mark.length).unwrap_or(usize::MAX);
            let later = parse_lines(bytes.get(start..).unwrap_or_default()).unwrap_or_else(|| vec![None]);
            self.rewrite(later)
        })
    }

    /// Runs `work` on the journal while no other process or thread touches it. Makes a journal that says that
    /// everything is dirty where there is no readable one.
    fn exclusively<T>(&self, work: impl FnOnce(Journal) -> Result<T, FileError>) -> Result<T, FileError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let _lock = fsutil::lock_exclusively(&self.path.with_extension("lock"))?;
        if let Some(journal) = self.open()? {
            return work(journal);
        }
        tracing::debug!(path = %self.path.display(), "no readable watermark, everything is dirty");
        self.rewrite([None])?;
        let unreadable = || std::io::Error::from(std::io::ErrorKind::InvalidData);
        work(self.open()?.ok_or_else(|| FileError::at("read", &self.path)(unreadable()))?)
    }

    /// Opens the journal, `None` if it is missing or unreadable.
    fn open(&self) -> Result<Option<Journal>, FileError> {
        let Some(bytes) = fsutil::read_if_exists(&self.path, JOURNAL_BYTES_MAX)? else { return Ok(None) };
        let Some((journal, paths)) = parse(&bytes) else { return Ok(None) };
        let file = OpenOptions::new().append(true).open(&self.path).map_err(FileError::at("open", &self.path))?;
        let metadata = file.metadata().map_err(FileError::at("examine", &self.path))?;
        let mark = Mark { journal, length: metadata.len() };
        // A torn last line would swallow the next one.
        let is_torn = bytes.last() != Some(&b'\n');
        if is_torn {
            self.rewrite(paths)?;
            return self.open();
        }
        Ok(Some(Journal { file, mark, paths }))
    }

    fn rewrite(&self, paths: impl IntoIterator<Item = Option<RelPath>>) -> Result<(), FileError> {
        let header = Header { watermark: FORMAT, journal: Uuid::new_v4() };
        let mut text = serde_json::to_vec(&header).unwrap_or_default();
        text.push(b'\n');
        for path in paths {
            text.extend(line(path.as_ref()));
        }
        fsutil::write_atomic(&self.path, &text, &self.staging, Durability::Synced)
    }
}

impl MarkDirty for Watermark {
    fn mark_dirty(&self, directory: &RelPath) -> Result<(), MarkError> {
        Ok(self.mark(Some(directory))?)
    }
}

fn line(path: Option<&RelPath>) -> Vec<u8> {
    let mut line = serde_json::to_vec(&Line { path: path.cloned() }).unwrap_or_default();
    line.push(b'\n');
    line
}

/// Drops paths that lie below another one.
fn outermost(paths: &BTreeSet<RelPath>) -> Vec<RelPath> {
    let is_inner = |path: &RelPath| {
        let mut ancestor = path.parent();
        std::iter::from_fn(move || {
            let current = ancestor.take()?;
            ancestor = current.parent();
            Some(current)
        })
        .any(|ancestor| paths.contains(&ancestor))
    };
    paths.iter().filter(|path| !is_inner(path)).cloned().collect()
}

/// Returns the journal's name and paths, `None` if it is not a journal.
fn parse(bytes: &[u8]) -> Option<(Uuid, Vec<Option<RelPath>>)> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let header: Header = serde_json::from_slice(bytes.get(..end)?).ok()?;
    (header.watermark == FORMAT).then_some((header.journal, parse_lines(bytes.get(end + 1..)?)?))
}

/// Parses whole lines. A torn last line announces a write that never began.
fn parse_lines(bytes: &[u8]) -> Option<Vec<Option<RelPath>>> {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let lines = bytes.get(..end)?.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice::<Line>(line).ok().map(|line| line.path)).collect()
}

/// Replaces paths by their parents until there are at most half as many as allowed.
fn collapse(paths: &mut BTreeSet<Option<RelPath>>) {
    while paths.len() > DIRTY_PATHS_MAX / 2 {
        let deepest = paths.iter().flatten().map(|path| path.segments().count()).max().unwrap_or(1);
        if deepest <= 1 {
            return;
        }
        let shorten = |path: RelPath| match path.parent() {
            Some(parent) if path.segments().count() == deepest => parent,
            _ => path,
        };
        *paths = std::mem::take(paths).into_iter().map(|path| path.map(shorten)).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        text.parse().expect("a path")
    }

    fn fresh() -> (tempfile::TempDir, Watermark) {
        let root = tempfile::tempdir().expect("a directory");
        let watermark = Watermark::new(&root.path().join("dirty"), root.path());
        let (_, mark) = watermark.snapshot().expect("read");
        watermark.clear(mark).expect("cleared");
        (root, watermark)
    }

    #[test]
    fn a_missing_watermark_means_everything_is_dirty() {
        let root = tempfile::tempdir().expect("a directory");

        let (set, _) = Watermark::new(&root.path().join("dirty"), root.path()).snapshot().expect("read");

        assert!(set.is_everything);
    }

    #[test]
    fn an_unreadable_watermark_means_everything_is_dirty() {
        let (root, watermark) = fresh();
        watermark.mark(Some(&path("a/b"))).expect("marked");
        fsutil::write_atomic(&root.path().join("dirty"), b"\xff junk", root.path(), Durability::Relaxed)
            .expect("broken");

        let (set, _) = Watermark::new(&root.path().join("dirty"), root.path()).snapshot().expect("read");

        assert!(set.is_everything);
    }

    #[test]
    fn marks_survive_the_process() {
        let (root, watermark) = fresh();

        watermark.mark(Some(&path("a/b"))).expect("marked");
        watermark.mark(Some(&path("a/b/c"))).expect("covered");

        let (set, _) = Watermark::new(&root.path().join("dirty"), root.path()).snapshot().expect("read");
        assert_eq!(set, DirtySet { is_everything: false, paths: vec![path("a/b")] });
    }

    #[test]
    fn what_is_marked_during_a_push_stays_dirty() {
        let (_root, watermark) = fresh();
        watermark.mark(Some(&path("a"))).expect("marked");
        watermark.mark(Some(&path("b"))).expect("marked");
        let (_, mark) = watermark.snapshot().expect("read");

        watermark.mark(Some(&path("b"))).expect("marked again");
        watermark.clear(mark).expect("cleared");

        assert_eq!(watermark.snapshot().expect("read").0.paths, vec![path("b")]);
    }

    #[test]
    fn another_process_marks_are_seen() {
        let (root, watermark) = fresh();
        let other = Watermark::new(&root.path().join("dirty"), root.path());

        other.mark(Some(&path("x"))).expect("marked");

        assert_eq!(watermark.snapshot().expect("read").0.paths, vec![path("x")]);
    }

    #[test]
    fn t2_too_many_paths_become_their_parents_and_never_everything() {
        let (_root, watermark) = fresh();
        let many = (0..DIRTY_PATHS_MAX).map(|index| Some(path(&format!("data/t/m{}/n{index}", index / 8))));
        watermark.rewrite(many).expect("written");

        watermark.mark(Some(&path("data/t/other/n"))).expect("marked");

        let (set, _) = watermark.snapshot().expect("read");
        assert!(!set.is_everything);
        assert!(set.paths.len() <= DIRTY_PATHS_MAX / 2 + 1);
        assert!(set.is_named(&path("data/t/m3/n30/1/raw")));
    }
}
