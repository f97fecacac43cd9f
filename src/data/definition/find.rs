//! Finding definitions.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tracing::debug;

use crate::fsutil::{self, FileError};
use crate::path::RelPath;
use crate::yaml::{self, Limits, Node};

use super::{Definition, is_file_name};

/// The longest definition we read, in bytes.
const DEFINITION_BYTES_MAX: u64 = 1024 * 1024;

/// Returns every readable definition below the roots, in the order of the roots, then of paths.
///
/// Files that are no definitions are passed over: one bad file must not hide the others.
pub fn find_definitions(roots: &[PathBuf]) -> Result<Vec<Definition>, FileError> {
    let mut definitions = Vec::new();
    for root in roots {
        definitions.extend(mentioning(root, "")?);
    }
    Ok(definitions)
}

/// Returns the definition that `reference` means: by name, else by id; the first root wins.
///
/// Who has thousands of models has each in the file of its name. That is looked for first, which takes a look at the
/// directories; only where it is missing, files are read.
pub fn find_definition(roots: &[PathBuf], reference: &str) -> Result<Option<Definition>, FileError> {
    let mut by_id = None;
    for root in roots {
        if let Some(found) = filed_under(root, reference)? {
            return Ok(Some(found));
        }
        // A plain name is written as it is, whoever writes it; others may be quoted or folded.
        let mentioned = if is_file_name(reference) { reference } else { "" };
        for found in mentioning(root, mentioned)? {
            if found.name == reference {
                return Ok(Some(found));
            }
            if found.id.as_str() == reference {
                by_id.get_or_insert(found);
            }
        }
    }
    Ok(by_id)
}

/// Returns the definition of a name that lies in the file of that name, in whichever directory.
fn filed_under(root: &Path, name: &str) -> Result<Option<Definition>, FileError> {
    let is_segment = name.parse::<RelPath>().is_ok_and(|path| path.segments().count() == 1);
    if !is_segment {
        return Ok(None);
    }
    for directory in directories(root)? {
        let found = read_definition(root, &directory.join(format!("{name}.yaml")), name)?;
        if let Some(found) = found.filter(|found| found.name == name) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Returns a directory and all below it, by path; links are not followed.
fn directories(root: &Path) -> Result<Vec<PathBuf>, FileError> {
    let (mut found, mut left) = (Vec::new(), vec![root.to_owned()]);
    while let Some(directory) = left.pop() {
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => continue,
            Err(error) => return Err(FileError::at("list", &directory)(error)),
        };
        for entry in entries {
            let entry = entry.map_err(FileError::at("list", &directory))?;
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                left.push(entry.path());
            }
        }
        found.push(directory);
    }
    found.sort();
    Ok(found)
}

/// Returns the readable definitions below a root whose text has `word` in it, by path.
fn mentioning(root: &Path, word: &str) -> Result<Vec<Definition>, FileError> {
    let mut definitions = Vec::new();
    fsutil::walk(root, &mut |found| {
        if found.path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            match read_definition(root, &found.path, word) {
                Ok(Some(definition)) => definitions.push(definition),
                Ok(None) => {}
                Err(error) => debug!(path = %found.path.display(), %error, "cannot read a definition"),
            }
        }
        Ok(())
    })?;
    Ok(definitions)
}

/// Reads one definition; `None` if the file does not exist, is none, or does not have `word` in it.
pub(super) fn read_definition(root: &Path, path: &Path, word: &str) -> Result<Option<Definition>, FileError> {
    if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return Ok(None);
    }
    let Some(text) = fsutil::read_text_if_exists(path, DEFINITION_BYTES_MAX)? else { return Ok(None) };
    if !text.contains(word) {
        return Ok(None);
    }
    let node = match yaml::parse(&text, Limits::default()) {
        Ok(node) => node,
        Err(error) => {
            debug!(path = %path.display(), %error, "cannot read a definition");
            return Ok(None);
        }
    };
    let field = |key| node.get(key).filter(|value| !value.is_null()).and_then(Node::as_text);
    let (Some(id), Some(name)) = (field("id"), field("name")) else { return Ok(None) };
    let directories = path.parent().and_then(|parent| parent.strip_prefix(root).ok()).and_then(Path::to_str);
    let Some(model_type) = field("type").or(directories) else { return Ok(None) };
    let (Ok(id), Ok(model_type)) = (id.parse(), model_type.parse()) else { return Ok(None) };
    Ok(Some(Definition { id, name: name.to_owned(), model_type, path: path.to_owned() }))
}
