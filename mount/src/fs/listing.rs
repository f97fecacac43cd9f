//! Listing directories of both sides.
//!
//! Backing directories keep the backing file system's positions. The tree's are counted, in pages that the tree gives
//! by cursor. The root of the backing directory, into which the overlay is mixed, is listed as it was when the listing
//! began.

use std::ffi::{OsStr, OsString};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustix::fs::FileType;

use super::handles::Handle;
use super::{Core, answered};
use crate::attributes::{Answer, Step};
use crate::backing::{OpenDirectory, Row};
use crate::errno::{Refusal, refused};
use crate::{Attr, Entry, Kind, NodeId};

/// Entries asked of the tree at once.
const PAGE: usize = 1000;
/// Every directory begins with itself and its parent.
const DOTS: [&str; 2] = [".", ".."];

/// A directory that is being listed.
#[derive(Debug)]
pub(super) enum Listing {
    Backing(OpenDirectory),
    /// The root of the backing directory: the names that were there when the listing last began.
    Mixed(OpenDirectory, Mutex<Vec<OsString>>),
    Shown(NodeId, Mutex<Pages>),
}

/// The page of a directory of the tree that was read last, and where those before it began.
#[derive(Debug, Default)]
pub(super) struct Pages {
    starts: Vec<Option<String>>,
    page: usize,
    entries: Vec<Entry>,
    /// Whether nobody has been given the first page since it was read.
    is_fresh: bool,
}

/// Takes an entry; false if there is no room for it.
pub(crate) type Give<'a> = dyn FnMut(&Row<'_>) -> bool + 'a;

impl Core {
    /// Opens a directory for listing.
    pub(crate) fn open_directory(&self, number: u64) -> Answer<u64> {
        let listing = match self.backing_of(number)? {
            Some(backing) => {
                let directory = backing.open_directory(number)?;
                let mixed = self.graft.as_ref().is_some_and(|graft| !graft.overlay.is_empty());
                if mixed && number == backing.root() {
                    Listing::Mixed(directory, Mutex::default())
                } else {
                    Listing::Backing(directory)
                }
            }
            None => Listing::Shown(NodeId(number), Mutex::new(Pages::begun(self, NodeId(number))?)),
        };
        Ok(self.handles.insert(Handle::Directory(listing)))
    }

    /// Ends a listing.
    pub(crate) fn close_directory(&self, handle: u64) {
        let Some(handle) = self.handles.remove(handle) else { return };
        if let Handle::Directory(Listing::Backing(directory) | Listing::Mixed(directory, _)) = &*handle
            && let Some(backing) = self.backing()
        {
            backing.close_directory(directory);
        }
    }

    /// Gives entries from a position on until there is no room; with `plus`, each with everything about it.
    pub(crate) fn list(&self, handle: u64, offset: u64, plus: bool, give: &mut Give<'_>) -> Answer<()> {
        let handle = self.handles.get(handle)?;
        let Handle::Directory(listing) = &*handle else { return Err(refused(Refusal::NotADirectory)) };
        match (listing, self.backing()) {
            (Listing::Backing(directory), Some(backing)) => backing.list(directory, offset, plus, give),
            (Listing::Mixed(directory, names), Some(_)) => self.list_mixed(directory, names, (offset, plus), give),
            (Listing::Shown(node, pages), _) => self.list_shown(*node, pages, (offset, plus), give),
            (Listing::Backing(_) | Listing::Mixed(..), None) => Err(refused(Refusal::BadHandle)),
        }
    }

    /// Makes a directory's names durable.
    pub(crate) fn sync_directory(&self, number: u64) -> Step<()> {
        match self.backing_of(number) {
            Err(errno) => Step::Done(Err(errno)),
            Ok(None) => Step::Done(Ok(())),
            Ok(Some(backing)) => {
                let backing = Arc::clone(backing);
                Step::Wait(Box::new(move || backing.sync_directory(number)))
            }
        }
    }

    fn list_mixed(
        &self,
        directory: &OpenDirectory,
        names: &Mutex<Vec<OsString>>,
        (offset, plus): (u64, bool),
        give: &mut Give<'_>,
    ) -> Answer<()> {
        let Some(graft) = &self.graft else { return Ok(()) };
        let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
        if offset == 0 {
            *names = directory.names_now()?;
            names.retain(|name| self.overlaid(directory.number(), name).is_none());
        }
        let dots = DOTS.iter().map(OsStr::new);
        let overlay = graft.overlay.iter().map(|(name, node)| (name.as_os_str(), Some(*node)));
        let rows =
            dots.map(|name| (name, None)).chain(overlay).chain(names.iter().map(|name| (name.as_os_str(), None)));
        for (next, (name, node)) in (1..).zip(rows).skip(usize::try_from(offset).unwrap_or(usize::MAX)) {
            let room = match node {
                None => graft.backing.give_name(directory.number(), (name, next), plus, give),
                Some(node) => self.give_node(node, name, (next, plus), give)?,
            };
            if !room {
                break;
            }
        }
        Ok(())
    }

