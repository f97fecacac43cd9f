//! What the datastore must hold in the end: everything that was acknowledged and not deleted.
//!
//! A version is known by its data name and id, whatever number it has: numbers change where two machines took the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::timeline::Who;

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
    /// Deleted by one machine while another appended to it, by one that has not heard that it is published, or while
    /// nothing but what lies there said what there is: both may be right.
    Either,
}

/// How somebody deleted a version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deletion<'a> {
    pub(crate) who: Who,
    /// What was there of it, `None` where a lazy pull left it for later.
    pub(crate) content: Option<&'a str>,
    /// When the machine began to synchronise last that came to an end.
    pub(crate) heard: Option<Duration>,
    /// Whether nothing else there was the same version.
    pub(crate) is_only_copy: bool,
}

/// What is known about one version.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// What the trace calls it.
    pub(crate) label: String,
    /// What was written to it, piece by piece.
    pub(crate) pieces: Vec<String>,
    pub(crate) standing: Standing,
    /// Who saved it.
    pub(crate) writer: Who,
    /// When its writer was told that it is published.
    pub(crate) published: Option<Duration>,
}

/// What was written to one file that is rewritten in place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rewrites {
    /// What was written, and by whom.
    pub(crate) written: BTreeMap<String, Who>,
    /// What somebody saw and replaced: it must not come back.
    pub(crate) replaced: BTreeSet<String>,
    /// What a push published without telling its writer, because it ended early or the writing came after the planning: it
    /// may be published once more, and over what others have put there, because its writer cannot know that they saw it.
    pub(crate) untold: BTreeSet<String>,
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

/// Returns what is left of content without pieces.
pub(crate) fn rest(content: &str, pieces: &[String]) -> String {
    pieces.iter().fold(content.to_owned(), |rest, piece| rest.replacen(piece, "", 1))
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
    pub(crate) fn saved(&self, (writer, namespace): (Who, &str), fact: Fact, label: &str, content: &str) {
        let (label, pieces) = (label.to_owned(), vec![content.to_owned()]);
        let mut known = Known { label, pieces, standing: Standing::Kept, writer, published: None };
        let mut books = self.books();
        let versions = &mut books.entry(namespace.to_owned()).or_default().versions;
        // Tombstones have the id of what they bury: there may be several.
        known.pieces.extend(versions.get(&fact).into_iter().flat_map(|before| before.pieces.clone()));
        versions.insert(fact, known);
    }

    /// A machine that had these versions was told that what it wrote is published.
    pub(crate) fn published(&self, (who, namespace): (Who, &str), facts: Vec<Fact>, now: Duration) {
        let mut books = self.books();
        let versions = &mut books.entry(namespace.to_owned()).or_default().versions;
        for fact in facts {
            if let Some(known) = versions.get_mut(&fact).filter(|known| known.writer == who) {
                known.published = known.published.or(Some(now));
            }
        }
    }

    /// Whether content is nothing but what was written to a version.
    pub(crate) fn is_all_of(&self, namespace: &str, fact: &Fact, content: &str) -> bool {
        let books = self.books();
        let known = books.get(namespace).and_then(|book| book.versions.get(fact));
        known.is_some_and(|known| rest(content, &known.pieces).is_empty())
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
    pub(crate) fn deleted(&self, namespace: &str, fact: &Fact, deletion: &Deletion<'_>) {
        if let Some(known) = self.books().entry(namespace.to_owned()).or_default().versions.get_mut(fact) {
            let Deletion { who, content, heard, is_only_copy } = *deletion;
            // Whoever fetched while it was being published may have its description with the content of another.
            let is_whole = content.is_none_or(|content| known.pieces.iter().all(|piece| content.contains(piece)));
            let was_told = known.published.is_some_and(|published| heard.is_some_and(|heard| heard >= published));
            let is_known = was_told || known.writer == who;
            let is_certain = is_only_copy && is_whole && is_known && known.pieces.len() == 1;
            known.standing = if is_certain { Standing::Deleted } else { Standing::Either };
        }
    }

    /// A file was rewritten, or deleted, by somebody who saw `before`.
    pub(crate) fn rewritten(
        &self,
        (writer, namespace): (Who, &str),
        path: &str,
        before: Option<String>,
        now: Option<&str>,
    ) {
        let mut books = self.books();
        let rewrites = books.entry(namespace.to_owned()).or_default().files.entry(path.to_owned()).or_default();
        rewrites.replaced.extend(before);
        match now {
            Some(now) => {
                rewrites.written.insert(now.to_owned(), writer);
            }
            None => rewrites.was_deleted = true,
        }
    }

    /// A file is deleted that a pull was fetching: should that pull not live to record it, the next one takes it for one that
    /// never arrived.
    pub(crate) fn may_return(&self, namespace: &str, path: &str, content: &str) {
        let mut books = self.books();
        let rewrites = books.entry(namespace.to_owned()).or_default().files.entry(path.to_owned()).or_default();
        rewrites.untold.insert(content.to_owned());
    }

    /// A push of a machine may have published these files of its without saying so.
    pub(crate) fn not_told(&self, (who, namespace): (Who, &str), files: &BTreeMap<String, String>) {
        let mut books = self.books();
        for (path, rewrites) in &mut books.entry(namespace.to_owned()).or_default().files {
            let untold = files.get(path).filter(|content| rewrites.written.get(*content) == Some(&who));
            rewrites.untold.extend(untold.cloned());
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
