//! What went wrong lately, for whoever asks why a file could not be read or written.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::{Clock, Timestamp};

/// How many failures are kept.
pub const FAILURES_KEPT_MAX: usize = 1_000;

/// The longest path or reason that is kept, in bytes.
const TEXT_BYTES_MAX: usize = 1_024;

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FailedAccess {
    /// When.
    pub time: Timestamp,
    /// With what, as a path in the mount.
    pub path: String,
    /// What the caller was told, as the name of an error number.
    pub errno: &'static str,
    /// Why, for a person.
    pub reason: String,
}

/// The last failures, oldest first.
#[derive(Debug)]
pub struct Failures {
    clock: Arc<dyn Clock>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    total: u64,
    last: VecDeque<FailedAccess>,
}

impl Failures {
    /// Returns a record without failures.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, kept: Mutex::default() }
    }

    /// Adds a failure; the oldest one makes room.
    pub fn record(&self, path: &str, errno: &'static str, reason: &str) {
        let failure = FailedAccess { time: self.clock.now(), path: shortened(path), errno, reason: shortened(reason) };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.total += 1;
        if kept.last.len() == FAILURES_KEPT_MAX {
            kept.last.pop_front();
        }
        kept.last.push_back(failure);
    }

    /// Returns those that are kept, oldest first.
    pub fn list(&self) -> Vec<FailedAccess> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).last.iter().cloned().collect()
    }

    /// Returns how many there were.
    pub fn total(&self) -> u64 {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).total
    }
}

fn shortened(text: &str) -> String {
    text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn the_last_failures_are_kept_and_all_are_counted() {
        let failures = Failures::new(Arc::new(ManualClock::new(Timestamp::default())));

        for number in 0..FAILURES_KEPT_MAX + 5 {
            failures.record(&format!("a/{number}"), "EIO", &"x".repeat(5_000));
        }

        let kept = failures.list();
        assert_eq!((kept.len(), failures.total()), (FAILURES_KEPT_MAX, FAILURES_KEPT_MAX as u64 + 5));
        assert_eq!((kept[0].path.as_str(), kept[0].reason.len()), ("a/5", TEXT_BYTES_MAX));
    }
}
