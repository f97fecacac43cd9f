//! A directory that is looked at without asking the file system it is the root of, which may be dead.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags};

/// A directory, held by a descriptor that only names it. While it is held, what it is in cannot be unmounted, only detached.
#[derive(Debug)]
pub(crate) struct Place {
    descriptor: OwnedFd,
    /// Its path without symbolic links.
    pub(crate) path: PathBuf,
    /// The number of the mount it is in: of the mount it is the root of, if it is one.
    pub(crate) mount: u64,
    /// The same mount's number that is never given again; zero where the kernel does not tell.
    pub(crate) unique: u64,
}

/// Asks for the number of a mount that is never given again, since Linux 6.8.
const UNIQUE: StatxFlags = StatxFlags::from_bits_retain(0x4000);

impl Place {
    /// Finds a directory.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let descriptor = rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let number = descriptor.as_raw_fd();
        let path = fs::read_link(format!("/proc/self/fd/{number}"))?;
        let facts = fs::read_to_string(format!("/proc/self/fdinfo/{number}"))?;
        let mount = facts.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok());
        let mount = mount.ok_or_else(|| io::Error::other("the kernel does not say which mount a directory is in"))?;
        let unique = unique(&descriptor);
        Ok(Self { descriptor, path, mount, unique })
    }

    /// Returns a path that leads here whatever is mounted or renamed meanwhile.
    pub(crate) fn by_descriptor(&self) -> String {
        format!("/proc/self/fd/{}", self.descriptor.as_raw_fd())
    }
}

// Without synchronising, which would be a request. A user's mount does not even tell root.
fn unique(directory: &OwnedFd) -> u64 {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    match rustix::fs::statx(directory, "", flags, UNIQUE) {
        Ok(found) if found.stx_mask & UNIQUE.bits() != 0 => found.stx_mnt_id,
        _ => 0,
    }
}

/// Does something that may hang, on a thread of its own; `None` if it has not ended within the limit.
pub(crate) fn within<T: Send + 'static>(limit: Duration, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    let work = move || {
        // Nobody listens any more if the limit has passed.
        drop(sender.send(work()));
    };
    thread::Builder::new().name("swamp-try".to_owned()).spawn(work).ok()?;
    receiver.recv_timeout(limit).ok()
}
