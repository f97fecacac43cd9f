//! What the observer is told, and where in the backing directory things are.
//!
//! Paths of directories come from descriptors (`/proc/self/fd`), never from remembered names, so that they are right after
//! any rename. A file may have several names, of which a descriptor knows the one it was opened by.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard, PoisonError};

use rustix::fs::{FileType, readlink};
use rustix::io::Errno;
use tracing::warn;

use super::Backing;
use super::identity::{Identity, stat_name, stat_open};
use crate::attributes::Answer;
use crate::errno::{Refusal, is_fault, of_io, refused};
use crate::{Changing, Made};

/// A directory in which something is done.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) number: u64,
    pub(super) descriptor: Arc<OwnedFd>,
    pub(super) path: PathBuf,
}

/// That a directory is about to change; the record lasts as long as the value.
pub(super) struct Record {
    directory: PathBuf,
    _changing: Changing,
}

impl Record {
    pub(super) const fn new(directory: PathBuf, changing: Changing) -> Self {
        Self { directory, _changing: changing }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Record").field(&self.directory).finish()
    }
}

/// Where a file is.
struct Whereabouts {
    paths: Vec<PathBuf>,
    /// Whether it has no further name.
    is_all: bool,
}

/// Returns a path that leads to what a descriptor is, and nowhere else.
pub(super) fn magic(descriptor: impl AsFd) -> String {
    format!("/proc/self/fd/{}", descriptor.as_fd().as_raw_fd())
}

fn where_is(descriptor: impl AsFd) -> Answer<PathBuf> {
    let target = readlink(magic(descriptor), Vec::new())?;
    Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
}

/// Returns what is recorded when a name changes: its directory, or at the top the name itself, for what is there is of all
/// kinds and not every name is of something that can be pushed.
pub(super) fn recorded_for(path: &Path) -> &Path {
    path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(path)
}

/// Whether a path may be one that a descriptor was opened by and that has been removed since. A file may have others.
fn is_marked_deleted(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b" (deleted)")
}

pub(super) fn made(kind: FileType) -> Made {
    match kind {
        FileType::RegularFile => Made::File,
        FileType::Directory => Made::Directory,
        FileType::Symlink
        | FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => Made::Special,
    }
}

impl Backing {
    /// Returns where something is, relative to the root; ESTALE if it was moved out of it.
    pub(super) fn path_of(&self, descriptor: impl AsFd) -> Answer<PathBuf> {
        let path = where_is(descriptor)?;
        let root = Arc::clone(&self.root_path());
        if !root.as_os_str().is_empty()
            && let Ok(below) = path.strip_prefix(&*root)
        {
            return Ok(below.to_owned());
        }
        // The root itself may have been renamed.
        let root = where_is(self.table.root_descriptor())?;
        let below = path.strip_prefix(&root).map(Path::to_owned);
        *self.root_path() = Arc::new(root);
        below.or(Err(refused(Refusal::Gone)))
    }

    fn root_path(&self) -> MutexGuard<'_, Arc<PathBuf>> {
        self.root_path.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the directory of a number.
    pub(super) fn place(&self, directory: u64) -> Answer<Place> {
        let descriptor = self.table.descriptor(directory)?;
        let path = self.path_of(&*descriptor)?;
        if is_marked_deleted(&path) && stat_open(&*descriptor)?.stx_nlink == 0 {
            return Err(Errno::NOENT);
        }
        Ok(Place { number: directory, descriptor, path })
    }

    /// Asks whether a name may be made.
    pub(super) fn admit(&self, path: &Path, made: Made) -> Answer<()> {
        if self.observer.admits(path, made) { Ok(()) } else { Err(refused(Refusal::NotAdmitted)) }
    }

    /// Records that something in a directory is about to change.
    pub(super) fn record(&self, directory: &Path) -> Answer<Changing> {
        self.observer.changing(directory).map_err(|source| {
            if of_io(&source) == Errno::PERM {
                return refused(Refusal::NotAdmitted);
            }
            warn!(directory = %directory.display(), %source, "cannot record a change");
            self.observer.failed("record", directory, of_io(&source).raw_os_error());
            refused(Refusal::NotRecorded)
        })
    }

