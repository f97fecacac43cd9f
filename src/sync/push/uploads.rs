//! What pushes created in the datastore and no index names yet, also those that ended before they could commit.
//!
//! A journal on disk: a line per file, appended as soon as the datastore has it. It tells the next push what need not be
//! sent again, and which objects nobody will ever name because their files are gone. It is given up before a commit begins:
//! from then on others may know these files, and what they do to them is not ours to judge. Losing the journal costs
//! requests, never data.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::bucket::Version;
use crate::fsutil::{self, Durability, FileError};
use crate::index::Verified;
use crate::path::RelPath;

/// A line of the journal.
#[derive(Debug, Serialize, Deserialize)]
struct Created {
    path: RelPath,
    content: Verified,
    version: Version,
}

/// The files that were created and not committed, with what was sent.
#[derive(Debug, Default)]
pub(in crate::sync) struct Uploads {
    path: PathBuf,
    staging: PathBuf,
    /// Open for appending once something was.
    journal: Option<File>,
    files: BTreeMap<RelPath, (Verified, Version)>,
}

impl Uploads {
    /// Reads what earlier sessions left; a line that is not whole, and everything after it, counts for nothing.
    pub(in crate::sync) fn open(path: &Path, staging: &Path) -> Result<Self, FileError> {
        let mut uploads = Self { path: path.to_owned(), staging: staging.to_owned(), ..Self::default() };
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(uploads),
            file => file.map_err(FileError::at("read", path))?,
        };
        for line in BufReader::new(file).split(b'\n') {
            let line = line.map_err(FileError::at("read", path))?;
            let Ok(Created { path, content, version }) = serde_json::from_slice(&line) else { break };
            uploads.files.insert(path, (content, version));
        }
        Ok(uploads)
    }

    /// Returns what was sent of a file.
    pub(in crate::sync) fn get(&self, path: &RelPath) -> Option<&Verified> {
        self.files.get(path).map(|(content, _)| content)
    }

    /// Whether the datastore has this content of a file.
    pub(super) fn has(&self, path: &RelPath, content: &Verified) -> bool {
        self.get(path).is_some_and(|sent| sent.sha256 == content.sha256)
    }

    /// Returns the object that a file became.
    pub(super) fn version(&self, path: &RelPath) -> Option<&Version> {
        self.files.get(path).map(|(_, version)| version)
    }

    /// Returns the files.
    pub(in crate::sync) fn paths(&self) -> impl Iterator<Item = &RelPath> {
        self.files.keys()
    }

    /// Notes that the datastore has a file with this content.
    pub(super) fn insert(&mut self, path: RelPath, content: Verified, version: Version) -> Result<(), FileError> {
        let line = Created { path: path.clone(), content: content.clone(), version: version.clone() };
        self.append(&line)?;
        self.files.insert(path, (content, version));
        Ok(())
    }

    /// Forgets a file: the datastore has another in its place.
    pub(super) fn remove(&mut self, path: &RelPath) {
        self.files.remove(path);
    }

    /// Gives up what the journal says of files that a commit is about to name; this session still knows it.
    pub(super) fn give_up(&mut self, is_named: impl Fn(&RelPath) -> bool) -> Result<(), FileError> {
        self.journal = None;
        if self.files.keys().all(&is_named) {
            return fsutil::remove_file(&self.path).map(drop);
        }
        self.write(|path| !is_named(path))
    }

    /// Forgets files that a commit has named.
    pub(super) fn forget(&mut self, is_named: impl Fn(&RelPath) -> bool) {
        self.files.retain(|path, _| !is_named(path));
    }

    /// Forgets everything.
    pub(in crate::sync) fn clear(&mut self) -> Result<(), FileError> {
        self.files.clear();
        self.give_up(|_| true)
    }

    fn append(&mut self, line: &Created) -> Result<(), FileError> {
        let journal = match &mut self.journal {
            Some(journal) => journal,
            None => self.journal.insert(self.reopened()?),
        };
        journal.write_all(&to_bytes(line)).map_err(FileError::at("write", &self.path))
    }

    /// Opens the journal, written anew: the end of what was found may be half a line.
    fn reopened(&self) -> Result<File, FileError> {
        self.write(|_| true)?;
        OpenOptions::new().append(true).open(&self.path).map_err(FileError::at("write", &self.path))
    }

    fn write(&self, is_kept: impl Fn(&RelPath) -> bool) -> Result<(), FileError> {
        let files = self.files.iter().filter(|(path, _)| is_kept(path));
        let lines = files.map(|(path, (content, version))| Created {
            path: path.clone(),
            content: content.clone(),
            version: version.clone(),
        });
        let text: Vec<u8> = lines.flat_map(|line| to_bytes(&line)).collect();
        fsutil::write_atomic(&self.path, &text, &self.staging, Durability::Relaxed)
    }
}

fn to_bytes(line: &Created) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(line).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
