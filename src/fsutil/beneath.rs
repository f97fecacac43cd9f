//! File system calls that cannot leave a root directory, whatever symbolic links somebody plants below it.
//!
//! Every path is resolved by the kernel with `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`, and every change is made relative
//! to a directory resolved that way, so that nothing can be swapped between the check and the use. The root itself
//! may be reached through links: its owner chose it.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, ResolveFlags, Stat};
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

/// A regular file that was found: it stays the same one, whatever becomes of its name.
#[derive(Debug)]
pub(crate) struct Pinned(File);

impl Pinned {
    /// Returns a path that leads to this file and nowhere else, for as long as this value lives.
    pub(crate) fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }

    /// Returns the file's properties.
    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        self.0.metadata()
    }
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

    /// Finds the regular file at `key`; `None` if there is none, or if a link is in its place or leads there. Nothing is
    /// opened that would notice.
    pub(crate) fn pin(&self, key: &RelPath) -> io::Result<Option<Pinned>> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW;
        let opened =
            self.open_directory(None).and_then(|root| open_below(root.as_fd(), key.as_str().as_bytes(), flags));
        let Some(descriptor) = absent_is_none(opened)? else { return Ok(None) };
        let pinned = Pinned(descriptor.into());
        Ok(pinned.metadata()?.is_file().then_some(pinned))
    }

    /// Whether a directory is at `path` that no link leads to.
    pub(crate) fn has_directory(&self, path: &RelPath) -> io::Result<bool> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let opened =
            self.open_directory(None).and_then(|root| open_below(root.as_fd(), path.as_str().as_bytes(), flags));
        Ok(absent_is_none(opened)?.is_some())
    }

    /// Visits every regular file that is `start`, or lies below it, by its path from the root. No directory is entered
    /// through a link, and what vanishes meanwhile is skipped.
    pub(crate) fn walk(&self, start: Option<&RelPath>, visit: &mut dyn FnMut(&Path)) -> io::Result<()> {
        let Some(root) = absent_is_none(self.open_directory(None))? else { return Ok(()) };
        let mut pending = vec![match start {
            Some(start) if self.pin(start)?.is_some() => (PathBuf::from(start.as_str()), FileType::RegularFile),
            Some(start) => (PathBuf::from(start.as_str()), FileType::Directory),
            None => (PathBuf::from("."), FileType::Directory),
        }];
        while let Some((path, kind)) = pending.pop() {
            match kind {
                FileType::RegularFile => visit(path.strip_prefix(".").unwrap_or(&path)),
                FileType::Directory => {
                    let opened = open_below(root.as_fd(), path.as_os_str().as_bytes(), OFlags::DIRECTORY);
                    let Some(directory) = absent_is_none(opened)? else { continue };
                    let mut entries = entries(&directory)?;
                    // The first name is the next one.
                    entries.sort_unstable_by(|one, other| other.0.cmp(&one.0));
                    pending.extend(entries.into_iter().map(|(name, kind)| (path.join(name), kind)));
                }
                _ => {}
            }
        }
        Ok(())
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

/// Returns the names in a directory, and what they are.
fn entries(directory: &OwnedFd) -> io::Result<Vec<(OsString, FileType)>> {
    let mut entries = Vec::new();
    for found in Dir::read_from(directory)? {
        let found = found?;
        let name = found.file_name().to_bytes();
        let kind = match found.file_type() {
            _ if matches!(name, b"." | b"..") => continue,
            FileType::Unknown => match absent_is_none(stat_in(directory.as_fd(), name))? {
                Some(stat) => FileType::from_raw_mode(stat.st_mode),
                None => continue,
            },
            known => known,
        };
        entries.push((OsStr::from_bytes(name).to_owned(), kind));
    }
    Ok(entries)
}

/// Turns what is not there, be it that a link or a file is in the place of a directory above it, into `None`.
fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG) => Ok(None),
            _ => Err(error),
        },
    }
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A tree with `in/file`, and links to a directory outside that holds `file`, and to that file.
    fn tree() -> (tempfile::TempDir, Beneath) {
        let directory = tempfile::tempdir().expect("a directory");
        let (root, outside) = (directory.path().join("root"), directory.path().join("outside"));
        for inner in [root.join("in"), outside.clone()] {
            fs::create_dir_all(&inner).expect("made");
            File::create(inner.join("file")).expect("made");
        }
        symlink(&outside, root.join("link")).expect("linked");
        symlink(outside.join("file"), root.join("in/link")).expect("linked");
        (directory, Beneath::new(root))
    }

    fn path(text: &str) -> RelPath {
        text.parse().expect("a path")
    }

    #[test]
    fn what_a_link_leads_to_is_not_there() {
        let (_directory, tree) = tree();

        let found = ["in/file", "in/link", "link/file", "link", "in", "in/file/x", "none/file"];
        let found = found.map(|file| tree.pin(&path(file)).expect("looked").is_some());
        assert_eq!(found, [true, false, false, false, false, false, false]);
        let found = ["in", "link", "in/file", "none"].map(|at| tree.has_directory(&path(at)).expect("looked"));
        assert_eq!(found, [true, false, false, false]);
    }

    #[test]
    fn a_walk_enters_no_link() {
        let (_directory, tree) = tree();
        let walked = |start: Option<&str>| {
            let mut found = Vec::new();
            let mut visit = |path: &Path| found.push(path.display().to_string());
            tree.walk(start.map(path).as_ref(), &mut visit).expect("walked");
            found
        };

        assert_eq!(walked(None), ["in/file"]);
        assert_eq!(walked(Some("in")), ["in/file"]);
        assert_eq!(walked(Some("in/file")), ["in/file"]);
        assert_eq!(walked(Some("link")), [""; 0]);
        assert_eq!(walked(Some("link/file")), [""; 0]);
    }

    #[test]
    fn a_pinned_file_is_read_after_its_name_is_gone() {
        let (_directory, tree) = tree();
        let pinned = tree.pin(&path("in/file")).expect("looked").expect("found");

        tree.remove(&path("in/file")).expect("removed");

        assert_eq!(fs::read(pinned.path()).expect("read"), b"");
    }

    #[test]
    fn nothing_is_moved_to_where_a_link_leads() {
        let (directory, tree) = tree();
        let staged = directory.path().join("staged");
        File::create(&staged).expect("made");

        for file in ["link/new", "link/sub/new"] {
            let refused = tree.install(&staged, &path(file), Install::New, Durability::Relaxed).expect_err("a link");
            assert_eq!(Errno::from_io_error(&refused), Some(Errno::LOOP), "{file}");
        }
        let refused = tree.remove(&path("link/file")).expect_err("a link");
        assert_eq!(Errno::from_io_error(&refused), Some(Errno::LOOP));
    }
}
