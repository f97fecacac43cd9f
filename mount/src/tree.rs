//! The port between the mechanism and whatever is shown: names, attributes, bytes.
//!
//! Everything but [`Tree::open`] answers from memory and never waits for a network.

use std::sync::Arc;
use std::time::SystemTime;

/// A node of a tree: stable for as long as the tree shows it, and never given to another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl NodeId {
    /// The node that every path begins at.
    pub const ROOT: Self = Self(1);
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It has entries.
    Directory,
    /// It has bytes, which never change.
    File,
}

/// What is shown of a node without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attr {
    /// What it is.
    pub kind: Kind,
    /// Length of a file, in bytes; zero for a directory.
    pub size: u64,
    /// When its content was made.
    pub modified: SystemTime,
}

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name: neither empty nor `.` nor `..`, without `/` and NUL.
    pub name: String,
    /// What it names.
    pub node: NodeId,
}

/// The bytes of an open file.
pub trait Content: Send + Sync + std::fmt::Debug {
    /// Reads at most `length` bytes from `offset`; fewer only at the end of the file.
    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, TreeError>;
}

/// A read-only tree of immutable files.
pub trait Tree: Send + Sync + std::fmt::Debug {
    /// Returns what is shown of a node.
    fn attr(&self, node: NodeId) -> Result<Attr, TreeError>;

    /// Returns the node of a name in a directory.
    fn lookup(&self, directory: NodeId, name: &str) -> Result<NodeId, TreeError>;

    /// Returns at most `limit` entries of a directory in byte order of names, those after `after`.
    fn entries(&self, directory: NodeId, after: Option<&str>, limit: usize) -> Result<Vec<Entry>, TreeError>;

    /// Makes a file's bytes readable; the only call that may wait for a network.
    fn open(&self, file: NodeId) -> Result<Arc<dyn Content>, TreeError>;
}

/// Why a tree does not do what it was asked, in the terms of the kernel's callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeError {
    /// There is no such name or node.
    NotFound,
    /// The node is not a directory.
    NotADirectory,
    /// The node is a directory.
    IsADirectory,
    /// Credentials do not allow it.
    Denied,
    /// The datastore did not answer in time.
    TimedOut,
    /// The datastore's bytes are not what they must be, or cannot be had.
    Input,
}

impl std::fmt::Display for TreeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotFound => "there is no such name",
            Self::NotADirectory => "it is not a directory",
            Self::IsADirectory => "it is a directory",
            Self::Denied => "access is denied",
            Self::TimedOut => "the datastore did not answer in time",
            Self::Input => "its content cannot be read",
        })
    }
}

impl std::error::Error for TreeError {}
