//! What the keeper is doing, for reports.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::summary::Pushed;
use crate::clock::Timestamp;

/// What the keeper is doing.
#[derive(Debug, Default)]
pub struct Shown(Mutex<Doing>);

/// What is being done about changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Nothing is to be done.
    #[default]
    Idle,
    /// A push begins after a while.
    Waiting,
    /// A push is running.
    Pushing,
    /// The last push was not allowed; the next one is a long way off.
    Denied,
    /// Nothing is pushed without being asked.
    Off,
}

/// Something that failed, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LastError {
    /// When.
    pub time: Timestamp,
    /// What, and why.
    pub message: String,
}

/// What the keeper is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Doing {
    /// What is being done about changes.
    pub phase: Phase,
    /// When the next push begins.
    pub next_push: Option<Timestamp>,
    /// When the last push ended well.
    pub last_pushed: Option<Timestamp>,
    /// Why the last push failed, until one ends well.
    pub push_error: Option<LastError>,
    /// What all pushes did together.
    pub pushed: Totals,
    /// When other namespaces were looked at last.
    pub last_refreshed: Option<Timestamp>,
    /// Why that failed, until it works.
    pub refresh_error: Option<LastError>,
    /// Files that stay here, and why.
    pub local_only: Vec<(String, String)>,
}

/// What all pushes of this mount did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Pushes that ended well.
    pub pushes: u64,
    /// Files sent.
    pub uploaded: u64,
    /// Objects deleted.
    pub deleted: u64,
    /// Pushes that failed.
    pub failed: u64,
}

impl Totals {
    /// Adds a push.
    pub(super) fn add(&mut self, pushed: &Pushed) {
        self.pushes += 1;
        self.uploaded += pushed.uploaded;
        self.deleted += pushed.deleted;
    }
}

impl Shown {
    /// Returns what is being done.
    pub fn doing(&self) -> Doing {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn show(&self, doing: &Doing) {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *shown != *doing {
            shown.clone_from(doing);
        }
    }
}
