//! What is mounted: which names exist and where their bytes come from.
//!
//! ```text
//! /.swamp/{report}                                             what the mount says about itself
//! /.swamp/meta/{namespace}/{model}/{data name}/{version}.json  attributes, also of our own namespace
//! /{foreign namespace}/data/{type}/{model id}/{name}/{version}/{raw,metadata.yaml}
//! /{foreign namespace}/data/{type}/{model id}/{name}/latest
//! /{namespace}/models/{model}/{data name}[.ext]                newest content, also of our own namespace
//! /{namespace}/history/{model}/{data name}/{version}[.ext]     all content, also of our own namespace
//! ```
//!
//! Names and attributes come from the catalog, with a few index look-ups per question and nothing kept but the numbers
//! of directories, so that a mount starts at once, takes the same memory for a million rows as for ten, and shows what
//! another process pulled or wrote the moment it is committed. A name is found if and only if it is listed. Nothing but
//! [`Tree::fetch`] needs a network, and nothing fetched is written to a disk.
//!
//! Attributes are files and not extended attributes of the contents they describe, because answering those would slow the
//! making of every file (the numbers are in `mount/src/fuse/requests.rs`): the kernel asks for one before it writes.
//!
//! The layout is described in [`layout`], the views in [`views`], `.swamp` in [`control`], the spelling of difficult names in [`name`].

mod attributes;
mod breaker;
mod content;
mod control;
mod error;
mod extension;
mod failures;
mod glance;
mod layout;
mod name;
mod node;
mod places;
mod recent;
mod sizes;
mod views;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use swamp_mount::{Attr, Entry, Fetched, NodeId, Opened, Part, Tree, TreeError};
use tokio::runtime::Handle;

use crate::catalog::{Catalog, Leaf};
use crate::clock::Clock;
use crate::data::layout::{Artifact, METADATA_FILE, RAW_FILE};
use crate::data::name::{ModelType, VersionNumber};
use crate::data::store::Store;
use crate::namespace::Namespace;

use content::{Content, Trouble, Wanted};
use glance::{Found, Glance, Memory, Page, Subject};
use layout::DataDirectory;
use node::Role;
use places::{HISTORY, MODELS, Place};
use sizes::Sizes;
use views::ModelDirectory;

pub use content::Datastore;
pub use failures::{Failure, Failures};

/// How long a fetch may take unless said otherwise.
pub const DEADLINE_DEFAULT: Duration = Duration::from_secs(30);

/// What solo mode's own tree is called in the mount.
pub const SOLO_NAME: &str = "local";

/// Somebody who knows what the mount says about itself.
pub trait Reports: Send + Sync + fmt::Debug {
    /// Returns the names of all reports, which are file names.
    fn names(&self) -> Vec<String>;

    /// Returns a report as it is now, `None` for a name that is none.
    fn render(&self, name: &str) -> Option<Vec<u8>>;
}

/// Somebody who can pull catalogs.
pub trait Refresh: Send + Sync + fmt::Debug {
    /// Asks for a namespace's catalog to be pulled soon, because the datastore has something else than it says; `None` is
    /// our own tree in solo mode. Returns at once.
    fn ask(&self, namespace: Option<&Namespace>);
}

/// What a tree is made of.
#[derive(Debug)]
pub struct TreeParts {
    /// Where names come from.
    pub catalog: Arc<Catalog>,
    /// Our own namespace, `None` in solo mode.
    pub namespace: Option<Namespace>,
    /// Where our own contents are.
    pub store: Arc<Store>,
    /// Where all contents are.
    pub datastore: Arc<dyn Datastore>,
    /// What the mount says about itself.
    pub reports: Arc<dyn Reports>,
    /// Who hears that the catalog is behind.
    pub refresh: Arc<dyn Refresh>,
    /// Where failures are recorded.
    pub failures: Arc<Failures>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What fetches run on; it has threads of its own.
    pub runtime: Handle,
    /// How long a fetch may take.
    pub deadline: Duration,
}

/// The tree of a repository.
#[derive(Debug)]
pub struct MountedTree {
    parts: TreeParts,
    memory: Memory,
    content: Content,
}

