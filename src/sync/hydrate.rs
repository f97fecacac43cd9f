//! Fetching content that a lazy pull left for later (formats.md 4.13).

use super::transfer::Fetched;
use super::{Engine, SyncError};
use crate::bucket::BucketError;
use crate::index::Known;
use crate::path::RelPath;

impl Engine {
    /// Fetches one file of our namespace into its place in the cache; returns whether the datastore has it.
    ///
    /// The path is relative to the namespace, here as everywhere, so that there is one way to spell it (trap T7).
    pub async fn hydrate(&self, path: &RelPath) -> Result<bool, SyncError> {
        self.within_deadline("pull", async |stop| {
            let session = self.session(stop).await?;
            let Some(shard) = session.mirror.shard_of(path) else { return Ok(false) };
            let mut record = session.mirror.record(&shard)?;
            let Some(entry) = record.entries.get(path).cloned() else { return Ok(false) };
            let Fetched { verified, version } = match self.fetch(&entry, None).await {
                Ok(Some(fetched)) => fetched,
                // It was fetched meanwhile.
                Ok(None) => return Ok(true),
                Err(error) => match error.into_bucket_error("download", path) {
                    BucketError::NotFound { .. } => return Ok(false),
                    error => return Err(error.into()),
                },
            };
            crate::fsutil::sync_file_system(&self.places.root)?;
            let last_modified = entry.last_modified;
            record.known.insert(path.clone(), Known { last_modified, local: Some(verified), version });
            session.mirror.set_record(&shard, &record)?;
            Ok(true)
        })
        .await
    }
}
