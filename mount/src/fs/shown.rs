//! The tree's side: nodes are read-only, immutable and not counted.

use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use rustix::fs::FileType;

use super::handles::{Handle, Shown};
use super::{Core, Lookup, answered, remembered};
use crate::attributes::{Answer, Attributes, Found, Time};
use crate::{Attr, Kind, NodeId, TreeError};

/// How many sizes are remembered that only opening told.
const SIZES_MAX: NonZeroUsize = NonZeroUsize::new(65_536).expect("it is not zero");

/// Sizes that the tree does not know, as they turned out.
#[derive(Debug)]
pub(super) struct Sizes(Mutex<LruCache<NodeId, u64>>);

impl Default for Sizes {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(SIZES_MAX)))
    }
}

impl Sizes {
    pub(super) fn get(&self, node: NodeId) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&node).copied()
    }

    pub(super) fn learn(&self, node: NodeId, size: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(node, size);
    }
}

impl Core {
    pub(super) fn lookup_shown(&self, directory: NodeId, name: &OsStr) -> Answer<Lookup> {
        if let Some(graft) = self.graft.as_ref().filter(|graft| directory == NodeId::ROOT && graft.name == name) {
            return graft.backing.attributes(graft.backing.root(), None).map(Lookup::Found);
        }
        let looked_up = match name.to_str() {
            Some(name) => self.tree.lookup(directory, name),
            None => Err(TreeError::NotFound),
        };
        match looked_up {
            Ok((node, attr)) => Ok(Lookup::Found(self.as_found(node, &attr, None))),
            Err(TreeError::NotFound) => Ok(Lookup::Missing(self.remembered_for())),
            Err(error) => answered(Err(error)),
        }
    }

    /// Returns what is shown of a node.
    pub(super) fn shown(&self, node: NodeId) -> Answer<Found> {
        self.shown_open(node, None)
    }

    /// Returns what is shown of a node, with the length that an open handle knows.
    pub(super) fn shown_open(&self, node: NodeId, handle: Option<u64>) -> Answer<Found> {
        let size = handle.and_then(|handle| match &*self.handles.get(handle).ok()? {
            Handle::Shown(of, shown) if *of == node => shown.size(),
            Handle::Shown(..) | Handle::Backing(_) | Handle::Directory(_) => None,
        });
        Ok(self.as_found(node, &answered(self.tree.attr(node))?, size))
    }

    pub(super) fn as_found(&self, node: NodeId, attr: &Attr, open_size: Option<u64>) -> Found {
        let known = match attr.kind {
            Kind::Directory => Some(0),
            Kind::File => attr.size.or_else(|| self.sizes.get(node)),
            Kind::Report => None,
        };
        let attributes_for = if known.is_some() { self.remembered_for() } else { Duration::ZERO };
        let attributes = self.attributes_of(node, attr, open_size.or(known).unwrap_or(0));
        remembered(attributes, attributes_for, self.remembered_for())
    }

    fn attributes_of(&self, node: NodeId, attr: &Attr, size: u64) -> Attributes {
        const BLOCK: u64 = 512;
        let modified = Time::from_system(attr.modified);
        let (kind, mode, links) = match attr.kind {
            Kind::Directory => (FileType::Directory, 0o555, 2),
            Kind::File | Kind::Report => (FileType::RegularFile, 0o444, 1),
        };
        Attributes {
            number: node.0,
            kind,
            mode,
            links,
            uid: self.owner.0,
            gid: self.owner.1,
            device: 0,
            size,
            blocks: size.div_ceil(BLOCK),
            block_size: 4096,
            accessed: modified,
            modified,
            changed: modified,
        }
    }
}

impl Shown {
    /// Returns the length, where it is known by now.
    pub(super) fn size(&self) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::File(file) => file.metadata().ok().map(|metadata| metadata.len()),
            Self::Remote(remote) => remote.size(),
        }
    }
}
