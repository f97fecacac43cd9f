//! Making and removing names. Owners are given after making: the process keeps its own identity and umask.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Statx, Uid, chmod, chownat, linkat, mkdirat, mknodat, openat, symlinkat,
    unlinkat,
};
use rustix::io::Errno;

use super::identity::{stat_name, stat_open};
use super::watch::{Place, made, magic, recorded_for};
use super::{Backing, check_name, found};
use crate::attributes::{Answer, Attributes, Caller, Found};
use crate::errno::{Refusal, refused};

const SET_GID: u32 = 0o2000;

/// What is made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What<'a> {
    Directory,
    Symlink(&'a Path),
    /// A regular file, pipe, socket or device with its number.
    Node(FileType, u32),
}

/// How something is made: the mode is the final one, its maker becomes its owner.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Making<'a> {
    pub(crate) what: What<'a>,
    pub(crate) mode: u32,
    pub(crate) caller: Caller,
}

impl What<'_> {
    const fn kind(self) -> FileType {
        match self {
            Self::Directory => FileType::Directory,
            Self::Symlink(_) => FileType::Symlink,
            Self::Node(kind, _) => kind,
        }
    }

    const fn operation(self) -> &'static str {
        match self {
            Self::Directory => "mkdir",
            Self::Symlink(_) => "symlink",
            Self::Node(..) => "mknod",
        }
    }
}

impl Backing {
    /// Makes a name and what it names.
    pub(crate) fn make(&self, directory: u64, name: &OsStr, making: &Making<'_>) -> Answer<Found> {
        check_name(name)?;
        self.writable()?;
        let place = self.place(directory)?;
        let path = place.path.join(name);
        self.admit(&path, made(making.what.kind()))?;
        // A new directory changes nothing but itself, and what is recorded is everything below.
        let recorded = if matches!(making.what, What::Directory) { &path } else { recorded_for(&path) };
        let changing = self.record(recorded)?;

        let answer = self.make_at(&place, name, making);

        let answer = self.reported(making.what.operation(), &path, answer);
        if answer.is_ok() {
            self.observer.changed(&path);
        }
        drop(changing);
        answer
    }

    fn make_at(&self, place: &Place, name: &OsStr, making: &Making<'_>) -> Answer<Found> {
        let mode = Mode::from_raw_mode(making.mode);
        match making.what {
            What::Directory => mkdirat(&*place.descriptor, name, mode)?,
            What::Symlink(target) => symlinkat(target, &*place.descriptor, name)?,
            What::Node(kind, device) => mknodat(&*place.descriptor, name, kind, mode, u64::from(device))?,
        }
        let stat = self.settle_owner(place, name, making)?;
        let number = self.table.meet((place.number, name.to_owned()), &stat, 1);
        Ok(found(Attributes::of(number, &stat)))
    }

