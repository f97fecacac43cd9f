//! Failing at once while a datastore is known not to answer, so that a thousand files do not wait a thousand times.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use swamp_mount::TreeError;

/// How many failures in a row open it.
const FAILURES_MAX: u32 = 3;

/// How long it stays open before one request may try again.
const PAUSE: Duration = Duration::from_secs(5);

/// A circuit breaker.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// The last failure, and until when it is repeated without asking.
    open: Option<(TreeError, Duration)>,
}

impl Breaker {
    /// Returns the failure to repeat, `None` if the datastore may be asked.
    pub(super) fn refuses(&self, now: Duration) -> Option<TreeError> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (failure, until) = state.open?;
        if now < until {
            return Some(failure);
        }
        // This one tries; the others wait for what it finds out.
        state.open = Some((failure, now + PAUSE));
        None
    }

    /// Takes note of how a request ended.
    pub(super) fn record(&self, outcome: Result<(), TreeError>, now: Duration) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Err(failure @ (TreeError::Unreachable | TreeError::TimedOut)) => {
                state.failures = state.failures.saturating_add(1);
                if state.failures >= FAILURES_MAX {
                    state.open = Some((failure, now + PAUSE));
                }
            }
            // Every other answer is an answer.
            Ok(()) | Err(_) => *state = State::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(100);

    fn open() -> Breaker {
        let breaker = Breaker::default();
        for _ in 0..FAILURES_MAX {
            assert_eq!(breaker.refuses(START), None);
            breaker.record(Err(TreeError::Unreachable), START);
        }
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_try_later() {
        let breaker = open();

        assert_eq!(breaker.refuses(START + PAUSE / 2), Some(TreeError::Unreachable));
        assert_eq!(breaker.refuses(START + PAUSE), None);
        assert_eq!(breaker.refuses(START + PAUSE), Some(TreeError::Unreachable));
    }

    #[test]
    fn an_answer_closes_it() {
        let breaker = open();

        assert_eq!(breaker.refuses(START + PAUSE), None);
        breaker.record(Err(TreeError::Denied), START + PAUSE);

        assert_eq!(breaker.refuses(START + PAUSE), None);
        assert_eq!(breaker.refuses(START + PAUSE), None);
    }
}
