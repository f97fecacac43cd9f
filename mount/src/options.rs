//! What is mounted where, and how.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::{NodeId, Observer, Tree};

/// How much foreign content is kept in memory unless said otherwise, in bytes.
pub const CACHE_BYTES_DEFAULT: u64 = 256 << 20;

/// The type of the file system in the list of mounts: `fuse.swamp`.
pub const SUBTYPE: &str = "swamp";

/// A directory of this machine that is shown read-write.
#[derive(Clone, Debug)]
pub struct Writable {
    /// Its name below the root of the mount.
    pub name: String,
    /// Where it is.
    pub directory: PathBuf,
    /// Directories of the tree that appear in it, whatever the directory holds by the same name.
    pub overlay: Vec<(String, NodeId)>,
    /// Who hears of changes.
    pub observer: Arc<dyn Observer>,
}

/// Whether the kernel may read and write backing files without asking us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Passthrough {
    /// Where kernel and privileges allow it.
    #[default]
    Auto,
    /// Never.
    Off,
}

/// Who may use the mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Whoever mounted it.
    #[default]
    Owner,
    /// Everybody, as the permissions of the files say.
    Everybody,
}

/// What is mounted.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where: an existing directory.
    pub mountpoint: PathBuf,
    /// What names this mount in the list of mounts; without commas.
    pub source: String,
    /// What is shown at the root and below everything read-only.
    pub tree: Arc<dyn Tree>,
    /// What can be written.
    pub writable: Option<Writable>,
    /// Whether even that is shown read-only.
    pub read_only: bool,
    /// Who may use it.
    pub access: Access,
    /// Whether reads and writes may bypass us.
    pub passthrough: Passthrough,
    /// The owner that read-only nodes show.
    pub owner: (u32, u32),
    /// How much fetched content is kept in memory, in bytes.
    pub cache_bytes: u64,
    /// How long an operation may take before it fails.
    pub deadline: Duration,
}
