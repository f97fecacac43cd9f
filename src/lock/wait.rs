//! Waiting for somebody else to release a lock, without taking it (formats.md 7.4).

use std::time::Duration;

use super::{Found, Lock, LockError, POLL};
use crate::bucket::Version;

/// For how long a lock was seen without being renewed.
#[derive(Debug, Default)]
pub(super) struct Watch(Option<(Version, Duration)>);

impl Watch {
    /// Returns for how long the lock has been as it was found at `now`.
    pub(super) fn unchanged(&mut self, found: &Found, now: Duration) -> Duration {
        let since = match &self.0 {
            Some((version, since)) if *version == found.meta.version => *since,
            _ => now,
        };
        self.0 = Some((found.meta.version.clone(), since));
        now.saturating_sub(since)
    }
}

impl Lock {
    /// Waits until nobody holds the lock but `parent`, a process of this machine that waits for us in turn.
    pub async fn wait_until_free(&self, parent: Option<u32>) -> Result<(), LockError> {
        let started = self.clock.elapsed();
        let mut watch = Watch::default();
        let mut pause = POLL.0;
        loop {
            if self.options.stop.is_cancelled() {
                return Err(LockError::Interrupted { key: self.key.clone() });
            }
            let Some(found) = self.inspect().await? else { return Ok(()) };
            if is_of(&found, parent) {
                return Ok(());
            }
            let now = self.clock.elapsed();
            if self.is_abandoned(&found, watch.unchanged(&found, now)) {
                self.steal(&found).await?;
                continue;
            }
            let waited = now.saturating_sub(started);
            if waited >= self.options.wait_max {
                return Err(LockError::Timeout { key: self.key.clone(), body: found.body.map(Box::new), waited });
            }
            pause = self.pause(pause, waited).await;
        }
    }

    /// Whether anybody holds the lock but `parent`, a process of this machine that waits for us in turn.
    pub async fn is_held_but_by(&self, parent: Option<u32>) -> Result<bool, LockError> {
        Ok(self.inspect().await?.is_some_and(|found| !is_of(&found, parent)))
    }

    /// Whether `parent`, a process that waits for us, holds the lock.
    pub async fn is_held_by(&self, parent: Option<u32>) -> Result<bool, LockError> {
        Ok(parent.is_some() && self.inspect().await?.is_some_and(|found| is_of(&found, parent)))
    }

    /// Sleeps until the next look, at most as long as there is left to wait; returns how long the pause after it is.
    pub(super) async fn pause(&self, pause: Duration, waited: Duration) -> Duration {
        let jittered = pause.mul_f64(0.75 + fastrand::f64() / 2.0).min(self.options.wait_max.saturating_sub(waited));
        self.options.stop.run_until_cancelled(self.clock.sleep(jittered)).await;
        (pause * 2).min(POLL.1)
    }
}

fn is_of(found: &Found, process: Option<u32>) -> bool {
    found.body.as_ref().is_some_and(|body| process == Some(body.pid))
}