    fn give_node(&self, node: NodeId, name: &OsStr, (next, plus): (u64, bool), give: &mut Give<'_>) -> Answer<bool> {
        let found = self.shown(node)?;
        let kind = found.attributes.kind;
        Ok(give(&Row { number: node.0, kind, name, next, found: plus.then_some(found) }))
    }

    fn list_shown(
        &self,
        node: NodeId,
        pages: &Mutex<Pages>,
        (offset, plus): (u64, bool),
        give: &mut Give<'_>,
    ) -> Answer<()> {
        let mut position = offset;
        let graft = self.graft.as_ref().filter(|_| node == NodeId::ROOT);
        let first = DOTS.len() as u64 + u64::from(graft.is_some());
        while position < first {
            let dot = usize::try_from(position).ok().and_then(|position| DOTS.get(position));
            let room = match (dot, graft) {
                (Some(dot), _) => {
                    // The kernel takes no attributes of these two: the tree is not asked for them.
                    let attr = Attr { kind: Kind::Directory, size: None, modified: SystemTime::UNIX_EPOCH };
                    let found = plus.then(|| self.as_found(node, &attr, None));
                    let name = OsStr::new(dot);
                    give(&Row { number: node.0, kind: FileType::Directory, name, next: position + 1, found })
                }
                (None, Some(graft)) => {
                    let found = graft.backing.attributes(graft.backing.root(), None)?;
                    let (number, kind) = (found.attributes.number, found.attributes.kind);
                    let found = plus.then_some(found);
                    give(&Row { number, kind, name: &graft.name, next: position + 1, found })
                }
                (None, None) => true,
            };
            if !room {
                return Ok(());
            }
            position += 1;
        }
        let mut pages = pages.lock().unwrap_or_else(PoisonError::into_inner);
        if offset == 0 && !std::mem::take(&mut pages.is_fresh) {
            *pages = Pages::default();
        }
        let hidden = graft.map(|graft| graft.name.as_os_str());
        while let Some(entry) = pages.entry(self, node, usize::try_from(position - first).unwrap_or(usize::MAX))? {
            if hidden != Some(OsStr::new(&entry.name)) && !self.give_shown(entry, (position + 1, plus), give) {
                return Ok(());
            }
            position += 1;
        }
        Ok(())
    }

    fn give_shown(&self, entry: &Entry, (next, plus): (u64, bool), give: &mut Give<'_>) -> bool {
        let kind = match entry.attr.kind {
            Kind::Directory => FileType::Directory,
            Kind::File | Kind::Report => FileType::RegularFile,
        };
        let found = plus.then(|| self.as_found(entry.node, &entry.attr, None));
        give(&Row { number: entry.node.0, kind, name: OsStr::new(&entry.name), next, found })
    }
}

impl Pages {
    /// Reads the first page: a directory that is gone is told from one that is there when it is opened, when the kernel
    /// looks its path up again, and with the one question that a listing asks anyway.
    fn begun(core: &Core, node: NodeId) -> Answer<Self> {
        let mut pages = Self { is_fresh: true, ..Self::default() };
        if pages.entry(core, node, 0)?.is_none() && answered(core.tree.attr(node))?.kind != Kind::Directory {
            return Err(refused(Refusal::NotADirectory));
        }
        Ok(pages)
    }

    /// Returns the entry at an index, none after the last.
    fn entry(&mut self, core: &Core, node: NodeId, index: usize) -> Answer<Option<&Entry>> {
        let (page, within) = (index / PAGE, index % PAGE);
        if self.starts.is_empty() || page != self.page {
            if self.starts.is_empty() {
                self.starts.push(None);
            }
            // A position nobody was given: there is nothing.
            let Some(start) = self.starts.get(page).cloned() else { return Ok(None) };
            self.entries = answered(core.tree.entries(node, start.as_deref(), PAGE))?;
            self.page = page;
            if self.entries.len() == PAGE && self.starts.len() == page + 1 {
                self.starts.push(self.entries.last().map(|entry| entry.cursor.clone()));
            }
        }
        Ok(self.entries.get(within))
    }
}
