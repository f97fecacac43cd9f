//! What a pull and a push do with each file. Pure: three facts in, one action out.
//!
//! The facts are the index entry (what the datastore holds), what this cache knows (what it verified last), and the
//! local file now. From them follows who changed the file since: nobody, we, they, or both.

use super::boundary::{self, Crossing};
use crate::data::layout::METADATA_FILE;
use crate::index::{Entry, Known, Record, Verified};
use crate::path::RelPath;

/// A file of the cache as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Local {
    /// There is no such file.
    Absent {
        /// Whether its directory is gone as well.
        is_parent_gone: bool,
    },
    /// There is one, with this content.
    Present(Verified),
}

/// Everything known about one path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    /// The path, relative to the namespace.
    pub(super) path: &'a RelPath,
    /// What the datastore holds.
    pub(super) entry: Option<&'a Entry>,
    /// What this cache verified last.
    pub(super) known: Option<&'a Known>,
    /// The file now.
    pub(super) local: &'a Local,
    /// Whether the path was announced as changed here, by name.
    pub(super) is_named_dirty: bool,
    /// Whether this cache held a file beside it, and so had its directory.
    pub(super) was_beside_held: bool,
}

/// Returns the description of the version whose content this is, `None` for other files.
pub(super) fn description_of(path: &RelPath) -> Option<RelPath> {
    path.parent().filter(|_| boundary::is_lazy(path))?.child(METADATA_FILE).ok()
}

/// Whether a cache held the description of the version whose content this is: lazy pulls fetch that and no content.
pub(super) fn was_beside_held(path: &RelPath, record: &Record) -> bool {
    let known = description_of(path).and_then(|description| record.known.get(&description));
    known.is_some_and(|known| known.local.is_some())
}

/// How much a pull fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Everything.
    Content,
    /// All but the content of artifacts, which is fetched when it is read.
    Metadata,
}

/// What a pull does with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PullAction {
    /// Nothing: local and remote are the same; record that.
    Verified,
    /// Fetch it.
    Download,
    /// Record that it exists; fetch it when it is read.
    Postpone,
    /// Delete the local file: the datastore no longer has it, and it was not touched here since it did.
    Remove,
    /// Keep what is here, also if that is nothing: it was changed here, and the next push says so.
    KeepOurs,
    /// Keep a change nobody announced, and announce it.
    Announce,
    /// Another machine published a different file under the same immutable name: ours gets another version number.
    Clash,
    /// The entry does not tell whether ours is theirs: look. The same is `Verified`, anything else a `Clash`.
    Compare,
    /// Forget the path: neither side has it.
    Forget,
}

