//! What machines do that takes time: synchronisations and the like, as futures that need nothing else.

use std::sync::Arc;

use swamp::lock::Broken;
use swamp::namespace::Namespace;
use swamp::sync::{CatalogPulled, Depth, SyncError, SyncOptions, SyncService as _};

use super::machine::Machine;
use super::tasks::Work;

impl Machine {
    pub(crate) fn pull(&self, depth: Depth) -> Work {
        let engine = Arc::clone(&self.engine);
        Box::pin(async move {
            let options = SyncOptions { depth: Some(depth), ..SyncOptions::default() };
            let report = engine.pull_changed(&options).await?;
            let renumbered = report.renumbered.len();
            Ok(format!("{} fetched, {} removed, {renumbered} renumbered", report.downloaded, report.removed))
        })
    }

    pub(crate) fn push(&self) -> Work {
        let engine = Arc::clone(&self.engine);
        Box::pin(async move {
            let report = engine.push_changed(&SyncOptions::default()).await?;
            let renumbered = report.caught_up.renumbered.len();
            Ok(format!("{} sent, {} deleted, {renumbered} renumbered", report.uploaded, report.deleted))
        })
    }

    pub(crate) fn export(&self) -> Work {
        let engine = Arc::clone(&self.engine);
        Box::pin(async move { Ok(format!("{:?}", engine.export_catalog(&SyncOptions::default()).await?)) })
    }

    pub(crate) fn pull_catalogs(&self, namespaces: &[String]) -> Work {
        let engine = Arc::clone(&self.engine);
        let named = namespaces.iter().filter(|name| !name.is_empty());
        let namespaces: Vec<Namespace> = named.map(|name| name.parse().expect("a slug")).collect();
        Box::pin(async move {
            let pulled = engine.pull_foreign_catalogs(&namespaces).await?;
            let shown = pulled.iter().map(|pulled| match pulled {
                CatalogPulled::Rows { namespace, rows, .. } => format!("{namespace} has {rows}"),
                CatalogPulled::Skipped { namespace } => format!("{namespace} has none"),
            });
            Ok(shown.collect::<Vec<_>>().join(", "))
        })
    }

    pub(crate) fn break_lock(&self) -> Work {
        let engine = Arc::clone(&self.engine);
        Box::pin(async move {
            let broken = engine.parts().lock.break_by_force().await.map_err(SyncError::from)?;
            Ok(if broken == Broken::Absent { "nobody had it" } else { "somebody had it" }.to_owned())
        })
    }
}

/// Returns an error with all its causes.
pub(crate) fn chain(error: &SyncError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
