//! Every operation of the mount, without a word of the protocol: it is tested without a kernel.
//!
//! An inode number below 2^63 is a node of the tree, read-only; any other is a file of the backing directory. The
//! backing directory is grafted below the root by its name, and some directories of the tree appear in it (overlay).

mod handles;
mod listing;
mod opening;
mod shown;

use std::ffi::{OsStr, OsString};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::RenameFlags;
use rustix::io::Errno;

pub(crate) use opening::{OpenedFile, OpenedHow, Reading};

use crate::attributes::{Answer, Attributes, Caller, Change, Found, Space};
use crate::backing::{Backing, Making, OpenFile, check_name};
use crate::content::{Contents, Usage};
use crate::errno::{Refusal, of_tree, refused};
use crate::{NodeId, Options, Tree};
use handles::Handles;
use shown::Sizes;

/// How long the kernel may remember the tree where a refresh can tell it to forget everything at once.
const REMEMBERED_LONG: Duration = Duration::from_hours(1);
/// How long it may where it cannot be told.
const REMEMBERED_SHORT: Duration = Duration::from_secs(1);

/// The mounted file system.
#[derive(Debug)]
pub(crate) struct Core {
    tree: Arc<dyn Tree>,
    graft: Option<Graft>,
    contents: Arc<Contents>,
    handles: Handles,
    sizes: Sizes,
    owner: (u32, u32),
    deadline: Duration,
    epochs: AtomicBool,
}

/// The backing directory and where it appears.
#[derive(Debug)]
struct Graft {
    name: OsString,
    overlay: Vec<(OsString, NodeId)>,
    backing: Arc<Backing>,
}

/// What a name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    Found(Found),
    /// Nothing, and for how long the kernel may remember that.
    Missing(Duration),
}

impl Core {
    /// Opens the backing directory, if there is one.
    pub(crate) fn new(options: &Options) -> io::Result<Self> {
        let graft = match &options.writable {
            None => None,
            Some(writable) => {
                let observer = Arc::clone(&writable.observer);
                let backing = Backing::open(&writable.directory, observer, options.read_only)?;
                let overlay = writable.overlay.iter().map(|(name, node)| (name.into(), *node)).collect();
                Some(Graft { name: writable.name.clone().into(), overlay, backing: Arc::new(backing) })
            }
        };
        Ok(Self {
            tree: Arc::clone(&options.tree),
            graft,
            contents: Contents::new(Arc::clone(&options.tree), options.cache_bytes, options.deadline),
            handles: Handles::default(),
            sizes: Sizes::default(),
            owner: options.owner,
            deadline: options.deadline,
            epochs: AtomicBool::new(false),
        })
    }

    /// Returns how long an operation may take before it fails.
    pub(crate) const fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Returns how the memory for fetched content is used.
    pub(crate) fn usage(&self) -> Usage {
        self.contents.usage()
    }

    /// Returns the backing directory.
    pub(crate) fn backing(&self) -> Option<&Arc<Backing>> {
        self.graft.as_ref().map(|graft| &graft.backing)
    }

    /// Says whether the kernel can be made to forget all names of the tree at once; if not it remembers them briefly.
    pub(crate) fn rely_on_epochs(&self, reliable: bool) {
        self.epochs.store(reliable, Ordering::Relaxed);
    }

    fn remembered_for(&self) -> Duration {
        if self.epochs.load(Ordering::Relaxed) { REMEMBERED_LONG } else { REMEMBERED_SHORT }
    }

    /// Finds a name in a directory.
    pub(crate) fn lookup(&self, directory: u64, name: &OsStr) -> Answer<Lookup> {
        check_name(name)?;
        match self.backing_of(directory)? {
            Some(backing) => match self.overlaid(directory, name) {
                Some(node) => self.shown(node).map(Lookup::Found),
                None => backing.lookup(directory, name).map(Lookup::Found),
            },
            None => self.lookup_shown(NodeId(directory), name),
        }
    }

    /// Takes back lookups; nodes of the tree are not counted.
    pub(crate) fn forget(&self, number: u64, lookups: u64) {
        if let Ok(Some(backing)) = self.backing_of(number) {
            backing.forget(number, lookups);
        }
    }

    /// Returns what is known of an inode, through a handle if there is one.
    pub(crate) fn attributes(&self, number: u64, handle: Option<u64>) -> Answer<Found> {
        match self.backing_of(number)? {
            Some(backing) => {
                let file = handle.and_then(|handle| self.handles.file(handle).ok());
                backing.attributes(number, same(file.as_deref(), number))
            }
            None => self.shown_open(NodeId(number), handle),
        }
    }

