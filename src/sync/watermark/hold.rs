//! Directories that are in use: dirty for as long as somebody may write to them.
//!
//! A hold records its directory without waiting for a disk: that survives the end of the process by any signal. Against
//! a loss of power there are [`Watermark::settle`], and a file that is not empty from the first hold of a process to
//! [`Watermark::leave`]: who finds it so, and nobody holding, takes everything for dirty.

use std::collections::HashSet;
use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use super::journal::Announced;
use super::{State, Watermark, ancestors};
use crate::fsutil::{self, FileError};
use crate::path::RelPath;

/// Keeps a directory dirty while it lives.
#[derive(Debug)]
pub struct Hold {
    watermark: Arc<Watermark>,
    path: Announced,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut state = self.watermark.state();
        if let Some(count) = state.held.get_mut(&self.path) {
            *count -= 1;
            if *count == 0 {
                state.held.remove(&self.path);
            }
        }
    }
}

impl Watermark {
    /// Records a directory as dirty and keeps it so until the hold is dropped, whatever is cleared meanwhile.
    ///
    /// A directory that was recorded since the last snapshot costs no writing.
    pub fn hold(self: &Arc<Self>, directory: &RelPath) -> Result<Hold, FileError> {
        self.hold_announced(Some(directory.clone()))
    }

    /// Records that anything may change and keeps that so until the hold is dropped.
    pub fn hold_everything(self: &Arc<Self>) -> Result<Hold, FileError> {
        self.hold_announced(None)
    }

    fn hold_announced(self: &Arc<Self>, path: Announced) -> Result<Hold, FileError> {
        let mut state = self.state();
        if state.attendance.is_none() || !state.is_fresh(&path) {
            let _lock = fsutil::lock_exclusively(&self.path.with_extension("lock"))?;
            self.attend_locked(&mut state)?;
            state.record(std::slice::from_ref(&path))?;
        }
        *state.held.entry(path.clone()).or_default() += 1;
        drop(state);
        Ok(Hold { watermark: Arc::clone(self), path })
    }

    /// Begins to hold directories in this process, which must be the only one that does. Returns whether the last one
    /// that did has ended without [`Watermark::leave`]; then everything is dirty.
    pub fn attend(&self) -> Result<bool, FileError> {
        self.exclusively(|state| self.attend_locked(state))
    }

    /// Ends holding directories: everything recorded is on disk. Nothing happens while there are holds.
    pub fn leave(&self) -> Result<bool, FileError> {
        self.settle()?;
        self.exclusively(|state| {
            if !state.held.is_empty() {
                return Ok(false);
            }
            let Some(file) = state.attendance.take() else { return Ok(true) };
            file.set_len(0).map_err(FileError::at("empty", &self.attendance_path()))?;
            Ok(true)
        })
    }

    /// Returns once everything recorded so far would survive a loss of power. Callers that come together share one
    /// wait for the disk.
    pub fn settle(&self) -> Result<(), FileError> {
        let target = self.state().recorded;
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        if *settled >= target {
            return Ok(());
        }
        // What was recorded while others waited for the disk is settled with it.
        let (recorded, file) = {
            let mut state = self.state();
            let _lock = fsutil::lock_exclusively(&self.path.with_extension("lock"))?;
            (state.recorded, Arc::clone(&state.journal.refresh()?.file))
        };
        file.sync_data().map_err(FileError::at("sync", &self.path))?;
        *settled = recorded;
        Ok(())
    }

    /// Whether anything is held.
    pub fn is_held(&self) -> bool {
        !self.state().held.is_empty()
    }

    /// Whether a file may be being written to: its directory is held. While another process holds directories, which may have
    /// begun to after we did what we do, that may be any.
    pub fn is_in_use(&self, file: &RelPath) -> bool {
        let mut state = self.state();
        if state.attendance.is_none() && !self.is_alone(&mut state) {
            return true;
        }
        state.held.contains_key(&file.parent())
    }

    /// Whether no other process holds directories; not, if that cannot be told.
    fn is_alone(&self, state: &mut State) -> bool {
        let lock = fsutil::lock_exclusively(&self.path.with_extension("lock"));
        lock.is_ok_and(|_lock| self.notice_absence(state).unwrap_or(false))
    }

    /// Returns the directories that are held.
    pub fn held(&self) -> Vec<RelPath> {
        let mut held: Vec<RelPath> = self.state().held.keys().flatten().cloned().collect();
        held.sort_unstable();
        held
    }

    /// Returns whether no other process holds directories. Takes everything for dirty if one did and is gone without a
    /// word.
    pub(super) fn notice_absence(&self, state: &mut State) -> Result<bool, FileError> {
        if state.attendance.is_some() {
            return Ok(true);
        }
        let Some((file, was_left)) = self.open_attendance()? else { return Ok(false) };
        if !was_left {
            state.record_durably(&self.path, None)?;
            file.set_len(0).map_err(FileError::at("empty", &self.attendance_path()))?;
        }
        Ok(true)
    }

    fn attend_locked(&self, state: &mut State) -> Result<bool, FileError> {
        if state.attendance.is_some() {
            return Ok(false);
        }
        let path = self.attendance_path();
        let busy = || io::Error::new(io::ErrorKind::ResourceBusy, "another process is writing to this cache");
        let (mut file, was_left) = self.open_attendance()?.ok_or_else(|| FileError::at("lock", &path)(busy()))?;
        if was_left {
            let note = format!("{}\n", std::process::id());
            let written = file.rewind().and_then(|()| file.write_all(note.as_bytes())).and_then(|()| file.sync_all());
            written.map_err(FileError::at("write", &path))?;
            path.parent().map_or(Ok(()), fsutil::sync_directory)?;
        } else {
            state.record_durably(&self.path, None)?;
        }
        state.attendance = Some(file);
        Ok(!was_left)
    }

    /// Returns the locked file that says who holds, and whether the last one left properly; `None` if somebody holds.
    fn open_attendance(&self) -> Result<Option<(File, bool)>, FileError> {
        let path = self.attendance_path();
        let open = || -> io::Result<Option<(File, bool)>> {
            let mut file = File::options().create(true).truncate(false).read(true).write(true).open(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            let was_left = file.read(&mut [0])? == 0;
            Ok(Some((file, was_left)))
        };
        open().map_err(FileError::at("open", &path))
    }

    fn attendance_path(&self) -> PathBuf {
        Path::new(&self.path).with_extension("held")
    }
}

impl State {
    /// Whether a directory, or one above it, is recorded behind every mark that is still to be cleared.
    fn is_fresh(&self, path: &Announced) -> bool {
        let is_recorded = self.fresh.contains(path)
            || path.as_ref().is_some_and(|path| ancestors(path).any(|above| self.fresh.contains(&Some(above))));
        is_recorded && self.journal.current() == Some(self.fresh_in)
    }

    /// Records everything held again, behind the mark that a snapshot is about to return.
    pub(super) fn record_held(&mut self) -> Result<(), FileError> {
        self.fresh = HashSet::new();
        if self.held.is_empty() {
            return Ok(());
        }
        let mut held: Vec<Announced> = self.held.keys().cloned().collect();
        held.sort_unstable();
        // Never shortened here: the mark would clear nothing.
        self.append(&held)?;
        self.recorded += 1;
        Ok(())
    }
}
