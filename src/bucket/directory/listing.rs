//! Lists a directory tree in byte order of whole keys, one page at a time, entering only directories that matter.
//!
//! Directory order is not key order: `a.b` sorts before `a/c`, though `a` sorts before `a.b`. Comparing a directory's
//! name with a slash behind it makes a depth-first walk yield keys in byte order.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use rustix::fs::{Dir, FileType, OFlags};

use super::meta_of;
use crate::bucket::{ListOptions, Page};
use crate::fsutil::{Beneath, open_below, stat_in};
use crate::path::RelPath;

/// Keys in a page when the caller does not say, as S3 has it.
const PAGE_KEYS: u32 = 1_000;

/// Something in a directory that is still to be visited.
struct Entry {
    directory: Arc<OwnedFd>,
    /// Its key, with a slash behind it if it is a directory.
    key: Vec<u8>,
    name_start: usize,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Directory,
    File,
    Other,
}

impl Entry {
    fn name(&self) -> &[u8] {
        let rest = self.key.get(self.name_start..).unwrap_or_default();
        rest.strip_suffix(b"/").unwrap_or(rest)
    }

    /// Whether nothing this entry stands for sorts after `start_after`.
    fn is_behind(&self, start_after: &[u8]) -> bool {
        match self.kind {
            Kind::Directory => self.key.as_slice() <= start_after && !start_after.starts_with(&self.key),
            Kind::File | Kind::Other => self.key.as_slice() <= start_after,
        }
    }
}

/// Returns one page; `staging` is the directory inside the tree that is not part of it.
pub(super) fn list(tree: &Beneath, staging: Option<&RelPath>, options: &ListOptions) -> io::Result<Page> {
    let beginning = options.prefix.as_ref().map(|prefix| format!("{prefix}/")).unwrap_or_default();
    let start_after = options.start_after.as_deref().unwrap_or_default().as_bytes();
    let page_size = options.page_size.unwrap_or(PAGE_KEYS).max(1) as usize;
    let hidden = staging.map(|staging| format!("{staging}/").into_bytes());

    let mut page = Page::default();
    let Some(top) = absent_is_none(tree.open_directory(options.prefix.as_ref().map(RelPath::as_str)))? else {
        return Ok(page);
    };
    // Refused keys are no place to continue from; those behind the page's last object belong to the next page.
    let mut refused_in_page = 0;
    let mut pending = Vec::new();
    push_entries(&mut pending, top, beginning.as_bytes(), start_after)?;
    while let Some(entry) = pending.pop() {
        if hidden.as_ref() == Some(&entry.key) {
            continue;
        }
        let usable = std::str::from_utf8(&entry.key).ok().and_then(|text| text.trim_end_matches('/').parse().ok());
        let (Some(key), Kind::File | Kind::Directory) = (usable, entry.kind) else {
            page.refused.push(entry.key.escape_ascii().to_string());
            continue;
        };
        if entry.kind == Kind::Directory {
            let opened = open_below(entry.directory.as_fd(), entry.name(), OFlags::DIRECTORY);
            if let Some(directory) = absent_is_none(opened)? {
                push_entries(&mut pending, directory, &entry.key, start_after)?;
            }
            continue;
        }
        let Some(stat) = absent_is_none(stat_in(entry.directory.as_fd(), entry.name()))? else { continue };
        if page.objects.len() == page_size {
            page.refused.truncate(refused_in_page);
            page.next = page.objects.last().map(|last| last.key.to_string());
            return Ok(page);
        }
        page.objects.push(meta_of(key, &stat));
        refused_in_page = page.refused.len();
    }
    Ok(page)
}

/// Reads a directory and stacks its entries so that the least key is popped first.
fn push_entries(pending: &mut Vec<Entry>, directory: OwnedFd, beginning: &[u8], start_after: &[u8]) -> io::Result<()> {
    let directory = Arc::new(directory);
    let mut entries = Vec::new();
    for found in Dir::read_from(directory.as_fd())? {
        let found = found?;
        let name = found.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        let kind = match found.file_type() {
            FileType::Unknown => match absent_is_none(stat_in(directory.as_fd(), name))? {
                Some(stat) => FileType::from_raw_mode(stat.st_mode),
                None => continue,
            },
            known => known,
        };
        let kind = match kind {
            FileType::Directory => Kind::Directory,
            FileType::RegularFile => Kind::File,
            _ => Kind::Other,
        };
        let slash: &[u8] = if kind == Kind::Directory { b"/" } else { b"" };
        let key = [beginning, name, slash].concat();
        let entry = Entry { directory: Arc::clone(&directory), key, name_start: beginning.len(), kind };
        if !entry.is_behind(start_after) {
            entries.push(entry);
        }
    }
    entries.sort_unstable_by(|one, other| other.key.cmp(&one.key));
    pending.append(&mut entries);
    Ok(())
}

/// Turns what vanished beside us, or was replaced by something else, into `None`.
fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}
