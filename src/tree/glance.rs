//! One look at the catalog: what a node stands for now, and how it is shown.
//!
//! Directories and files are worked out anew for every question, from one snapshot, so that what another process pulled
//! or wrote is seen at once and nothing has to be rebuilt.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use swamp_mount::{Attr, Entry, Kind, NodeId, TreeError};

use super::SOLO_NAME;
use super::node::{self, Decoded, Role};
use super::places::{CONTROL, DATA, HISTORY, MODELS, Place, Places};
use super::recent::Recent;
use super::sizes::Sizes;
use crate::catalog::{Browser, Leaf, Name};
use crate::clock::Timestamp;
use crate::data::name::SEGMENT_BYTES_MAX;

/// How many directories of artifacts keep their node although the version that stood for them is gone.
const ENTERED_MAX: usize = 32_768;

/// A node and how it is shown.
pub(super) type Found = (NodeId, Attr);

/// What is remembered between looks.
#[derive(Debug)]
pub(super) struct Memory {
    /// The slug of our own namespace, `""` in solo mode.
    pub(super) own: String,
    pub(super) places: Places,
    pub(super) sizes: Arc<Sizes>,
    /// Shown as the time of what has none.
    pub(super) started: Timestamp,
    entered: Mutex<Entered>,
}

/// Directories of artifacts that were used lately. Their nodes are made of the oldest version, which is the first to be
/// collected as garbage; whoever is in such a directory stays in it nevertheless.
#[derive(Debug)]
struct Entered {
    by_node: Recent<NodeId, (String, Name)>,
    by_name: Recent<(Role, String, Name), NodeId>,
}

impl Memory {
    pub(super) fn new(own: String, sizes: Arc<Sizes>, started: Timestamp) -> Self {
        let entered = Entered { by_node: Recent::new(ENTERED_MAX), by_name: Recent::new(ENTERED_MAX) };
        Self { own, places: Places::new(), sizes, started, entered: Mutex::new(entered) }
    }

    /// Returns what our own tree is called.
    pub(super) fn own_name(&self) -> &str {
        if self.own.is_empty() { SOLO_NAME } else { &self.own }
    }

    fn entered(&self) -> MutexGuard<'_, Entered> {
        self.entered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a node stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Place(u64, Place),
    /// The directory of an artifact, in the layout, in the history or among the attributes.
    Artifact(Role, String, Name),
    /// A version, or a file of it.
    Version(Role, Box<Leaf>),
}

/// One look.
#[derive(Debug)]
pub(super) struct Glance<'a> {
    pub(super) memory: &'a Memory,
    pub(super) browser: &'a Browser<'a>,
}