    /// Changes what is known of an inode.
    pub(crate) fn change(&self, number: u64, handle: Option<u64>, change: &Change) -> Answer<Found> {
        let backing = self.backing_of(number)?.ok_or(refused(Refusal::ReadOnly))?;
        let file = handle.and_then(|handle| self.handles.file(handle).ok());
        backing.change(number, same(file.as_deref(), number), change)
    }

    /// Returns the target of a symbolic link.
    pub(crate) fn read_link(&self, number: u64) -> Answer<Vec<u8>> {
        self.backing_of(number)?.ok_or(refused(Refusal::WrongKind))?.read_link(number)
    }

    /// Makes a name and what it names.
    pub(crate) fn make(&self, directory: u64, name: &OsStr, making: &Making<'_>) -> Answer<Found> {
        self.changeable(directory, name)?.make(directory, name, making)
    }

    /// Removes a name that is not a directory's.
    pub(crate) fn unlink(&self, directory: u64, name: &OsStr) -> Answer<()> {
        self.changeable(directory, name)?.unlink(directory, name)
    }

    /// Removes an empty directory.
    pub(crate) fn remove_directory(&self, directory: u64, name: &OsStr) -> Answer<()> {
        self.changeable(directory, name)?.remove_directory(directory, name)
    }

    /// Renames, replaces or exchanges.
    pub(crate) fn rename(&self, source: (u64, &OsStr), target: (u64, &OsStr), flags: RenameFlags) -> Answer<()> {
        if is_shown(source.0) != is_shown(target.0) {
            return Err(refused(Refusal::Across));
        }
        self.changeable(source.0, source.1)?;
        self.changeable(target.0, target.1)?.rename(source, target, flags)
    }

    /// Gives an inode another name.
    pub(crate) fn link(&self, number: u64, directory: u64, name: &OsStr) -> Answer<Found> {
        if is_shown(number) != is_shown(directory) {
            return Err(refused(Refusal::Across));
        }
        self.changeable(directory, name)?.link(number, directory, name)
    }

    /// Returns what is known of the file system as a whole: the own namespace's, which is where writing may fail.
    pub(crate) fn space(&self, number: u64) -> Answer<Space> {
        const NOTHING: Space = Space {
            blocks: 1,
            blocks_free: 0,
            blocks_available: 0,
            files: 1,
            files_free: 0,
            block_size: 4096,
            fragment_size: 4096,
            name_max: 255,
        };
        match (&self.graft, is_shown(number)) {
            (None, _) => Ok(NOTHING),
            (Some(graft), true) => graft.backing.space(graft.backing.root()),
            (Some(graft), false) => graft.backing.space(number),
        }
    }

    /// Makes a file and opens it.
    pub(crate) fn create(
        &self,
        directory: u64,
        name: &OsStr,
        flags: rustix::fs::OFlags,
        maker: (u32, Caller),
    ) -> Answer<(Found, OpenedFile)> {
        let (found, file) = self.changeable(directory, name)?.create_file(directory, name, flags, maker)?;
        Ok((found, self.opened_backing(file)))
    }

    /// Returns the backing directory if a number is one of its inodes.
    fn backing_of(&self, number: u64) -> Answer<Option<&Arc<Backing>>> {
        if is_shown(number) {
            return Ok(None);
        }
        self.backing().map(Some).ok_or(Errno::STALE)
    }

    /// Returns the backing directory if a name in a directory may be made, changed or removed.
    fn changeable(&self, directory: u64, name: &OsStr) -> Answer<&Arc<Backing>> {
        match self.backing_of(directory)? {
            Some(backing) if self.overlaid(directory, name).is_none() => Ok(backing),
            _ => Err(refused(Refusal::ReadOnly)),
        }
    }

    /// Returns the node that hides a name of the backing directory.
    fn overlaid(&self, directory: u64, name: &OsStr) -> Option<NodeId> {
        let graft = self.graft.as_ref().filter(|graft| graft.backing.root() == directory)?;
        graft.overlay.iter().find(|(overlaid, _)| overlaid == name).map(|(_, node)| *node)
    }
}

const fn is_shown(number: u64) -> bool {
    number < NodeId::END
}

/// Returns the open file if it is of this inode: a handle may be given along with another inode by mistake.
fn same(file: Option<&OpenFile>, number: u64) -> Option<&OpenFile> {
    file.filter(|file| file.number() == number)
}

/// Returns a tree's answer as an operation's.
fn answered<T>(answer: Result<T, crate::TreeError>) -> Answer<T> {
    answer.map_err(of_tree)
}

/// Returns attributes of the tree's side as the kernel may remember them.
const fn remembered(attributes: Attributes, attributes_for: Duration, name_for: Duration) -> Found {
    Found { attributes, attributes_for, name_for }
}
