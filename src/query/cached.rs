//! Content that was fetched stays in memory for the rest of a command, within a bound: one fetch per artifact.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::content::{Artifact, Contents, Unfetched};

/// The most content kept, in bytes; what comes later is fetched again.
const KEPT_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A place with content in front of another one.
pub(super) struct Cached<'a> {
    inner: &'a dyn Contents,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    contents: HashMap<Artifact, Option<Vec<u8>>>,
    bytes: usize,
}

impl<'a> Cached<'a> {
    pub(super) fn new(inner: &'a dyn Contents) -> Self {
        Self { inner, kept: Mutex::default() }
    }
}

impl Contents for Cached<'_> {
    fn fetch(&self, wanted: &[Artifact]) -> Vec<Result<Option<Vec<u8>>, Unfetched>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut missing: Vec<_> = Vec::new();
        for artifact in wanted {
            if !kept.contents.contains_key(artifact) && !missing.contains(artifact) {
                missing.push(artifact.clone());
            }
        }
        let fetched = if missing.is_empty() { Vec::new() } else { self.inner.fetch(&missing) };
        let mut fresh: HashMap<_, _> = missing.into_iter().zip(fetched).collect();
        let contents = wanted.iter().map(|artifact| {
            if let Some(content) = kept.contents.get(artifact) {
                return Ok(content.clone());
            }
            let content = fresh.remove(artifact).unwrap_or(Ok(None))?;
            let length = content.as_ref().map_or(0, Vec::len);
            if kept.bytes + length <= KEPT_BYTES_MAX {
                kept.bytes += length;
                kept.contents.insert(artifact.clone(), content.clone());
            }
            Ok(content)
        });
        contents.collect()
    }
}
