//! The journal of the dirty set: JSON lines that only grow until they are replaced.
//!
//! What was read stays in memory; what others appended since is read when it is needed, so that a mark costs as much as
//! one line however long the journal is. Every method expects its caller to hold the lock between processes.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::fsutil::{self, Durability, FileError};
use crate::path::RelPath;

/// How many paths are remembered singly; beyond that, paths are replaced by their parent directories.
pub const DIRTY_PATHS_MAX: usize = 4096;

/// The largest journal we read, in bytes.
const JOURNAL_BYTES_MAX: u64 = 64 << 20;

/// A journal with this many lines per path, and some, is written anew.
const LINES_PER_PATH_MAX: usize = 4;

/// The version of the journal's format.
const FORMAT: u32 = 1;

/// What a line announces: a path, or that anything may have changed.
pub(super) type Announced = Option<RelPath>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// Absent for everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Announced,
}

/// The first line of a journal.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    watermark: u32,
    journal: Uuid,
}

/// The journal of one cache, as far as it was read.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    staging: PathBuf,
    read: Option<Read>,
    /// Counts how often lines of other processes were read.
    heard: u64,
}

/// What was read of a journal.
#[derive(Debug)]
pub(super) struct Read {
    /// Open for appending. While it is open, its inode number belongs to nobody else.
    pub(super) file: Arc<File>,
    inode: (u64, u64),
    /// Names one life of the journal.
    pub(super) id: Uuid,
    /// Bytes read.
    pub(super) length: u64,
    /// Everything announced.
    pub(super) paths: BTreeSet<Announced>,
    lines: usize,
}

impl Journal {
    pub(super) fn new(path: &Path, staging: &Path) -> Self {
        Self { path: path.to_owned(), staging: staging.to_owned(), read: None, heard: 0 }
    }

    /// Returns the life of the journal that was read, if it is still the one on disk. Costs one look at its name.
    pub(super) fn current(&self) -> Option<Uuid> {
        let read = self.read.as_ref()?;
        let found = std::fs::metadata(&self.path).ok()?;
        ((found.dev(), found.ino()) == read.inode).then_some(read.id)
    }

    /// Returns a number that grows when something is read that this process did not write.
    pub(super) fn heard(&self) -> u64 {
        self.heard
    }

    /// Reads what is new. Makes a journal that says that everything is dirty where there is no readable one.
    pub(super) fn refresh(&mut self) -> Result<&mut Read, FileError> {
        let is_read = self.read_tail()? || self.read_whole()?;
        if !is_read {
            tracing::debug!(path = %self.path.display(), "no readable watermark, everything is dirty");
            self.replace(BTreeSet::from([None]))?;
        }
        let unreadable = || std::io::Error::from(std::io::ErrorKind::InvalidData);
        let failed = FileError::at("read", &self.path);
        self.read.as_mut().ok_or_else(|| failed(unreadable()))
    }

    /// Replaces the journal if it would grow too long by these lines, which it then has; returns whether it did.
    pub(super) fn shorten(&mut self, announced: &[Announced]) -> Result<bool, FileError> {
        let read = self.refresh()?;
        let is_new = |path: &&Announced| !read.paths.contains(*path);
        let grown = read.paths.len() + announced.iter().filter(is_new).count();
        let is_wordy = read.lines + announced.len() > LINES_PER_PATH_MAX * grown + DIRTY_PATHS_MAX;
        if grown <= DIRTY_PATHS_MAX && !is_wordy {
            return Ok(false);
        }
        let mut paths = read.paths.clone();
        if grown > DIRTY_PATHS_MAX {
            collapse(&mut paths);
        }
        paths.extend(announced.iter().cloned());
        self.replace(paths)?;
        Ok(true)
    }

    /// Appends lines; the kernel has them when this returns.
    pub(super) fn append(&mut self, announced: &[Announced]) -> Result<(), FileError> {
        let path = self.path.clone();
        let read = self.refresh()?;
        let text: Vec<u8> = announced.iter().flat_map(line).collect();
        let mut file: &File = &read.file;
        if let Err(error) = file.write_all(&text) {
            // Nobody knows how much of it is there.
            self.read = None;
            return Err(FileError::at("write", &path)(error));
        }
        read.length += text.len() as u64;
        read.lines += announced.len();
        read.paths.extend(announced.iter().cloned());
        Ok(())
    }

    /// Returns what was announced after the first `length` bytes.
    pub(super) fn after(&mut self, length: u64) -> Result<BTreeSet<Announced>, FileError> {
        let read = self.refresh()?;
        let tail = read_between(&read.file, length, read.length).map_err(FileError::at("read", &self.path))?;
        Ok(parse_lines(&tail).map_or_else(|| BTreeSet::from([None]), |lines| lines.into_iter().collect()))
    }

