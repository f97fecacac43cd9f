//! Open files: bytes of the backing directory, and the record that they may change.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{FallocateFlags, FileType, Mode, OFlags, SeekFrom, open, openat};
use rustix::io::{Errno, pread, pwrite};

use super::identity::stat_open;
use super::names::{Making, What};
use super::table::Content;
use super::watch::{Place, Record, magic, recorded_for};
use super::{Backing, check_name, found};
use crate::Made;
use crate::attributes::{Answer, Attributes, Caller, Found};
use crate::errno::{Refusal, of_io, refused};

/// What of a caller's flags our own descriptor has. Offsets come from the kernel, so it must not append by itself; nor
/// can it be bound to aligned buffers.
const KEPT_FLAGS: OFlags = OFlags::ACCMODE.union(OFlags::TRUNC).union(OFlags::SYNC).union(OFlags::DSYNC);

/// A file that somebody has open.
#[derive(Debug)]
pub(crate) struct OpenFile {
    key: u64,
    number: u64,
    file: File,
    writable: bool,
    /// Whether the name was made by this open, so that even an unwritten file has changed.
    made: bool,
    records: Mutex<Vec<Record>>,
}

impl OpenFile {
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    pub(crate) const fn is_writable(&self) -> bool {
        self.writable
    }

    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    pub(super) const fn key(&self) -> u64 {
        self.key
    }

    /// Returns the directories that are recorded to change as long as the file is open.
    pub(super) fn records(&self) -> MutexGuard<'_, Vec<Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn writes(flags: OFlags) -> bool {
    flags & OFlags::ACCMODE != OFlags::RDONLY || flags.contains(OFlags::TRUNC)
}

impl Backing {
    /// Opens a file.
    pub(crate) fn open_file(&self, number: u64, flags: OFlags) -> Answer<Arc<OpenFile>> {
        match self.table.kind(number)? {
            FileType::RegularFile => {}
            FileType::Directory => return Err(refused(Refusal::IsADirectory)),
            _ => return Err(Errno::NXIO),
        }
        if writes(flags) {
            self.writable()?;
        }
        let descriptor = self.table.descriptor(number)?;
        let mut records = Vec::new();
        if writes(flags) {
            self.record_file(number, &mut records)?;
        }
        let opened = open(magic(&*descriptor), (flags & KEPT_FLAGS) | OFlags::CLOEXEC, Mode::empty());
        let path = if opened.is_err() { self.path_of(&*descriptor).unwrap_or_default() } else { PathBuf::new() };
        let opened = self.reported("open", &path, opened)?;
        Ok(self.opened(number, opened, flags, (false, records)))
    }

    /// Makes a file and opens it; the second half is as [`Backing::open_file`] gives it.
    pub(crate) fn create_file(
        &self,
        directory: u64,
        name: &OsStr,
        flags: OFlags,
        (mode, caller): (u32, Caller),
    ) -> Answer<(Found, Arc<OpenFile>)> {
        check_name(name)?;
        self.writable()?;
        let place = self.place(directory)?;
        let path = place.path.join(name);
        self.admit(&path, Made::File)?;
        let recorded = recorded_for(&path);
        let record = Record::new(recorded.to_owned(), self.record(recorded)?);

        let making = Making { what: What::Node(FileType::RegularFile, 0), mode, caller };
        let created = self.create_at(&place, name, flags, &making);

        let opened = self.reported("create", &path, created)?;
        let stat = stat_open(&opened)?;
        let number = self.table.meet((directory, name.to_owned()), &stat, 1);
        let file = self.opened(number, opened, flags, (true, vec![record]));
        Ok((found(Attributes::of(number, &stat)), file))
    }

    /// Makes a file. The kernel does not ask whether the caller may open what comes of it, so what others have made there
    /// since the name was looked up is never opened: the kernel looks the name up again and asks (ESTALE).
    fn create_at(&self, place: &Place, name: &OsStr, flags: OFlags, making: &Making<'_>) -> Answer<OwnedFd> {
        let kept = (flags & KEPT_FLAGS) | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        match openat(&*place.descriptor, name, kept, Mode::from_raw_mode(making.mode)) {
            Ok(opened) => {
                self.wanted(place, &stat_open(&opened)?, making)?.apply(&opened)?;
                Ok(opened)
            }
            Err(Errno::EXIST) if !flags.contains(OFlags::EXCL) => Err(refused(Refusal::Gone)),
            Err(errno) => Err(errno),
        }
    }

