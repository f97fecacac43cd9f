//! The FUSE mechanism of swamp: trees, backing directories and the kernel protocol. It knows no datastores.
//!
//! What is mounted is somebody else's policy and comes in through the port [`Tree`]. A node names immutable bytes: new
//! content is a new node, so that neither our caches nor the kernel's pages ever need invalidation.
#![forbid(unsafe_code)]

mod tree;

pub use tree::{Attr, Content, Entry, Kind, NodeId, Tree, TreeError};
