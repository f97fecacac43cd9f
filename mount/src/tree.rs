//! The port between the mechanism and whatever is shown: names, attributes, bytes.
//!
//! A file node names immutable bytes: new content is a new node. Everything but [`Tree::fetch`] answers from this
//! machine and never waits for a network.

use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::time::SystemTime;

use bytes::Bytes;

/// A node of a tree: stable for as long as the tree shows it, and never given to another node.
///
/// It is the inode number as well, so the highest bit must be clear: those numbers belong to backing files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl NodeId {
    /// The node that every path begins at.
    pub const ROOT: Self = Self(1);

    /// The lowest inode number that is not a tree's.
    pub const END: u64 = 1 << 63;
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It has entries.
    Directory,
    /// It has bytes, which never change.
    File,
    /// It has bytes that are made anew for every open: a report about the mount itself.
    Report,
}

/// What is shown of a node without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attr {
    /// What it is.
    pub kind: Kind,
    /// Length of a file in bytes; `None` where only opening tells. Ignored for directories and reports.
    pub size: Option<u64>,
    /// When its content was made.
    pub modified: SystemTime,
}

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name: neither empty nor `.` nor `..`, at most 255 bytes, without `/` and NUL.
    pub name: String,
    /// What it names.
    pub node: NodeId,
    /// What is shown of it.
    pub attr: Attr,
    /// Where a listing goes on after this entry; the tree's own spelling, stable while entries come and go.
    pub cursor: String,
}

/// What opening a file gives.
#[derive(Debug)]
pub enum Opened {
    /// All of it.
    Bytes(Bytes),
    /// A file of this machine.
    File(File),
    /// It must be fetched.
    Remote,
}

/// Which bytes of a remote file to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it, checked against its digest where one is known.
    Whole,
    /// Some of it, of exactly one version.
    Range {
        /// Which bytes; the end may lie beyond the end of the file.
        bytes: Range<u64>,
        /// The version the bytes must be of, `None` for the first part of a file.
        version: Option<String>,
    },
}

/// Bytes that were fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The bytes: fewer than asked for only at the end of the file.
    pub bytes: Bytes,
    /// The version they are of, in the datastore's spelling.
    pub version: Option<String>,
    /// Length of the whole file.
    pub size: u64,
}

/// A read-only tree of immutable files.
pub trait Tree: Send + Sync + fmt::Debug {
    /// Returns what is shown of a node.
    fn attr(&self, node: NodeId) -> Result<Attr, TreeError>;

    /// Returns the node of a name in a directory: it is found if and only if [`Tree::entries`] lists it.
    fn lookup(&self, directory: NodeId, name: &str) -> Result<(NodeId, Attr), TreeError>;

    /// Returns at most `limit` entries of a directory, those after the cursor `after`, in an order of the tree's.
    fn entries(&self, directory: NodeId, after: Option<&str>, limit: usize) -> Result<Vec<Entry>, TreeError>;

    /// Says how to get at a file's bytes.
    fn open(&self, file: NodeId) -> Result<Opened, TreeError>;

    /// Fetches bytes of a remote file; waits, but not beyond the tree's own deadline.
    fn fetch(&self, file: NodeId, part: &Part) -> Result<Fetched, TreeError>;
}

/// Why a tree does not do what it was asked, in terms that have an error number each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TreeError {
    /// There is no such name or node.
    NotFound,
    /// The node is not a directory.
    NotADirectory,
    /// The node is a directory.
    IsADirectory,
    /// What was listed has changed or is gone; looking it up again helps.
    Stale,
    /// Credentials do not allow it.
    Denied,
    /// The datastore cannot be reached.
    Unreachable,
    /// The datastore did not answer in time.
    TimedOut,
    /// The datastore's answer is not what it must be, or this machine fails.
    Input,
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "there is no such name",
            Self::NotADirectory => "it is not a directory",
            Self::IsADirectory => "it is a directory",
            Self::Stale => "it has changed since it was listed",
            Self::Denied => "access is denied",
            Self::Unreachable => "the datastore cannot be reached",
            Self::TimedOut => "the datastore did not answer in time",
            Self::Input => "its content cannot be read",
        })
    }
}

impl std::error::Error for TreeError {}
