//! Rows and watched files: what follows from a change on this machine.

use std::path::Path;

use super::state::{FOLLOW_DELAY, FOLLOW_SHARE, LISTEN_PERIOD, READ_DOUBLINGS_MAX, READ_RETRY, State};
use crate::data::layout::{Artifact, Location, Part};
use crate::data::name::VersionNumber;
use crate::data::store::Restated;
use crate::mounting::relayed::Relayed;
use crate::mounting::schedule::Span;
use crate::mounting::watch::{Look, WATCH_PERIOD};
use crate::path::RelPath;
use crate::sync::{self, Fate};

/// How many files that stay here are named.
const LOCAL_ONLY_MAX: usize = 1000;

impl State {
    /// Takes the news; they are followed a moment later, together with what comes until then.
    pub(super) fn collect(&mut self) {
        let news = self.links.inbox.take();
        if let Some(span) = news.span {
            self.schedule.changed(span);
            let follow_at = self.now() + FOLLOW_DELAY;
            self.follow_at.get_or_insert(follow_at);
        }
        if news.is_refresh_wanted {
            self.schedule.ask_refresh();
        }
        self.names.extend(news.names);
        if news.is_overfull {
            self.affected.subtrees.extend("data".parse::<RelPath>());
        }
    }

    /// Hears of what other processes wrote to our namespace: they keep the rows in step themselves.
    pub(super) fn listen(&mut self) {
        let now = self.now();
        self.listen_at = now + LISTEN_PERIOD;
        // Whoever changes rows without changing files, as a look at a shared directory does, tells nobody.
        if let Ok(rows) = self.parts.exchange.generation()
            && self.generation.replace(rows).is_some_and(|before| before != rows)
        {
            self.parts.surroundings.names_changed();
        }
        let heard = match self.parts.watermark.heard() {
            Ok(heard) => heard,
            Err(error) => return tracing::warn!(%error, "not known whether others wrote"),
        };
        if self.heard.replace(heard).is_some_and(|before| before != heard) {
            self.schedule.changed(Span { first: now, last: now });
            self.parts.surroundings.names_changed();
        }
    }

    /// Follows everything that was told so far.
    pub(super) fn catch_up(&mut self) {
        self.read_at = self.now();
        self.collect();
        self.follow();
        self.examine_watched(Look::Everywhere);
    }

    /// Brings rows in step with what changed, and watches files that were closed.
    pub(super) fn follow(&mut self) {
        self.follow_at = None;
        let now = self.now();
        for path in std::mem::take(&mut self.names) {
            self.look_at(path, now);
        }
        self.restate();
        if self.affected.is_empty() || now < self.read_at {
            return;
        }
        let affected = std::mem::take(&mut self.affected);
        let read = self.parts.exchange.read_again(&affected);
        self.show_rows(&read);
        if read.is_err() {
            self.affected.extend(affected);
            self.read_at = self.now() + READ_RETRY * 2_u32.pow(self.read_failures);
            self.read_failures = (self.read_failures + 1).min(READ_DOUBLINGS_MAX);
            return;
        }
        self.read_failures = 0;
        // Following must not take all the time there is.
        let took = self.now().saturating_sub(now);
        if took > FOLLOW_DELAY / FOLLOW_SHARE {
            self.follow_at = Some(self.now() + took * FOLLOW_SHARE);
        }
    }

    /// Makes metadata follow the contents that were written in place; those that somebody is writing follow when that is over,
    /// of which we are told.
    fn restate(&mut self) {
        for (artifact, version) in std::mem::take(&mut self.edited) {
            match self.parts.exchange.edited(&artifact, version) {
                Ok(Restated::Unchanged | Restated::Changed) => {}
                Ok(Restated::Busy) => drop(self.edited.insert((artifact, version))),
                Err(error) => {
                    tracing::warn!(error = error.to_line(), "metadata do not follow a content");
                    self.links.failures.note("follow", "", None, &error.to_line());
                    // Tried again with the next change, and before every push.
                    self.edited.insert((artifact, version));
                }
            }
        }
    }

    /// Shows what was read again.
    pub(super) fn show_rows(&self, read: &Result<bool, Relayed>) {
        match read {
            Ok(true) => self.parts.surroundings.names_changed(),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(error = error.to_line(), "rows do not follow a change");
                self.links.failures.note("follow", "", None, &error.to_line());
            }
        }
    }

    /// Looks for changes that nobody told.
    pub(super) fn examine_watched(&mut self, look: Look) {
        let now = self.now();
        self.watch_at = now + WATCH_PERIOD;
        let mut changed = self.watch.changed(&self.parts.root, now, look);
        for directory in self.parts.watermark.held() {
            changed.extend(self.watch.add_all(&self.parts.root, &directory, now));
        }
        for path in changed {
            let Some(directory) = path.parent() else { continue };
            tracing::debug!(%path, "changed without a word");
            match self.parts.watermark.hold(&directory) {
                Ok(hold) => drop(hold),
                Err(error) => self.links.failures.note("record", path.as_str(), None, &error.to_string()),
            }
            self.affected.add(&path, || true);
            self.note_edit(&path);
            self.schedule.changed(Span { first: now, last: now });
        }
        if !self.affected.is_empty() {
            self.follow();
        }
    }

    fn note_edit(&mut self, path: &RelPath) {
        if let Some(Location { artifact, part: Part::Raw(version) }) = Location::parse(path) {
            self.edited.insert((artifact, version));
        }
    }

    fn look_at(&mut self, path: RelPath, now: std::time::Duration) {
        self.note_edit(&path);
        let root = &self.parts.root;
        self.affected.add(&path, || is_leaf(root, &path));
        match sync::fate(&path) {
            Fate::Synced => self.watch.add(root, path, now),
            Fate::LocalOnly(reason) => {
                let is_file = std::fs::symlink_metadata(path.under(root)).is_ok_and(|metadata| metadata.is_file());
                if !is_file {
                    self.local_only.remove(&path);
                } else if self.local_only.len() < LOCAL_ONLY_MAX {
                    self.local_only.insert(path, reason.to_owned());
                }
            }
            Fate::Refused(_) => {}
        }
    }
}

/// Whether nothing lies below a path, or nothing that has a row.
fn is_leaf(root: &Path, path: &RelPath) -> bool {
    if sync::is_temporary_name(path) || is_below_version(path) {
        return true;
    }
    let file = path.under(root);
    match std::fs::symlink_metadata(&file) {
        Ok(metadata) if metadata.is_dir() => std::fs::read_dir(&file).is_ok_and(|mut entries| entries.next().is_none()),
        Ok(_) => true,
        Err(_) => false,
    }
}

fn is_below_version(path: &RelPath) -> bool {
    let Some(directory) = path.parent() else { return false };
    let is_version = directory.file_name().parse::<VersionNumber>().is_ok();
    is_version && directory.parent().is_some_and(|name| Artifact::from_directory(&name).is_some())
}
