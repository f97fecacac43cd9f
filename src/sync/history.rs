//! When the cache was last brought in step with its datastore, for people to see.

use std::path::Path;

use super::{Engine, SyncError};
use crate::clock::Timestamp;
use crate::fsutil::{self, Durability, FileError};

/// A direction of synchronisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the datastore to here.
    Pull,
    /// From here to the datastore.
    Push,
}

impl Direction {
    fn file_name(self) -> &'static str {
        match self {
            Self::Pull => "last-pulled",
            Self::Push => "last-pushed",
        }
    }
}

/// Returns when the cache whose state directory this is last finished a direction, `None` if it never did.
pub fn last_done(state: &Path, direction: Direction) -> Result<Option<Timestamp>, FileError> {
    /// A time is 24 bytes.
    const BYTES_MAX: u64 = 64;
    let text = fsutil::read_text_if_exists(&state.join(direction.file_name()), BYTES_MAX)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

impl Engine {
    /// Writes down that a direction is done.
    pub(super) fn done(&self, direction: Direction) -> Result<(), SyncError> {
        let text = self.parts.clock.now().to_string();
        let path = self.parts.state.join(direction.file_name());
        // Staged beside it: the state may lie on another file system than the tree.
        Ok(fsutil::write_atomic(&path, text.as_bytes(), &self.parts.state.join("tmp"), Durability::Relaxed)?)
    }
}
