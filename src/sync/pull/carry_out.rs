//! Carrying out a pull: settle version numbers, fetch, remove, record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tracing::{debug, info, warn};

use super::super::in_flight::{self, Intent};
use super::super::session::Session;
use super::super::transfer::Fetched;
use super::super::{Failed, PullReport, Step, SyncError, transfer};
use super::plan::Planned;
use crate::bucket::BucketError;
use crate::data::layout::{self, Artifact, Location, Part};
use crate::data::name::VersionNumber;
use crate::fsutil::{self, FileError};
use crate::index::{Entry, Known, Record, Stamp, Verified};
use crate::path::RelPath;

/// What came of the downloads of a batch.
#[derive(Debug, Default)]
struct Downloads {
    files: BTreeMap<RelPath, Fetched>,
    /// What was not put into its place, because what is there changes.
    refused: Vec<RelPath>,
    failures: Vec<(RelPath, BucketError)>,
    total: usize,
}

/// A download with the local file it replaces.
type Download = (Entry, Option<Stamp>);

impl Session<'_> {
    /// Does what was planned; returns whether every file is what the index says.
    pub(super) async fn carry_out(
        &mut self,
        mut batch: Vec<Planned>,
        report: &mut PullReport,
    ) -> Result<bool, SyncError> {
        for planned in &mut batch {
            self.compare(planned).await?;
            self.resolve_clashes(planned, report)?;
            for path in &planned.plan.announcements {
                warn!(%path, "changed without announcement; kept, and pushed next time");
                self.engine.parts.watermark.mark(Some(path))?;
            }
        }
        let mut is_settled = self.spare_in_use(&mut batch);
        is_settled &= self.clear_the_way(&mut batch, report)?;
        // A pointer must not arrive before the version it points to.
        let is_pointer = |(entry, _): &&Download| entry.key.file_name() == layout::LATEST_FILE;
        let downloads = || batch.iter().flat_map(|planned| &planned.plan.downloads);
        let groups: [Vec<&Download>; 2] =
            [downloads().filter(|download| !is_pointer(download)).collect(), downloads().filter(is_pointer).collect()];
        let intent = |(entry, _): &Download| (entry.key.clone(), Intent::Write(entry.sha256.iter().cloned().collect()));
        let intents: BTreeMap<RelPath, Intent> = downloads().map(intent).collect();
        let noted: Vec<RelPath> = intents.keys().cloned().collect();
        self.in_flight.begin_pull(intents)?;
        let mut fetched = Downloads { total: groups.iter().map(Vec::len).sum(), ..Downloads::default() };
        for group in groups {
            self.download(group, &mut fetched, report).await;
        }
        self.is_lacking |= fetched.refused.iter().any(|path| path.file_name() == layout::METADATA_FILE);
        self.spared.extend(std::mem::take(&mut fetched.refused));
        if !fetched.files.is_empty() {
            fsutil::sync_file_system(&self.engine.places.root)?;
        }
        for planned in batch {
            is_settled &= self.record(planned, &fetched.files, report)?;
        }
        self.in_flight.recorded(&noted);
        self.settle_pointers(report)?;
        if self.stop.is_cancelled() {
            return Err(SyncError::Interrupted { direction: "pull" });
        }
        let failures: Vec<Failed> = fetched
            .failures
            .iter()
            .map(|(path, error)| Failed { path: path.clone(), reason: error.to_string() })
            .collect();
        let is_local = fetched.failures.iter().all(|(_, error)| is_local_to_file(error));
        let is_lacking = |(path, _): &(RelPath, BucketError)| path.file_name() == layout::METADATA_FILE;
        self.is_lacking |= fetched.failures.iter().any(is_lacking);
        let Some((_, source)) = fetched.failures.into_iter().next() else { return Ok(is_settled) };
        let error = SyncError::Transfers { verb: "downloaded", total: fetched.total, failures, source };
        if !is_local {
            return Err(error);
        }
        // It keeps nothing else from being brought here, nor what is here from being sent.
        self.damaged.get_or_insert(error);
        Ok(false)
    }

    /// Leaves files alone that may be being written to through a mount: their writers would go on with what has no name any
    /// more. Returns whether there are none.
    fn spare_in_use(&mut self, batch: &mut [Planned]) -> bool {
        let (watermark, spared) = (&self.engine.parts.watermark, &mut self.spared);
        let mut is_settled = true;
        let mut is_free = |path: &RelPath| {
            let is_free = !watermark.is_in_use(path);
            if !is_free {
                debug!(%path, "changed by others and in use here; the next pull looks again");
                spared.insert(path.clone());
                is_settled = false;
            }
            is_free
        };
        for Planned { plan, .. } in batch {
            plan.downloads.retain(|(entry, seen)| seen.is_none() || is_free(&entry.key));
            plan.removals.retain(|(path, _)| is_free(path));
        }
        is_settled
    }

    /// Removes files that are in the way of what is to be fetched: no path is both a file and a directory. Returns whether
    /// all of them are gone.
    fn clear_the_way(&mut self, batch: &mut [Planned], report: &mut PullReport) -> Result<bool, SyncError> {
        if batch.iter().all(|planned| planned.plan.removals.is_empty()) {
            return Ok(true);
        }
        let downloads = batch.iter().flat_map(|planned| &planned.plan.downloads);
        let files: BTreeSet<RelPath> = downloads.map(|(entry, _)| entry.key.clone()).collect();
        let directories: BTreeSet<RelPath> = files.iter().flat_map(directories_of).collect();
        let is_in_the_way = |path: &RelPath| {
            directories.contains(path) || directories_of(path).any(|directory| files.contains(&directory))
        };
        let mut is_settled = true;
        for Planned { record, plan, .. } in batch {
            let removals = std::mem::take(&mut plan.removals).into_iter();
            let (first, later) = removals.partition(|(path, _)| is_in_the_way(path));
            plan.removals = later;
            is_settled &= self.remove(first, record, report)?;
        }
        Ok(is_settled)
    }

    /// Removes files that the datastore no longer has; returns whether nobody changed them since they were seen.
    fn remove(
        &mut self,
        removals: Vec<(RelPath, Stamp)>,
        record: &mut Record,
        report: &mut PullReport,
    ) -> Result<bool, SyncError> {
        let places = &self.engine.places;
        let mut is_settled = true;
        for (path, seen) in removals {
            if self.engine.parts.watermark.is_in_use(&path) || !places.is_still(&path, seen) {
                info!(%path, "changed here while others deleted it; kept");
                self.spared.insert(path);
                is_settled = false;
                continue;
            }
            debug!(%path, "removed, the datastore no longer has it");
            if places.remove(&path)? {
                report.removed += 1;
            }
            record.known.shift_remove(&path);
            report.changed.push(path);
        }
        Ok(is_settled)
    }

    /// Looks whether files whose entries have no hash are ours.
    async fn compare(&self, planned: &mut Planned) -> Result<(), SyncError> {
        let engine = self.engine;
        let comparisons = stream::iter(std::mem::take(&mut planned.plan.comparisons)).map(|(path, local)| async move {
            // What a push of ours has created, and did not live to name in an index, need not be looked at.
            let is_ours = self.uploaded.get(&path) == Some(&local);
            let is_same = is_ours || transfer::holding(&*engine.scope, &path, &local).await?.is_some();
            Ok::<_, SyncError>((path, local, is_same))
        });
        let concurrent_max = engine.parts.limits.downloads_concurrent_max.max(1);
        let compared: Vec<_> = comparisons.buffer_unordered(concurrent_max).try_collect().await?;
        for (path, local, is_same) in compared {
            if is_same {
                planned.plan.verified.push((path, local));
            } else {
                planned.plan.clashes.extend(Location::parse(&path));
            }
        }
        Ok(())
    }

    /// Fetches files, some at a time. A damaged one does not keep the others; where the store fails, nothing new is
    /// started.
    async fn download(&self, downloads: Vec<&Download>, fetched: &mut Downloads, report: &mut PullReport) {
        let engine = self.engine;
        let bytes = downloads.iter().fold(0, |bytes: u64, (entry, _)| bytes.saturating_add(entry.size));
        engine.parts.progress.expect(Step::Download, downloads.len() as u64, bytes);
        let is_failing = AtomicBool::new(fetched.failures.iter().any(|(_, error)| !is_local_to_file(error)));
        let transfers = stream::iter(downloads)
            .take_while(|_| std::future::ready(!self.stop.is_cancelled() && !is_failing.load(Ordering::Relaxed)))
            .map(|(entry, seen)| async move { (entry, engine.fetch(entry, *seen).await) });
        let mut transfers = transfers.buffer_unordered(engine.parts.limits.downloads_concurrent_max.max(1));
        while let Some((entry, outcome)) = transfers.next().await {
            match outcome.map_err(|error| error.into_bucket_error("download", &entry.key)) {
                Ok(Some(file)) => {
                    engine.parts.progress.advance(Step::Download, &entry.key, file.verified.stamp.size);
                    report.downloaded += 1;
                    report.bytes += file.verified.stamp.size;
                    report.changed.push(entry.key.clone());
                    fetched.files.insert(entry.key.clone(), file);
                }
                Ok(None) => {
                    info!(path = %entry.key, "changed here while it was fetched; the next pull looks again");
                    fetched.refused.push(entry.key.clone());
                }
                Err(BucketError::NotFound { .. }) => {
                    warn!(path = %entry.key, "the index names an object that does not exist");
                    report.dangling.push(entry.key.clone());
                }
                Err(error) => {
                    is_failing.fetch_or(!is_local_to_file(&error), Ordering::Relaxed);
                    fetched.failures.push((entry.key.clone(), error));
                }
            }
        }
    }

    /// Gives our versions other numbers where another machine published the same ones first (trap T23). All that we have
    /// not published from there on move together, so that the newest stays the newest.
    fn resolve_clashes(&self, planned: &mut Planned, report: &mut PullReport) -> Result<(), SyncError> {
        let mut clashes: BTreeMap<Artifact, BTreeSet<VersionNumber>> = BTreeMap::new();
        for location in std::mem::take(&mut planned.plan.clashes) {
            if let Some(version) = location.version() {
                clashes.entry(location.artifact).or_default().insert(version);
            }
        }
        for (artifact, versions) in clashes {
            let record = &planned.record;
            let of_artifact = record.entries.keys().filter_map(Location::parse).filter(|it| it.artifact == artifact);
            let highest = of_artifact.filter_map(|location| location.version()).max();
            let is_ours = |version: VersionNumber| {
                let path = artifact.path(Part::Metadata(version));
                versions.contains(&version) || !(record.entries.contains_key(&path) || record.known.contains_key(&path))
            };
            let lowest = versions.first().copied().unwrap_or(VersionNumber::FIRST);
            for renumbered in self.engine.renumber(&artifact, lowest, highest, is_ours)? {
                report.changed.push(artifact.path(Part::Metadata(renumbered.to)));
                report.renumbered.push(renumbered);
            }
            let parts = versions.iter().flat_map(|version| [Part::Raw(*version), Part::Metadata(*version)]);
            for path in parts.map(|part| artifact.path(part)) {
                planned.plan.verified.retain(|(verified, _)| *verified != path);
                planned.plan.downloads.retain(|(entry, _)| entry.key != path);
                planned.plan.downloads.extend(planned.record.entries.get(&path).cloned().map(|entry| (entry, None)));
            }
        }
        Ok(())
    }

    /// Removes what is gone and writes down what was found; returns whether every file is what its entry says.
    fn record(
        &mut self,
        planned: Planned,
        fetched: &BTreeMap<RelPath, Fetched>,
        report: &mut PullReport,
    ) -> Result<bool, SyncError> {
        let Planned { shard, mut record, plan } = planned;
        let mut is_settled = self.remove(plan.removals, &mut record, report)?;
        for path in plan.forgotten {
            record.known.shift_remove(&path);
        }
        for (entry, _) in &plan.downloads {
            let Some(Fetched { verified, version }) = fetched.get(&entry.key) else {
                is_settled &= report.dangling.contains(&entry.key);
                continue;
            };
            is_settled &= entry.sha256.as_ref().is_none_or(|expected| *expected == verified.sha256);
            let (local, version) = (Some(verified.clone()), version.clone());
            let known = Known { last_modified: entry.last_modified.clone(), local, version };
            record.known.insert(entry.key.clone(), known);
        }
        for (path, verified) in plan.verified {
            if let Some(entry) = record.entries.get(&path) {
                let known = record.known.get(&path).filter(|known| known.last_modified == entry.last_modified);
                let version = known.and_then(|known| known.version.clone());
                let known = Known { last_modified: entry.last_modified.clone(), local: Some(verified), version };
                record.known.insert(path, known);
            }
        }
        for entry in plan.outdone {
            // As if it had been here for a moment: what is here now is a change of it, or its deletion.
            if let Some(sha256) = entry.sha256 {
                let seen = Verified { stamp: Stamp::of_nothing(entry.size), sha256 };
                let is_news = in_flight::note(&mut record, &entry.key, entry.last_modified, seen);
                // Pointers to the latest are settled.
                if is_news && Location::parse(&entry.key).is_none() {
                    report.outdone.push(entry.key);
                }
            }
        }
        for entry in plan.postponed {
            report.postponed += 1;
            record.known.insert(entry.key, Known { last_modified: entry.last_modified, local: None, version: None });
        }
        self.mirror.set_record(&shard, &record)?;
        Ok(is_settled)
    }

    /// Makes `latest` of names that both sides changed point to the highest version there is now.
    fn settle_pointers(&self, report: &PullReport) -> Result<(), SyncError> {
        let (dirty, _) = self.engine.parts.watermark.snapshot()?;
        let names: BTreeSet<_> = report
            .changed
            .iter()
            .filter(|path| dirty.covers(path))
            .filter_map(|path| Location::parse(path).map(|location| location.artifact))
            .collect();
        for artifact in names {
            self.engine.parts.store.settle_latest(&artifact)?;
        }
        Ok(())
    }
}

/// Returns the directories that a path lies in.
fn directories_of(path: &RelPath) -> impl Iterator<Item = RelPath> + use<> {
    std::iter::successors(path.parent(), RelPath::parent)
}

/// Whether a failure says something about one file only, and nothing about the store.
fn is_local_to_file(error: &BucketError) -> bool {
    match error {
        BucketError::Corrupt { .. } | BucketError::Invalid { .. } | BucketError::TooLarge { .. } => true,
        BucketError::Unavailable { source, .. } => {
            source.downcast_ref::<FileError>().is_some_and(FileError::is_about_path)
        }
        BucketError::NotFound { .. }
        | BucketError::NotModified { .. }
        | BucketError::Precondition { .. }
        | BucketError::Denied { .. } => false,
    }
}

impl Location {
    /// Returns the version a file belongs to, `None` for the pointer to the latest.
    pub(in crate::sync) fn version(&self) -> Option<VersionNumber> {
        match self.part {
            Part::Raw(version) | Part::Metadata(version) => Some(version),
            Part::Latest => None,
        }
    }
}
