//! What a synchronisation did, in the words that go over the control socket and that commands print.

use serde::{Deserialize, Serialize};

use crate::namespace::Namespace;
use crate::sync::{CatalogPulled, PullReport, PushReport};

/// What is said of [`Pulled::outdone`].
pub const OUTDONE: &str = "others changed it as well; what is here replaces theirs";

/// What a pull did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pulled {
    /// Files fetched.
    pub downloaded: u64,
    /// Local files deleted because the datastore no longer has them.
    pub removed: u64,
    /// Index entries whose object does not exist.
    pub dangling: Vec<String>,
    /// Versions of ours that got another number because another machine published theirs first.
    pub renumbered: Vec<Renumbered>,
    /// Files that others changed and that were changed here as well: the next push replaces theirs.
    #[serde(default)]
    pub outdone: Vec<String>,
}

/// A version that got another number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renumbered {
    /// Which artifact.
    pub data: String,
    /// The number it had here.
    pub from: u64,
    /// The number it has now.
    pub to: u64,
}

/// What a push did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pushed {
    /// Files sent, the published catalog not counted.
    pub uploaded: u64,
    /// Objects deleted.
    pub deleted: u64,
    /// Whether the catalog was published.
    pub exported: bool,
    /// Files that stay here, and why.
    pub strays: Vec<(String, String)>,
    /// What was fetched first, because others had published since the last pull.
    pub caught_up: Pulled,
}

/// What pulling the catalog of one namespace came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CatalogOutcome {
    /// The namespace's rows are now these many.
    Rows {
        /// Which namespace.
        namespace: Namespace,
        /// How many rows it has.
        rows: u64,
        /// How many were refused.
        refused: u64,
        /// The first refused ones: which, and why.
        refused_first: Vec<(u64, String)>,
        /// Whether the datastore said that nothing changed.
        is_unchanged: bool,
    },
    /// The namespace has published no catalog.
    Skipped {
        /// Which namespace.
        namespace: Namespace,
    },
}

/// What is not remote yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flushed {
    /// Directories whose changes have not reached the datastore; everything below them may be among these.
    pub left: Vec<String>,
    /// Whether anything at all may be among these.
    pub is_everything: bool,
    /// Why, as far as it is known.
    pub reason: Option<String>,
}

impl Flushed {
    /// Whether all changes have reached the datastore.
    pub fn is_done(&self) -> bool {
        self.left.is_empty() && !self.is_everything
    }
}

impl From<&PullReport> for Pulled {
    fn from(report: &PullReport) -> Self {
        let renumbered = report.renumbered.iter().map(|one| Renumbered {
            data: one.artifact.to_string(),
            from: one.from.get(),
            to: one.to.get(),
        });
        Self {
            downloaded: report.downloaded,
            removed: report.removed,
            dangling: report.dangling.iter().map(ToString::to_string).collect(),
            renumbered: renumbered.collect(),
            outdone: report.outdone.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<&PushReport> for Pushed {
    fn from(report: &PushReport) -> Self {
        let strays = report.strays.iter().map(|stray| (stray.path.to_string(), stray.reason.to_owned()));
        Self {
            uploaded: report.uploaded,
            deleted: report.deleted,
            exported: report.exported,
            strays: strays.collect(),
            caught_up: (&report.caught_up).into(),
        }
    }
}

impl From<CatalogPulled> for CatalogOutcome {
    fn from(pulled: CatalogPulled) -> Self {
        match pulled {
            CatalogPulled::Rows { namespace, rows, refused, refused_first, is_unchanged } => {
                let refused_first = refused_first.into_iter().map(|row| (row.index, row.reason)).collect();
                Self::Rows { namespace, rows, refused, refused_first, is_unchanged }
            }
            CatalogPulled::Skipped { namespace } => Self::Skipped { namespace },
        }
    }
}