    /// Records that a file is about to change, in every directory it is known to have a name in, but for those in
    /// which `recorded` has it already.
    pub(super) fn record_file(&self, number: u64, recorded: &mut Vec<Record>) -> Answer<()> {
        for directory in self.directories_of(number)? {
            if recorded.iter().all(|record| record.directory != directory) {
                let changing = self.record(&directory)?;
                recorded.push(Record::new(directory, changing));
            }
        }
        Ok(())
    }

    fn directories_of(&self, number: u64) -> Answer<Vec<PathBuf>> {
        let descriptor = self.table.descriptor(number)?;
        if self.table.kind(number)? == FileType::Directory {
            return Ok(vec![self.path_of(&*descriptor)?]);
        }
        let Whereabouts { paths, is_all } = self.paths_of(number, &*descriptor)?;
        let mut directories: Vec<PathBuf> = paths.iter().map(|path| recorded_for(path).to_owned()).collect();
        if !is_all {
            // It has a name that nobody looked up: that may be anywhere.
            directories.push(PathBuf::new());
        }
        Ok(directories)
    }

    /// Returns the paths of a file that is no directory.
    fn paths_of(&self, number: u64, descriptor: impl AsFd) -> Answer<Whereabouts> {
        let stat = stat_open(&descriptor)?;
        if stat.stx_nlink == 0 {
            return Ok(Whereabouts { paths: Vec::new(), is_all: true });
        }
        let own = self.path_of(&descriptor).map(|path| (!is_marked_deleted(&path)).then_some(path));
        if stat.stx_nlink == 1
            && let Some(path) = own.clone()?
        {
            return Ok(Whereabouts { paths: vec![path], is_all: true });
        }
        let mut paths: Vec<PathBuf> = own.ok().flatten().into_iter().collect();
        for (directory, name) in self.table.names(number) {
            // A directory that is gone has none of its names any more.
            let Ok(place) = self.place(directory) else { continue };
            let leads_to = stat_name(&*place.descriptor, &name).map(|stat| Identity::of(&stat));
            let path = place.path.join(name);
            if leads_to == Ok(Identity::of(&stat)) && !paths.contains(&path) {
                paths.push(path);
            }
        }
        // Counted after looking: a name that was removed meanwhile is not missed.
        let links = stat_open(&descriptor)?.stx_nlink;
        Ok(Whereabouts { is_all: paths.len() as u64 >= u64::from(links), paths })
    }

    /// Tells that a file has changed, under every name it still has.
    pub(super) fn tell_changed(&self, number: u64, descriptor: impl AsFd) {
        if self.table.kind(number) == Ok(FileType::Directory) {
            if let Ok(path) = self.path_of(&descriptor) {
                self.observer.changed(&path);
            }
            return;
        }
        for path in self.paths_of(number, descriptor).map(|found| found.paths).unwrap_or_default() {
            self.observer.changed(&path);
        }
    }

    /// Passes a result on, after telling of a failure that is not the caller's.
    pub(super) fn reported<T>(&self, operation: &'static str, path: &Path, answer: Answer<T>) -> Answer<T> {
        if let Err(errno) = answer
            && is_fault(errno)
        {
            self.observer.failed(operation, path, errno.raw_os_error());
        }
        answer
    }

    pub(super) fn writable(&self) -> Answer<()> {
        if self.read_only { Err(refused(Refusal::ReadOnly)) } else { Ok(()) }
    }
}

/// Refuses what cannot be a name: nothing but the kernel's own checks stands before us.
pub(crate) fn check_name(name: &OsStr) -> Answer<()> {
    const NAME_BYTES_MAX: usize = 255;
    let bytes = name.as_encoded_bytes();
    if bytes.len() > NAME_BYTES_MAX {
        return Err(refused(Refusal::NameTooLong));
    }
    if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/') || bytes.contains(&0) {
        return Err(refused(Refusal::BadName));
    }
    Ok(())
}
