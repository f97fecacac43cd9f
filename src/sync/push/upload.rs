//! Uploading: new versions by conditional writes, files that change in place as they are.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt as _};
use tracing::debug;

use super::super::session::Session;
use super::super::transfer::{self, TransferError};
use super::super::watermark::DirtySet;
use super::super::{Failed, PullReport, PushReport, Renumbered, Step, SyncError};
use super::plan::PushPlan;
use crate::bucket::{BucketError, PutMode};
use crate::data::layout::{self, Artifact, Location, Part};
use crate::data::name::VersionNumber;
use crate::index::IndexError;
use crate::path::RelPath;

/// How often version numbers are changed because others took them first.
const RENUMBER_ROUNDS_MAX: u32 = 20;

impl Session<'_> {
    /// Creates the files of new versions; gives them other numbers where somebody was first.
    pub(super) async fn upload_versions(
        &mut self,
        plan: &mut PushPlan,
        dirty: &DirtySet,
        report: &mut PushReport,
    ) -> Result<(), SyncError> {
        for _ in 0..RENUMBER_ROUNDS_MAX {
            // The description claims the number: whoever creates it owns the version.
            let is_claim = |path: &RelPath| path.file_name() == layout::METADATA_FILE;
            let (claims, contents): (Vec<_>, Vec<_>) = plan.creates.keys().cloned().partition(is_claim);
            let mut taken = self.create(claims, plan, report).await?;
            let mut lost: BTreeSet<_> = taken.iter().filter_map(version_of).collect();
            let contents = contents.into_iter().filter(|path| version_of(path).is_none_or(|of| !lost.contains(&of)));
            taken.extend(self.create(contents.collect(), plan, report).await?);
            lost.extend(taken.iter().filter_map(version_of));
            if lost.is_empty() {
                return Ok(());
            }
            for (artifact, version) in lost {
                let to = self.engine.renumber(&artifact, version, None)?;
                let changed = vec![artifact.path(Part::Metadata(to))];
                let renumbered = vec![Renumbered { artifact, from: version.get(), to: to.get() }];
                let moved = PullReport { renumbered, changed, ..PullReport::default() };
                self.engine.apply(&moved)?;
                report.caught_up.add(moved);
            }
            let sent = std::mem::take(&mut plan.creates);
            *plan = self.plan_push(dirty)?;
            plan.creates.retain(|path, verified| sent.get(path) != Some(verified) || taken.contains(path));
        }
        Err(IndexError::Contended { attempts: RENUMBER_ROUNDS_MAX }.into())
    }

    /// Uploads files that must not exist yet; returns those that exist with other content.
    async fn create(
        &self,
        paths: Vec<RelPath>,
        plan: &PushPlan,
        report: &mut PushReport,
    ) -> Result<BTreeSet<RelPath>, SyncError> {
        let mut taken = BTreeSet::new();
        let outcomes = self.upload(paths, plan, PutMode::Create, report).await?;
        for path in outcomes {
            let Some(verified) = plan.creates.get(&path) else { continue };
            // A push that was killed may have created it: the same content is ours.
            if transfer::has_content(&*self.engine.scope, &path, verified).await? {
                debug!(%path, "uploaded before");
            } else {
                taken.insert(path);
            }
        }
        Ok(taken)
    }

    /// Uploads files, some at a time; returns those that a condition refused. After a failure nothing new is started,
    /// and the error names everything that did not arrive (trap T22).
    pub(super) async fn upload(
        &self,
        paths: Vec<RelPath>,
        plan: &PushPlan,
        mode: PutMode,
        report: &mut PushReport,
    ) -> Result<Vec<RelPath>, SyncError> {
        let engine = self.engine;
        let size = |path: &RelPath| {
            let verified = plan.creates.get(path).or_else(|| plan.writes.get(path));
            verified.map_or(0, |verified| verified.stamp.size)
        };
        engine.parts.progress.expect(Step::Upload, paths.len() as u64, paths.iter().map(size).sum());
        let total = paths.len();
        let mut waiting: BTreeSet<RelPath> = paths.iter().cloned().collect();
        let (mut refused, mut first_failure) = (Vec::new(), None);
        {
            let transfers =
                stream::iter(paths).take_while(|_| std::future::ready(!self.stop.is_cancelled())).map(|path| {
                    let mode = mode.clone();
                    async move {
                        let outcome = engine.places.upload(&*engine.scope, &path, mode).await;
                        (path, outcome)
                    }
                });
            let mut transfers = transfers.buffer_unordered(engine.parts.limits.uploads_concurrent_max.max(1));
            while let Some((path, outcome)) = transfers.next().await {
                match outcome {
                    Ok(()) => {
                        waiting.remove(&path);
                        report.uploaded += 1;
                        report.bytes += size(&path);
                        engine.parts.progress.advance(Step::Upload, &path, size(&path));
                    }
                    Err(TransferError::Bucket(BucketError::Precondition { .. })) => {
                        waiting.remove(&path);
                        refused.push(path);
                    }
                    Err(error) => {
                        first_failure = Some(error.into_bucket_error("upload", &path));
                        break;
                    }
                }
            }
        }
        if self.stop.is_cancelled() && !waiting.is_empty() {
            return Err(SyncError::Interrupted { direction: "push" });
        }
        let Some(source) = first_failure else { return Ok(refused) };
        let reason = source.to_string();
        let failures = waiting.into_iter().map(|path| Failed { path, reason: reason.clone() }).collect();
        Err(SyncError::Transfers { verb: "uploaded", total, failures, source })
    }
}

pub(super) fn version_of(path: &RelPath) -> Option<(Artifact, VersionNumber)> {
    let location = Location::parse(path)?;
    let version = location.version()?;
    Some((location.artifact, version))
}
