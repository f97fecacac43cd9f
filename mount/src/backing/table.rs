//! The inodes that the kernel knows of: number, identity, names, lookup counts, and a bounded set of descriptors.
//!
//! A descriptor (`O_PATH`) is what an inode really is: renames do not affect it, and while it is open its inode number
//! is not recycled. There are fewer descriptors than inodes, so one that was closed is opened again by a name the inode
//! was last seen under; if that is now another file the inode is gone (ESTALE), and the kernel looks the name up anew.
//! No lock is held over a system call.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;
use rustix::fs::{CWD, FileType, Mode, OFlags, Statx, openat};
use rustix::io::Errno;

use super::identity::{Identity, stat_name, stat_open};
use crate::attributes::{Answer, Time};
use crate::{Inodes, NodeId};

/// Names remembered of one inode; more hard links than these are found by being looked up again.
const NAMES_MAX: usize = 16;

const PATH_ONLY: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A name an inode was seen under: the number of the directory, and the name in it.
pub(super) type Name = (u64, OsString);

/// What the content of a file was when it was last opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) size: u64,
    pub(super) modified: Time,
    pub(super) changed: Time,
}

#[derive(Debug)]
struct Node {
    identity: Identity,
    kind: FileType,
    names: Vec<Name>,
    lookups: u64,
    handles: u32,
    /// Kept open because a name is gone: no other leads to it, or it is open. There are no more of these than the kernel
    /// has files open, and directories and files in use that were removed.
    pinned: Option<Arc<OwnedFd>>,
    seen: Option<Content>,
}

#[derive(Debug)]
struct Inner {
    nodes: HashMap<u64, Node>,
    numbers: HashMap<Identity, u64>,
    open: LruCache<u64, Arc<OwnedFd>>,
}

/// The inodes of a backing directory.
#[derive(Debug)]
pub(super) struct Table {
    inner: Mutex<Inner>,
    root: u64,
    root_descriptor: Arc<OwnedFd>,
    descriptors_max: usize,
}

