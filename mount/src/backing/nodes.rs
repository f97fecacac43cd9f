//! What is said and changed about one inode.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, Uid, chmod, chownat, ftruncate,
    open, readlinkat, utimensat,
};

use super::identity::stat_open;
use super::watch::magic;
use super::{Backing, OpenFile, found};
use crate::attributes::{Answer, Attributes, Change, Found, Stamp};
use crate::errno::{Refusal, refused};

impl Backing {
    /// Returns what is known of an inode, through an open file if there is one.
    pub(crate) fn attributes(&self, number: u64, file: Option<&OpenFile>) -> Answer<Found> {
        let stat = match file {
            Some(file) => stat_open(file.file())?,
            None => self.table.stat(number)?,
        };
        Ok(found(Attributes::of(number, &stat)))
    }

    /// Returns the target of a symbolic link.
    pub(crate) fn read_link(&self, number: u64) -> Answer<Vec<u8>> {
        let descriptor = self.table.descriptor(number)?;
        Ok(readlinkat(&*descriptor, "", Vec::new())?.into_bytes())
    }

    /// Changes mode, owner, length or times.
    pub(crate) fn change(&self, number: u64, file: Option<&OpenFile>, change: &Change) -> Answer<Found> {
        self.writable()?;
        let descriptor = self.table.descriptor(number)?;
        // Who has it open for writing has recorded it until it is closed, and tells of it then.
        let writer = self.writer_of(number);
        let mut records = Vec::new();
        if writer.is_none() {
            self.record_file(number, &mut records)?;
        }

        let answer = Self::change_open(&descriptor, file, change);

        let path = if answer.is_err() { self.path_of(&*descriptor).unwrap_or_default() } else { PathBuf::new() };
        self.reported("setattr", &path, answer)?;
        if !writer.as_ref().is_some_and(|writer| self.is_writing(writer)) {
            self.tell_changed(number, &*descriptor);
        }
        drop((records, writer));
        Ok(found(Attributes::of(number, &stat_open(&*descriptor)?)))
    }

    fn change_open(descriptor: &OwnedFd, file: Option<&OpenFile>, change: &Change) -> Answer<()> {
        if let Some(size) = change.size {
            match file.filter(|file| file.is_writable()) {
                Some(file) => ftruncate(file.file(), size)?,
                None => ftruncate(open(magic(descriptor), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?, size)?,
            }
        }
        if change.uid.is_some() || change.gid.is_some() {
            let (uid, gid) = (change.uid.map(Uid::from_raw), change.gid.map(Gid::from_raw));
            chownat(descriptor, "", uid, gid, AtFlags::EMPTY_PATH)?;
        }
        if let Some(mode) = change.mode {
            chmod(magic(descriptor), Mode::from_raw_mode(mode & 0o7777))?;
        }
        if change.accessed.is_some() || change.modified.is_some() {
            let times =
                Timestamps { last_access: timespec(change.accessed), last_modification: timespec(change.modified) };
            utimensat(descriptor, "", &times, AtFlags::EMPTY_PATH)?;
        }
        Ok(())
    }

    /// Makes what was done to a directory's names durable.
    pub(crate) fn sync_directory(&self, number: u64) -> Answer<()> {
        if self.table.kind(number)? != FileType::Directory {
            return Err(refused(Refusal::NotADirectory));
        }
        let descriptor = self.table.descriptor(number)?;
        let path = self.path_of(&*descriptor)?;
        let opened = open(magic(&*descriptor), OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        self.reported("fsyncdir", &path, rustix::fs::fsync(opened))?;
        self.settle(&path)
    }
}

fn timespec(stamp: Option<Stamp>) -> Timespec {
    match stamp {
        None => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        Some(Stamp::Now) => Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
        Some(Stamp::At(time)) => Timespec { tv_sec: time.seconds, tv_nsec: i64::from(time.nanoseconds) },
    }
}
