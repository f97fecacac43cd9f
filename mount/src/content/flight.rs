//! One block on its way, and everybody who waits for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::TreeError;

/// A result that will be there at some time.
#[derive(Debug, Default)]
pub(super) struct Flight {
    is_awaited: AtomicBool,
    result: Mutex<Option<Result<Bytes, TreeError>>>,
    landed: Condvar,
}

impl Flight {
    /// Takes note that somebody waits for it.
    pub(super) fn await_it(&self) {
        self.is_awaited.store(true, Ordering::Relaxed);
    }

    /// Says whether somebody waits for it, rather than may want it next.
    pub(super) fn is_awaited(&self) -> bool {
        self.is_awaited.load(Ordering::Relaxed)
    }

    /// Tells everybody who waits.
    pub(super) fn land(&self, result: Result<Bytes, TreeError>) {
        *self.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        self.landed.notify_all();
    }

    /// Waits for the result; whoever gives up leaves the others waiting.
    pub(super) fn wait(&self, limit: Duration) -> Result<Bytes, TreeError> {
        let result = self.result.lock().unwrap_or_else(PoisonError::into_inner);
        let (result, _) = self
            .landed
            .wait_timeout_while(result, limit, |result| result.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        result.clone().unwrap_or(Err(TreeError::TimedOut))
    }
}
