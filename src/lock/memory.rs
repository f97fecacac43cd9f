//! What a process remembers of the lock it took, for those that come after it on the same machine.
//!
//! Machines may share a name, so a name and a process that is not there do not tell whose lock it is. A nonce does: who
//! finds it in a file of its own machine knows that the lock was taken there.

use std::path::PathBuf;

use tracing::warn;

use crate::fsutil::{self, Durability};

/// The largest file that is read, in bytes: a nonce is much shorter.
const BYTES_MAX: u64 = 256;

/// The file with the nonce of the lock that was taken last, on a disk of this machine; beside a staging directory `tmp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory(PathBuf);

impl Memory {
    /// Remembers in a file.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Writes down the lock that was taken. Without that, nothing is lost but time.
    pub(super) fn remember(&self, nonce: &str) {
        let staging = self.0.with_file_name("tmp");
        if let Err(error) = fsutil::write_atomic(&self.0, nonce.as_bytes(), &staging, Durability::Relaxed) {
            warn!(%error, "lock not remembered; if this process dies, it takes longer to be taken over");
        }
    }

    /// Whether the lock was taken on this machine.
    pub(super) fn is_of(&self, nonce: &str) -> bool {
        fsutil::read_text_if_exists(&self.0, BYTES_MAX).is_ok_and(|text| text.as_deref() == Some(nonce))
    }
}
