//! Files that are or were open for writing: the kernel writes to them by itself, through handles and through mappings that
//! outlive them, and nobody is told.
//!
//! They are looked at now and then, until an hour after they were closed. A file whose properties differ from those seen last has changed.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::time::Duration;

use crate::index::Stamp;
use crate::path::RelPath;

/// How many files are watched.
const WATCHED_MAX: usize = 4096;

/// How many files of a directory are watched while something in it is open.
const OPEN_DIRECTORY_MAX: usize = 1024;

/// For how long.
const WATCH_TIME: Duration = Duration::from_hours(1);

/// How often they are looked at.
pub(super) const WATCH_PERIOD: Duration = Duration::from_secs(5);

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
    /// The same, by the time at which they are forgotten; may name files that are watched for longer by now.
    order: VecDeque<(Duration, RelPath)>,
    /// Whether a file had to be forgotten early.
    has_forgotten: bool,
}

impl WatchList {
    /// Watches a file that was just closed, as it is now.
    pub(super) fn add(&mut self, root: &Path, path: RelPath, now: Duration) {
        let Some(stamp) = stamp(root, &path) else {
            self.files.remove(&path);
            return;
        };
        let until = now + WATCH_TIME;
        self.files.insert(path.clone(), Watched { stamp, until });
        self.order.push_back((until, path));
        self.forget(now);
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
    pub(super) fn changed(&mut self, root: &Path, now: Duration) -> Vec<RelPath> {
        self.forget(now);
        let mut changed = Vec::new();
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
            self.files.remove(&path);
        }
        changed
    }

    /// Whether some file could not be watched for as long as it should have been.
    pub(super) fn has_forgotten(&self) -> bool {
        self.has_forgotten
    }

    fn forget(&mut self, now: Duration) {
        while let Some((until, path)) = self.order.front() {
            let is_stale = self.files.get(path).is_none_or(|watched| watched.until != *until);
            let is_surplus = self.files.len() > WATCHED_MAX;
            if !is_stale && *until > now && !is_surplus {
                return;
            }
            if !is_stale {
                self.has_forgotten |= *until > now;
                self.files.remove(path);
            }
            self.order.pop_front();
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
        assert_eq!(list.changed(root.path(), Duration::ZERO), vec![]);

        write(&root, "b", "three");

        assert_eq!(list.changed(root.path(), Duration::ZERO), vec![path("b")]);
        assert_eq!(list.changed(root.path(), Duration::ZERO), vec![]);
    }

    #[test]
    fn a_file_that_is_gone_is_no_longer_watched() {
        let (root, mut list) = watching(&["a"]);
        std::fs::remove_file(root.path().join("a")).expect("deleted");

        assert_eq!(list.changed(root.path(), Duration::ZERO), vec![]);
        assert_eq!(list.files.len(), 0);
    }

    #[test]
    fn watching_ends_after_an_hour_and_begins_anew_with_every_closing() {
        let (root, mut list) = watching(&["a", "b"]);
        list.add(root.path(), path("b"), WATCH_TIME / 2);

        list.changed(root.path(), WATCH_TIME);

        assert_eq!(list.files.keys().cloned().collect::<Vec<_>>(), vec![path("b")]);
        assert!(!list.has_forgotten());
    }

    #[test]
    fn the_list_is_bounded_and_says_when_it_forgot() {
        let (root, mut list) = watching(&["a"]);
        for index in 0..=WATCHED_MAX {
            let stamp = Stamp { size: 0, mtime_ns: 0, ctime_ns: 0 };
            let (path, until) = (path(&format!("n{index}")), WATCH_TIME);
            list.files.insert(path.clone(), Watched { stamp, until });
            list.order.push_back((until, path));
        }

        list.add(root.path(), path("a"), Duration::ZERO);

        assert!(list.files.len() <= WATCHED_MAX);
        assert!(list.has_forgotten());
    }
}
