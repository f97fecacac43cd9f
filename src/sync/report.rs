//! What a synchronisation did, as values.

use crate::catalog::Refused;
use crate::data::layout::Artifact;
use crate::data::name::VersionNumber;
use crate::namespace::Namespace;
use crate::path::RelPath;

/// What a pull did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullReport {
    /// Files fetched.
    pub downloaded: u64,
    /// Bytes fetched.
    pub bytes: u64,
    /// Local files deleted because the datastore no longer has them.
    pub removed: u64,
    /// Files whose content is left to be fetched when it is read.
    pub postponed: u64,
    /// Index entries whose object does not exist.
    pub dangling: Vec<RelPath>,
    /// Versions of ours that got another number because another machine published theirs first.
    pub renumbered: Vec<Renumbered>,
    /// Files that others changed and that were changed here as well: the next push replaces theirs.
    pub outdone: Vec<RelPath>,
    /// Paths whose local content changed.
    pub(super) changed: Vec<RelPath>,
}

impl PullReport {
    /// Adds what a later step did.
    pub(super) fn add(&mut self, other: Self) {
        self.downloaded += other.downloaded;
        self.bytes += other.bytes;
        self.removed += other.removed;
        self.postponed += other.postponed;
        self.dangling.extend(other.dangling);
        self.renumbered.extend(other.renumbered);
        self.outdone.extend(other.outdone);
        self.changed.extend(other.changed);
    }
}

/// What a push did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushReport {
    /// Files sent, the published catalog not counted.
    pub uploaded: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// Objects deleted.
    pub deleted: u64,
    /// Whether the catalog was published.
    pub exported: bool,
    /// Files that stay here because they have no place in a datastore.
    pub strays: Vec<Stray>,
    /// What was fetched first, because others had published since the last pull.
    pub caught_up: PullReport,
}

/// A version that got another number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renumbered {
    /// Which artifact.
    pub artifact: Artifact,
    /// The number it had here.
    pub from: VersionNumber,
    /// The number it has now.
    pub to: VersionNumber,
}

/// A file that is not uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// Which file.
    pub path: RelPath,
    /// Why not.
    pub reason: &'static str,
}

/// What publishing the catalog came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exported {
    /// It was published, with this many rows.
    Published {
        /// Rows in the export.
        rows: u64,
    },
    /// What is published already shows the same.
    Unchanged,
    /// A solo datastore publishes none.
    Solo,
}

/// What pulling one foreign catalog came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogPulled {
    /// The namespace's rows are now these many.
    Rows {
        /// Which namespace.
        namespace: Namespace,
        /// How many rows it has.
        rows: u64,
        /// How many were refused.
        refused: u64,
        /// The first refused ones.
        refused_first: Vec<Refused>,
        /// Whether the datastore said that nothing changed.
        is_unchanged: bool,
    },
    /// The namespace has published no catalog.
    Skipped {
        /// Which namespace.
        namespace: Namespace,
    },
}