    /// Replaces the journal, durably.
    pub(super) fn replace(&mut self, paths: BTreeSet<Announced>) -> Result<(), FileError> {
        let id = Uuid::new_v4();
        let header = Header { watermark: FORMAT, journal: id };
        let mut text = serde_json::to_vec(&header).unwrap_or_default();
        text.push(b'\n');
        text.extend(paths.iter().flat_map(line));
        self.read = None;
        fsutil::write_atomic(&self.path, &text, &self.staging, Durability::Synced)?;
        let (file, inode) = self.open()?;
        let lines = paths.len();
        self.read = Some(Read { file, inode, id, length: text.len() as u64, paths, lines });
        Ok(())
    }

    /// Reads what was appended to the journal that was read before; returns whether it is still that one.
    fn read_tail(&mut self) -> Result<bool, FileError> {
        if self.current().is_none() {
            return Ok(false);
        }
        let failed = FileError::at("read", &self.path);
        let Some(read) = &mut self.read else { return Ok(false) };
        let examined = read.file.metadata().map(|metadata| metadata.len());
        let tail = examined.and_then(|end| match end {
            end if end < read.length => Ok(None),
            end => read_between(&read.file, read.length, end).map(Some),
        });
        let Some(tail) = tail.map_err(failed)? else { return Ok(false) };
        if tail.is_empty() {
            return Ok(true);
        }
        // A torn last line would swallow the next one.
        let (Some(lines), Some(b'\n')) = (parse_lines(&tail), tail.last()) else { return Ok(false) };
        read.length += tail.len() as u64;
        read.lines += lines.len();
        read.paths.extend(lines);
        self.heard += 1;
        Ok(true)
    }

    /// Reads all of the journal; returns whether there is a readable one.
    fn read_whole(&mut self) -> Result<bool, FileError> {
        self.read = None;
        let Some(bytes) = fsutil::read_if_exists(&self.path, JOURNAL_BYTES_MAX)? else { return Ok(false) };
        let Some((id, lines)) = parse(&bytes) else { return Ok(false) };
        if bytes.last() != Some(&b'\n') {
            self.replace(lines.into_iter().collect())?;
            return Ok(true);
        }
        self.heard += 1;
        let (file, inode) = self.open()?;
        let count = lines.len();
        let paths = lines.into_iter().collect();
        self.read = Some(Read { file, inode, id, length: bytes.len() as u64, paths, lines: count });
        Ok(true)
    }

    fn open(&self) -> Result<(Arc<File>, (u64, u64)), FileError> {
        let file = OpenOptions::new().read(true).append(true).open(&self.path);
        let file = file.map_err(FileError::at("open", &self.path))?;
        let metadata = file.metadata().map_err(FileError::at("examine", &self.path))?;
        Ok((Arc::new(file), (metadata.dev(), metadata.ino())))
    }
}

fn read_between(file: &File, start: u64, end: u64) -> std::io::Result<Vec<u8>> {
    let length = end.saturating_sub(start).min(JOURNAL_BYTES_MAX);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    file.read_exact_at(&mut bytes, start)?;
    Ok(bytes)
}

fn line(path: &Announced) -> Vec<u8> {
    let mut line = serde_json::to_vec(&Line { path: path.clone() }).unwrap_or_default();
    line.push(b'\n');
    line
}

/// Returns the journal's name and paths, `None` if it is not a journal.
fn parse(bytes: &[u8]) -> Option<(Uuid, Vec<Announced>)> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let header: Header = serde_json::from_slice(bytes.get(..end)?).ok()?;
    (header.watermark == FORMAT).then_some((header.journal, parse_lines(bytes.get(end + 1..)?)?))
}

/// Parses whole lines. A torn last line announces a write that never began.
fn parse_lines(bytes: &[u8]) -> Option<Vec<Announced>> {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let lines = bytes.get(..end)?.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice::<Line>(line).ok().map(|line| line.path)).collect()
}

/// Replaces paths by their parents until there are at most half as many as allowed.
fn collapse(paths: &mut BTreeSet<Announced>) {
    while paths.len() > DIRTY_PATHS_MAX / 2 {
        let deepest = paths.iter().flatten().map(|path| path.segments().count()).max().unwrap_or(1);
        if deepest <= 1 {
            return;
        }
        let shorten = |path: RelPath| match path.parent() {
            Some(parent) if path.segments().count() == deepest => parent,
            _ => path,
        };
        *paths = std::mem::take(paths).into_iter().map(|path| path.map(shorten)).collect();
    }
}
