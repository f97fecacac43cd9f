//! Other namespaces: their published catalogs, and single files of theirs, which never touch a disk.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Write as _};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tracing::{debug, warn};

use super::boundary::EXPORT;
use super::engine::Placement;
use super::transfer::TransferError;
use super::{CatalogPulled, Engine, SyncError, rows};
use crate::bucket::{BucketError, GetOptions, Object, Version};
use crate::catalog::Record;
use crate::fsutil::{FileError, Staged};
use crate::namespace::Namespace;
use crate::path::RelPath;

/// Catalogs fetched at a time.
const CATALOGS_CONCURRENT_MAX: usize = 8;

/// The largest published catalog we read, in bytes: about a million rows.
pub(super) const EXPORT_BYTES_MAX: u64 = 1 << 30;

/// How much of an export is read at a time, in bytes.
const EXPORT_BUFFER_BYTES: usize = 1 << 18;

/// The largest foreign file we read into memory, in bytes.
pub(super) const FOREIGN_BYTES_MAX: u64 = 1 << 30;

/// How much foreign content one command remembers, in bytes.
const REMEMBERED_BYTES_MAX: u64 = 256 << 20;

/// Foreign files that were fetched, and the absence of others, for the duration of one command.
#[derive(Debug, Default)]
pub(super) struct Remembered(Mutex<(u64, HashMap<RelPath, Answer>)>);

/// What the datastore said: the content, or that there is none.
#[derive(Clone, Debug)]
struct Answer(Option<Bytes>);

impl Remembered {
    fn get(&self, key: &RelPath) -> Option<Answer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.get(key).cloned()
    }

    fn insert(&self, key: RelPath, answer: Answer) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let size = answer.0.as_ref().map_or(0, |content| content.len() as u64);
        if state.0 + size > REMEMBERED_BYTES_MAX {
            *state = (0, HashMap::new());
        }
        if size <= REMEMBERED_BYTES_MAX {
            state.0 += size;
            state.1.insert(key, answer);
        }
    }
}

impl Engine {
    /// Fetches the catalogs that changed; refuses to take a denied one for a missing one (trap T18).
    pub(super) async fn pull_catalogs(&self, namespaces: &[Namespace]) -> Result<Vec<CatalogPulled>, SyncError> {
        let others = namespaces.iter().filter(|namespace| self.parts.namespace.as_ref() != Some(namespace));
        stream::iter(others)
            .map(|namespace| self.pull_catalog(namespace))
            .buffered(CATALOGS_CONCURRENT_MAX)
            .try_collect()
            .await
    }

    async fn pull_catalog(&self, namespace: &Namespace) -> Result<CatalogPulled, SyncError> {
        let failed = |source| SyncError::Foreign { namespace: namespace.clone(), source };
        let catalog = &self.parts.catalog;
        let now = self.parts.clock.now();
        let key = namespace.to_path().join(&RelPath::from_trusted(EXPORT.to_owned()));
        let state = catalog.foreign_state(namespace)?;
        let if_none_match = state.as_ref().and_then(|state| state.etag.clone()).map(Version::new);
        let options = GetOptions { if_none_match, ..GetOptions::default() };
        let (export, etag) = match self.parts.bucket.get(&key, options).await {
            Ok(object) => {
                let etag = object.meta.version.clone();
                (
                    self.stage_export(object).await.map_err(|error| failed(error.into_bucket_error("fetch", &key)))?,
                    Some(etag),
                )
            }
            Err(BucketError::NotModified { .. }) => {
                catalog.confirm_foreign(namespace, now)?;
                let (rows, refused) = state.map_or((0, 0), |state| (state.rows, state.refused));
                let namespace = namespace.clone();
                return Ok(CatalogPulled::Rows {
                    namespace,
                    rows,
                    refused,
                    refused_first: Vec::new(),
                    is_unchanged: true,
                });
            }
            Err(BucketError::NotFound { .. }) => match self.walk_foreign(namespace)? {
                Some(rows) => (self.write_export(&rows)?, None),
                None => return Ok(CatalogPulled::Skipped { namespace: namespace.clone() }),
            },
            Err(source) => return Err(failed(source)),
        };
        let export = BufReader::with_capacity(EXPORT_BUFFER_BYTES, export);
        let pulled = catalog.replace_foreign(namespace, export, etag.as_ref().map(Version::as_str), now)?;
        for refused in &pulled.refused.first {
            warn!(%namespace, row = refused.index, reason = refused.reason, "foreign row refused");
        }
        debug!(%namespace, rows = pulled.rows, "foreign catalog pulled");
        Ok(CatalogPulled::Rows {
            namespace: namespace.clone(),
            rows: pulled.rows,
            refused: pulled.refused.count,
            refused_first: pulled.refused.first,
            is_unchanged: !pulled.is_change,
        })
    }

    /// Puts an export aside: it may be longer than memory should be. The file has no name any more.
    async fn stage_export(&self, mut object: Object) -> Result<File, TransferError> {
        let mut staged = Staged::new(&self.parts.staging)?;
        let mut length = 0;
        while let Some(chunk) = object.body.next().await {
            let chunk = chunk?;
            length += chunk.len() as u64;
            if length > EXPORT_BYTES_MAX {
                return Err(
                    BucketError::TooLarge { key: object.meta.key.to_string(), bytes_max: EXPORT_BYTES_MAX }.into()
                );
            }
            staged.file().write_all(&chunk).map_err(FileError::at("write", staged.path()))?;
        }
        Ok(staged.unnamed()?)
    }

    fn write_export(&self, rows: &[Record]) -> Result<File, SyncError> {
        let mut staged = Staged::new(&self.parts.staging)?;
        let bytes = serde_json::to_vec(rows).unwrap_or_default();
        staged.file().write_all(&bytes).map_err(FileError::at("write", staged.path()))?;
        Ok(staged.unnamed()?)
    }

    /// On a shared directory, a namespace that publishes no catalog is read from its tree; `None` if it has none.
    fn walk_foreign(&self, namespace: &Namespace) -> Result<Option<Vec<Record>>, SyncError> {
        if self.parts.placement != Placement::InPlace {
            return Ok(None);
        }
        // Our root is `{path}/{own}`, theirs its sibling; without a namespace of our own it lies below.
        let root = match (&self.parts.namespace, self.parts.root.parent()) {
            (Some(_), Some(parent)) => parent.join(namespace.as_str()),
            _ => self.parts.root.join(namespace.as_str()),
        };
        if !root.join(".namespace.json").is_file() {
            return Ok(None);
        }
        rows::rows_of_tree(&root, namespace).map(Some)
    }

    /// Fetches a file of another namespace into memory: one request, remembered for this command.
    pub(super) async fn fetch_foreign(
        &self,
        namespace: &Namespace,
        path: &RelPath,
    ) -> Result<Option<Bytes>, SyncError> {
        let key = namespace.to_path().join(path);
        if let Some(Answer(content)) = self.remembered.get(&key) {
            return Ok(content);
        }
        let content = match self.parts.bucket.get(&key, GetOptions::default()).await {
            Ok(object) => Some(object.bytes(FOREIGN_BYTES_MAX).await?),
            Err(BucketError::NotFound { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        self.remembered.insert(key, Answer(content.clone()));
        Ok(content)
    }
}
