//! The critical section of a push, and the record of what it made true.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt as _};
use tracing::warn;

use super::super::session::Session;
use super::super::watermark::DirtySet;
use super::super::{PushReport, SyncError, transfer};
use super::plan::PushPlan;
use super::send::Way;
use crate::bucket::BucketError;
use crate::index::replace::{self, Before};
use crate::index::{Change, Entry, IndexError, Known, Layout, Probe, ShardId, Verified};
use crate::lock::{Held, Lock};
use crate::path::RelPath;

/// Commits for which there is time in a push at least.
const PARTS_MIN: u32 = 4;

/// What a commit came to.
#[derive(Debug)]
pub(super) enum Committed {
    /// Nothing: somebody works on a model of which there are new versions, and holds this lock.
    Awaiting(Box<Lock>),
    /// All there was.
    Wholly,
    /// As much as is created at a time.
    Partly,
    /// All there was, but the index held what this cache does not know of, although it had looked: somebody ignores the lock,
    /// or a listing lags behind. The catalog is not published, which would take theirs away.
    Overtaken,
}

impl Session<'_> {
    /// The critical section: look again, write what is rewritten in place, commit, publish the catalog, delete.
    ///
    /// A plan that is a part of what there is creates versions and nothing else: what leads to them follows with the next
    /// parts, as much of it as there is time for, and the catalog with the last one.
    pub(super) async fn commit(
        &mut self,
        held: &Held,
        dirty: &DirtySet,
        report: &mut PushReport,
    ) -> Result<Committed, SyncError> {
        if let Probe::Changed(seen) = self.engine.index.probe_directly(self.mirror.head()).await?
            && !(seen.layout() == Layout::Absent && self.mirror.head().layout == Layout::Absent)
        {
            self.catch_up_before_push(seen, report).await?;
        }
        // Others delete under the lock: what they may know is looked at again now that they cannot.
        for path in self.in_flight.left() {
            self.uploaded.remove(path);
        }
        let mut plan = self.plan_push(dirty)?;
        if let Some(lock) = self.model_in_use(&plan).await? {
            return Ok(Committed::Awaiting(Box::new(lock)));
        }
        // Versions that appeared since the first upload; the others are not sent again.
        self.upload_versions(&mut plan, dirty, report).await?;
        self.hashed.clear();
        held.check()?;
        let exports = !plan.is_partial && self.engine.is_export_due()?;
        self.in_flight.begin_push(plan.intents(), exports)?;
        let limits = &self.engine.parts.limits;
        let until = self.engine.parts.clock.elapsed() + limits.writes_within.min(limits.deadline / PARTS_MIN);
        let over = Way::Over { before: &plan.before, held: Some(held), until: Some(until) };
        let sent = self.upload(plan.writes.keys().cloned().collect(), &plan, over, report).await?;
        held.check()?;
        plan.postpone(&sent.late);
        if !self.adopt(&mut plan, sent)?.is_empty() {
            // The lock is ours: somebody writes without it.
            return Err(IndexError::Contended { attempts: replace::ATTEMPTS_MAX }.into());
        }
        // What was sent of files that changed meanwhile is ours as well.
        self.in_flight.begin_push(plan.intents(), exports)?;
        let changes = self.changes(&plan);
        let engine = self.engine;
        let export = if plan.is_partial || self.is_lacking {
            None
        } else {
            engine.rendered_export(|| self.unpublished(&plan))?
        };
        let before_export = self.before_export()?;
        self.uploaded.give_up(|path| plan.settles(path))?;
        let mut commit = engine.index.begin(&mut self.mirror, held);
        commit.apply(changes).await?;
        let published = match export.filter(|_| !commit.has_met_others()) {
            Some(export) => {
                // Noted above with the rest, unless rows appeared since.
                self.in_flight.begin_push(BTreeMap::new(), true)?;
                Some(engine.publish(export, before_export, held).await?)
            }
            None => None,
        };
        if let Some(published) = &published {
            commit.apply(vec![Change::Upsert(published.entry.clone())]).await?;
            report.exported = true;
        }
        let has_met_others = commit.has_met_others() || self.is_lacking;
        plan.deletes.retain(|path, _| !commit.names(path));
        commit.finish(engine.parts.clock.now()).await?;
        let is_exported = published.is_some();
        if let Some(published) = published {
            self.record_export(published)?;
        }
        self.record_verified(&plan)?;
        self.uploaded.forget(|path| plan.settles(path));
        held.check()?;
        let left = self.delete_unnamed(&mut plan, held, report).await;
        self.in_flight.end_push(|path| left.contains(path) || !plan.settles(path), is_exported)?;
        Ok(match (plan.is_partial, has_met_others) {
            (true, _) => Committed::Partly,
            (false, true) => Committed::Overtaken,
            (false, false) => Committed::Wholly,
        })
    }

    /// Deletes the objects that no index names any more; returns those that are left.
    async fn delete_unnamed(&self, plan: &mut PushPlan, held: &Held, report: &mut PushReport) -> BTreeSet<RelPath> {
        let engine = self.engine;
        let (before, deletes) = (&mut plan.before, std::mem::take(&mut plan.deletes));
        let deletions =
            deletes.into_iter().map(|(path, contents)| (before.remove(&path).unwrap_or_default(), path, contents));
        let deletions = deletions.map(|(before, path, contents)| async move {
            let scope = &*engine.scope;
            let outcome = match (before, contents) {
                // Others create versions without the lock: what is there now may be theirs.
                (Before::Absent, Some(contents)) => match transfer::content_of(scope, &path).await {
                    Ok(Some((sha256, version))) if contents.contains(&sha256) => {
                        replace::delete(scope, &path, Before::Only(version), held).await
                    }
                    found => found.map(drop),
                },
                (Before::Version(version), Some(_)) => replace::delete(scope, &path, Before::Only(version), held).await,
                (before, _) => replace::delete(scope, &path, before, held).await,
            };
            (path, outcome)
        });
        let concurrent_max = engine.parts.limits.uploads_concurrent_max.max(1);
        let mut deletions = stream::iter(deletions).buffer_unordered(concurrent_max);
        let mut left = BTreeSet::new();
        while let Some((path, outcome)) = deletions.next().await {
            match outcome {
                Ok(()) | Err(BucketError::NotFound { .. }) => report.deleted += 1,
                Err(error) => {
                    warn!(%path, %error, "object not deleted; no index names it any more");
                    left.insert(path);
                }
            }
        }
        left
    }

    /// Returns the index changes of a plan whose files are uploaded.
    fn changes(&self, plan: &PushPlan) -> Vec<Change> {
        let now = self.engine.parts.clock.now().to_string();
        let uploaded = plan.creates.iter().chain(&plan.writes).map(|(path, verified)| {
            Change::Upsert(Entry {
                key: path.clone(),
                size: verified.stamp.size,
                last_modified: now.clone(),
                local_mtime: self.engine.places.modified(path),
                sha256: Some(verified.sha256.clone()),
                extra: serde_json::Map::new(),
            })
        });
        let discovered = plan.discovered.iter().cloned().map(Change::Upsert);
        let removed = plan.deletes.iter();
        let removed = removed.map(|(path, held)| Change::Remove { path: path.clone(), held: held.clone() });
        discovered.chain(uploaded).chain(removed).collect()
    }

    /// Writes down that local and remote are the same.
    pub(super) fn record_verified(&self, plan: &PushPlan) -> Result<(), SyncError> {
        let mut by_shard: BTreeMap<ShardId, Vec<(&RelPath, Fact<'_>)>> = BTreeMap::new();
        let published = plan.creates.iter().chain(&plan.writes).map(|(path, it)| (path, Fact::Published(it)));
        let found = plan.verified.iter().map(|(path, it)| (path, Fact::Found(it)));
        let deleted = plan.deletes.keys().map(|path| (path, Fact::Deleted));
        for (path, fact) in published.chain(found).chain(deleted) {
            if let Some(shard) = self.mirror.shard_of(path) {
                by_shard.entry(shard).or_default().push((path, fact));
            }
        }
        for (shard, facts) in by_shard {
            let mut record = self.mirror.record(&shard)?;
            for (path, fact) in facts {
                let entry = record.entries.get(path);
                let last_modified = entry.map(|entry| entry.last_modified.clone());
                let sent = || self.uploaded.version(path).or_else(|| self.rewritten.get(path)).cloned();
                let seen = || match Before::of(entry, record.known.get(path)) {
                    Before::Version(version) => Some(version),
                    Before::Absent | Before::Only(_) | Before::Unknown => None,
                };
                let known = match (fact, last_modified) {
                    // A commit that met others' changes leaves the entries to the next look at the index.
                    (Fact::Published(verified), last_modified) => {
                        Some((verified, last_modified.unwrap_or_default(), sent()))
                    }
                    (Fact::Found(verified), Some(last_modified)) => Some((verified, last_modified, seen())),
                    (Fact::Found(_), None) | (Fact::Deleted, _) => None,
                };
                match known {
                    Some((verified, last_modified, version)) => {
                        let known = Known { last_modified, local: Some(verified.clone()), version };
                        record.known.insert(path.clone(), known);
                    }
                    None => {
                        record.known.shift_remove(path);
                    }
                }
            }
            self.mirror.set_record(&shard, &record)?;
        }
        Ok(())
    }
}

/// What a push made true of a file.
enum Fact<'a> {
    /// The datastore has it, because we sent it.
    Published(&'a Verified),
    /// The datastore had it already.
    Found(&'a Verified),
    /// The datastore has it no more.
    Deleted,
}
