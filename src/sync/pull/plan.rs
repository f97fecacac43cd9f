//! Planning a pull: every file of a shard is compared with the cache.

use super::super::plan::{Depth, Facts, Local, PullAction, was_beside_held};
use super::super::transfer::Places;
use super::super::watermark::DirtySet;
use super::super::{SyncError, boundary, local};
use crate::data::layout::Location;
use crate::index::{Entry, Record, ShardId, Stamp, Verified};
use crate::path::RelPath;

/// What a pull does with the files of one shard.
#[derive(Debug, Default)]
pub(super) struct ShardPlan {
    /// What to fetch, and the local file that it replaces.
    pub(super) downloads: Vec<(Entry, Option<Stamp>)>,
    pub(super) verified: Vec<(RelPath, Verified)>,
    pub(super) postponed: Vec<Entry>,
    pub(super) removals: Vec<(RelPath, Stamp)>,
    pub(super) announcements: Vec<RelPath>,
    pub(super) comparisons: Vec<(RelPath, Verified)>,
    pub(super) clashes: Vec<Location>,
    pub(super) forgotten: Vec<RelPath>,
}

impl ShardPlan {
    /// Whether carrying it out changes files that the catalog may show.
    pub(super) fn changes_files(&self) -> bool {
        !(self.downloads.is_empty() && self.removals.is_empty() && self.clashes.is_empty())
    }
}

/// A shard with its plan.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) shard: ShardId,
    pub(super) record: Record,
    pub(super) plan: ShardPlan,
}

/// Compares every file of a shard with the cache.
pub(super) fn plan_shard(
    places: &Places,
    record: &Record,
    dirty: &DirtySet,
    depth: Depth,
) -> Result<ShardPlan, SyncError> {
    let mut plan = ShardPlan::default();
    let gone = record.known.keys().filter(|path| !record.entries.contains_key(*path));
    for path in record.entries.keys().chain(gone) {
        if !matches!(boundary::crossing(path), boundary::Crossing::Immutable | boundary::Crossing::Mutable) {
            continue;
        }
        let known = record.known.get(path);
        let local = local::examine(&places.root, path, known, None)?;
        let entry = record.entries.get(path);
        let is_named_dirty = dirty.is_named(path);
        let was_beside_held = was_beside_held(path, record);
        let facts = Facts { path, entry, known, local: &local, is_named_dirty, was_beside_held };
        match (facts.pull(depth), entry, local) {
            (PullAction::Verified, _, Local::Present(verified)) => {
                plan.verified.push((path.clone(), verified));
            }
            (PullAction::Download, Some(entry), local) => plan.downloads.push((entry.clone(), stamp(&local))),
            (PullAction::Postpone, Some(entry), _) => plan.postponed.push(entry.clone()),
            (PullAction::Remove, _, Local::Present(local)) => plan.removals.push((path.clone(), local.stamp)),
            (PullAction::Announce, _, _) => plan.announcements.push(path.clone()),
            (PullAction::Compare, _, Local::Present(local)) => plan.comparisons.push((path.clone(), local)),
            (PullAction::Clash, _, _) => plan.clashes.extend(Location::parse(path)),
            (PullAction::Forget, _, _) => plan.forgotten.push(path.clone()),
            (
                PullAction::KeepOurs
                | PullAction::Verified
                | PullAction::Download
                | PullAction::Postpone
                | PullAction::Remove
                | PullAction::Compare,
                _,
                _,
            ) => {}
        }
    }
    Ok(plan)
}

fn stamp(local: &Local) -> Option<Stamp> {
    match local {
        Local::Present(verified) => Some(verified.stamp),
        Local::Absent { .. } => None,
    }
}
