//! A directory of this machine, shown read-write: every operation of a file system on what lies below it.
//!
//! All path work is one component at a time from a descriptor of the directory, and never follows a symbolic link, so
//! that nothing in the directory leads outside. Before an operation changes anything the observer has recorded where.

mod files;
mod identity;
mod listing;
mod names;
mod nodes;
mod renames;
mod table;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use rustix::fs::{FileType, StatVfs, fstatfs, fstatvfs};
use rustix::process::geteuid;

pub(crate) use files::{OpenFile, read_full};
pub(crate) use listing::{OpenDirectory, Row};
pub(crate) use names::{Making, What, kind_of_mode};
pub(crate) use watch::check_name;

use crate::attributes::{Answer, Attributes, Found, Space};
use crate::{Inodes, Observer};
use identity::stat_name;
use table::Table;

/// How long the kernel may remember names and attributes: others may write to the directory without our knowledge.
const REMEMBERED_FOR: Duration = Duration::from_secs(1);

/// Open files that may be written to, by inode and a number of their own.
type Writers = BTreeMap<(u64, u64), Weak<OpenFile>>;

/// A writable directory and its inodes.
#[derive(Debug)]
pub(crate) struct Backing {
    table: Table,
    observer: Arc<dyn Observer>,
    read_only: bool,
    /// Whether what is made can be given to whoever makes it.
    gives_away: bool,
    writers: Mutex<Writers>,
    /// Where the directory was when a path last led out of it.
    root_path: Mutex<Arc<PathBuf>>,
}

impl Backing {
    /// Opens a directory.
    pub(crate) fn open(directory: &Path, observer: Arc<dyn Observer>, read_only: bool) -> io::Result<Self> {
        Self::with_descriptors(directory, observer, read_only, table::descriptors_max())
    }

    fn with_descriptors(
        directory: &Path,
        observer: Arc<dyn Observer>,
        read_only: bool,
        descriptors_max: usize,
    ) -> io::Result<Self> {
        Ok(Self {
            table: Table::open(directory, descriptors_max)?,
            observer,
            read_only,
            gives_away: geteuid().is_root(),
            writers: Mutex::default(),
            root_path: Mutex::default(),
        })
    }

    /// Returns the number of the directory itself.
    pub(crate) const fn root(&self) -> u64 {
        self.table.root()
    }

    /// Finds a name in a directory and counts the lookup.
    pub(crate) fn lookup(&self, directory: u64, name: &OsStr) -> Answer<Found> {
        check_name(name)?;
        let parent = self.table.descriptor(directory)?;
        let stat = stat_name(&*parent, name)?;
        let number = self.table.meet((directory, name.to_owned()), &stat, 1);
        // A directory is what others are reached from: it must not get lost when it is renamed behind our back.
        if FileType::from_raw_mode(u32::from(stat.stx_mode)) == FileType::Directory
            && let Err(errno) = self.table.descriptor(number)
        {
            self.table.forget(number, 1);
            return Err(errno);
        }
        Ok(found(Attributes::of(number, &stat)))
    }

    /// Takes back lookups.
    pub(crate) fn forget(&self, number: u64, lookups: u64) {
        self.table.forget(number, lookups);
    }

    /// Counts inodes and their open descriptors.
    pub(crate) fn usage(&self) -> Inodes {
        self.table.usage()
    }

    /// Returns what is known of the file system the directory is on.
    pub(crate) fn space(&self, number: u64) -> Answer<Space> {
        let descriptor = self.table.descriptor(number)?;
        let known: StatVfs = fstatvfs(&*descriptor)?;
        Ok(Space {
            blocks: known.f_blocks,
            blocks_free: known.f_bfree,
            blocks_available: known.f_bavail,
            files: known.f_files,
            files_free: known.f_ffree,
            block_size: u32::try_from(known.f_bsize).unwrap_or(4096),
            fragment_size: u32::try_from(known.f_frsize).unwrap_or(4096),
            name_max: u32::try_from(known.f_namemax).unwrap_or(255),
        })
    }

    /// Whether the directory is on a file system that is itself stacked on another.
    pub(crate) fn is_stacked(&self) -> bool {
        const OVERLAY: i64 = 0x794c_7630;
        const FUSE: i64 = 0x6573_5546;
        const ECRYPT: i64 = 0xf15f;
        fstatfs(self.table.root_descriptor()).is_ok_and(|known| [OVERLAY, FUSE, ECRYPT].contains(&known.f_type))
    }
}

fn found(attributes: Attributes) -> Found {
    Found { attributes, attributes_for: REMEMBERED_FOR, name_for: REMEMBERED_FOR }
}