impl MountedTree {
    /// Returns the tree; asks nothing of anybody.
    pub fn new(parts: TreeParts) -> Arc<Self> {
        let own = parts.namespace.as_ref().map_or("", Namespace::as_str).to_owned();
        let sizes = Arc::new(Sizes::new(Arc::clone(&parts.catalog)));
        let memory = Memory::new(own, Arc::clone(&sizes), parts.clock.now());
        let (datastore, clock) = (Arc::clone(&parts.datastore), Arc::clone(&parts.clock));
        let content = Content::new(datastore, sizes, clock, parts.runtime.clone(), parts.deadline);
        Arc::new(Self { parts, memory, content })
    }

    /// Returns the name of our own tree below the root of the mount.
    pub fn own_name(&self) -> &str {
        self.memory.own_name()
    }

    /// Returns the views of our own namespace, which appear in its writable directory.
    pub fn overlay(&self) -> Vec<(String, NodeId)> {
        let node = |name: &str| Some((name.to_owned(), self.memory.places.node(&[&self.memory.own, name])?));
        [MODELS, HISTORY].into_iter().filter_map(node).collect()
    }

    fn glance<T>(&self, look: impl FnOnce(&Glance<'_>) -> Result<T, TreeError>) -> Result<T, TreeError> {
        self.parts.catalog.browse(|browser| look(&Glance { memory: &self.memory, browser }))
    }

    fn lookup_in(&self, glance: &Glance<'_>, directory: &Subject, name: &str) -> Result<Found, TreeError> {
        match directory {
            Subject::Place(number, place) => match place {
                Place::Root => glance.at_root(name),
                Place::Control => self.in_control(glance, *number, name),
                Place::Meta => glance.in_meta(*number, name),
                Place::Report(_) => Err(TreeError::NotADirectory),
                Place::Namespace(namespace) => glance.in_namespace(*number, namespace, name),
                Place::Data { namespace, path } => {
                    glance.in_data(&DataDirectory { number: *number, namespace, path }, name)
                }
                Place::View { namespace, .. } => glance.in_view(*number, namespace, name),
                Place::Model { namespace, view, name: shown } => {
                    let model = glance.model_called(namespace, shown)?.ok_or(TreeError::Stale)?;
                    glance.in_model(&ModelDirectory { namespace, view: *view, model: &model }, name)
                }
            },
            Subject::Artifact(role @ (Role::History | Role::Described), namespace, artifact) => {
                glance.in_history(*role, namespace, artifact, name)
            }
            Subject::Artifact(_, namespace, artifact) => glance.in_artifact(namespace, artifact, name),
            Subject::Version(Role::Version, leaf) => glance.in_version(leaf, name),
            Subject::Version(..) => Err(TreeError::NotADirectory),
        }
    }

    fn list(&self, glance: &Glance<'_>, directory: &Subject, page: &mut Page<'_>) -> Result<(), TreeError> {
        match directory {
            Subject::Place(number, place) => match place {
                Place::Root => glance.list_root(page),
                Place::Control => self.list_control(glance, *number, page),
                Place::Meta => glance.list_meta(*number, page),
                Place::Report(_) => Err(TreeError::NotADirectory),
                Place::Namespace(namespace) => glance.list_namespace(*number, namespace, page),
                Place::Data { namespace, path } => {
                    glance.list_data(&DataDirectory { number: *number, namespace, path }, page)
                }
                Place::View { namespace, .. } => glance.list_view(*number, namespace, page),
                Place::Model { namespace, view, name } => {
                    let model = glance.model_called(namespace, name)?.ok_or(TreeError::Stale)?;
                    glance.list_model(&ModelDirectory { namespace, view: *view, model: &model }, page)
                }
            },
            Subject::Artifact(role @ (Role::History | Role::Described), namespace, artifact) => {
                glance.list_history(*role, namespace, artifact, page)
            }
            Subject::Artifact(_, namespace, artifact) => glance.list_artifact(namespace, artifact, page),
            Subject::Version(Role::Version, leaf) => {
                glance.list_version(leaf, page);
                Ok(())
            }
            Subject::Version(..) => Err(TreeError::NotADirectory),
        }
    }

    fn open_version(&self, role: Role, leaf: &Leaf) -> Result<Opened, TreeError> {
        match role {
            Role::Latest => Ok(Opened::Bytes(Bytes::from(leaf.version.to_string()))),
            Role::Content if leaf.namespace == self.memory.own => Ok(self.open_own(leaf)),
            Role::Content | Role::Metadata => Ok(Opened::Remote),
            Role::Attributes => {
                let text = attributes::of_version(&self.parts.catalog, leaf)?.ok_or(TreeError::Stale)?;
                Ok(Opened::Bytes(Bytes::from(text)))
            }
            Role::Name | Role::History | Role::Described | Role::Version => Err(TreeError::IsADirectory),
        }
    }

    /// Opens a content of ours where it is on this machine; what a lazy pull left behind is remote.
    fn open_own(&self, leaf: &Leaf) -> Opened {
        let found = artifact_of(leaf).map(|(artifact, version)| self.parts.store.open_raw(&artifact, version));
        match found {
            Some(Ok(Some(file))) => Opened::File(file),
            Some(Ok(None) | Err(_)) | None => Opened::Remote,
        }
    }

    /// Records why a file could not be read; returns what its reader is told.
    fn failed(&self, wanted: &Wanted, trouble: &Trouble) -> TreeError {
        let namespace = if wanted.namespace.is_empty() { SOLO_NAME } else { &wanted.namespace };
        let path = format!("{namespace}/{}", wanted.path);
        self.parts.failures.note("fetch", &path, Some(swamp_mount::errno(trouble.error)), &trouble.reason);
        if trouble.error == TreeError::Stale {
            let namespace = wanted.namespace.parse::<Namespace>().ok();
            self.parts.refresh.ask(namespace.as_ref());
        }
        trouble.error
    }
}

fn artifact_of(leaf: &Leaf) -> Option<(Artifact, VersionNumber)> {
    let model_type = ModelType::from_normalized(&leaf.name.type_normalized).ok()?;
    let artifact = Artifact::new(model_type, leaf.name.model_id.parse().ok()?, leaf.name.data_name.parse().ok()?);
    Some((artifact.ok()?, leaf.version.to_string().parse().ok()?))
}

fn wanted(node: NodeId, role: Role, leaf: &Leaf) -> Result<Wanted, TreeError> {
    let (file, size) = match role {
        Role::Content => (RAW_FILE, (!leaf.streaming).then_some(leaf.size)),
        Role::Metadata => (METADATA_FILE, None),
        Role::Name | Role::History | Role::Described | Role::Version | Role::Latest | Role::Attributes => {
            return Err(TreeError::Input);
        }
    };
    // The catalog keeps no row whose path is not one.
    let Ok(path) = sizes::path(leaf, file).parse() else { return Err(TreeError::Input) };
    Ok(Wanted { namespace: leaf.namespace.clone(), path, size, node, is_metadata: role == Role::Metadata })
}

impl Tree for MountedTree {
    fn attr(&self, node: NodeId) -> Result<Attr, TreeError> {
        self.glance(|glance| glance.attr(&glance.subject(node)?))
    }

