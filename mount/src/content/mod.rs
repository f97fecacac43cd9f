//! Content that must be fetched: whole objects, remembered by whoever has them open.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::{NodeId, Part, Tree, TreeError};

/// Fetches content.
#[derive(Debug)]
pub(crate) struct Contents {
    tree: Arc<dyn Tree>,
}

/// One remote file.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    contents: Arc<Contents>,
    node: NodeId,
    bytes: Arc<Mutex<Option<Bytes>>>,
}

impl Contents {
    pub(crate) fn new(tree: Arc<dyn Tree>, _bytes_max: u64) -> Arc<Self> {
        Arc::new(Self { tree })
    }

    pub(crate) fn open(self: &Arc<Self>, node: NodeId, _size: Option<u64>) -> Remote {
        Remote { contents: Arc::clone(self), node, bytes: Arc::default() }
    }
}

impl Remote {
    fn held(&self) -> Option<Bytes> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn prepare(&self) -> Result<u64, TreeError> {
        let bytes = match self.held() {
            Some(bytes) => bytes,
            None => self.contents.tree.fetch(self.node, &Part::Whole)?.bytes,
        };
        *self.bytes.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes.clone());
        Ok(bytes.len() as u64)
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.held().is_some()
    }

    pub(crate) fn size(&self) -> Option<u64> {
        self.held().map(|bytes| bytes.len() as u64)
    }

    pub(crate) fn read_now(&self, offset: u64, length: usize) -> Option<Bytes> {
        let bytes = self.held()?;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        Some(bytes.slice(from..from.saturating_add(length).min(bytes.len())))
    }

    pub(crate) fn read(&self, offset: u64, length: usize) -> Result<Bytes, TreeError> {
        self.prepare()?;
        self.read_now(offset, length).ok_or(TreeError::Input)
    }
}