impl Facts<'_> {
    /// The content this cache verified, if it held the file.
    fn held(&self) -> Option<&Verified> {
        self.known.and_then(|known| known.local.as_ref())
    }

    /// Whether the datastore's file is the one this cache verified last.
    fn is_remote_unchanged(&self, entry: &Entry) -> bool {
        let Some(known) = self.known else { return false };
        match (&entry.sha256, &known.local) {
            (Some(theirs), Some(held)) => held.sha256 == *theirs,
            _ => known.last_modified == entry.last_modified,
        }
    }

    /// Whether the datastore's file of a version is one that this cache had: it was appended to. Content that was never
    /// fetched counts if its description was held, because it was deleted here then, and its number given to another.
    fn is_remote_ours_to_replace(&self, entry: &Entry) -> bool {
        self.is_remote_unchanged(entry) && (self.held().is_some() || self.was_beside_held)
    }

    /// Whether the local file has the content the entry describes, as far as the entry tells.
    fn is_same(&self, entry: &Entry, local: &Verified) -> bool {
        match &entry.sha256 {
            Some(_) => entry.is_same_content(local.stamp.size, &local.sha256),
            // Without a hash only an upload that this cache has verified, and a file it has not touched, are the same.
            None => {
                entry.size == local.stamp.size
                    && self.is_remote_unchanged(entry)
                    && self.held().is_some_and(|held| held.sha256 == local.sha256)
            }
        }
    }

    /// Whether this cache deleted the file: it was here, was announced as changed, and is gone.
    fn is_deleted_here(&self) -> bool {
        let Local::Absent { is_parent_gone } = self.local else { return false };
        // What was never fetched is deleted with its directory, if that was ever here.
        let was_in_directory = self.known.is_some() && *is_parent_gone && self.was_beside_held;
        let was_here = self.held().is_some() || was_in_directory;
        self.is_named_dirty && was_here
    }

    /// Decides what a pull does.
    pub(super) fn pull(&self, depth: Depth) -> PullAction {
        let is_version = boundary::crossing(self.path) == Crossing::Immutable;
        match (self.entry, self.local) {
            (None, Local::Absent { .. }) => PullAction::Forget,
            (None, Local::Present(local)) => match self.held() {
                Some(held) if held.stamp == local.stamp => PullAction::Remove,
                _ if self.known.is_some() && !self.is_named_dirty => PullAction::Announce,
                _ => PullAction::KeepOurs,
            },
            (Some(entry), Local::Absent { .. }) => {
                if self.is_deleted_here() && self.is_remote_unchanged(entry) {
                    PullAction::KeepOurs
                } else if depth == Depth::Metadata && boundary::is_lazy(self.path) {
                    PullAction::Postpone
                } else {
                    PullAction::Download
                }
            }
            (Some(entry), Local::Present(local)) => {
                if self.is_same(entry, local) {
                    return PullAction::Verified;
                }
                match self.held() {
                    Some(held) if held.sha256 == local.sha256 => PullAction::Download,
                    // Both sides appended to the stream, where neither has what the other wrote; or it never was ours.
                    _ if is_version && !self.is_remote_ours_to_replace(entry) => {
                        let may_be_same = entry.sha256.is_none() && entry.size == local.stamp.size;
                        if may_be_same { PullAction::Compare } else { PullAction::Clash }
                    }
                    _ if self.is_named_dirty => PullAction::KeepOurs,
                    _ => PullAction::Announce,
                }
            }
        }
    }

    /// Decides what a push does with a file that may have changed.
    pub(super) fn push(&self) -> PushAction {
        match (self.entry, self.local) {
            (Some(_), Local::Absent { .. }) if self.is_deleted_here() => PushAction::Delete,
            (_, Local::Absent { .. }) => PushAction::Nothing,
            (Some(entry), Local::Present(local)) if self.is_same(entry, local) => PushAction::Verified,
            (_, Local::Present(_)) => match boundary::crossing(self.path) {
                Crossing::Immutable => match self.entry {
                    None => PushAction::Create,
                    // A version this cache published before and that changed since is a stream that was appended to.
                    // Or one that was deleted here, and whose number another has now.
                    Some(entry) if self.is_remote_ours_to_replace(entry) => PushAction::Write,
                    // Theirs, and not fetched yet: the next look finds that the two clash.
                    Some(_) => PushAction::Nothing,
                },
                Crossing::Mutable => PushAction::Write,
                Crossing::Internal | Crossing::Stray(_) => PushAction::Nothing,
            },
        }
    }
}

