//! One block on its way, and everybody who waits for it.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::TreeError;

/// A result that will be there at some time.
#[derive(Debug, Default)]
pub(super) struct Flight {
    result: Mutex<Option<Result<Bytes, TreeError>>>,
    landed: Condvar,
}

impl Flight {
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
