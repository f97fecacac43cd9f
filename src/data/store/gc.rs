//! Garbage collection: data names whose life is over, and versions beyond what their name keeps (formats.md 2.10).

use std::convert::Infallible;
use std::fs;

use super::super::layout::{Artifact, Part};
use super::super::metadata::Metadata;
use super::super::name::VersionNumber;
use super::super::period::Lifetime;
use super::super::walk::{self, FoundName, Skipped};
use super::{Changes, Store, StoreError};

/// Whether garbage is collected or only counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GcMode {
    /// Nothing changes.
    DryRun,
    /// Garbage is deleted.
    Collect,
}

/// What a garbage collection found.
#[derive(Debug, Default)]
pub struct Collected {
    /// Data names whose life is over, deleted with all versions.
    pub expired: Vec<Expired>,
    /// Data names that had more versions than they keep.
    pub garbage: Vec<Garbage>,
    /// What could not be deleted; the rest was.
    pub failures: Vec<(Artifact, StoreError)>,
    /// Directories that could not be looked at.
    pub skipped: Vec<Skipped>,
}

impl Collected {
    /// Returns how many versions beyond what their names keep were, or would be, deleted.
    pub fn garbage_versions(&self) -> usize {
        self.garbage.iter().map(|garbage| garbage.versions.len()).sum()
    }

    /// Returns how many bytes of content all the deleted versions held.
    pub fn bytes(&self) -> u64 {
        let expired = self.expired.iter().map(|expired| expired.bytes);
        expired.chain(self.garbage.iter().map(|garbage| garbage.bytes)).sum()
    }

    /// Returns every change, for the catalog and the next push; empty for a dry run.
    pub fn changes(&self) -> impl Iterator<Item = &Changes> {
        let expired = self.expired.iter().filter_map(|expired| expired.changes.as_ref());
        expired.chain(self.garbage.iter().filter_map(|garbage| garbage.changes.as_ref()))
    }
}

/// A data name whose life is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    /// Which one.
    pub artifact: Artifact,
    /// Why.
    pub reason: ExpiryReason,
    /// How many versions it had.
    pub version_count: usize,
    /// How many bytes of content they held.
    pub bytes: u64,
    /// What was deleted, `None` for a dry run.
    pub changes: Option<Changes>,
}

/// Why a data name's life is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpiryReason {
    /// Its latest version is older than its lifetime.
    Duration,
    /// The workflow run that made it is gone.
    Workflow,
    /// The workflow run whose job made it is gone.
    Job,
}

impl ExpiryReason {
    /// Returns the word of the existing swamp.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Duration => "duration-expired",
            Self::Workflow => "workflow-deleted",
            Self::Job => "job-deleted",
        }
    }
}

/// A data name that had more versions than it keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Garbage {
    /// Which one.
    pub artifact: Artifact,
    /// The versions it does not keep.
    pub versions: Vec<VersionNumber>,
    /// How many bytes of content they held.
    pub bytes: u64,
    /// What was deleted, `None` for a dry run.
    pub changes: Option<Changes>,
}

/// Tells whether a workflow run, named by the ids of workflow and run, is still recorded; `None` if nobody knows.
pub type RunExists<'a> = dyn Fn(&str, &str) -> Option<bool> + 'a;

impl Store {
    /// Deletes every data name whose life is over, then every version beyond what its name keeps.
    ///
    /// The newest readable version of a living name always stays; versions that cannot be read are left alone.
    pub fn collect_garbage(&self, mode: GcMode, run_exists: &RunExists<'_>) -> Collected {
        let mut collected = Collected::default();
        let walked: Result<Vec<Skipped>, Infallible> = walk::walk(&self.root, |found| {
            if let Err(error) = self.collect_name(&found, mode, run_exists, &mut collected) {
                collected.failures.push((found.artifact, error));
            }
            Ok(())
        });
        let Ok(skipped) = walked;
        collected.skipped = skipped;
        collected
    }

    fn collect_name(
        &self,
        found: &FoundName,
        mode: GcMode,
        run_exists: &RunExists<'_>,
        collected: &mut Collected,
    ) -> Result<(), StoreError> {
        let Some(latest) = found.latest() else { return Ok(()) };
        let artifact = found.artifact.clone();
        if let Some(reason) = self.expiry(latest, run_exists) {
            let numbers: Vec<VersionNumber> = found.versions.iter().map(|version| version.number).collect();
            let bytes = self.raw_bytes(&artifact, &numbers);
            let changes = match mode {
                GcMode::DryRun => None,
                // Not the whole name: what was stored since it was judged is alive.
                GcMode::Collect => Some(self.delete_versions(&artifact, &numbers)?),
            };
            collected.expired.push(Expired { artifact, reason, version_count: numbers.len(), bytes, changes });
            return Ok(());
        }
        let versions = self.garbage_of(found, latest);
        if versions.is_empty() {
            return Ok(());
        }
        let bytes = self.raw_bytes(&artifact, &versions);
        let changes = match mode {
            GcMode::DryRun => None,
            GcMode::Collect => Some(self.delete_versions(&artifact, &versions)?),
        };
        collected.garbage.push(Garbage { artifact, versions, bytes, changes });
        Ok(())
    }

    fn expiry(&self, latest: &Metadata, run_exists: &RunExists<'_>) -> Option<ExpiryReason> {
        if latest.is_deleted() {
            return None;
        }
        let is_run_gone = || match (&latest.owner.workflow_id, &latest.owner.workflow_run_id) {
            (Some(workflow_id), Some(run_id)) => run_exists(workflow_id, run_id) == Some(false),
            _ => false,
        };
        match &latest.lifetime {
            Lifetime::Ephemeral | Lifetime::Infinite => None,
            Lifetime::Job => is_run_gone().then_some(ExpiryReason::Job),
            Lifetime::Workflow => is_run_gone().then_some(ExpiryReason::Workflow),
            Lifetime::For(period) => {
                let is_over = latest.created_at < self.clock.now().before(period.duration());
                is_over.then_some(ExpiryReason::Duration)
            }
        }
    }

    fn garbage_of(&self, found: &FoundName, latest: &Metadata) -> Vec<VersionNumber> {
        let created: Vec<_> = found.readable().map(|metadata| metadata.created_at).collect();
        let garbage = latest.garbage_collection.garbage(&created, self.clock.now());
        let judged = found.readable().zip(garbage);
        judged.filter_map(|(metadata, is_garbage)| is_garbage.then_some(metadata.version)).collect()
    }

    fn delete_versions(&self, artifact: &Artifact, versions: &[VersionNumber]) -> Result<Changes, StoreError> {
        self.begin(artifact, "collect the garbage of")?;
        let mut changes = Changes::none(artifact);
        for version in versions {
            self.take_version(&mut changes, *version)?;
        }
        self.settle(&mut changes)?;
        Ok(changes)
    }

    fn raw_bytes(&self, artifact: &Artifact, versions: &[VersionNumber]) -> u64 {
        let size = |version: &VersionNumber| {
            // Content that is not here takes no space.
            let path = artifact.path(Part::Raw(*version)).under(&self.root);
            fs::symlink_metadata(path).map_or(0, |metadata| metadata.len())
        };
        versions.iter().map(size).sum()
    }
}