/// What a push does with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PushAction {
    /// Nothing.
    Nothing,
    /// Nothing: the datastore has it already; record that.
    Verified,
    /// Upload an immutable file that nobody has published, before the lock is taken.
    Create,
    /// Upload a file that is rewritten in place, under the lock.
    Write,
    /// Delete it from the index, then from the datastore.
    Delete,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Stamp;

    const LATEST: &str = "data/a/b/ID/n/latest";
    const RAW: &str = "data/a/b/ID/n/1/raw";

    fn verified(content: &str, time: i64) -> Verified {
        let digested = crate::fsutil::digest_bytes(content.as_bytes());
        Verified { stamp: Stamp { size: digested.size, mtime_ns: time, ctime_ns: time }, sha256: digested.sha256 }
    }

    fn entry(path: &str, content: &str) -> Entry {
        Entry {
            key: path.parse().expect("a path"),
            size: content.len() as u64,
            last_modified: content.to_owned(),
            local_mtime: None,
            sha256: Some(verified(content, 0).sha256),
            extra: serde_json::Map::new(),
        }
    }

    struct Case {
        path: RelPath,
        entry: Option<Entry>,
        known: Option<Known>,
        local: Local,
        dirty: bool,
        beside: bool,
    }

    /// `remote`, `known` and `local` are contents; a local time other than 0 means touched since.
    fn case(path: &str, remote: Option<&str>, known: Option<&str>, local: Option<(&str, i64)>, dirty: bool) -> Case {
        Case {
            path: path.parse().expect("a path"),
            entry: remote.map(|content| entry(path, content)),
            known: known.map(|content| Known {
                last_modified: content.to_owned(),
                local: Some(verified(content, 0)),
                version: None,
            }),
            local: local.map_or(Local::Absent { is_parent_gone: false }, |(content, time)| {
                Local::Present(verified(content, time))
            }),
            dirty,
            beside: true,
        }
    }

    impl Case {
        fn facts(&self) -> Facts<'_> {
            Facts {
                path: &self.path,
                entry: self.entry.as_ref(),
                known: self.known.as_ref(),
                local: &self.local,
                is_named_dirty: self.dirty,
                was_beside_held: self.beside,
            }
        }

        fn pull(&self) -> PullAction {
            self.facts().pull(Depth::Content)
        }

        fn push(&self) -> PushAction {
            self.facts().push()
        }
    }

    #[test]
    fn t1_content_of_equal_size_is_fetched() {
        assert_eq!(case(LATEST, Some("2"), Some("1"), Some(("1", 0)), false).pull(), PullAction::Download);
        assert_eq!(case(LATEST, Some("2"), None, Some(("1", 0)), false).pull(), PullAction::Announce);
        assert_eq!(case(LATEST, Some("2"), Some("1"), Some(("1", 0)), true).pull(), PullAction::Download);
    }

    #[test]
    fn t1_an_old_pointer_is_never_uploaded_back() {
        let pulled = case(LATEST, Some("2"), Some("2"), Some(("2", 0)), true);

        assert_eq!(pulled.push(), PushAction::Verified);
    }

    #[test]
    fn t2_absence_alone_never_deletes() {
        assert_eq!(case(RAW, Some("x"), None, None, true).push(), PushAction::Nothing);
        assert_eq!(case(RAW, Some("x"), Some("x"), None, false).push(), PushAction::Nothing);
        assert_eq!(case(RAW, Some("x"), Some("x"), None, true).push(), PushAction::Delete);
    }

    #[test]
    fn t8_what_others_deleted_goes_unless_it_was_touched() {
        assert_eq!(case(RAW, None, Some("x"), Some(("x", 0)), false).pull(), PullAction::Remove);
        assert_eq!(case(RAW, None, Some("x"), Some(("x", 0)), true).pull(), PullAction::Remove);
        assert_eq!(case(RAW, None, Some("x"), Some(("x", 7)), true).pull(), PullAction::KeepOurs);
        assert_eq!(case(RAW, None, None, Some(("x", 0)), true).pull(), PullAction::KeepOurs);
    }

    #[test]
    fn t23_a_version_number_taken_by_another_machine_is_a_clash() {
        assert_eq!(case(RAW, Some("theirs"), None, Some(("ours", 0)), true).pull(), PullAction::Clash);
        assert_eq!(case(RAW, Some("same"), None, Some(("same", 0)), true).pull(), PullAction::Verified);
    }

    #[test]
    fn a_version_that_both_sides_appended_to_is_a_clash() {
        let both = case(RAW, Some("theirs"), Some("base"), Some(("ours", 7)), true);

        assert_eq!(both.pull(), PullAction::Clash);
        assert_eq!(both.push(), PushAction::Nothing);
        assert_eq!(case(RAW, Some("base"), Some("base"), Some(("ours", 7)), true).pull(), PullAction::KeepOurs);
    }

    #[test]
    fn a_number_that_is_free_again_is_ours_also_if_its_content_was_never_fetched() {
        let mut reused = case(RAW, Some("x"), None, Some(("y", 7)), true);
        reused.known = Some(Known { last_modified: "x".to_owned(), local: None, version: None });

        assert_eq!(reused.pull(), PullAction::KeepOurs);
        assert_eq!(reused.push(), PushAction::Write);
    }

    #[test]
    fn a_version_of_theirs_is_never_written_over() {
        assert_eq!(case(RAW, Some("theirs"), None, Some(("ours", 7)), true).push(), PushAction::Nothing);
    }

    #[test]
    fn a_version_whose_entry_has_no_hash_is_looked_at_before_it_is_called_a_clash() {
        let mut discovered = case(RAW, Some("x"), None, Some(("y", 0)), true);
        discovered.entry.as_mut().expect("an entry").sha256 = None;

        assert_eq!(discovered.pull(), PullAction::Compare);
    }

    #[test]
    fn local_changes_survive_a_pull() {
        assert_eq!(case(LATEST, Some("2"), Some("1"), Some(("3", 7)), true).pull(), PullAction::KeepOurs);
        assert_eq!(case(LATEST, Some("1"), Some("1"), None, true).pull(), PullAction::KeepOurs);
    }

    #[test]
    fn a_change_elsewhere_wins_over_a_deletion_here() {
        assert_eq!(case(LATEST, Some("2"), Some("1"), None, true).pull(), PullAction::Download);
    }

    #[test]
    fn a_lost_file_is_fetched_again() {
        assert_eq!(case(RAW, Some("x"), Some("x"), None, false).pull(), PullAction::Download);
    }

    #[test]
    fn lazy_pulls_leave_content_for_later() {
        let raw = case(RAW, Some("x"), None, None, false);

        assert_eq!(raw.facts().pull(Depth::Metadata), PullAction::Postpone);
        assert_eq!(case(LATEST, Some("1"), None, None, false).facts().pull(Depth::Metadata), PullAction::Download);
    }

    #[test]
    fn deleting_a_directory_deletes_what_was_never_fetched_of_it() {
        let mut postponed = case(RAW, Some("x"), Some("x"), None, true);
        postponed.known = Some(Known { last_modified: "x".to_owned(), local: None, version: None });
        assert_eq!(postponed.push(), PushAction::Nothing);

        postponed.local = Local::Absent { is_parent_gone: true };

        assert_eq!(postponed.push(), PushAction::Delete);
        assert_eq!(postponed.pull(), PullAction::KeepOurs);
    }

    #[test]
    fn content_whose_directory_never_arrived_is_not_deleted() {
        let mut postponed = case(RAW, Some("x"), Some("x"), None, true);
        postponed.known = Some(Known { last_modified: "x".to_owned(), local: None, version: None });
        postponed.local = Local::Absent { is_parent_gone: true };
        postponed.beside = false;

        assert_eq!(postponed.push(), PushAction::Nothing);
        assert_eq!(postponed.pull(), PullAction::Download);
    }

    #[test]
    fn new_versions_are_created_and_mutable_files_written() {
        assert_eq!(case(RAW, None, None, Some(("x", 0)), true).push(), PushAction::Create);
        assert_eq!(case(RAW, Some("x"), Some("x"), Some(("xy", 1)), true).push(), PushAction::Write);
        assert_eq!(case(LATEST, None, None, Some(("1", 0)), true).push(), PushAction::Write);
    }
}