impl Table {
    /// Opens the root of a backing directory.
    pub(super) fn open(root: &Path, descriptors_max: usize) -> Answer<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptor = Arc::new(openat(CWD, root, flags, Mode::empty())?);
        let identity = Identity::of(&stat_open(&descriptor)?);
        let number = identity.number();
        let node = Node {
            identity,
            kind: FileType::Directory,
            names: Vec::new(),
            lookups: 0,
            handles: 0,
            pinned: Some(Arc::clone(&descriptor)),
            seen: None,
        };
        let inner = Inner {
            nodes: HashMap::from([(number, node)]),
            numbers: HashMap::from([(identity, number)]),
            open: LruCache::unbounded(),
        };
        Ok(Self {
            inner: Mutex::new(inner),
            root: number,
            root_descriptor: descriptor,
            descriptors_max: descriptors_max.max(1),
        })
    }

    pub(super) const fn root(&self) -> u64 {
        self.root
    }

    pub(super) fn root_descriptor(&self) -> &OwnedFd {
        &self.root_descriptor
    }

    /// Returns the number of what a name was just seen to be, and counts `lookups` more of it.
    pub(super) fn meet(&self, name: Name, stat: &Statx, lookups: u64) -> u64 {
        let identity = Identity::of(stat);
        let mut inner = self.lock();
        let number = inner.number(&identity);
        inner.numbers.entry(identity).or_insert(number);
        let node = inner.nodes.entry(number).or_insert_with(|| Node {
            identity,
            kind: FileType::from_raw_mode(u32::from(stat.stx_mode)),
            names: Vec::new(),
            lookups: 0,
            handles: 0,
            pinned: None,
            seen: None,
        });
        node.lookups += lookups;
        if number != self.root {
            node.named(name, stat.stx_nlink);
        }
        number
    }

    /// Returns the number that a file has, or would have if it were looked up now.
    pub(super) fn number(&self, stat: &Statx) -> u64 {
        self.lock().number(&Identity::of(stat))
    }

    /// Returns the number of a file if the kernel knows it.
    pub(super) fn known(&self, stat: &Statx) -> Option<u64> {
        self.lock().numbers.get(&Identity::of(stat)).copied()
    }

    /// Takes back lookups; the inode is dropped with the last of them unless it is open.
    pub(super) fn forget(&self, number: u64, lookups: u64) {
        let mut inner = self.lock();
        if let Some(node) = inner.nodes.get_mut(&number) {
            node.lookups = node.lookups.saturating_sub(lookups);
        }
        self.drop_unused(&mut inner, number);
    }

    /// Keeps an inode although the kernel may forget it: a handle is open.
    pub(super) fn hold(&self, number: u64) {
        if let Some(node) = self.lock().nodes.get_mut(&number) {
            node.handles += 1;
        }
    }

    /// Ends what [`Table::hold`] began.
    pub(super) fn unhold(&self, number: u64) {
        let mut inner = self.lock();
        let mut evicted = None;
        if let Some(node) = inner.nodes.get_mut(&number) {
            node.handles = node.handles.saturating_sub(1);
            // A file without a name is soon forgotten by the kernel; one that has names elsewhere may stay for ever.
            if node.handles == 0
                && node.kind != FileType::Directory
                && let Some(pinned) = node.pinned.take()
            {
                evicted = self.push_open(&mut inner, number, pinned);
            }
        }
        self.drop_unused(&mut inner, number);
        drop(inner);
        drop(evicted);
    }

    fn drop_unused(&self, inner: &mut Inner, number: u64) {
        let unused = |node: &Node| node.lookups == 0 && node.handles == 0 && number != self.root;
        if inner.nodes.get(&number).is_some_and(unused)
            && let Some(node) = inner.nodes.remove(&number)
        {
            inner.numbers.remove(&node.identity);
            inner.open.pop(&number);
        }
    }

    /// Returns the kind of an inode.
    pub(super) fn kind(&self, number: u64) -> Answer<FileType> {
        self.lock().nodes.get(&number).map(|node| node.kind).ok_or(Errno::STALE)
    }

    /// Returns the names an inode was seen under.
    pub(super) fn names(&self, number: u64) -> Vec<Name> {
        self.lock().nodes.get(&number).map(|node| node.names.clone()).unwrap_or_default()
    }

    /// Returns whether a file's content is what it was at the last call, and remembers what it is now.
    pub(super) fn is_unchanged(&self, number: u64, content: Content) -> bool {
        self.lock().nodes.get_mut(&number).is_some_and(|node| node.seen.replace(content) == Some(content))
    }

    /// Returns a descriptor of the inode itself, which reads and writes nothing.
    pub(super) fn descriptor(&self, number: u64) -> Answer<Arc<OwnedFd>> {
        if let Some(open) = self.open_descriptor(number)? {
            return Ok(open);
        }
        let (identity, names) = self.whereabouts(number)?;
        for (directory, name) in names {
            let Ok(parent) = self.descriptor(directory) else { continue };
            let opened = match openat(&*parent, &name, PATH_ONLY, Mode::empty()) {
                Ok(opened) => opened,
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(errno),
            };
            if Identity::of(&stat_open(&opened)?) == identity {
                return Ok(self.keep_open(number, Arc::new(opened)));
            }
        }
        Err(Errno::STALE)
    }

    /// Says what is known of an inode, without opening it if it is not.
    pub(super) fn stat(&self, number: u64) -> Answer<Statx> {
        if let Some(open) = self.open_descriptor(number)? {
            return stat_open(&*open);
        }
        let (identity, names) = self.whereabouts(number)?;
        for (directory, name) in names {
            let Ok(parent) = self.descriptor(directory) else { continue };
            match stat_name(&*parent, &name) {
                Ok(stat) if Identity::of(&stat) == identity => return Ok(stat),
                Ok(_) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno),
            }
        }
        Err(Errno::STALE)
    }

    fn open_descriptor(&self, number: u64) -> Answer<Option<Arc<OwnedFd>>> {
        let mut inner = self.lock();
        let node = inner.nodes.get(&number).ok_or(Errno::STALE)?;
        if let Some(pinned) = &node.pinned {
            return Ok(Some(Arc::clone(pinned)));
        }
        Ok(inner.open.get(&number).map(Arc::clone))
    }

    fn whereabouts(&self, number: u64) -> Answer<(Identity, Vec<Name>)> {
        let inner = self.lock();
        let node = inner.nodes.get(&number).ok_or(Errno::STALE)?;
        Ok((node.identity, node.names.iter().rev().cloned().collect()))
    }

    fn keep_open(&self, number: u64, descriptor: Arc<OwnedFd>) -> Arc<OwnedFd> {
        let mut inner = self.lock();
        let evicted = if inner.nodes.contains_key(&number) {
            self.push_open(&mut inner, number, Arc::clone(&descriptor))
        } else {
            None
        };
        drop(inner);
        drop(evicted);
        descriptor
    }

    /// Adds to the descriptors that may be closed again; returns the one whose turn that is.
    fn push_open(&self, inner: &mut Inner, number: u64, descriptor: Arc<OwnedFd>) -> Option<(u64, Arc<OwnedFd>)> {
        inner.open.push(number, descriptor);
        if inner.open.len() > self.descriptors_max { inner.open.pop_lru() } else { None }
    }

    /// Follows a rename; `descriptor` is what had the target's name before.
    pub(super) fn renamed(&self, number: u64, source: (u64, &OsStr), target: (u64, &OsStr)) {
        let mut inner = self.lock();
        if let Some(node) = inner.nodes.get_mut(&number) {
            node.names.retain(|(directory, name)| (*directory, name.as_os_str()) != source);
            node.names.push((target.0, target.1.to_owned()));
        }
    }

    /// Follows the removal of a name: an inode that has no other, or is open, is reached by its descriptor from now on.
    pub(super) fn unnamed(&self, number: u64, gone: (u64, &OsStr), descriptor: &Arc<OwnedFd>) {
        let is_linked = stat_open(&**descriptor).is_ok_and(|stat| stat.stx_nlink > 0);
        let mut inner = self.lock();
        let Some(node) = inner.nodes.get_mut(&number) else { return };
        node.names.retain(|(directory, name)| (*directory, name.as_os_str()) != gone);
        let is_lost = !is_linked || node.kind == FileType::Directory;
        if is_lost || node.handles > 0 {
            node.pinned = Some(Arc::clone(descriptor));
        }
        // What has a name elsewhere is opened again by that, if it was ever seen; this descriptor has another path.
        if is_lost || node.handles > 0 || !node.names.is_empty() {
            inner.open.pop(&number);
        }
    }

    /// Counts inodes and open descriptors, those kept for want of a name included.
    pub(super) fn usage(&self) -> Inodes {
        let inner = self.lock();
        let pinned = inner.nodes.values().filter(|node| node.pinned.is_some()).count();
        Inodes { known: inner.nodes.len(), open: inner.open.len() + pinned }
    }

    // Nothing panics between two changes that belong together, so a poisoned table is as good as another.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn number(&self, identity: &Identity) -> u64 {
        if let Some(&number) = self.numbers.get(identity) {
            return number;
        }
        let mut number = identity.number();
        while self.nodes.contains_key(&number) {
            number = number.wrapping_add(1) | NodeId::END;
        }
        number
    }
}

impl Node {
    fn named(&mut self, name: Name, links: u32) {
        if self.names.last() == Some(&name) {
            return;
        }
        // A file with one link has no other name, and a directory never has.
        if links <= 1 || self.kind == FileType::Directory {
            self.names.clear();
        }
        self.names.retain(|known| *known != name);
        if self.names.len() == NAMES_MAX {
            self.names.remove(0);
        }
        self.names.push(name);
    }
}

/// Returns how many descriptors inodes may use, after raising the limit of this process as far as it goes.
///
/// A quarter is left for inodes: open files need one each, and so does everything else in the process.
pub(super) fn descriptors_max() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    const DESCRIPTORS_MIN: u64 = 16;
    const DESCRIPTORS_MAX: u64 = 16_384;

    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    let share = (current.unwrap_or(u64::MAX) / 4).clamp(DESCRIPTORS_MIN, DESCRIPTORS_MAX);
    usize::try_from(share).unwrap_or(usize::MAX)
}
