//! Planning a push: everything dirty is compared with the index.

use std::collections::{BTreeMap, BTreeSet};

use tracing::warn;

use super::super::boundary::{self, Crossing};
use super::super::in_flight::Intent;
use super::super::plan::{Facts, Local, PushAction, was_beside_held};
use super::super::report::Stray;
use super::super::session::Session;
use super::super::watermark::DirtySet;
use super::super::{SyncError, local};
use crate::index::replace::Before;
use crate::index::{Entry, Layout, Record, ShardId, Verified};
use crate::path::RelPath;

/// What a push does.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::sync) struct PushPlan {
    pub(in crate::sync) creates: BTreeMap<RelPath, Verified>,
    pub(in crate::sync) writes: BTreeMap<RelPath, Verified>,
    /// Files of versions with the contents that this cache held, or was about to publish.
    pub(in crate::sync) deletes: BTreeMap<RelPath, Option<Vec<String>>>,
    /// The objects that are written over or deleted, as they are before.
    pub(super) before: BTreeMap<RelPath, Before>,
    /// Entries of an index that was never published.
    pub(super) discovered: Vec<Entry>,
    pub(super) verified: BTreeMap<RelPath, Verified>,
    pub(super) strays: Vec<Stray>,
    /// What was to be sent and is for the next push: it is not here any more, or changed while it was sent.
    pub(super) left: BTreeSet<RelPath>,
    /// Whether there is more than fits: more to create than is created at a time, and then nothing but new versions is planned,
    /// or more to write than there is time for.
    pub(super) is_partial: bool,
}

impl PushPlan {
    /// Returns what becomes of files that are rewritten in place or deleted, and of those that the index is told of.
    pub(super) fn intents(&self) -> BTreeMap<RelPath, Intent> {
        let written = self.creates.iter().chain(&self.writes);
        let written = written.map(|(path, verified)| (path.clone(), Intent::Write(vec![verified.sha256.clone()])));
        let deleted = self.deletes.iter();
        let deleted = deleted.map(|(path, held)| (path.clone(), Intent::Delete(held.clone().unwrap_or_default())));
        written.chain(deleted).collect()
    }

    /// Whether the plan is all that there is to say of a file: a part says nothing of what it does not create, nor of what it
    /// leaves to the next one.
    pub(super) fn settles(&self, path: &RelPath) -> bool {
        let is_done = !self.is_partial || self.creates.contains_key(path) || self.writes.contains_key(path);
        is_done && !self.left.contains(path)
    }

    /// Leaves some files that are rewritten in place to the next part, and all deletions with them.
    pub(super) fn postpone(&mut self, late: &BTreeSet<RelPath>) {
        if late.is_empty() {
            return;
        }
        self.writes.retain(|path, _| !late.contains(path));
        self.deletes.clear();
        self.is_partial = true;
    }

    pub(super) fn is_empty(&self) -> bool {
        let is_unchanged = self.creates.is_empty() && self.writes.is_empty() && self.deletes.is_empty();
        // Parts of what is left may have been sent.
        is_unchanged && self.discovered.is_empty() && self.left.is_empty()
    }
}

