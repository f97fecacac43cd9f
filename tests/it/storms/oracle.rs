//! What the datastore must hold in the end: everything that was acknowledged and not deleted.
//!
//! A version is known by its data name and id, whatever number it has: numbers change where two machines took the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One version: the directory of its data name, its id, and whether it is a tombstone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fact {
    pub(crate) directory: String,
    pub(crate) id: String,
    pub(crate) is_tombstone: bool,
}

/// Whether a version must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Kept,
    Deleted,
    /// Deleted by one machine while another appended to it, or while nothing but what lies there said what there is:
    /// both may be right.
    Either,
}

/// What is known about one version.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// What the trace calls it.
    pub(crate) label: String,
    /// What was written to it, piece by piece.
    pub(crate) pieces: Vec<String>,
    pub(crate) standing: Standing,
}

/// What was written to one file that is rewritten in place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rewrites {
    pub(crate) written: BTreeSet<String>,
    /// What somebody saw and replaced: it must not come back.
    pub(crate) replaced: BTreeSet<String>,
    pub(crate) was_deleted: bool,
}

/// What one namespace must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    pub(crate) versions: BTreeMap<Fact, Known>,
    pub(crate) files: BTreeMap<String, Rewrites>,
}

/// The books of all namespaces, by name; solo is `""`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Oracle {
    books: Arc<Mutex<BTreeMap<String, Book>>>,
}

impl Oracle {
    fn books(&self) -> MutexGuard<'_, BTreeMap<String, Book>> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a copy of a namespace's book.
    pub(crate) fn book(&self, namespace: &str) -> Book {
        self.books().get(namespace).cloned().unwrap_or_default()
    }

    /// A version was saved and acknowledged.
    pub(crate) fn saved(&self, namespace: &str, fact: Fact, label: &str, content: &str) {
        let mut known = Known { label: label.to_owned(), pieces: vec![content.to_owned()], standing: Standing::Kept };
        let mut books = self.books();
        let versions = &mut books.entry(namespace.to_owned()).or_default().versions;
        // Tombstones have the id of what they bury: there may be several.
        known.pieces.extend(versions.get(&fact).into_iter().flat_map(|before| before.pieces.clone()));
        versions.insert(fact, known);
    }

    /// A piece was appended to a version.
    pub(crate) fn appended(&self, namespace: &str, fact: &Fact, piece: &str) {
        if let Some(known) = self.books().entry(namespace.to_owned()).or_default().versions.get_mut(fact) {
            known.pieces.push(piece.to_owned());
            if known.standing == Standing::Deleted {
                known.standing = Standing::Either;
            }
        }
    }

    /// A version that a machine saw was deleted there.
    pub(crate) fn deleted(&self, namespace: &str, fact: &Fact, is_certain: bool) {
        if let Some(known) = self.books().entry(namespace.to_owned()).or_default().versions.get_mut(fact) {
            known.standing = if known.pieces.len() == 1 && is_certain { Standing::Deleted } else { Standing::Either };
        }
    }

    /// A file was rewritten, or deleted, by somebody who saw `before`.
    pub(crate) fn rewritten(&self, namespace: &str, path: &str, before: Option<String>, now: Option<&str>) {
        let mut books = self.books();
        let rewrites = books.entry(namespace.to_owned()).or_default().files.entry(path.to_owned()).or_default();
        rewrites.replaced.extend(before);
        match now {
            Some(now) => {
                rewrites.written.insert(now.to_owned());
            }
            None => rewrites.was_deleted = true,
        }
    }

    /// Whether a row may disappear from the published catalog.
    pub(crate) fn may_vanish(&self, namespace: &str, directory: &str, id: &str) -> bool {
        let books = self.books();
        let Some(book) = books.get(namespace) else { return false };
        let of_name = || book.versions.iter().filter(|(fact, _)| fact.directory == directory);
        let is_buried = of_name().any(|(fact, _)| fact.is_tombstone);
        let is_deleted = of_name().any(|(fact, known)| fact.id == id && known.standing != Standing::Kept);
        is_buried || is_deleted
    }
}