    fn lookup(&self, directory: NodeId, name: &str) -> Result<(NodeId, Attr), TreeError> {
        self.glance(|glance| self.lookup_in(glance, &glance.subject(directory)?, name))
    }

    fn entries(&self, directory: NodeId, after: Option<&str>, limit: usize) -> Result<Vec<Entry>, TreeError> {
        self.glance(|glance| {
            let subject = glance.subject(directory)?;
            let mut page = Page::new(after, limit);
            self.list(glance, &subject, &mut page)?;
            Ok(page.entries)
        })
    }

    fn open(&self, file: NodeId) -> Result<Opened, TreeError> {
        match self.glance(|glance| glance.subject(file))? {
            Subject::Version(role, leaf) => self.open_version(role, &leaf),
            Subject::Place(_, Place::Report(name)) => {
                let bytes = self.parts.reports.render(&name).ok_or(TreeError::Stale)?;
                Ok(Opened::Bytes(bytes.into()))
            }
            Subject::Place(..) | Subject::Artifact(..) => Err(TreeError::IsADirectory),
        }
    }

    fn fetch(&self, file: NodeId, part: &Part) -> Result<Fetched, TreeError> {
        let wanted = match self.glance(|glance| glance.subject(file))? {
            Subject::Version(role, leaf) => wanted(file, role, &leaf)?,
            Subject::Place(..) | Subject::Artifact(..) => return Err(TreeError::IsADirectory),
        };
        self.content.fetch(&wanted, part).map_err(|trouble| self.failed(&wanted, &trouble))
    }
}

#[cfg(test)]
mod tests;
