//! What is open, by the number that the kernel gives back with every request.

use std::collections::HashMap;
use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;

use super::listing::Listing;
use crate::NodeId;
use crate::attributes::Answer;
use crate::backing::OpenFile;
use crate::content::Remote;
use crate::errno::{Refusal, refused};

/// Something open.
#[derive(Debug)]
pub(super) enum Handle {
    Backing(Arc<OpenFile>),
    Shown(NodeId, Shown),
    Directory(Listing),
}

/// The bytes of an open file of the tree.
#[derive(Debug)]
pub(super) enum Shown {
    Bytes(Bytes),
    File(File),
    Remote(Remote),
}

/// Everything open. Numbers are never used again.
#[derive(Debug, Default)]
pub(super) struct Handles {
    open: RwLock<HashMap<u64, Arc<Handle>>>,
    last: AtomicU64,
}

impl Handles {
    pub(super) fn insert(&self, handle: Handle) -> u64 {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        self.open.write().unwrap_or_else(PoisonError::into_inner).insert(number, Arc::new(handle));
        number
    }

    pub(super) fn remove(&self, number: u64) -> Option<Arc<Handle>> {
        self.open.write().unwrap_or_else(PoisonError::into_inner).remove(&number)
    }

    pub(super) fn get(&self, number: u64) -> Answer<Arc<Handle>> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.get(&number).map(Arc::clone).ok_or(refused(Refusal::BadHandle))
    }

    /// Returns an open backing file.
    pub(super) fn file(&self, number: u64) -> Answer<Arc<OpenFile>> {
        match &*self.get(number)? {
            Handle::Backing(file) => Ok(Arc::clone(file)),
            Handle::Shown(..) | Handle::Directory(_) => Err(refused(Refusal::BadHandle)),
        }
    }
}
