//! The last failures, for people to read in `.swamp/errors`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use crate::clock::{Clock, Timestamp};

/// How many failures are kept.
const FAILURES_MAX: usize = 256;

/// How much of a reason is kept, in bytes.
const REASON_BYTES_MAX: usize = 1024;

/// Something that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// When.
    pub time: Timestamp,
    /// What was tried: the name of an operation.
    pub operation: &'static str,
    /// On which path, as far as there is one.
    pub path: String,
    /// With which error number, if somebody was given one.
    pub errno: Option<i32>,
    /// Why.
    pub reason: String,
    /// How often in a row.
    pub count: u64,
}

/// The last failures.
#[derive(Debug)]
pub struct Failures {
    clock: Arc<dyn Clock>,
    kept: Mutex<(u64, VecDeque<Failure>)>,
}

impl Failures {
    /// Returns an empty list.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, kept: Mutex::default() }
    }

    /// Keeps a failure; the same one again, for the same reason, only counts.
    pub fn note(&self, operation: &'static str, path: &str, errno: Option<i32>, reason: &str) {
        let time = self.clock.now();
        let reason: String = reason.chars().take(REASON_BYTES_MAX / 4).collect();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.0 += 1;
        if let Some(last) = kept.1.back_mut()
            && (last.operation, last.path.as_str(), last.errno) == (operation, path, errno)
            && last.reason == reason
        {
            (last.time, last.count) = (time, last.count + 1);
            return;
        }
        if kept.1.len() == FAILURES_MAX {
            kept.1.pop_front();
        }
        kept.1.push_back(Failure { time, operation, path: path.to_owned(), errno, reason, count: 1 });
    }

    /// Returns how many there were, and the last ones, the newest last.
    pub fn last(&self) -> (u64, Vec<Failure>) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        (kept.0, kept.1.iter().cloned().collect())
    }

    /// Returns one line for each: time, operation, path, error number, reason, separated by tabs.
    pub fn to_text(&self) -> String {
        let (_, last) = self.last();
        let lines = last.iter().map(|failure| {
            let errno = failure.errno.map_or("-", swamp_mount::errno_name);
            let count = if failure.count > 1 { format!(" ({} times)", failure.count) } else { String::new() };
            let Failure { time, operation, path, reason, .. } = failure;
            format!("{time}\t{operation}\t{}\t{errno}\t{reason}{count}\n", path.escape_debug())
        });
        lines.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn fresh() -> Failures {
        Failures::new(Arc::new(ManualClock::new(Timestamp::default())))
    }

    #[test]
    fn a_failure_is_a_line_with_its_reason() {
        let failures = fresh();

        failures.note("create", "outputs/x\ny", Some(1), "it has no place in the index");

        let expected = "1970-01-01T00:00:00.000Z\tcreate\toutputs/x\\ny\tEPERM\tit has no place in the index\n";
        assert_eq!(failures.to_text(), expected);
    }

    #[test]
    fn the_same_failure_again_is_counted() {
        let failures = fresh();
        for _ in 0..3 {
            failures.note("push", "", None, "no route to host");
        }

        let (count, last) = failures.last();

        assert_eq!((count, last.len(), last[0].count), (3, 1, 3));
    }

    #[test]
    fn another_reason_is_another_failure() {
        let failures = fresh();

        failures.note("push", "", None, "HTTP 503");
        failures.note("push", "", None, "HTTP 403");

        let reasons: Vec<String> = failures.last().1.into_iter().map(|failure| failure.reason).collect();
        assert_eq!(reasons, ["HTTP 503", "HTTP 403"]);
    }

    #[test]
    fn only_the_last_ones_are_kept() {
        let failures = fresh();
        for index in 0..FAILURES_MAX + 5 {
            failures.note("open", &index.to_string(), Some(5), "");
        }

        let (count, last) = failures.last();

        assert_eq!((count, last.len(), last[0].path.as_str()), (FAILURES_MAX as u64 + 5, FAILURES_MAX, "5"));
    }
}
