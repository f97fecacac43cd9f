//! Renames: two directories, two names, and open files that move along.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, MutexGuard, PoisonError, Weak};

use rustix::fs::{FileType, RenameFlags, Statx, renameat_with};
use rustix::io::Errno;

use super::identity::{Identity, stat_name};
use super::watch::{Place, made, recorded_for};
use super::{Backing, OpenFile, Writers, check_name};
use crate::attributes::Answer;
use crate::errno::{Refusal, refused};

/// A name in a directory that is given by its number.
pub(crate) type Spot<'a> = (u64, &'a OsStr);

impl Backing {
    /// Renames, replaces or exchanges.
    pub(crate) fn rename(&self, source: Spot<'_>, target: Spot<'_>, flags: RenameFlags) -> Answer<()> {
        check_name(source.1)?;
        check_name(target.1)?;
        self.writable()?;
        if !(RenameFlags::NOREPLACE | RenameFlags::EXCHANGE).contains(flags) {
            return Err(refused(Refusal::BadName));
        }
        let (from, to) = (self.place(source.0)?, self.place(target.0)?);
        let moved = stat_name(&*from.descriptor, source.1)?;
        let replaced = optional(stat_name(&*to.descriptor, target.1))?;
        self.admit_rename((&from, source.1, &moved), (&to, target.1, replaced.as_ref()), flags)?;
        let kept = (self.kept(&from, source.1)?, self.kept(&to, target.1)?);
        let (old, new) = (from.path.join(source.1), to.path.join(target.1));
        let changing = (self.record(recorded_for(&old))?, self.record(recorded_for(&new))?);

        let renamed = renameat_with(&*from.descriptor, source.1, &*to.descriptor, target.1, flags);
        self.reported("rename", &new, renamed)?;

        // Two names of one file: nothing happens.
        if replaced.as_ref().is_none_or(|replaced| Identity::of(replaced) != Identity::of(&moved)) {
            if let Some((number, _)) = &kept.0 {
                self.table.renamed(*number, source, target);
            }
            match &kept.1 {
                Some((number, _)) if flags.contains(RenameFlags::EXCHANGE) => {
                    self.table.renamed(*number, target, source);
                }
                Some((number, descriptor)) => self.table.unnamed(*number, target, descriptor),
                None => {}
            }
            // Whatever is open below a directory moved with it.
            let is_directory = |stat: &Statx| kind(stat) == FileType::Directory;
            if is_directory(&moved) || replaced.as_ref().is_some_and(is_directory) {
                self.follow_writers(None)?;
            } else {
                for (number, _) in kept.0.iter().chain(&kept.1) {
                    self.follow_writers(Some(*number))?;
                }
            }
        }
        self.observer.changed(&old);
        self.observer.changed(&new);
        drop(changing);
        Ok(())
    }

    fn admit_rename(
        &self,
        source: (&Place, &OsStr, &Statx),
        target: (&Place, &OsStr, Option<&Statx>),
        flags: RenameFlags,
    ) -> Answer<()> {
        let (old, new) = (source.0.path.join(source.1), target.0.path.join(target.1));
        self.admit_move(&old, &new, source.2)?;
        match target.2 {
            Some(other) if flags.contains(RenameFlags::EXCHANGE) => self.admit_move(&new, &old, other),
            _ => Ok(()),
        }
    }

    fn admit_move(&self, source: &Path, target: &Path, moved: &Statx) -> Answer<()> {
        self.admit(target, made(kind(moved)))?;
        let is_moved = kind(moved) != FileType::Directory || self.observer.moves(source, target);
        if is_moved { Ok(()) } else { Err(refused(Refusal::Across)) }
    }

    /// Records the directories that files open for writing are in now: of one inode, or of all after a directory moved.
    pub(super) fn follow_writers(&self, only: Option<u64>) -> Answer<()> {
        for writer in self.writers_of(only) {
            self.record_file(writer.number(), &mut writer.records())?;
        }
        Ok(())
    }

    fn writers_of(&self, only: Option<u64>) -> Vec<Arc<OpenFile>> {
        let writers = self.writers();
        match only {
            Some(number) => of_inode(&writers, number).collect(),
            None => writers.values().filter_map(Weak::upgrade).collect(),
        }
    }

    /// Returns somebody who has a file open for writing.
    pub(super) fn writer_of(&self, number: u64) -> Option<Arc<OpenFile>> {
        of_inode(&self.writers(), number).next()
    }

    /// Whether a file has not been closed yet.
    pub(super) fn is_writing(&self, file: &OpenFile) -> bool {
        self.writers().contains_key(&(file.number(), file.key()))
    }

    /// Remembers a file that may be written to, for when it moves.
    pub(super) fn remember_writer(&self, file: &Arc<OpenFile>) {
        self.writers().insert((file.number(), file.key()), Arc::downgrade(file));
    }

    pub(super) fn forget_writer(&self, file: &OpenFile) {
        self.writers().remove(&(file.number(), file.key()));
    }

    fn writers(&self) -> MutexGuard<'_, Writers> {
        self.writers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of_inode(writers: &Writers, number: u64) -> impl Iterator<Item = Arc<OpenFile>> {
    writers.range((number, 0)..=(number, u64::MAX)).filter_map(|(_, writer)| writer.upgrade())
}

fn kind(stat: &Statx) -> FileType {
    FileType::from_raw_mode(u32::from(stat.stx_mode))
}

fn optional<T>(answer: Answer<T>) -> Answer<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}
