//! The FUSE mechanism of swamp: trees, backing directories and the kernel protocol. It knows no datastores.
//!
//! What is mounted is somebody else's policy and comes in through the port [`Tree`]. A node names immutable bytes: new
//! content is a new node, so that neither our caches nor the kernel's pages ever need invalidation. What is written
//! goes to a backing directory, and an [`Observer`] hears of it before the writer does.

mod attributes;
mod backing;
mod clock;
mod content;
mod errno;
mod fs;
mod fuse;
mod lifecycle;
mod mounts;
mod observer;
mod options;
mod pool;
mod serve;
mod session;
mod tree;
#[cfg(test)]
mod trial;
#[cfg(test)]
mod trials;

pub use content::Usage;
pub use errno::{ErrnoRow, errno, errno_name, errno_rows};
pub use lifecycle::{
    Device, Diagnosis, HALT_POLL_SETTING, MountError, Notifier, ServeError, diagnose, guard, is_dead, tell,
};
pub use mounts::{InvalidMountId, MountId, Mounted, Propagation, detach, mounted_at, mounts, ours};
pub use observer::{Changing, Made, Observer};
pub use options::{Access, CACHE_BYTES_DEFAULT, Options, Passthrough, SUBTYPE, Writable};
pub use serve::{Inodes, Served, Transfer, serve};
pub use session::{Mount, Unmounted, Waited};
pub use tree::{Attr, Entry, Fetched, Kind, NodeId, Opened, Part, Tree, TreeError};
