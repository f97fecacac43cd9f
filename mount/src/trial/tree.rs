//! A tree made of a list.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::{Attr, Entry, Fetched, Kind, NodeId, Opened, Part, Tree, TreeError};

/// What a file of the tree is made of.
#[derive(Clone, Debug)]
pub(crate) enum Leaf {
    Bytes(&'static str),
    /// Remote, and whether the tree knows its length.
    Remote(&'static str, bool),
    Report(&'static str),
    Failing(TreeError),
    Panics,
    /// Remote, and its fetch panics.
    Breaks,
    /// Remote, and its fetch takes longer than anybody should wait.
    Hangs,
}

#[derive(Debug)]
enum Node {
    Directory(BTreeMap<String, NodeId>),
    File(Leaf),
}

/// A tree.
#[derive(Debug)]
pub(crate) struct Grove {
    nodes: BTreeMap<u64, Node>,
}

impl Grove {
    pub(crate) fn new(leaves: &[(&str, Leaf)]) -> Self {
        let mut grove = Self { nodes: BTreeMap::from([(1, Node::Directory(BTreeMap::new()))]) };
        for (path, leaf) in leaves {
            let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
            let parent = grove.make_directory(directory);
            grove.add(parent, name, Node::File(leaf.clone()));
        }
        grove
    }

    /// Returns a tree with something of everything, and a directory of 2,500 entries.
    pub(crate) fn sample() -> Self {
        let mut leaves = vec![
            ("foreign/known".to_owned(), Leaf::Bytes("known bytes")),
            ("foreign/remote".to_owned(), Leaf::Remote("remote bytes", true)),
            ("foreign/unsized".to_owned(), Leaf::Remote("bytes of unknown number", false)),
            ("foreign/denied".to_owned(), Leaf::Failing(TreeError::Denied)),
            ("foreign/gone".to_owned(), Leaf::Failing(TreeError::Stale)),
            ("foreign/panics".to_owned(), Leaf::Panics),
            ("foreign/breaks".to_owned(), Leaf::Breaks),
            ("foreign/hangs".to_owned(), Leaf::Hangs),
            (".swamp/report".to_owned(), Leaf::Report("a report\n")),
        ];
        leaves.extend((0..2500).map(|index| (format!("many/{index:04}"), Leaf::Bytes("x"))));
        let leaves: Vec<_> = leaves.iter().map(|(path, leaf)| (path.as_str(), leaf.clone())).collect();
        Self::new(&leaves)
    }

    /// Returns the node of a path.
    pub(crate) fn node(&self, path: &str) -> NodeId {
        path.split('/').fold(NodeId::ROOT, |node, name| self.lookup(node, name).unwrap().0)
    }

    fn make_directory(&mut self, path: &str) -> NodeId {
        path.split('/').filter(|name| !name.is_empty()).fold(NodeId::ROOT, |node, name| match self.lookup(node, name) {
            Ok((found, _)) => found,
            Err(_) => self.add(node, name, Node::Directory(BTreeMap::new())),
        })
    }

    fn add(&mut self, parent: NodeId, name: &str, node: Node) -> NodeId {
        let number = NodeId(self.nodes.len() as u64 + 1);
        self.nodes.insert(number.0, node);
        let Some(Node::Directory(entries)) = self.nodes.get_mut(&parent.0) else { panic!("not a directory") };
        entries.insert(name.to_owned(), number);
        number
    }

    fn directory(&self, node: NodeId) -> Result<&BTreeMap<String, NodeId>, TreeError> {
        match self.nodes.get(&node.0) {
            Some(Node::Directory(entries)) => Ok(entries),
            Some(Node::File(_)) => Err(TreeError::NotADirectory),
            None => Err(TreeError::Stale),
        }
    }

    fn leaf(&self, node: NodeId) -> Result<&Leaf, TreeError> {
        match self.nodes.get(&node.0) {
            Some(Node::Directory(_)) => Err(TreeError::IsADirectory),
            Some(Node::File(leaf)) => Ok(leaf),
            None => Err(TreeError::Stale),
        }
    }
}

impl Tree for Grove {
    fn attr(&self, node: NodeId) -> Result<Attr, TreeError> {
        let (kind, size) = match self.nodes.get(&node.0).ok_or(TreeError::Stale)? {
            Node::Directory(_) => (Kind::Directory, None),
            Node::File(Leaf::Bytes(text) | Leaf::Remote(text, true)) => (Kind::File, Some(text.len() as u64)),
            Node::File(Leaf::Remote(_, false) | Leaf::Failing(_) | Leaf::Panics | Leaf::Breaks | Leaf::Hangs) => {
                (Kind::File, None)
            }
            Node::File(Leaf::Report(_)) => (Kind::Report, None),
        };
        Ok(Attr { kind, size, modified: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) })
    }

    fn lookup(&self, directory: NodeId, name: &str) -> Result<(NodeId, Attr), TreeError> {
        let node = *self.directory(directory)?.get(name).ok_or(TreeError::NotFound)?;
        Ok((node, self.attr(node)?))
    }

    fn entries(&self, directory: NodeId, after: Option<&str>, limit: usize) -> Result<Vec<Entry>, TreeError> {
        let entries =
            self.directory(directory)?.iter().filter(|(name, _)| after.is_none_or(|after| name.as_str() > after));
        entries
            .take(limit)
            .map(|(name, &node)| Ok(Entry { name: name.clone(), node, attr: self.attr(node)?, cursor: name.clone() }))
            .collect()
    }

    fn open(&self, file: NodeId) -> Result<Opened, TreeError> {
        match self.leaf(file)? {
            Leaf::Bytes(text) | Leaf::Report(text) => Ok(Opened::Bytes(Bytes::from_static(text.as_bytes()))),
            Leaf::Remote(..) | Leaf::Breaks | Leaf::Hangs => Ok(Opened::Remote),
            Leaf::Failing(error) => Err(*error),
            Leaf::Panics => panic!("asked for"),
        }
    }

    fn fetch(&self, file: NodeId, part: &Part) -> Result<Fetched, TreeError> {
        let text = match self.leaf(file)? {
            Leaf::Remote(text, _) => text,
            Leaf::Breaks => panic!("asked for"),
            Leaf::Hangs => {
                std::thread::park_timeout(Duration::from_secs(2));
                return Err(TreeError::TimedOut);
            }
            Leaf::Bytes(_) | Leaf::Report(_) | Leaf::Failing(_) | Leaf::Panics => return Err(TreeError::Input),
        };
        let all = Bytes::from_static(text.as_bytes());
        let bytes = match part {
            Part::Whole => all.clone(),
            Part::Range { bytes, .. } => {
                let end = usize::try_from(bytes.end).unwrap_or(usize::MAX).min(all.len());
                all.slice(usize::try_from(bytes.start).unwrap_or(usize::MAX).min(end)..end)
            }
        };
        Ok(Fetched { bytes, version: Some("1".to_owned()), size: all.len() as u64 })
    }
}