    fn opened(&self, number: u64, file: OwnedFd, flags: OFlags, (made, records): (bool, Vec<Record>)) -> Arc<OpenFile> {
        static KEYS: AtomicU64 = AtomicU64::new(0);
        self.table.hold(number);
        let file = Arc::new(OpenFile {
            key: KEYS.fetch_add(1, Ordering::Relaxed),
            number,
            file: File::from(file),
            writable: flags & OFlags::ACCMODE != OFlags::RDONLY,
            made: made || writes(flags),
            records: Mutex::new(records),
        });
        if file.made {
            self.remember_writer(&file);
        }
        file
    }

    /// Tells whether the kernel's pages of a file are still right: nothing has changed since it was last opened.
    pub(crate) fn is_unchanged(&self, file: &OpenFile) -> bool {
        stat_open(file.file()).is_ok_and(|stat| {
            let attributes = Attributes::of(file.number, &stat);
            let content = Content { size: attributes.size, modified: attributes.modified, changed: attributes.changed };
            self.table.is_unchanged(file.number, content)
        })
    }

    /// Ends an open file: only now has everything been written that was not mapped.
    pub(crate) fn close_file(&self, file: &Arc<OpenFile>) {
        if file.made {
            self.forget_writer(file);
            self.tell_changed(file.number, file.file());
        }
        self.table.unhold(file.number);
    }

    /// Reads until the buffer is full or the file ends; returns how much that is.
    pub(crate) fn read(&self, file: &OpenFile, offset: u64, buffer: &mut [u8]) -> Answer<usize> {
        self.reported_file("read", file, read_full(file.file(), offset, buffer))
    }

    /// Writes as much as fits; fails only if nothing did.
    pub(crate) fn write(&self, file: &OpenFile, offset: u64, bytes: &[u8]) -> Answer<usize> {
        let mut written = 0;
        while written < bytes.len() {
            match pwrite(file.file(), &bytes[written..], offset + written as u64) {
                Ok(0) => break,
                Ok(more) => written += more,
                Err(Errno::INTR) => {}
                Err(errno) if written == 0 => return self.reported_file("write", file, Err(errno)),
                Err(_) => break,
            }
        }
        Ok(written)
    }

    /// Makes a file that has no name and never gets one.
    pub(crate) fn nameless_file(&self) -> Answer<OwnedFd> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        open(magic(self.table.root_descriptor()), flags, Mode::RUSR | Mode::WUSR)
    }

    /// Makes a file's bytes durable, and the record that they have changed.
    pub(crate) fn sync(&self, file: &OpenFile, data_only: bool) -> Answer<()> {
        let synced = if data_only { rustix::fs::fdatasync(file.file()) } else { rustix::fs::fsync(file.file()) };
        self.reported_file("fsync", file, synced)?;
        self.settle(Path::new(""))
    }

    pub(super) fn settle(&self, path: &Path) -> Answer<()> {
        self.reported("fsync", path, self.observer.settle().map_err(|source| of_io(&source)))
    }

    /// Reserves, punches or shifts space.
    pub(crate) fn allocate(&self, file: &OpenFile, mode: u32, offset: u64, length: u64) -> Answer<()> {
        self.writable()?;
        let mode = FallocateFlags::from_bits_retain(mode);
        self.reported_file("fallocate", file, rustix::fs::fallocate(file.file(), mode, offset, length))
    }

    /// Finds data or a hole.
    pub(crate) fn seek(file: &OpenFile, to: SeekFrom) -> Answer<u64> {
        rustix::fs::seek(file.file(), to)
    }

    /// Copies within the backing file system, at most `length` bytes.
    pub(crate) fn copy(
        &self,
        (source, mut source_at): (&OpenFile, u64),
        (target, mut target_at): (&OpenFile, u64),
        length: usize,
    ) -> Answer<usize> {
        self.writable()?;
        let copied = rustix::fs::copy_file_range(
            source.file(),
            Some(&mut source_at),
            target.file(),
            Some(&mut target_at),
            length,
        );
        self.reported_file("copy_file_range", target, copied)
    }

    fn reported_file<T>(&self, operation: &'static str, file: &OpenFile, answer: Answer<T>) -> Answer<T> {
        if answer.is_err() {
            let path = self.path_of(file.file()).unwrap_or_default();
            return self.reported(operation, &path, answer);
        }
        answer
    }
}

/// Reads until the buffer is full or the file ends; returns how much that is.
pub(crate) fn read_full(file: impl AsFd, offset: u64, buffer: &mut [u8]) -> Answer<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match pread(&file, &mut buffer[filled..], offset.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(Errno::INTR) => {}
            Err(errno) if filled == 0 => return Err(errno),
            Err(_) => break,
        }
    }
    Ok(filled)
}
