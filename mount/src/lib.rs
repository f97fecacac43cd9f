//! The FUSE mechanism of swamp: trees, backing directories and the kernel protocol. It knows no datastores.
//!
//! What is mounted is somebody else's policy and comes in through the port [`Tree`]. A node names immutable bytes: new
//! content is a new node, so that neither our caches nor the kernel's pages ever need invalidation. What is written
//! goes to a backing directory, and an [`Observer`] hears of it before the writer does.

mod clock;
#[cfg_attr(not(test), expect(dead_code, reason = "for the adapter"))]
mod content;
#[cfg_attr(not(test), expect(dead_code, reason = "for the adapter"))]
mod lifecycle;
mod mounts;
mod observer;
mod options;
mod pool;
#[cfg_attr(not(test), expect(dead_code, reason = "for the adapter"))]
mod session;
mod tree;

pub use content::Usage;
pub use lifecycle::{Device, Diagnosis, MountError, Notifier, ServeError, diagnose, guard};
pub use mounts::{InvalidMountId, MountId, Mounted, Propagation, detach, mounted_at, mounts, ours};
pub use observer::{Changing, Made, Observer};
pub use options::{Access, CACHE_BYTES_DEFAULT, Options, Passthrough, SUBTYPE, Writable};
pub use session::{Mount, Unmounted, Waited};
pub use tree::{Attr, Entry, Fetched, Kind, NodeId, Opened, Part, Tree, TreeError};
