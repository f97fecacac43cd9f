//! Ending work in time, in a way that lets it release its lock.

use std::time::Duration;

use futures::future::{Either, select};
use tokio_util::sync::CancellationToken;

use super::SyncError;
use crate::clock::Clock;

/// How long cancelled work may take to clean up.
const GRACE: Duration = Duration::from_secs(5);

/// When work ends at the latest, and who can end it earlier.
#[derive(Clone, Debug)]
pub(super) struct Deadline<'a> {
    pub(super) clock: &'a dyn Clock,
    pub(super) limit: Duration,
    pub(super) direction: &'static str,
}

impl Deadline<'_> {
    /// Runs `work`; when the time is over or `stop` is cancelled, `stop` tells the work, which then has [`GRACE`] to end.
    pub(super) async fn run<T>(
        &self,
        stop: &CancellationToken,
        work: impl Future<Output = Result<T, SyncError>>,
    ) -> Result<T, SyncError> {
        let work = std::pin::pin!(work);
        let timer = std::pin::pin!(stop.run_until_cancelled(self.clock.sleep(self.limit)));
        let (is_over, work) = match select(work, timer).await {
            Either::Left((outcome, _)) => return outcome,
            Either::Right((slept, work)) => (slept.is_some(), work),
        };
        stop.cancel();
        let reason = || {
            if is_over {
                SyncError::Deadline { direction: self.direction, deadline: self.limit }
            } else {
                SyncError::Interrupted { direction: self.direction }
            }
        };
        let grace = std::pin::pin!(self.clock.sleep(GRACE));
        match select(work, grace).await {
            // It was just done.
            Either::Left((Ok(value), _)) => Ok(value),
            Either::Left((Err(_), _)) | Either::Right(_) => Err(reason()),
        }
    }
}
