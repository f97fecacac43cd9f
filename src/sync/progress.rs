//! Telling a person how far a synchronisation is.

use crate::path::RelPath;

/// A part of a synchronisation that takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Fetching files.
    Download,
    /// Sending files.
    Upload,
}

/// Hears about progress; called from several tasks.
pub trait Progress: Send + Sync + std::fmt::Debug {
    /// So many files of this many bytes together will be transferred, in addition to those announced before.
    fn expect(&self, step: Step, files: u64, bytes: u64);

    /// A file of this many bytes was transferred.
    fn advance(&self, step: Step, path: &RelPath, bytes: u64);
}

/// Says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn expect(&self, _: Step, _: u64, _: u64) {}

    fn advance(&self, _: Step, _: &RelPath, _: u64) {}
}
