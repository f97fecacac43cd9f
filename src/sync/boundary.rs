//! What crosses the boundary between a cache and a datastore (formats.md 4.6). Pure.

use crate::data::layout::{self, Location};
use crate::index::PartitionKey;
use crate::path::RelPath;

/// What becomes of a file below a namespace's root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crossing {
    /// A file of an immutable version.
    Immutable,
    /// A file that is rewritten in place.
    Mutable,
    /// State of a swamp: never uploaded, never downloaded, never mentioned.
    Internal,
    /// A stray file (trap T16): stays here, and the reason is told.
    Stray(&'static str),
}

/// What becomes of a regular file that somebody makes in a datastore by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It reaches the datastore.
    Synced,
    /// It stays on this machine, for this reason.
    LocalOnly(&'static str),
    /// It could never reach the datastore, for this reason, and is no file that a program makes for a moment.
    Refused(&'static str),
}

/// Decides by name alone what becomes of a regular file.
///
/// Wherever some file has a place, every file may be made: programs save by writing a file of any name and renaming it.
/// What stays here of those is what has no place under that name.
pub fn fate(path: &RelPath) -> Fate {
    if path.segments().count() == 1 {
        return Fate::Refused("it is not in a directory of the datastore");
    }
    if PartitionKey::of(path).is_none() {
        return Fate::Refused("it has no place in the index");
    }
    match crossing(path) {
        Crossing::Immutable | Crossing::Mutable => Fate::Synced,
        Crossing::Internal => Fate::LocalOnly("it has the name of a file that swamp keeps for itself"),
        Crossing::Stray(reason) => Fate::LocalOnly(reason),
    }
}

/// Names of a file at every depth that matters below a directory.
const FILES_BELOW: [&str; 5] = ["a", "a/b", "a/b/c", "a/b/c/d", "a/b/c/d/e"];

/// Whether there can be files below a directory at the top of a namespace.
pub fn has_place(top: &str) -> bool {
    let file = format!("{top}/{}", FILES_BELOW[4]).parse::<RelPath>();
    file.is_ok_and(|file| PartitionKey::of(&file).is_some() && !is_internal(&file))
}

/// Whether every file that may be made below one directory may be made below another.
///
/// That depends on the top and the depth alone, so a few names stand for all.
pub fn keeps_places(source: &RelPath, target: &RelPath) -> bool {
    let may_be_made = |directory: &RelPath, below: &str| {
        let file = format!("{directory}/{below}").parse::<RelPath>();
        file.is_ok_and(|file| !matches!(fate(&file), Fate::Refused(_)))
    };
    FILES_BELOW.iter().all(|below| !may_be_made(source, below) || may_be_made(target, below))
}

/// Whether a name is one that programs give to what they make for a moment: they make links of such names, too.
pub fn is_temporary_name(path: &RelPath) -> bool {
    is_temporary(path.file_name())
}

/// Decides by name alone.
pub(super) fn crossing(path: &RelPath) -> Crossing {
    if is_internal(path) {
        return Crossing::Internal;
    }
    if path.as_str() == EXPORT {
        return Crossing::Internal;
    }
    if PartitionKey::of(path).is_none() {
        return Crossing::Stray("it has no place in the index");
    }
    match path.segments().next() {
        Some("data") if layout::is_immutable(path) => Crossing::Immutable,
        Some("data") if Location::parse(path).is_some() => Crossing::Mutable,
        Some("data") => Crossing::Stray("it is not a file of an artifact version"),
        Some(_) if path.segments().count() == 1 => Crossing::Stray("it is not in a directory of the datastore"),
        _ if is_temporary(path.file_name()) => Crossing::Stray("it looks like a temporary file"),
        _ => Crossing::Mutable,
    }
}

/// The published catalog of a namespace; written by the export alone.
pub(super) const EXPORT: &str = ".catalog-export.json";

/// Whether lazy pulls leave this file for later.
pub(super) fn is_lazy(path: &RelPath) -> bool {
    let mut segments = path.segments();
    segments.next() == Some("data") && segments.next_back() == Some("raw") && segments.next_back().is_some()
}

fn is_internal(path: &RelPath) -> bool {
    let whole = [".datastore-index.json", ".push-queue.json", ".datastore.lock", ".datastore-sync-state.json"];
    let first = path.segments().next().unwrap_or_default();
    let name = path.file_name();
    whole.contains(&path.as_str())
        || matches!(first, "_index" | "_control" | ".locks" | ".swamp-tmp")
        || matches!(name, ".lock" | ".namespace.json" | ".runs-index.json")
        || name.starts_with("_catalog.db")
}

/// Droppings of editors, network file systems and atomic writers, and what SQLite has beside a database that is open:
/// a copy of that would belong to another state of the database than the copy of the database itself.
fn is_temporary(name: &str) -> bool {
    let has_end = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    let has_start = |starts: &[&str]| starts.iter().any(|start| name.starts_with(start));
    let is_beside_database = || {
        let database = ["-journal", "-wal", "-shm"].iter().find_map(|end| name.strip_suffix(end));
        database.is_some_and(|name| [".db", ".sqlite", ".sqlite3", ".db3"].iter().any(|end| name.ends_with(end)))
    };
    has_end(&[".tmp", ".swp", ".swx", ".swo", "~", ".part"])
        || has_start(&[".fuse_hidden", ".nfs", ".#", "#", ".~", ".goutputstream-"])
        || is_beside_database()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str) -> Crossing {
        crossing(&path.parse().expect("a path"))
    }

    const ID: &str = "0bc79a8f-d9d2-4ec5-a37f-8d88bbb3ee27";

    #[test]
    fn files_of_the_contract_cross() {
        assert_eq!(of(&format!("data/aws/ec2/vpc/{ID}/state/1/raw")), Crossing::Immutable);
        assert_eq!(of(&format!("data/workflow/{ID}/report/3/metadata.yaml")), Crossing::Immutable);
        assert_eq!(of(&format!("data/workflow/{ID}/report/latest")), Crossing::Mutable);
        assert_eq!(of("outputs/a/b/run/x.yaml"), Crossing::Mutable);
        assert_eq!(of("auto-definitions/swamp/file/m.yaml"), Crossing::Mutable);
        assert_eq!(of("workflow-runs/w/workflow-run-r.yaml"), Crossing::Mutable);
    }

    #[test]
    fn internal_files_never_cross() {
        let internal = [
            "_index/_meta.json",
            "_control/x",
            ".namespace.json",
            "data/a/b/.lock",
            "data/_catalog.db-wal",
            ".datastore-index.json",
            ".catalog-export.json",
        ];
        for path in internal {
            assert_eq!(of(path), Crossing::Internal, "{path}");
        }
    }

    #[test]
    fn t16_stray_files_stay_here_and_say_why() {
        let strays = [
            format!("data/aws/ec2/vpc/{ID}/state/1/.4f2a.tmp"),
            format!("data/aws/ec2/vpc/{ID}/state/1/raw.swp"),
            format!("data/aws/ec2/vpc/{ID}/.fuse_hidden0001"),
            format!("data/aws/ec2/vpc/{ID}/state/12abc/raw"),
            "outputs/a/b/run/.nfs00001".to_owned(),
            "definitions-evaluated/solo/m.yaml".to_owned(),
            "notes.txt".to_owned(),
            "secrets/vault/key".to_owned(),
        ];
        for path in strays {
            assert!(matches!(of(&path), Crossing::Stray(_)), "{path}");
        }
    }

    #[test]
    fn whatever_programs_make_beside_a_file_may_be_made() {
        let fate = |path: &str| fate(&path.parse().expect("a path"));
        let raw = format!("data/aws/ec2/vpc/{ID}/state/1/raw");

        let synced = ["outputs/a/b/run/x.yaml", "files/repo/.git/index.lock", "files/my-journal", "files/x.db", &raw];
        for path in synced {
            assert_eq!(fate(path), Fate::Synced, "{path}");
        }
        let local = ["files/x.db-wal", "files/a/.x.swp", "files/x~", &format!("{raw}.new"), "files/.venv/.lock"];
        for path in local {
            assert!(matches!(fate(path), Fate::LocalOnly(_)), "{path}");
        }
        for path in ["outputs/x.yaml", "workflow-runs/x.yaml", "notes.txt", "secrets/a/b/c/d/e", "data/x", "_index/x"] {
            assert!(matches!(fate(path), Fate::Refused(_)), "{path}");
        }
    }

    #[test]
    fn what_has_no_place_elsewhere_is_not_moved_there() {
        let keeps = |source: &str, target: &str| {
            keeps_places(&source.parse().expect("a path"), &target.parse().expect("a path"))
        };
        let version = format!("data/aws/ec2/vpc/{ID}/state/1");

        assert!(keeps("files/a", "files/b/c/d"));
        assert!(keeps("files/a/b", "files/x"));
        assert!(keeps("outputs/a/b", "outputs/c/d"));
        assert!(keeps("outputs/a/b", "files/x"));
        assert!(keeps(&version, &version.replace("state", "other")));
        assert!(!keeps("files/proj", "outputs/proj"));
        assert!(!keeps("files/proj", "outputs"));
        assert!(!keeps("files/proj", "workflow-runs"));
        assert!(!keeps("outputs/a/b/run", "outputs/run"));
        assert!(!keeps(&version, "data/1"));
    }

    #[test]
    fn files_have_a_place_below_the_directories_of_the_index_only() {
        assert!(["data", "outputs", "files", "workflow-runs"].into_iter().all(has_place));
        assert!(!["secrets", "_index", ".locks", "bundles", "..", ""].into_iter().any(has_place));
    }
}
