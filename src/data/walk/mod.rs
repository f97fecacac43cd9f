//! Finding data: every data name below a namespace root, and every version of it that can be read.
//!
//! Types have any depth, so a model directory is known by what is in it (formats.md 2.8). Symbolic links are never
//! followed; the `latest` of old repositories, a link to a number, is read as one. Unreadable versions and odd
//! directories are reported beside what is readable, never instead of it (trap T21).

use std::ffi::OsStr;
use std::fs::{self, DirEntry, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::error::{Failure, Kind};
use crate::fsutil::FileError;

use super::layout::{Artifact, DATA_DIRECTORY, LATEST_FILE, METADATA_FILE};
use super::metadata::{METADATA_BYTES_MAX, Metadata, MetadataError};
use super::name::{InvalidName, ModelId, ModelType, VersionNumber};

/// What lies in the directory of a data name.
#[derive(Debug)]
pub struct FoundName {
    /// Whose directory it is.
    pub artifact: Artifact,
    /// The numbered directories, ascending.
    pub versions: Vec<FoundVersion>,
    /// The number in the `latest` file, if there is one.
    pub marker: Option<VersionNumber>,
}

/// A numbered directory.
#[derive(Debug)]
pub struct FoundVersion {
    /// Its number.
    pub number: VersionNumber,
    /// What is known about the version, or why nothing is.
    pub metadata: Result<Metadata, Unreadable>,
}

impl FoundName {
    /// Returns what is known about the readable versions, ascending.
    pub fn readable(&self) -> impl DoubleEndedIterator<Item = &Metadata> {
        self.versions.iter().filter_map(|version| version.metadata.as_ref().ok())
    }

    /// Returns what is known about the latest version: the highest readable one.
    pub fn latest(&self) -> Option<&Metadata> {
        self.readable().next_back()
    }
}

/// Why nothing is known about a version.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message is the documentation")]
pub enum Unreadable {
    #[error("the version has no metadata")]
    Absent,
    #[error("the metadata of the version cannot be read")]
    File { source: FileError },
    #[error("the metadata of the version is wrong")]
    Wrong { source: MetadataError },
}

impl Failure for Unreadable {
    fn kind(&self) -> Kind {
        match self {
            Self::Absent => Kind::NotFound,
            Self::File { source } => source.kind(),
            Self::Wrong { source } => source.kind(),
        }
    }
}

/// A directory that the walk had to leave out.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message is the documentation")]
pub enum Skipped {
    #[error("skipped a directory that cannot be listed")]
    Unlisted { source: FileError },
    #[error("skipped `{}`", .path.display())]
    Misnamed { path: PathBuf, source: InvalidName },
}

impl Failure for Skipped {
    fn kind(&self) -> Kind {
        match self {
            Self::Unlisted { source } => source.kind(),
            Self::Misnamed { .. } => Kind::Corrupt,
        }
    }
}

/// Visits every data name below a namespace root with all its versions; returns the directories it had to leave out.
pub fn walk<E>(root: &Path, mut visit: impl FnMut(FoundName) -> Result<(), E>) -> Result<Vec<Skipped>, E> {
    let mut unlisted = Vec::new();
    let mut skipped = walk_names(root, |artifact| match scan_name(root, &artifact) {
        Ok(found) if found.versions.is_empty() => Ok(()),
        Ok(found) => visit(found),
        Err(source) => {
            unlisted.push(Skipped::Unlisted { source });
            Ok(())
        }
    })?;
    skipped.append(&mut unlisted);
    Ok(skipped)
}

/// Visits every data name below a namespace root without looking at versions; for listings that need no metadata.
pub fn walk_names<E>(root: &Path, mut visit: impl FnMut(Artifact) -> Result<(), E>) -> Result<Vec<Skipped>, E> {
    let mut skipped = Vec::new();
    // Directories still to look at, with their depth below `data`: no recursion, since a tree may be hostile.
    let mut pending = vec![(root.join(DATA_DIRECTORY), 0_usize)];
    while let Some((directory, depth)) = pending.pop() {
        let children = match subdirectories(&directory) {
            Ok(children) => children,
            Err(source) => {
                skipped.push(Skipped::Unlisted { source });
                continue;
            }
        };
        let is_model = depth >= 2 && children.iter().any(|child| holds_a_version(&directory.join(child)));
        if !is_model {
            pending.extend(children.into_iter().rev().map(|child| (directory.join(child), depth + 1)));
            continue;
        }
        for child in children {
            match artifact_at(root, &directory, &child) {
                Ok(artifact) => visit(artifact)?,
                Err(source) => skipped.push(Skipped::Misnamed { path: directory.join(child), source }),
            }
        }
    }
    Ok(skipped)
}

/// Visits the data names of one model with all their versions, in byte order.
pub fn walk_model<E>(
    root: &Path,
    model_type: &ModelType,
    model_id: &ModelId,
    mut visit: impl FnMut(FoundName) -> Result<(), E>,
) -> Result<Vec<Skipped>, E> {
    let directory = root.join(DATA_DIRECTORY).join(model_type.as_str()).join(model_id.as_str());
    let mut skipped = Vec::new();
    let children = subdirectories(&directory).unwrap_or_else(|source| {
        skipped.push(Skipped::Unlisted { source });
        Vec::new()
    });
    for child in children {
        let artifact = match artifact_at(root, &directory, &child) {
            Ok(artifact) => artifact,
            Err(source) => {
                skipped.push(Skipped::Misnamed { path: directory.join(child), source });
                continue;
            }
        };
        match scan_name(root, &artifact) {
            Ok(found) if found.versions.is_empty() => {}
            Ok(found) => visit(found)?,
            Err(source) => skipped.push(Skipped::Unlisted { source }),
        }
    }
    Ok(skipped)
}

/// Returns all versions of one data name; none if its directory does not exist.
pub fn scan_name(root: &Path, artifact: &Artifact) -> Result<FoundName, FileError> {
    let directory = artifact.directory().under(root);
    let (mut numbers, mut marker) = (Vec::new(), None);
    for entry in entries(&directory)? {
        if entry.file_name() == LATEST_FILE {
            marker = read_marker(&entry.path());
        } else if let Some(number) = version_of(&entry) {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    let versions =
        numbers.into_iter().map(|number| FoundVersion { number, metadata: read_version(&directory, number) }).collect();
    Ok(FoundName { artifact: artifact.clone(), versions, marker })
}

/// Returns the numbers of the version directories of a data name, ascending.
pub(super) fn version_numbers(directory: &Path) -> Result<Vec<VersionNumber>, FileError> {
    let mut numbers: Vec<VersionNumber> = entries(directory)?.iter().filter_map(version_of).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Whether a directory is that of a data name: it has versions.
pub fn has_versions(directory: &Path) -> bool {
    version_numbers(directory).is_ok_and(|numbers| !numbers.is_empty())
}

/// Returns what is known about one version of the data name in `directory`.
pub(super) fn read_version(directory: &Path, number: VersionNumber) -> Result<Metadata, Unreadable> {
    let path = directory.join(number.to_string()).join(METADATA_FILE);
    let bytes = read_file(&path, METADATA_BYTES_MAX).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unreadable::Absent,
        _ => Unreadable::File { source: FileError::at("read", &path)(error) },
    })?;
    let mut metadata = Metadata::parse(&bytes).map_err(|source| Unreadable::Wrong { source })?;
    // The directory decides: it is what readers ask for, and two versions must never claim one number.
    metadata.version = number;
    Ok(metadata)
}

/// Returns the number in a `latest` file, or behind the symbolic link that old repositories have instead.
pub(super) fn read_marker(path: &Path) -> Option<VersionNumber> {
    const MARKER_BYTES_MAX: u64 = 64;
    if let Ok(target) = fs::read_link(path) {
        return target.to_str()?.trim_end_matches('/').parse().ok();
    }
    let bytes = read_file(path, MARKER_BYTES_MAX).ok()?;
    std::str::from_utf8(&bytes).ok()?.trim().parse().ok()
}

fn artifact_at(root: &Path, directory: &Path, child: &OsStr) -> Result<Artifact, InvalidName> {
    let refused = |reason| InvalidName::new("data directory", &directory.join(child).to_string_lossy(), reason);
    let outside = || refused("it is outside the data directory");
    let below = directory.strip_prefix(root.join(DATA_DIRECTORY)).ok().ok_or_else(outside)?;
    let not_text = || refused("it is not UTF-8");
    let (types, model_id) = below.to_str().ok_or_else(not_text)?.rsplit_once('/').ok_or_else(outside)?;
    let name = child.to_str().ok_or_else(not_text)?;
    Artifact::new(ModelType::from_normalized(types)?, model_id.parse()?, name.parse()?)
}

/// Whether a directory has a numbered directory with metadata: the mark of a data name.
fn holds_a_version(directory: &Path) -> bool {
    let is_numbered = |entry: &DirEntry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit);
    let has_metadata = |entry: &DirEntry| {
        fs::symlink_metadata(entry.path().join(METADATA_FILE)).is_ok_and(|metadata| metadata.is_file())
    };
    entries(directory).is_ok_and(|found| found.iter().any(|entry| is_numbered(entry) && has_metadata(entry)))
}

fn version_of(entry: &DirEntry) -> Option<VersionNumber> {
    let number = entry.file_name().to_str()?.parse().ok()?;
    is_directory(entry).then_some(number)
}

/// Returns the names of the real directories in a directory, in byte order; an absent one is empty.
fn subdirectories(directory: &Path) -> Result<Vec<std::ffi::OsString>, FileError> {
    let mut names: Vec<_> = entries(directory)?.iter().filter(|e| is_directory(e)).map(DirEntry::file_name).collect();
    names.sort_unstable();
    Ok(names)
}

fn is_directory(entry: &DirEntry) -> bool {
    // The type comes with the listing: no further system call.
    entry.file_type().is_ok_and(|file_type| file_type.is_dir())
}

fn entries(directory: &Path) -> Result<Vec<DirEntry>, FileError> {
    let listed = fs::read_dir(directory).and_then(Iterator::collect);
    match listed {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(Vec::new()),
        listed => listed.map_err(FileError::at("list", directory)),
    }
}

/// Reads a regular file, never through a symbolic link and without waiting for a pipe.
fn read_file(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = open_file(path)?;
    let mut bytes = Vec::with_capacity(2048);
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it is larger than {bytes_max} bytes")));
    }
    Ok(bytes)
}

/// Opens a file to read, never through a symbolic link and without waiting for a pipe.
pub(super) fn open_file(path: &Path) -> io::Result<fs::File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

#[cfg(test)]
mod tests;