impl Glance<'_> {
    /// Returns what a node stands for; whether a place exists is not asked.
    pub(super) fn subject(&self, node: NodeId) -> Result<Subject, TreeError> {
        match node::decode(node).ok_or(TreeError::NotFound)? {
            Decoded::Place(number) => {
                let place = self.memory.places.resolve(number).ok_or(TreeError::NotFound)?;
                Ok(Subject::Place(number, place))
            }
            Decoded::Row { role, seq, stamp } => {
                let leaf = self.browser.row(seq)?.filter(|leaf| node::stamp(role, leaf) == stamp);
                match role {
                    Role::Name | Role::History | Role::Described => self.artifact(node, role, leaf),
                    Role::Version | Role::Content | Role::Metadata | Role::Latest | Role::Attributes => {
                        Ok(Subject::Version(role, Box::new(leaf.ok_or(TreeError::Stale)?)))
                    }
                }
            }
        }
    }

    fn artifact(&self, node: NodeId, role: Role, leaf: Option<Leaf>) -> Result<Subject, TreeError> {
        let mut entered = self.memory.entered();
        let (namespace, name) = match leaf {
            Some(leaf) => (leaf.namespace, leaf.name),
            None => entered.by_node.get(&node).ok_or(TreeError::Stale)?,
        };
        entered.by_node.insert(node, (namespace.clone(), name.clone()));
        entered.by_name.insert((role, namespace.clone(), name.clone()), node);
        Ok(Subject::Artifact(role, namespace, name))
    }

    /// Returns the directory of an artifact, for which any version stands; `None` if it has no node.
    pub(super) fn artifact_directory(&self, role: Role, leaf: &Leaf) -> Result<Option<Found>, TreeError> {
        let entered = self.memory.entered();
        let key = (role, leaf.namespace.clone(), leaf.name.clone());
        let known = entered.by_name.peek(&key).copied();
        // One that nobody could resolve any more is of no use.
        let known = known.filter(|node| entered.by_node.peek(node).is_some());
        drop(entered);
        let shown = |node| (node, directory(leaf.created_at));
        if known.is_some() {
            return Ok(known.map(shown));
        }
        let oldest = self.browser.oldest_seq(&leaf.namespace, &leaf.name)?;
        Ok(oldest.and_then(|seq| node::of_name(role, &leaf.namespace, &leaf.name, seq)).map(shown))
    }

    /// Returns how a node is shown.
    pub(super) fn attr(&self, subject: &Subject) -> Result<Attr, TreeError> {
        match subject {
            Subject::Place(_, Place::Report(_)) => Ok(self.report()),
            Subject::Place(_, place) => {
                let namespace = self.check_place(place)?;
                Ok(directory(self.time_of(namespace)?))
            }
            Subject::Artifact(_, namespace, name) => {
                let newest = self.browser.newest(namespace, name)?.ok_or(TreeError::Stale)?;
                Ok(directory(newest.created_at))
            }
            Subject::Version(role, leaf) => {
                // A version that was the newest is not `latest` any more.
                if *role == Role::Latest && !self.is_newest(leaf)? {
                    return Err(TreeError::Stale);
                }
                Ok(self.leaf_attr(*role, leaf))
            }
        }
    }

    fn is_newest(&self, leaf: &Leaf) -> Result<bool, TreeError> {
        let newest = self.browser.newest(&leaf.namespace, &leaf.name)?;
        Ok(newest.is_some_and(|newest| newest.seq == leaf.seq))
    }

    /// Checks that a place still exists; returns its namespace.
    fn check_place<'p>(&self, place: &'p Place) -> Result<Option<&'p str>, TreeError> {
        let exists = match place {
            Place::Root | Place::Control | Place::Report(_) | Place::Meta => true,
            Place::Namespace(namespace) | Place::View { namespace, .. } => self.is_known(namespace)?,
            Place::Data { namespace, path } => self.has_data(namespace, path)?,
            Place::Model { namespace, name, .. } => self.model_called(namespace, name)?.is_some(),
        };
        if exists { Ok(place.namespace()) } else { Err(TreeError::Stale) }
    }

    /// Whether a namespace is shown: our own, or one whose catalog was pulled.
    pub(super) fn is_known(&self, namespace: &str) -> Result<bool, TreeError> {
        Ok(namespace == self.memory.own || self.browser.foreign(namespace)?.is_some())
    }

    /// Returns the time that the directories of a namespace show: of its newest artifact, else when it was pulled.
    pub(super) fn time_of(&self, namespace: Option<&str>) -> Result<Timestamp, TreeError> {
        let Some(namespace) = namespace else { return Ok(self.memory.started) };
        if let Some(newest) = self.browser.newest_time(namespace)? {
            return Ok(newest);
        }
        Ok(self.browser.foreign(namespace)?.unwrap_or(self.memory.started))
    }

    /// Returns how a report is shown.
    pub(super) fn report(&self) -> Attr {
        report(self.memory.started)
    }

    /// Returns how a version or a file of it is shown.
    pub(super) fn leaf_attr(&self, role: Role, leaf: &Leaf) -> Attr {
        match role {
            Role::Name | Role::History | Role::Described | Role::Version => directory(leaf.created_at),
            Role::Attributes => report(leaf.created_at),
            Role::Content => file((!leaf.streaming).then_some(leaf.size), leaf.created_at),
            Role::Metadata => {
                let known = node::of_leaf(role, leaf).and_then(|node| self.memory.sizes.get(node));
                file(known.map(|known| known.size), leaf.created_at)
            }
            Role::Latest => file(Some(leaf.version.to_string().len() as u64), leaf.created_at),
        }
    }

    /// Returns a version or a file of it, `None` if it has no node.
    pub(super) fn leaf(&self, role: Role, leaf: &Leaf) -> Option<Found> {
        Some((node::of_leaf(role, leaf)?, self.leaf_attr(role, leaf)))
    }

    /// Returns the node of a directory in a place.
    pub(super) fn place(&self, parent: u64, name: &str, modified: Timestamp) -> Option<Found> {
        Some((self.memory.places.child(parent, name)?, directory(modified)))
    }

    /// Returns what a name in the directory of a namespace is.
    pub(super) fn in_namespace(&self, number: u64, namespace: &str, name: &str) -> Result<Found, TreeError> {
        // The layout of our own namespace is a directory of this machine and not the tree's.
        let is_shown = matches!(name, MODELS | HISTORY) || (name == DATA && namespace != self.memory.own);
        if !is_shown || !self.is_known(namespace)? {
            return Err(TreeError::NotFound);
        }
        self.place(number, name, self.time_of(Some(namespace))?).ok_or(TreeError::Input)
    }

    /// Returns what a name at the root is.
    pub(super) fn at_root(&self, name: &str) -> Result<Found, TreeError> {
        if name == CONTROL {
            return self.place(NodeId::ROOT.0, name, self.memory.started).ok_or(TreeError::Input);
        }
        if name.is_empty() || name == self.memory.own || self.browser.foreign(name)?.is_none() {
            return Err(TreeError::NotFound);
        }
        self.place(NodeId::ROOT.0, name, self.time_of(Some(name))?).ok_or(TreeError::Input)
    }

    /// Lists the root: reports, then foreign namespaces by name.
    pub(super) fn list_root(&self, page: &mut Page<'_>) -> Result<(), TreeError> {
        if page.after.is_none() {
            page.push(CONTROL, String::new(), self.place(NodeId::ROOT.0, CONTROL, self.memory.started));
        }
        let mut last = page.after.unwrap_or_default().to_owned();
        while !page.is_full() {
            let Some((namespace, _)) = self.browser.next_foreign(&last)? else { return Ok(()) };
            if namespace != self.memory.own {
                let time = self.time_of(Some(&namespace))?;
                page.push(&namespace, namespace.clone(), self.place(NodeId::ROOT.0, &namespace, time));
            }
            last = namespace;
        }
        Ok(())
    }

    /// Lists the directory of a namespace.
    pub(super) fn list_namespace(&self, number: u64, namespace: &str, page: &mut Page<'_>) -> Result<(), TreeError> {
        for name in [DATA, HISTORY, MODELS] {
            if page.after.is_some_and(|after| name <= after) || page.is_full() {
                continue;
            }
            match self.in_namespace(number, namespace, name) {
                Ok(found) => page.push(name, name.to_owned(), Some(found)),
                Err(TreeError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// A page of a listing.
#[derive(Debug)]
pub(super) struct Page<'a> {
    /// Where it begins.
    pub(super) after: Option<&'a str>,
    entries_max: usize,
    pub(super) entries: Vec<Entry>,
}

impl<'a> Page<'a> {
    pub(super) fn new(after: Option<&'a str>, entries_max: usize) -> Self {
        Self { after, entries_max, entries: Vec::with_capacity(entries_max.min(1024)) }
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= self.entries_max
    }

    /// Returns how many more entries it takes.
    pub(super) fn room(&self) -> usize {
        self.entries_max.saturating_sub(self.entries.len())
    }

    /// Adds an entry, unless it has no node or its name cannot be a file's.
    pub(super) fn push(&mut self, name: &str, cursor: String, found: Option<Found>) {
        if let (Some((node, attr)), true) = (found, name.len() <= SEGMENT_BYTES_MAX) {
            self.entries.push(Entry { name: name.to_owned(), node, attr, cursor });
        }
    }
}

/// Returns how a directory is shown.
pub(super) fn directory(modified: Timestamp) -> Attr {
    Attr { kind: Kind::Directory, size: None, modified: system_time(modified) }
}

fn report(modified: Timestamp) -> Attr {
    Attr { kind: Kind::Report, size: None, modified: system_time(modified) }
}

fn file(size: Option<u64>, modified: Timestamp) -> Attr {
    Attr { kind: Kind::File, size, modified: system_time(modified) }
}

fn system_time(time: Timestamp) -> SystemTime {
    let offset = Duration::from_millis(time.milliseconds().unsigned_abs());
    let moved = if time.milliseconds() < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(offset)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(offset)
    };
    moved.unwrap_or(SystemTime::UNIX_EPOCH)
}