impl Session<'_> {
    /// Compares everything dirty with the index.
    pub(super) fn plan_push(&self, dirty: &DirtySet) -> Result<PushPlan, SyncError> {
        let mut plan = PushPlan::default();
        let mut by_shard: BTreeMap<ShardId, BTreeSet<RelPath>> = BTreeMap::new();
        let mut strays = Vec::new();
        let scope = &self.engine.scope;
        let mut found = |path: RelPath| match boundary::crossing(&path) {
            Crossing::Internal => {}
            Crossing::Stray(reason) => strays.push(Stray { path, reason }),
            Crossing::Immutable | Crossing::Mutable => {
                match (scope.refuses(path.as_str()), self.mirror.shard_of(&path)) {
                    // It must not keep the others from being sent.
                    (Some(reason), _) => strays.push(Stray { path, reason }),
                    (None, Some(shard)) => drop(by_shard.entry(shard).or_default().insert(path)),
                    (None, None) => {}
                }
            }
        };
        let root = &self.engine.places.root;
        let mut odd = |reason| warn!(reason, "file name cannot be a key");
        if dirty.is_everything {
            local::files_below(root, None, &mut found, &mut odd)?;
        } else {
            for path in &dirty.paths {
                local::files_below(root, Some(path), &mut found, &mut odd)?;
            }
        }
        plan.strays = strays;
        // Files that were here and are gone show up only in what this cache knows.
        let may_hold = |shard: &ShardId| dirty.paths.iter().any(|path| shard.may_hold(path));
        for shard in self.mirror.head().shards().chain(self.discovered.iter().cloned()).filter(may_hold) {
            by_shard.entry(shard).or_default();
        }
        for path in self.in_flight.pushing().keys().chain(self.uploaded.paths()) {
            if let Some(shard) = self.mirror.shard_of(path) {
                by_shard.entry(shard).or_default().insert(path.clone());
            }
        }
        plan.discovered = self.founding_entries()?;
        for (shard, mut paths) in by_shard {
            let record = self.completed_record(&shard, dirty)?;
            paths.extend(record.known.keys().filter(|path| dirty.is_named(path)).cloned());
            let mut directory = None;
            for path in paths {
                // The files of a version stay together.
                let is_next = directory.replace(path.parent()).is_none_or(|directory| directory != path.parent());
                if is_next && plan.creates.len() >= self.engine.parts.limits.creations_max {
                    plan.is_partial = true;
                    plan.writes.clear();
                    plan.deletes.clear();
                    plan.before.clear();
                    return Ok(plan);
                }
                self.plan_file(path, &record, dirty, &mut plan)?;
            }
        }
        Ok(plan)
    }

    /// A new index names what lay in the datastore before.
    pub(in crate::sync) fn founding_entries(&self) -> Result<Vec<Entry>, SyncError> {
        let mut entries = Vec::new();
        if self.mirror.head().layout != Layout::Absent {
            return Ok(entries);
        }
        for shard in &self.discovered {
            let record = self.mirror.record(shard)?;
            entries.extend(record.entries.into_values().map(|entry| {
                let verified = record.known.get(&entry.key).and_then(|known| known.local.as_ref());
                Entry { sha256: verified.map(|verified| verified.sha256.clone()), ..entry }
            }));
        }
        Ok(entries)
    }

    fn plan_file(
        &self,
        path: RelPath,
        record: &Record,
        dirty: &DirtySet,
        plan: &mut PushPlan,
    ) -> Result<(), SyncError> {
        if record.is_unusable(&path) {
            plan.strays.push(Stray { path, reason: "its entry in the index cannot be used" });
            return Ok(());
        }
        let known = record.known.get(&path);
        let hashed = self.uploaded.get(&path).or_else(|| self.hashed.get(&path));
        let local = local::examine(&self.engine.places.root, &path, known, hashed)?;
        let held = known.and_then(|known| known.local.as_ref());
        if let (Local::Present(local), Some(held)) = (&local, held)
            && local.sha256 == held.sha256
            && self.spared.contains(&path)
        {
            // What others made of it counts: it was not changed here.
            return Ok(());
        }
        let is_named_dirty = dirty.is_named(&path);
        let (entry, was_beside_held) = (record.entries.get(&path), was_beside_held(&path, record));
        let facts = Facts { path: &path, entry, known, local: &local, is_named_dirty, was_beside_held };
        let action = self.settled(&facts);
        if matches!(action, PushAction::Write | PushAction::Delete) {
            let created = self.uploaded.version(&path).filter(|_| entry.is_none());
            let before = created.map_or_else(|| Before::of(entry, known), |version| Before::Only(version.clone()));
            plan.before.insert(path.clone(), before);
        }
        match (action, local) {
            (PushAction::Create, Local::Present(verified)) => {
                plan.creates.insert(path, verified);
            }
            (PushAction::Write, Local::Present(verified)) => {
                plan.writes.insert(path, verified);
            }
            (PushAction::Verified, Local::Present(verified)) => {
                let is_recorded = known.is_some_and(|known| {
                    let is_current = entry.is_some_and(|entry| entry.last_modified == known.last_modified);
                    is_current && known.local.as_ref() == Some(&verified)
                });
                if !is_recorded {
                    plan.verified.insert(path, verified);
                }
            }
            (PushAction::Delete, _) => {
                let noted = self.in_flight.pushing().get(&path).into_iter().flat_map(Intent::contents);
                let held = [known.and_then(|known| known.local.as_ref()), self.uploaded.get(&path)];
                let held = held.into_iter().flatten().map(|held| &held.sha256).chain(noted);
                let is_version = boundary::crossing(&path) == Crossing::Immutable;
                let held = is_version.then(|| held.cloned().collect());
                plan.deletes.insert(path, held);
            }
            (PushAction::Nothing | PushAction::Create | PushAction::Write | PushAction::Verified, _) => {}
        }
        Ok(())
    }

    /// Decides what to do with a file, also in the light of what an earlier push was about to do to it.
    fn settled(&self, facts: &Facts<'_>) -> PushAction {
        let action = facts.push();
        let intent = self.in_flight.pushing().get(facts.path);
        if matches!((intent, action), (Some(Intent::Delete(_)), PushAction::Verified)) {
            // It was put back, and the entry that we remember may be gone.
            return PushAction::Write;
        }
        let is_gone = matches!(facts.local, Local::Absent { .. });
        let was_pushed = intent.is_some() || self.uploaded.get(facts.path).is_some();
        match (intent, action, facts.entry) {
            // The entry is right, but the object may have been rewritten for an entry that never was.
            (Some(Intent::Write(contents)), PushAction::Verified, Some(entry))
                if boundary::crossing(facts.path) == Crossing::Mutable
                    && contents.iter().any(|content| entry.sha256.as_ref() != Some(content)) =>
            {
                PushAction::Write
            }
            // Nobody that we know of names the object that the push left. It may have been written, or not deleted, and a
            // shard that ran ahead of its meta object may name it.
            (_, PushAction::Nothing, None) if is_gone && was_pushed => PushAction::Delete,
            _ => action,
        }
    }
}
