//! Removing a lock by hand, also one whose content is empty or broken (trap T14).

use super::{Body, Lock, LockError};

/// What was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// There was no lock.
    Absent,
    /// A lock with this content, `None` if it was unreadable.
    Removed(Option<Body>),
}

impl Lock {
    /// Removes the lock whoever holds it. The former holder notices at its next heartbeat and commits nothing.
    pub async fn break_by_force(&self) -> Result<Broken, LockError> {
        let Some(found) = self.inspect().await? else { return Ok(Broken::Absent) };
        // Exactly the lock that was looked at: one taken in between belongs to somebody who is alive.
        let removed = self.bucket.delete(&self.key, Some(found.meta.version)).await;
        removed.map_err(|source| self.failed("break", source))?;
        Ok(Broken::Removed(found.body))
    }
}
