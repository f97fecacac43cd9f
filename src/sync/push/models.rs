//! Models that an existing swamp works on.
//!
//! It claims numbers of versions by the lock of the model alone and writes them without a condition (trap T23): what is
//! published beside it would be lost. It takes such a lock only while nobody holds that of the namespace, so that whoever
//! holds the latter and finds a model free has it for itself.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::super::SyncError;
use super::super::session::Session;
use super::plan::PushPlan;
use crate::data::layout::Location;
use crate::lock::{self, Lock};
use crate::path::RelPath;

impl Session<'_> {
    /// Returns the lock of a model that versions are created of while somebody else works on it.
    pub(super) async fn model_in_use(&self, plan: &PushPlan) -> Result<Option<Lock>, SyncError> {
        let parts = &self.engine.parts;
        let models: BTreeSet<RelPath> = plan.creates.keys().filter_map(model_of).collect();
        let looks = models.into_iter().filter_map(|model| lock::model_key(parts.namespace.as_ref(), &model).ok());
        let looks = looks.map(|key| async {
            let lock = parts.lock.beside(key).stopping_with(self.stop.clone());
            let is_held = lock.is_held_but_by(parts.parent).await?;
            Ok::<_, SyncError>(is_held.then_some(lock))
        });
        let looks = stream::iter(looks).buffered(parts.limits.uploads_concurrent_max.max(1));
        std::pin::pin!(looks.try_filter_map(async |held| Ok(held))).try_next().await
    }
}

fn model_of(path: &RelPath) -> Option<RelPath> {
    let artifact = Location::parse(path)?.artifact;
    format!("{}/{}", artifact.model_type(), artifact.model_id()).parse().ok()
}
