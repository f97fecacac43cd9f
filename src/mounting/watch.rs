//! Files that are or were open for writing: the kernel writes to them by itself, through handles and through mappings that
//! outlive them, and nobody is told.
//!
//! They are looked at every few seconds until an hour after they were closed, and seldom from then on, for a mapping may
//! last for days. A file whose properties differ from those seen last has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use crate::index::Stamp;
use crate::path::RelPath;

/// How many files are looked at often.
const WATCHED_MAX: usize = 4096;

/// How many files are looked at seldom.
const RESTING_MAX: usize = 16_384;

/// How many files of a directory are watched while something in it is open.
const OPEN_DIRECTORY_MAX: usize = 1024;

/// For how long files are looked at often.
const WATCH_TIME: Duration = Duration::from_hours(1);

/// How often that is.
pub(super) const WATCH_PERIOD: Duration = Duration::from_secs(5);

/// How seldom the others are looked at.
const REST_PERIOD: Duration = Duration::from_mins(5);

/// Which files are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Those whose turn it is.
    Due,
    /// All: somebody waits until everything is remote, or this is the last look.
    Everywhere,
}

/// A file that is watched.
#[derive(Clone, Copy, Debug)]
struct Watched {
    stamp: Stamp,
    until: Duration,
}

/// The files that are watched.
#[derive(Debug, Default)]
pub(super) struct WatchList {
    files: BTreeMap<RelPath, Watched>,
    /// The same, by the time until which they are watched.
    order: BTreeSet<(Duration, RelPath)>,
    /// Files that were watched for as long as that goes, or gave way to others.
    resting: BTreeMap<RelPath, Stamp>,
    rested_at: Duration,
    /// Whether a file had to be forgotten.
    has_forgotten: bool,
}

impl WatchList {
    /// Watches a file that was just closed, as it is now.
    pub(super) fn add(&mut self, root: &Path, path: RelPath, now: Duration) {
        let Some(stamp) = stamp(root, &path) else {
            self.forget(&path);
            self.resting.remove(&path);
            return;
        };
        self.watch(path, stamp, now);
    }

    fn watch(&mut self, path: RelPath, stamp: Stamp, now: Duration) {
        self.forget(&path);
        self.resting.remove(&path);
        let until = now + WATCH_TIME;
        self.files.insert(path.clone(), Watched { stamp, until });
        self.order.insert((until, path));
        self.retire(now);
    }

    /// Ends watching a file; returns what was seen of it last.
    fn forget(&mut self, path: &RelPath) -> Option<Stamp> {
        let watched = self.files.remove(path)?;
        self.order.remove(&(watched.until, path.clone()));
        Some(watched.stamp)
    }

    /// Watches the files of a directory in which something is open for writing; returns those that were not watched yet, which
    /// may have changed already.
    pub(super) fn add_all(&mut self, root: &Path, directory: &RelPath, now: Duration) -> Vec<RelPath> {
        let Ok(entries) = std::fs::read_dir(directory.under(root)) else { return Vec::new() };
        let names = entries.take(OPEN_DIRECTORY_MAX).filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let paths = names.filter_map(|name| directory.child(&name).ok());
        let new: Vec<RelPath> = paths.filter(|path| !self.files.contains_key(path)).collect();
        new.into_iter()
            .filter(|path| {
                self.add(root, path.clone(), now);
                self.files.contains_key(path)
            })
            .collect()
    }

    /// Returns the files that changed since they were looked at last.
    pub(super) fn changed(&mut self, root: &Path, now: Duration, look: Look) -> Vec<RelPath> {
        self.retire(now);
        let mut changed = Vec::new();
        if look == Look::Everywhere || now >= self.rested_at + REST_PERIOD {
            self.rested_at = now;
            changed = self.roused(root, now);
        }
        let mut gone = Vec::new();
        for (path, watched) in &mut self.files {
            match stamp(root, path) {
                Some(stamp) if stamp == watched.stamp => {}
                Some(stamp) => {
                    watched.stamp = stamp;
                    changed.push(path.clone());
                }
                // Its name was removed or given to something else, of which we were told.
                None => gone.push(path.clone()),
            }
        }
        for path in gone {
            self.forget(&path);
        }
        changed
    }

    /// Returns the files at rest that changed; they are watched again.
    fn roused(&mut self, root: &Path, now: Duration) -> Vec<RelPath> {
        let mut roused = Vec::new();
        self.resting.retain(|path, seen| {
            let stamp = stamp(root, path);
            if let Some(stamp) = stamp.filter(|stamp| stamp != seen) {
                roused.push((path.clone(), stamp));
                return false;
            }
            stamp.is_some()
        });
        for (path, stamp) in &roused {
            self.watch(path.clone(), *stamp, now);
        }
        roused.into_iter().map(|(path, _)| path).collect()
    }

    /// Whether some file is not looked at any more.
    pub(super) fn has_forgotten(&self) -> bool {
        self.has_forgotten
    }

