//! Listing backing directories: the backing file system's own positions, so that they are as stable as there.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{Dir, DirEntry, FileType, Mode, OFlags, open};

use super::identity::{stat_name, stat_open};
use super::watch::magic;
use super::{Backing, found};
use crate::attributes::{Answer, Attributes, Found};
use crate::errno::{Refusal, refused};

/// An entry of a listing.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) number: u64,
    pub(crate) kind: FileType,
    pub(crate) name: &'a OsStr,
    /// Where the listing goes on after this entry.
    pub(crate) next: u64,
    /// Everything about it, if that was asked for; the lookup is counted.
    pub(crate) found: Option<Found>,
}

/// A directory that somebody lists.
#[derive(Debug)]
pub(crate) struct OpenDirectory {
    number: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    stream: Dir,
    position: u64,
    /// Read, but did not fit.
    ahead: Option<DirEntry>,
}

impl OpenDirectory {
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// Returns the names in a directory as they are now, without `.` and `..`.
    pub(crate) fn names_now(&self) -> Answer<Vec<OsString>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.stream.rewind();
        let mut names = Vec::new();
        while let Some(entry) = state.stream.read() {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }
}

impl Backing {
    /// Opens a directory for listing.
    pub(crate) fn open_directory(&self, number: u64) -> Answer<OpenDirectory> {
        if self.table.kind(number)? != FileType::Directory {
            return Err(refused(Refusal::NotADirectory));
        }
        let descriptor = self.table.descriptor(number)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let stream = Dir::new(open(magic(&*descriptor), flags, Mode::empty())?)?;
        self.table.hold(number);
        Ok(OpenDirectory { number, state: Mutex::new(State { stream, position: 0, ahead: None }) })
    }

    /// Ends a listing.
    pub(crate) fn close_directory(&self, directory: &OpenDirectory) {
        self.table.unhold(directory.number);
    }

    /// Gives entries from a position on until `give` says it has no room for the one it was given.
    pub(crate) fn list(
        &self,
        directory: &OpenDirectory,
        offset: u64,
        plus: bool,
        give: &mut dyn FnMut(&Row<'_>) -> bool,
    ) -> Answer<()> {
        let mut state = directory.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.position != offset {
            state.stream.seek(offset.cast_signed())?;
            state.position = offset;
            state.ahead = None;
        }
        loop {
            let entry = match state.ahead.take() {
                Some(entry) => entry,
                None => match state.stream.read() {
                    Some(entry) => entry?,
                    None => return Ok(()),
                },
            };
            if !self.give_entry(directory, &entry, plus, give) {
                state.ahead = Some(entry);
                return Ok(());
            }
            state.position = entry.offset().cast_unsigned();
        }
    }

    /// Gives one entry; false if there was no room. Entries that have just gone are passed over.
    fn give_entry(
        &self,
        directory: &OpenDirectory,
        entry: &DirEntry,
        plus: bool,
        give: &mut dyn FnMut(&Row<'_>) -> bool,
    ) -> bool {
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        self.give_name(directory.number, (name, entry.offset().cast_unsigned()), plus, give)
    }

    /// Gives a name in a directory as an entry; false if there was no room.
    pub(crate) fn give_name(
        &self,
        directory: u64,
        (name, next): (&OsStr, u64),
        plus: bool,
        give: &mut dyn FnMut(&Row<'_>) -> bool,
    ) -> bool {
        let Ok(parent) = self.table.descriptor(directory) else { return true };
        let is_self = name == "." || (name == ".." && directory == self.table.root());
        let Ok(stat) = (if is_self { stat_open(&*parent) } else { stat_name(&*parent, name) }) else { return true };
        let kind = FileType::from_raw_mode(u32::from(stat.stx_mode));
        let counted = plus && name != "." && name != "..";
        let number =
            if counted { self.table.meet((directory, name.to_owned()), &stat, 1) } else { self.table.number(&stat) };
        let details = plus.then(|| found(Attributes::of(number, &stat)));
        let room = give(&Row { number, kind, name, next, found: details });
        if !room && counted {
            self.table.forget(number, 1);
        }
        room
    }
}
