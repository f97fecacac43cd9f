//! Uploading: new versions by conditional writes, files that change in place as they are.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tracing::info;

use super::super::session::Session;
use super::super::transfer;
use super::super::watermark::DirtySet;
use super::super::{Failed, PullReport, PushReport, Step, SyncError};
use super::plan::PushPlan;
use super::send::{Outcome, Way};
use crate::bucket::Version;
use crate::data::layout::{self, Artifact, Location, Part};
use crate::data::name::VersionNumber;
use crate::index::replace::Before;
use crate::index::{IndexError, Layout, Stamp, Verified};
use crate::path::RelPath;

/// How often version numbers are changed because others took them first.
const RENUMBER_ROUNDS_MAX: u32 = 20;

/// What did not come of an upload as it was planned.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// Files of which another content than the planned one was sent.
    changed: Vec<(RelPath, Verified)>,
    /// Files that a condition refused, with the content that was sent.
    refused: Vec<(RelPath, Verified)>,
    /// Files that the next push sends: they are not here any more, or changed while they were sent.
    left: Vec<RelPath>,
    /// Files for which there was no time.
    pub(super) late: BTreeSet<RelPath>,
}

impl Session<'_> {
    /// Creates the files of new versions; gives them other numbers where somebody was first.
    pub(super) async fn upload_versions(
        &mut self,
        plan: &mut PushPlan,
        dirty: &DirtySet,
        report: &mut PushReport,
    ) -> Result<(), SyncError> {
        for _ in 0..RENUMBER_ROUNDS_MAX {
            if self.mirror.head().layout == Layout::Absent {
                // Without an index, whatever lies in the datastore counts: also what a push sends that dies before it notes it.
                self.in_flight.begin_create(plan.intents())?;
            }
            self.upload_grown(plan, report).await?;
            let waiting = plan.creates.iter().filter(|(path, verified)| !self.uploaded.has(path, verified));
            // The description claims the number: whoever creates it owns the version.
            let is_claim = |path: &RelPath| path.file_name() == layout::METADATA_FILE;
            let (claims, contents): (Vec<_>, Vec<_>) = waiting.map(|(path, _)| path.clone()).partition(is_claim);
            let mut lost = self.create(claims, plan, report).await?;
            let is_claimed = |path: &RelPath| version_of(path).is_none_or(|of| !lost.contains(&of));
            let contents = contents.into_iter().filter(|path| plan.creates.contains_key(path) && is_claimed(path));
            let contents: Vec<_> = contents.collect();
            lost.extend(self.create(contents, plan, report).await?);
            if lost.is_empty() {
                return Ok(());
            }
            self.renumber_lost(&lost, plan, report)?;
            *plan = self.plan_push(dirty)?;
        }
        Err(IndexError::Contended { attempts: RENUMBER_ROUNDS_MAX }.into())
    }

    /// Sends again what this push created and what grew since.
    async fn upload_grown(&mut self, plan: &mut PushPlan, report: &mut PushReport) -> Result<(), SyncError> {
        let has_grown = |(path, verified): &(&RelPath, &Verified)| {
            self.uploaded.get(path).is_some() && !self.uploaded.has(path, verified)
        };
        let grown: Vec<RelPath> = plan.creates.iter().filter(has_grown).map(|(path, _)| path.clone()).collect();
        let before = |path: &RelPath| Some((path.clone(), Before::Only(self.uploaded.version(path)?.clone())));
        let before = grown.iter().filter_map(before).collect();
        let sent = self.upload(grown, plan, Way::Over { before: &before, held: None, until: None }, report).await?;
        for (path, _) in self.adopt(plan, sent)? {
            // Somebody else has the number now; creating the file will tell.
            self.uploaded.remove(&path);
        }
        Ok(())
    }

    /// Moves versions whose numbers others have, and all of ours above them.
    fn renumber_lost(
        &self,
        lost: &BTreeSet<(Artifact, VersionNumber)>,
        plan: &PushPlan,
        report: &mut PushReport,
    ) -> Result<(), SyncError> {
        let mut lowest: BTreeMap<&Artifact, VersionNumber> = BTreeMap::new();
        for (artifact, version) in lost {
            lowest.entry(artifact).or_insert(*version);
        }
        for (artifact, lowest) in lowest {
            let is_ours = |version: VersionNumber| {
                lost.contains(&(artifact.clone(), version))
                    || plan.creates.contains_key(&artifact.path(Part::Metadata(version)))
            };
            let renumbered = self.engine.renumber(artifact, lowest, None, is_ours)?;
            let changed = renumbered.iter().map(|one| artifact.path(Part::Metadata(one.to))).collect();
            let moved = PullReport { renumbered, changed, ..PullReport::default() };
            self.engine.apply(&moved)?;
            report.caught_up.add(moved);
        }
        Ok(())
    }

    /// Notes an object that the datastore has.
    fn note_written(
        &mut self,
        path: RelPath,
        content: Verified,
        version: Version,
        plan: &PushPlan,
    ) -> Result<(), SyncError> {
        if plan.creates.contains_key(&path) {
            self.uploaded.insert(path, content, version)?;
        } else {
            self.rewritten.insert(path, version);
        }
        Ok(())
    }

    /// Notes that the datastore has an object of which nobody knows what it is. One that was created is this push's to write
    /// over; of one that was written over, the notes of what is in flight tell.
    fn note_torn(&mut self, path: &RelPath, version: Version, plan: &PushPlan) -> Result<(), SyncError> {
        if plan.creates.contains_key(path) {
            let unknown = Verified { stamp: Stamp::of_nothing(0), sha256: String::new() };
            self.uploaded.insert(path.clone(), unknown, version)?;
        }
        Ok(())
    }

    /// Makes a plan say what was sent, and returns what was refused. Files that the next push sends are taken out, and
    /// versions with them: half a version is nothing to publish. Whatever was not as planned is dirty, whatever this push
    /// clears.
    pub(super) fn adopt(&self, plan: &mut PushPlan, sent: Sent) -> Result<Vec<(RelPath, Verified)>, SyncError> {
        for (path, content) in sent.changed {
            self.engine.parts.watermark.mark(Some(&path))?;
            if let Some(planned) = plan.creates.get_mut(&path).or_else(|| plan.writes.get_mut(&path)) {
                *planned = content;
            }
        }
        for path in sent.left {
            self.engine.parts.watermark.mark(Some(&path))?;
            let version = version_of(&path);
            let is_left = |other: &RelPath| *other == path || (version.is_some() && version_of(other) == version);
            plan.left.extend(plan.creates.extract_if(.., |other, _| is_left(other)).map(|(other, _)| other));
            plan.left.extend(plan.writes.remove_entry(&path).map(|(path, _)| path));
        }
        Ok(sent.refused)
    }

    /// Uploads files that must not exist yet; returns the versions whose files exist with other content.
    async fn create(
        &mut self,
        paths: Vec<RelPath>,
        plan: &mut PushPlan,
        report: &mut PushReport,
    ) -> Result<BTreeSet<(Artifact, VersionNumber)>, SyncError> {
        let sent = self.upload(paths, plan, Way::Create, report).await?;
        let refused = self.adopt(plan, sent)?;
        let engine = self.engine;
        let comparisons = stream::iter(refused).map(|(path, content)| async move {
            // A push that was killed may have created it: the same content is ours.
            let same = transfer::holding(&*engine.scope, &path, &content).await?;
            Ok::<_, SyncError>((path, content, same))
        });
        let concurrent_max = engine.parts.limits.uploads_concurrent_max.max(1);
        let compared: Vec<_> = comparisons.buffer_unordered(concurrent_max).try_collect().await?;
        let mut taken = BTreeSet::new();
        for (path, content, same) in compared {
            match same {
                Some(version) => self.note_written(path, content, version, plan)?,
                None => taken.extend(version_of(&path)),
            }
        }
        Ok(taken)
    }

    /// Uploads files, some at a time; returns those that were not sent and why. After a failure nothing new is started, and
    /// the error names everything that did not arrive (trap T22); nor is anything but a first one when its time is over.
    pub(super) async fn upload(
        &mut self,
        paths: Vec<RelPath>,
        plan: &PushPlan,
        way: Way<'_>,
        report: &mut PushReport,
    ) -> Result<Sent, SyncError> {
        let (engine, stop) = (self.engine, self.stop.clone());
        let planned = |path: &RelPath| plan.creates.get(path).or_else(|| plan.writes.get(path));
        let size = |path: &RelPath| planned(path).map_or(0, |planned| planned.stamp.size);
        engine.parts.progress.expect(Step::Upload, paths.len() as u64, paths.iter().map(size).sum());
        let total = paths.len();
        let mut waiting: BTreeSet<RelPath> = paths.iter().cloned().collect();
        let (mut sent, mut first_failure) = (Sent::default(), None);
        {
            let mut is_first = true;
            let transfers = stream::iter(paths).take_while(|_| {
                let is_late = way.until().is_some_and(|until| engine.parts.clock.elapsed() >= until);
                std::future::ready(!stop.is_cancelled() && (std::mem::take(&mut is_first) || !is_late))
            });
            let transfers = transfers.map(|path| async move {
                let outcome = match planned(&path) {
                    Some(planned) => engine.send(&path, planned, way).await,
                    None => Ok(Outcome::Vanished),
                };
                let outcome = outcome.map_err(|error| error.into_bucket_error("upload", &path));
                (path, outcome)
            });
            let mut transfers = transfers.buffer_unordered(engine.parts.limits.uploads_concurrent_max.max(1));
            while let Some((path, outcome)) = transfers.next().await {
                match outcome {
                    Ok(Outcome::Vanished) => {
                        info!(%path, "not what it was when the push was planned; the next push sees to it");
                        waiting.remove(&path);
                        sent.left.push(path);
                    }
                    Ok(Outcome::Torn(version)) => {
                        info!(%path, "changed while it was sent; the next push sends it again");
                        waiting.remove(&path);
                        self.note_torn(&path, version, plan)?;
                        sent.left.push(path);
                    }
                    Ok(Outcome::Written(content, version)) => {
                        waiting.remove(&path);
                        report.uploaded += 1;
                        report.bytes += content.stamp.size;
                        engine.parts.progress.advance(Step::Upload, &path, size(&path));
                        if planned(&path).is_none_or(|planned| planned.sha256 != content.sha256) {
                            sent.changed.push((path.clone(), content.clone()));
                        }
                        self.note_written(path, content, version, plan)?;
                    }
                    Ok(Outcome::Refused(content)) => {
                        waiting.remove(&path);
                        sent.refused.push((path, content));
                    }
                    Err(error) => {
                        first_failure = Some(error);
                        break;
                    }
                }
            }
        }
        if stop.is_cancelled() && !waiting.is_empty() {
            return Err(SyncError::Interrupted { direction: "push" });
        }
        let Some(source) = first_failure else {
            sent.late = waiting;
            return Ok(sent);
        };
        let reason = source.to_string();
        let failures = waiting.into_iter().map(|path| Failed { path, reason: reason.clone() }).collect();
        Err(SyncError::Transfers { verb: "uploaded", total, failures, source })
    }
}

fn version_of(path: &RelPath) -> Option<(Artifact, VersionNumber)> {
    let location = Location::parse(path)?;
    let version = location.version()?;
    Some((location.artifact, version))
}