    /// Lets files rest whose time is over, and the oldest of too many.
    fn retire(&mut self, now: Duration) {
        while let Some((_, path)) =
            self.order.first().filter(|(until, _)| *until <= now || self.files.len() > WATCHED_MAX)
        {
            let path = path.clone();
            let Some(stamp) = self.forget(&path) else { break };
            self.resting.insert(path, stamp);
        }
        while self.resting.len() > RESTING_MAX {
            self.resting.pop_first();
            self.has_forgotten = true;
        }
    }
}

fn stamp(root: &Path, path: &RelPath) -> Option<Stamp> {
    let metadata = std::fs::symlink_metadata(path.under(root)).ok()?;
    metadata.is_file().then(|| Stamp::from(&metadata))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fsutil::{self, Durability};

    fn path(text: &str) -> RelPath {
        text.parse().expect("a path")
    }

    fn write(root: &tempfile::TempDir, name: &str, content: &str) {
        let staging = root.path().join("tmp");
        fsutil::write_atomic(&root.path().join(name), content.as_bytes(), &staging, Durability::Relaxed)
            .expect("written");
    }

    fn watching(names: &[&str]) -> (tempfile::TempDir, WatchList) {
        let root = tempfile::tempdir().expect("a directory");
        let mut list = WatchList::default();
        for name in names {
            write(&root, name, "one");
            list.add(root.path(), path(name), Duration::ZERO);
        }
        (root, list)
    }

    #[test]
    fn a_file_that_changes_after_it_was_closed_is_noticed_once() {
        let (root, mut list) = watching(&["a", "b"]);
        assert_eq!(list.changed(root.path(), Duration::ZERO, Look::Due), vec![]);

        write(&root, "b", "three");

        assert_eq!(list.changed(root.path(), Duration::ZERO, Look::Due), vec![path("b")]);
        assert_eq!(list.changed(root.path(), Duration::ZERO, Look::Due), vec![]);
    }

    #[test]
    fn a_file_that_is_gone_is_no_longer_watched() {
        let (root, mut list) = watching(&["a", "b"]);
        list.changed(root.path(), WATCH_TIME, Look::Due);
        list.add(root.path(), path("b"), WATCH_TIME);
        std::fs::remove_file(root.path().join("a")).expect("deleted");
        std::fs::remove_file(root.path().join("b")).expect("deleted");

        assert_eq!(list.changed(root.path(), WATCH_TIME, Look::Everywhere), vec![]);
        assert_eq!((list.files.len(), list.resting.len()), (0, 0));
    }

    #[test]
    fn a_file_rests_after_an_hour_that_begins_anew_with_every_closing() {
        let (root, mut list) = watching(&["a", "b"]);
        list.add(root.path(), path("b"), WATCH_TIME / 2);

        list.changed(root.path(), WATCH_TIME, Look::Due);

        assert_eq!(list.files.keys().cloned().collect::<Vec<_>>(), vec![path("b")]);
        assert_eq!(list.resting.keys().cloned().collect::<Vec<_>>(), vec![path("a")]);
        assert!(!list.has_forgotten());
    }

    #[test]
    fn a_file_that_changes_hours_after_it_was_closed_is_noticed_at_the_next_look_at_all() {
        let (root, mut list) = watching(&["a"]);
        list.changed(root.path(), WATCH_TIME, Look::Due);

        write(&root, "a", "three");

        assert_eq!(list.changed(root.path(), WATCH_TIME + WATCH_PERIOD, Look::Due), vec![]);
        assert_eq!(list.changed(root.path(), WATCH_TIME + WATCH_PERIOD, Look::Everywhere), vec![path("a")]);
        // Whoever maps it is at work again.
        write(&root, "a", "four and five");
        assert_eq!(list.changed(root.path(), WATCH_TIME + 2 * WATCH_PERIOD, Look::Due), vec![path("a")]);
        list.changed(root.path(), 3 * WATCH_TIME, Look::Due);
        write(&root, "a", "six");
        assert_eq!(list.changed(root.path(), 3 * WATCH_TIME + REST_PERIOD, Look::Due), vec![path("a")]);
    }

    #[test]
    fn a_file_that_is_closed_over_and_over_is_listed_once() {
        let (root, mut list) = watching(&["first", "often"]);

        for second in 0..1000 {
            list.add(root.path(), path("often"), Duration::from_secs(second));
        }

        assert_eq!((list.files.len(), list.order.len()), (2, 2));
    }

    #[test]
    fn the_list_is_bounded_and_says_when_it_forgot() {
        let (_root, mut list) = watching(&["a"]);
        let fill = |list: &mut WatchList, count: usize| {
            for index in 0..count {
                let stamp = Stamp { size: 0, mtime_ns: 0, ctime_ns: 0 };
                list.watch(path(&format!("n{index}")), stamp, Duration::ZERO);
            }
        };

        fill(&mut list, WATCHED_MAX + RESTING_MAX - 1);
        assert!(!list.has_forgotten());
        fill(&mut list, WATCHED_MAX + RESTING_MAX + 1);

        assert_eq!((list.files.len(), list.resting.len()), (WATCHED_MAX, RESTING_MAX));
        assert!(list.has_forgotten());
    }
}