    /// Gives what was just made its owner and mode; returns what it is then.
    fn settle_owner(&self, place: &Place, name: &OsStr, making: &Making<'_>) -> Answer<Statx> {
        let stat = stat_name(&*place.descriptor, name)?;
        let wanted = self.wanted(place, &stat, making)?;
        if wanted.is_met(&stat) {
            return Ok(stat);
        }
        let descriptor =
            openat(&*place.descriptor, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        wanted.apply(&descriptor)
    }

    /// Returns who owns what was just made, and its mode.
    pub(super) fn wanted(&self, place: &Place, stat: &Statx, making: &Making<'_>) -> Answer<Wanted> {
        let kind = FileType::from_raw_mode(u32::from(stat.stx_mode));
        let mut mode = (kind != FileType::Symlink).then_some(making.mode & 0o7777);
        let owners = (stat.stx_uid, stat.stx_gid);
        let caller = (making.caller.uid, making.caller.gid);
        let given = self.gives_away && owners != caller;
        let inherits =
            (given || kind == FileType::Directory) && u32::from(stat_open(&*place.descriptor)?.stx_mode) & SET_GID != 0;
        if inherits && kind == FileType::Directory {
            mode = mode.map(|mode| mode | SET_GID);
        }
        let uid = if given { caller.0 } else { owners.0 };
        let gid = if given && !inherits { caller.1 } else { owners.1 };
        Ok(Wanted { uid, gid, mode })
    }

    /// Removes a name that is not a directory's.
    pub(crate) fn unlink(&self, directory: u64, name: &OsStr) -> Answer<()> {
        self.remove(directory, name, AtFlags::empty())
    }

    /// Removes an empty directory.
    pub(crate) fn remove_directory(&self, directory: u64, name: &OsStr) -> Answer<()> {
        self.remove(directory, name, AtFlags::REMOVEDIR)
    }

    fn remove(&self, directory: u64, name: &OsStr, flags: AtFlags) -> Answer<()> {
        check_name(name)?;
        self.writable()?;
        let place = self.place(directory)?;
        let path = place.path.join(name);
        let kept = self.kept(&place, name)?;
        let changing = self.record(recorded_for(&path))?;

        let operation = if flags.is_empty() { "unlink" } else { "rmdir" };
        self.reported(operation, &path, unlinkat(&*place.descriptor, name, flags))?;

        if let Some((number, descriptor)) = kept {
            self.table.unnamed(number, (directory, name), &descriptor);
        }
        self.observer.changed(&path);
        drop(changing);
        Ok(())
    }

    /// Opens what a name is if the kernel knows it: it must be reachable when the name no longer leads there.
    pub(super) fn kept(&self, place: &Place, name: &OsStr) -> Answer<Option<(u64, std::sync::Arc<OwnedFd>)>> {
        let stat = match stat_name(&*place.descriptor, name) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(errno),
        };
        let Some(number) = self.table.known(&stat) else { return Ok(None) };
        self.table.meet((place.number, name.to_owned()), &stat, 0);
        match self.table.descriptor(number) {
            Ok(descriptor) => Ok(Some((number, descriptor))),
            Err(Errno::STALE | Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Gives an inode another name.
    pub(crate) fn link(&self, number: u64, directory: u64, name: &OsStr) -> Answer<Found> {
        check_name(name)?;
        self.writable()?;
        let source = self.table.descriptor(number)?;
        let kind = self.table.kind(number)?;
        if kind == FileType::Directory {
            return Err(Errno::PERM);
        }
        let place = self.place(directory)?;
        let path = place.path.join(name);
        self.admit(&path, made(kind))?;
        let changing = self.record(recorded_for(&path))?;

        // By the magic link and not by `AT_EMPTY_PATH`, which needs a capability.
        let linked = linkat(CWD, magic(&*source), &*place.descriptor, name, AtFlags::SYMLINK_FOLLOW);
        self.reported("link", &path, linked)?;

        let stat = stat_open(&*source)?;
        self.table.meet((directory, name.to_owned()), &stat, 1);
        if let Err(errno) = self.follow_writers(Some(number)) {
            self.table.forget(number, 1);
            return Err(errno);
        }
        self.observer.changed(&path);
        drop(changing);
        Ok(found(Attributes::of(number, &stat)))
    }
}

/// Owner and mode that something made shall have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    uid: u32,
    gid: u32,
    /// None for what has no mode of its own.
    mode: Option<u32>,
}

impl Wanted {
    fn is_met(&self, stat: &Statx) -> bool {
        self.owns(stat) && self.mode.is_none_or(|mode| mode == u32::from(stat.stx_mode) & 0o7777)
    }

    const fn owns(&self, stat: &Statx) -> bool {
        stat.stx_uid == self.uid && stat.stx_gid == self.gid
    }

    /// Makes it so; a change of owner clears bits of the mode, which therefore comes last.
    pub(super) fn apply(&self, descriptor: &OwnedFd) -> Answer<Statx> {
        let stat = stat_open(descriptor)?;
        if self.is_met(&stat) {
            return Ok(stat);
        }
        if !self.owns(&stat) {
            let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
            chownat(descriptor, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
        }
        if let Some(mode) = self.mode {
            chmod(magic(descriptor), Mode::from_raw_mode(mode))?;
        }
        stat_open(descriptor)
    }
}

/// Returns the kind of node a mode asks for.
pub(crate) fn kind_of_mode(mode: u32) -> Answer<FileType> {
    const KIND: u32 = 0o170_000;
    match FileType::from_raw_mode(mode) {
        // No kind at all means a regular file.
        FileType::Unknown if mode & KIND == 0 => Ok(FileType::RegularFile),
        kind @ (FileType::RegularFile
        | FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice) => Ok(kind),
        FileType::Directory | FileType::Symlink | FileType::Unknown => Err(refused(Refusal::WrongKind)),
    }
}
