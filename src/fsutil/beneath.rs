//! File system calls that cannot leave a root directory, whatever symbolic links somebody plants below it.
//!
//! Every path is resolved by the kernel with `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`, and every change is made relative
//! to a directory resolved that way, so that nothing can be swapped between the check and the use. The root itself
//! may be reached through links: its owner chose it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::{Durability, create_directory};
use crate::path::RelPath;

/// How often a parent directory is made again that somebody else removes as empty at the same time.
const MAKE_ATTEMPTS_MAX: u32 = 32;

/// A directory and what lies below it.
#[derive(Clone, Debug)]
pub(crate) struct Beneath {
    root: PathBuf,
}

/// Whether an installed file may replace another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Install {
    /// It replaces what is there.
    Replace,
    /// It fails with [`io::ErrorKind::AlreadyExists`] if something is there.
    New,
}

impl Beneath {
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Opens a directory for listing; `None` is the root.
    pub(crate) fn open_directory(&self, path: Option<&str>) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, &self.root, flags, Mode::empty())?;
        match path {
            Some(path) => open_below(root.as_fd(), path.as_bytes(), OFlags::DIRECTORY),
            None => Ok(root),
        }
    }

    /// Opens a file for reading, without waiting for the other end of a pipe somebody put there.
    pub(crate) fn open_file(&self, key: &RelPath) -> io::Result<File> {
        let root = self.open_directory(None)?;
        open_below(root.as_fd(), key.as_str().as_bytes(), OFlags::NONBLOCK).map(File::from)
    }

    /// Returns the properties of what is at `key`, of a symbolic link itself if it is one.
    pub(crate) fn stat(&self, key: &RelPath) -> io::Result<Stat> {
        stat_in(self.open_parent(key)?.as_fd(), key.file_name().as_bytes())
    }

    /// Deletes the file at `key`, then the directories above it that became empty.
    pub(crate) fn remove(&self, key: &RelPath) -> io::Result<()> {
        rustix::fs::unlinkat(self.open_parent(key)?, key.file_name(), AtFlags::empty())?;
        let mut emptied = key.parent();
        while let Some(directory) = emptied {
            let Ok(parent) = self.open_parent(&directory) else { break };
            if rustix::fs::unlinkat(parent, directory.file_name(), AtFlags::REMOVEDIR).is_err() {
                break;
            }
            emptied = directory.parent();
        }
        Ok(())
    }

    /// Moves the file at `staged`, which is on the same file system, to `key` in one step. Makes missing directories.
    pub(crate) fn install(
        &self,
        staged: &Path,
        key: &RelPath,
        install: Install,
        durability: Durability,
    ) -> io::Result<()> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let moved = self.make_parent(key).and_then(|parent| {
                move_into(staged, parent.as_fd(), key.file_name(), install)?;
                if durability == Durability::Synced { Ok(rustix::fs::fsync(parent)?) } else { Ok(()) }
            });
            match moved {
                // A deletion beside us found a directory empty and removed it between two of our steps.
                Err(error) if error.kind() == io::ErrorKind::NotFound && attempts < MAKE_ATTEMPTS_MAX => {}
                installed => return installed,
            }
        }
    }

    fn open_parent(&self, key: &RelPath) -> io::Result<OwnedFd> {
        let parent = key.parent();
        self.open_directory(parent.as_ref().map(RelPath::as_str))
    }

    fn make_parent(&self, key: &RelPath) -> io::Result<OwnedFd> {
        match self.open_parent(key) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        create_directory(&self.root).map_err(|error| error.source)?;
        let mut directory = self.open_directory(None)?;
        let Some(parent) = key.parent() else { return Ok(directory) };
        for segment in parent.segments() {
            directory = make_directory(&directory, segment)?;
        }
        Ok(directory)
    }
}

fn make_directory(parent: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o777)) {
        Ok(()) | Err(Errno::EXIST) => open_below(parent.as_fd(), name.as_bytes(), OFlags::DIRECTORY),
        Err(error) => Err(error.into()),
    }
}

/// Opens for reading what is at `path` below `directory`, following no link.
pub(crate) fn open_below(directory: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    Ok(rustix::fs::openat2(directory, path, flags, Mode::empty(), resolve)?)
}

/// Returns the properties of one entry of `directory`, following no link.
pub(crate) fn stat_in(directory: BorrowedFd<'_>, name: &[u8]) -> io::Result<Stat> {
    Ok(rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?)
}

fn move_into(staged: &Path, parent: BorrowedFd<'_>, name: &str, install: Install) -> rustix::io::Result<()> {
    match install {
        Install::Replace => rustix::fs::renameat(CWD, staged, parent, name),
        Install::New => match rustix::fs::renameat_with(CWD, staged, parent, name, RenameFlags::NOREPLACE) {
            // NFS and some others know no such rename. A hard link is as exclusive, though it changes the file's
            // version once more when the staged name goes.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                rustix::fs::linkat(CWD, staged, parent, name, AtFlags::empty())?;
                rustix::fs::unlinkat(CWD, staged, AtFlags::empty())
            }
            moved => moved,
        },
    }
}
