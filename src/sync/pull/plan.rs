//! Planning a pull: every file of a shard is compared with the cache.

use super::super::boundary::{self, Crossing};
use super::super::plan::{Depth, Facts, Local, PullAction, description_of, was_beside_held};
use super::super::transfer::Places;
use super::super::watermark::DirtySet;
use super::super::{SyncError, local};
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
    /// What others wrote to files that are rewritten in place, and ours will replace.
    pub(super) outdone: Vec<Entry>,
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
    let decided = |path: &RelPath| -> Result<(PullAction, Local), SyncError> {
        let (entry, known) = (record.entries.get(path), record.known.get(path));
        let local = local::examine(&places.root, path, known, None)?;
        let (is_named_dirty, was_beside_held) = (dirty.is_named(path), was_beside_held(path, record));
        let facts = Facts { path, entry, known, local: &local, is_named_dirty, was_beside_held };
        Ok((facts.pull(depth), local))
    };
    let gone = record.known.keys().filter(|path| !record.names(path));
    for path in record.entries.keys().chain(gone) {
        let crossing = boundary::crossing(path);
        if !matches!(crossing, Crossing::Immutable | Crossing::Mutable) {
            continue;
        }
        let (mut action, local) = decided(path)?;
        // Content that was deleted here is theirs again with the description that they gave it anew.
        if action == PullAction::KeepOurs
            && matches!(local, Local::Absent { .. })
            && let Some(description) = description_of(path).filter(|path| record.entries.contains_key(path))
            && decided(&description)?.0 == PullAction::Download
        {
            action = if depth == Depth::Metadata { PullAction::Postpone } else { PullAction::Download };
        }
        match (action, record.entries.get(path), local) {
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
            (PullAction::KeepOurs, Some(entry), Local::Present(_)) if crossing == Crossing::Mutable => {
                plan.outdone.push(entry.clone());
            }
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
