//! The dirty set: what changed here and has not reached the datastore (formats.md 5.1).
//!
//! A path is recorded *before* the write it announces. The file is a journal of JSON lines that only grows until a push
//! succeeds; then it is replaced by what was marked since the push began. A missing or unreadable journal means that
//! everything is dirty. Deletion is never concluded from a pathless mark.
//!
//! Whoever writes for a while holds the directory: it stays dirty until the [`Hold`] is gone, whatever is pushed
//! meanwhile, because every [`Watermark::snapshot`] records it again behind the mark that it returns. One process at a
//! time may hold. Others cannot record its directories for it, and so a snapshot that they take clears nothing.

mod hold;
mod journal;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::data::store::{MarkDirty, MarkError};
use crate::fsutil::{self, FileError};
use crate::path::RelPath;

use journal::{Announced, Journal};

pub use hold::Hold;
pub use journal::DIRTY_PATHS_MAX;

/// What is dirty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirtySet {
    /// Whether anything at all may have changed.
    pub is_everything: bool,
    /// Directories or files below which something changed, relative to the namespace, in order.
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
        // A namespace is asked about file by file, and thousands of paths may be dirty.
        let is_dirty = |path: &RelPath| self.paths.binary_search(path).is_ok();
        !self.paths.is_empty() && (is_dirty(path) || ancestors(path).any(|above| is_dirty(&above)))
    }
}

/// A moment in the life of the dirty set; marks made later survive [`Watermark::clear`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Names one life of the journal; an inode number would come back.
    journal: Uuid,
    length: u64,
    /// Whether every directory in use is recorded behind it.
    is_clearable: bool,
}

/// The durable dirty set of one cache, shared by all processes that use the cache.
#[derive(Debug)]
pub struct Watermark {
    path: PathBuf,
    /// Serialises the threads of this process; a file lock serialises processes.
    turn: Mutex<State>,
    /// How much of what was recorded is known to be on disk; locked while it is being forced there.
    settled: Mutex<u64>,
}

#[derive(Debug)]
struct State {
    journal: Journal,
    /// How many holds each path has.
    held: HashMap<Announced, usize>,
    /// What is recorded behind every mark that is still to be cleared, in which life of the journal.
    fresh: HashSet<Announced>,
    fresh_in: Uuid,
    /// Says that this process holds directories.
    attendance: Option<File>,
    /// Counts records that were not forced to disk.
    recorded: u64,
}

impl Watermark {
    /// Describes the watermark of a cache; nothing is read yet.
    pub fn new(path: &Path, staging: &Path) -> Self {
        let state = State {
            journal: Journal::new(path, staging),
            held: HashMap::new(),
            fresh: HashSet::new(),
            fresh_in: Uuid::nil(),
            attendance: None,
            recorded: 0,
        };
        Self { path: path.to_owned(), turn: Mutex::new(state), settled: Mutex::new(0) }
    }

    /// Records a path as dirty; returns once that is on disk. `None` means that anything may have changed.
    ///
    /// A path that is dirty already is recorded again: a push that began in between must not clear it.
    pub fn mark(&self, path: Option<&RelPath>) -> Result<(), FileError> {
        self.exclusively(|state| state.record_durably(&self.path, path.cloned()))
    }

    /// Returns what is dirty now, and the moment.
    pub fn snapshot(&self) -> Result<(DirtySet, Mark), FileError> {
        self.exclusively(|state| {
            let is_clearable = self.notice_absence(state)?;
            let read = state.journal.refresh()?;
            let dirty = dirty_set(&read.paths);
            let mark = Mark { journal: read.id, length: read.length, is_clearable };
            state.record_held()?;
            Ok((dirty, mark))
        })
    }

    /// Returns what is dirty now, for people to see; nothing follows from it.
    pub fn peek(&self) -> Result<DirtySet, FileError> {
        self.exclusively(|state| Ok(dirty_set(&state.journal.refresh()?.paths)))
    }

    /// Returns a number that grows when another process records something.
    pub fn heard(&self) -> Result<u64, FileError> {
        self.exclusively(|state| {
            state.journal.refresh()?;
            Ok(state.journal.heard())
        })
    }

    /// Forgets what was marked up to `mark`: it has reached the datastore.
    pub fn clear(&self, mark: Mark) -> Result<(), FileError> {
        self.exclusively(|state| {
            // In a journal that was replaced meanwhile, what is old and what is new cannot be told apart any more.
            if !mark.is_clearable || state.journal.refresh()?.id != mark.journal {
                return Ok(());
            }
            let later = state.journal.after(mark.length)?;
            state.journal.replace(later)?;
            // Whatever is recorded behind a later mark is recorded behind this one.
            if state.fresh_in == mark.journal {
                state.fresh_in = state.journal.refresh()?.id;
            }
            Ok(())
        })
    }

    /// Runs `work` on the journal while no other process or thread touches it.
    fn exclusively<T>(&self, work: impl FnOnce(&mut State) -> Result<T, FileError>) -> Result<T, FileError> {
        let mut state = self.state();
        let _lock = fsutil::lock_exclusively(&self.path.with_extension("lock"))?;
        work(&mut state)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn record_durably(&mut self, path: &Path, announced: Announced) -> Result<(), FileError> {
        self.record(&[announced])?;
        self.journal.refresh()?.file.sync_data().map_err(FileError::at("sync", path))
    }

    /// Records paths; they survive the end of this process, but not yet a loss of power.
    fn record(&mut self, announced: &[Announced]) -> Result<(), FileError> {
        if announced.is_empty() {
            return Ok(());
        }
        if self.journal.shorten(announced)? {
            // No mark from before can clear anything of the new journal.
            let read = self.journal.refresh()?;
            self.fresh = read.paths.iter().cloned().collect();
            self.fresh_in = read.id;
        } else {
            self.append(announced)?;
        }
        self.recorded += 1;
        Ok(())
    }

    fn append(&mut self, announced: &[Announced]) -> Result<(), FileError> {
        self.journal.append(announced)?;
        let id = self.journal.refresh()?.id;
        if self.fresh_in != id {
            self.fresh.clear();
            self.fresh_in = id;
        }
        self.fresh.extend(announced.iter().cloned());
        Ok(())
    }
}

impl MarkDirty for Watermark {
    fn mark_dirty(&self, directory: &RelPath) -> Result<(), MarkError> {
        Ok(self.mark(Some(directory))?)
    }
}

fn dirty_set(announced: &BTreeSet<Announced>) -> DirtySet {
    DirtySet { is_everything: announced.contains(&None), paths: outermost(announced) }
}

/// Returns the paths that do not lie below another one.
fn outermost(announced: &BTreeSet<Announced>) -> Vec<RelPath> {
    let is_inner = |path: &RelPath| ancestors(path).any(|ancestor| announced.contains(&Some(ancestor)));
    announced.iter().flatten().filter(|path| !is_inner(path)).cloned().collect()
}

/// Returns the directories above a path, the nearest first.
fn ancestors(path: &RelPath) -> impl Iterator<Item = RelPath> + use<> {
    std::iter::successors(path.parent(), RelPath::parent)
}
