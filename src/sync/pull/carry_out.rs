//! Carrying out a pull: settle version numbers, fetch, remove, record.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt as _};
use tracing::{debug, warn};

use super::super::report::Renumbered;
use super::super::session::Session;
use super::super::{Failed, PullReport, Step, SyncError, transfer};
use super::plan::Planned;
use crate::bucket::BucketError;
use crate::data::layout::{self, Location, Part};
use crate::data::name::VersionNumber;
use crate::fsutil;
use crate::index::{Entry, Known, Verified};
use crate::path::RelPath;

impl Session<'_> {
    /// Does what was planned; returns whether every file is what the index says.
    pub(super) async fn carry_out(&self, batch: Vec<Planned>, report: &mut PullReport) -> Result<bool, SyncError> {
        let mut batch = batch;
        for planned in &mut batch {
            for (path, local) in std::mem::take(&mut planned.plan.comparisons) {
                if transfer::has_content(&*self.engine.scope, &path, &local).await? {
                    planned.plan.verified.push((path, local));
                } else {
                    planned.plan.clashes.extend(Location::parse(&path));
                }
            }
            self.resolve_clashes(planned, report)?;
            for path in &planned.plan.announcements {
                warn!(%path, "changed without announcement; kept, and pushed next time");
                self.engine.parts.watermark.mark(Some(path))?;
            }
        }
        // A pointer must not arrive before the version it points to.
        let is_pointer = |entry: &&Entry| entry.key.file_name() == layout::LATEST_FILE;
        let downloads = || batch.iter().flat_map(|planned| &planned.plan.downloads);
        let versions: Vec<&Entry> = downloads().filter(|entry| !is_pointer(entry)).collect();
        let pointers: Vec<&Entry> = downloads().filter(is_pointer).collect();
        let total = versions.len() + pointers.len();
        let mut fetched = BTreeMap::new();
        let mut failures = Vec::new();
        for group in [versions, pointers] {
            if failures.is_empty() {
                self.download(group, &mut fetched, &mut failures, report).await;
            }
        }
        if !fetched.is_empty() {
            fsutil::sync_file_system(&self.engine.places.root)?;
        }
        let mut is_settled = true;
        for planned in batch {
            is_settled &= self.record(planned, &fetched, report)?;
        }
        self.settle_pointers(report)?;
        match failures.into_iter().next() {
            None => Ok(is_settled),
            Some(_) if self.stop.is_cancelled() => Err(SyncError::Interrupted { direction: "pull" }),
            Some((first, source)) => {
                let failures = vec![Failed { path: first, reason: source.to_string() }];
                Err(SyncError::Transfers { verb: "downloaded", total, failures, source })
            }
        }
    }

    /// Fetches files, some at a time; stops starting new ones after a failure.
    async fn download(
        &self,
        entries: Vec<&Entry>,
        fetched: &mut BTreeMap<RelPath, Verified>,
        failures: &mut Vec<(RelPath, BucketError)>,
        report: &mut PullReport,
    ) {
        let engine = self.engine;
        let bytes = entries.iter().map(|entry| entry.size).sum();
        engine.parts.progress.expect(Step::Download, entries.len() as u64, bytes);
        let transfers = stream::iter(entries)
            .take_while(|_| std::future::ready(!self.stop.is_cancelled()))
            .map(|entry| async move { (entry, engine.places.download(&*engine.scope, entry).await) });
        let mut transfers = transfers.buffer_unordered(engine.parts.limits.downloads_concurrent_max.max(1));
        while let Some((entry, outcome)) = transfers.next().await {
            match outcome {
                Ok(verified) => {
                    engine.parts.progress.advance(Step::Download, &entry.key, entry.size);
                    report.downloaded += 1;
                    report.bytes += verified.stamp.size;
                    report.changed.push(entry.key.clone());
                    fetched.insert(entry.key.clone(), verified);
                }
                Err(error) => match error.into_bucket_error("download", &entry.key) {
                    BucketError::NotFound { .. } => {
                        warn!(path = %entry.key, "the index names an object that does not exist");
                        report.dangling.push(entry.key.clone());
                    }
                    error => {
                        failures.push((entry.key.clone(), error));
                        return;
                    }
                },
            }
        }
    }

    /// Gives our versions other numbers where another machine published the same ones first (trap T23).
    fn resolve_clashes(&self, planned: &mut Planned, report: &mut PullReport) -> Result<(), SyncError> {
        let versions: BTreeSet<_> = planned
            .plan
            .clashes
            .drain(..)
            .filter_map(|location| {
                let version = location.version()?;
                Some((location.artifact, version))
            })
            .collect();
        for (artifact, version) in versions {
            let highest = planned
                .record
                .entries
                .keys()
                .filter_map(Location::parse)
                .filter(|location| location.artifact == artifact)
                .filter_map(|location| location.version())
                .max();
            let to = self.engine.renumber(&artifact, version, highest)?;
            report.renumbered.push(Renumbered { artifact: artifact.clone(), from: version.get(), to: to.get() });
            report.changed.push(artifact.path(Part::Metadata(to)));
            for part in [Part::Raw(version), Part::Metadata(version)] {
                let path = artifact.path(part);
                planned.plan.verified.retain(|(verified, _)| *verified != path);
                if let Some(entry) = planned.record.entries.get(&path)
                    && !planned.plan.downloads.contains(entry)
                {
                    planned.plan.downloads.push(entry.clone());
                }
            }
        }
        Ok(())
    }

    /// Removes what is gone and writes down what was found; returns whether every file is what its entry says.
    fn record(
        &self,
        planned: Planned,
        fetched: &BTreeMap<RelPath, Verified>,
        report: &mut PullReport,
    ) -> Result<bool, SyncError> {
        let Planned { shard, mut record, plan } = planned;
        let root = &self.engine.places.root;
        for path in plan.removals {
            debug!(%path, "removed, the datastore no longer has it");
            let file = path.under(root);
            if fsutil::remove_file(&file)? {
                report.removed += 1;
            }
            if let Some(parent) = file.parent() {
                fsutil::remove_empty_parents(parent, root);
            }
            record.known.shift_remove(&path);
            report.changed.push(path);
        }
        for path in plan.forgotten {
            record.known.shift_remove(&path);
        }
        let mut is_settled = true;
        for entry in &plan.downloads {
            let Some(verified) = fetched.get(&entry.key) else { continue };
            is_settled &= entry.sha256.as_ref().is_none_or(|expected| *expected == verified.sha256);
            let known = Known { last_modified: entry.last_modified.clone(), local: Some(verified.clone()) };
            record.known.insert(entry.key.clone(), known);
        }
        for (path, verified) in plan.verified {
            if let Some(entry) = record.entries.get(&path) {
                let known = Known { last_modified: entry.last_modified.clone(), local: Some(verified) };
                record.known.insert(path, known);
            }
        }
        for entry in plan.postponed {
            report.postponed += 1;
            record.known.insert(entry.key, Known { last_modified: entry.last_modified, local: None });
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

impl Location {
    /// Returns the version a file belongs to, `None` for the pointer to the latest.
    pub(in crate::sync) fn version(&self) -> Option<VersionNumber> {
        match self.part {
            Part::Raw(version) | Part::Metadata(version) => Some(version),
            Part::Latest => None,
        }
    }
}
