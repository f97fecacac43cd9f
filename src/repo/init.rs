//! Making a repository, and repairing one without changing what it is (trap T15).

use std::path::{Path, PathBuf};

use super::paths::{LOCAL_DIRECTORY, STAGING_DIRECTORY};
use super::{Marker, RepoError, marker};
use crate::clock::Timestamp;
use crate::fsutil::{self, Durability};

/// What must not go into version control.
const IGNORED: [&str; 1] = [".swamp/"];

/// The largest `.gitignore` we edit, in bytes.
const GITIGNORE_BYTES_MAX: u64 = 1 << 20;

/// What to do with a repository that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Refuse.
    Refuse,
    /// Keep its identity and its datastore; add what is missing.
    Repair,
}

/// A repository that was made or repaired.
#[derive(Clone, Debug)]
pub struct Initialised {
    /// Its root.
    pub root: PathBuf,
    /// Its marker as it is now.
    pub marker: Marker,
    /// What was made or changed, relative to the root.
    pub created: Vec<String>,
}

/// Makes `root` a repository.
pub fn init(root: &Path, existing: Existing, now: Timestamp) -> Result<Initialised, RepoError> {
    let found = Marker::load(root)?;
    if found.is_some() && existing == Existing::Refuse {
        return Err(RepoError::AlreadyInitialised { directory: root.to_owned() });
    }
    let mut created = Vec::new();
    let local = root.join(LOCAL_DIRECTORY);
    if !local.is_dir() {
        fsutil::create_directory(&local)?;
        created.push(format!("{LOCAL_DIRECTORY}/"));
    }
    let mut marker = found.clone().unwrap_or_default();
    marker.complete(now);
    if found.as_ref() != Some(&marker) {
        marker.store(root)?;
        created.push(marker::FILE_NAME.to_owned());
    }
    if ignore(root)? {
        created.push(".gitignore".to_owned());
    }
    Ok(Initialised { root: root.to_owned(), marker, created })
}

/// Adds what is missing to `.gitignore`; returns whether anything was.
fn ignore(root: &Path) -> Result<bool, RepoError> {
    let path = root.join(".gitignore");
    let mut text = fsutil::read_text_if_exists(&path, GITIGNORE_BYTES_MAX)?.unwrap_or_default();
    let is_listed = |entry: &str| text.lines().any(|line| line.trim().trim_start_matches('/') == entry);
    let missing: Vec<&str> = IGNORED.into_iter().filter(|entry| !is_listed(entry)).collect();
    if missing.is_empty() {
        return Ok(false);
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for entry in missing {
        text.push_str(entry);
        text.push('\n');
    }
    let staging = root.join(LOCAL_DIRECTORY).join(STAGING_DIRECTORY);
    fsutil::write_atomic(&path, text.as_bytes(), &staging, Durability::Synced)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-08-22T10:15:00.000Z".parse().expect("a time")
    }

    #[test]
    fn a_new_repository_gets_everything_once() {
        let root = tempfile::tempdir().expect("a directory");

        let made = init(root.path(), Existing::Refuse, now()).expect("made");

        assert_eq!(made.created, [".swamp/", ".swamp.yaml", ".gitignore"]);
        assert_eq!(std::fs::read_to_string(root.path().join(".gitignore")).expect("readable"), ".swamp/\n");
        assert!(made.marker.repo_id().is_some());
        let again = init(root.path(), Existing::Refuse, now()).expect_err("refused");
        assert!(matches!(again, RepoError::AlreadyInitialised { .. }));
    }

    #[test]
    fn t15_a_repair_keeps_identity_datastore_and_unknown_keys() {
        let root = tempfile::tempdir().expect("a directory");
        let text = "repoId: 1f3c6f1e-8a0b-4d55-9c62-0d6f6f1a2b3c\nautoGc: true\ndatastore:\n  type: filesystem\n  path: /srv\n";
        let staging = root.path().join("staging");
        fsutil::write_atomic(&root.path().join(".swamp.yaml"), text.as_bytes(), &staging, Durability::Relaxed)
            .expect("written");

        let repaired = init(root.path(), Existing::Repair, now()).expect("repaired");

        assert_eq!(repaired.marker.repo_id(), Some("1f3c6f1e-8a0b-4d55-9c62-0d6f6f1a2b3c"));
        assert_eq!(repaired.marker.datastore().expect("a block").get("path"), Some(&"/srv".into()));
        let written = std::fs::read_to_string(root.path().join(".swamp.yaml")).expect("readable");
        assert!(written.contains("autoGc: true"), "{written}");
    }

    #[test]
    fn an_existing_gitignore_is_added_to() {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path().join(".gitignore");
        fsutil::write_atomic(&path, b"target", &root.path().join("staging"), Durability::Relaxed).expect("written");

        init(root.path(), Existing::Refuse, now()).expect("made");

        assert_eq!(std::fs::read_to_string(path).expect("readable"), "target\n.swamp/\n");
    }
}
