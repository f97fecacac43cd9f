//! Telling the kernel that names may have changed, so that it asks again.
//!
//! One message makes the kernel doubt every name it knows, without waiting for anybody. It is sent by a thread of its
//! own that holds no lock, and however often it is asked for meanwhile, it is sent once. It is never about content:
//! content does not change.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::{io, thread};

use tracing::{debug, warn};

/// Of the kernel's protocol since 7.44: increment the epoch of all names.
const INCREMENT_EPOCH: u32 = 8;
const MESSAGE_BYTES: u32 = 16;

/// Tells the kernel of changes. Clones tell the same kernel of the same mount.
#[derive(Clone, Debug)]
pub struct Notifier {
    shared: Arc<Shared>,
    has_epochs: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_pending: bool,
    is_sending: bool,
    is_closed: bool,
}

impl Notifier {
    /// Returns a notifier for a connection on which the kernel has had its first answer.
    pub(crate) fn new(connection: OwnedFd) -> io::Result<Self> {
        let has_epochs = send(&connection).is_ok();
        let shared = Arc::<Shared>::default();
        if has_epochs {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name("swamp-notify".to_owned()).spawn(move || shared.serve(&connection))?;
        }
        debug!(has_epochs, "notifications");
        Ok(Self { shared, has_epochs })
    }

    /// Has the kernel ask again for every name; what is open stays as it is. Never waits.
    pub fn names_changed(&self) {
        if self.has_epochs {
            self.shared.lock().is_pending = true;
            self.shared.changed.notify_one();
        }
    }

    /// Says whether this kernel can be told. If not, names must be given to it for a short time only.
    pub fn has_epochs(&self) -> bool {
        self.has_epochs
    }

    /// Whether the kernel was told of all changes.
    #[cfg(test)]
    pub(super) fn is_told(&self) -> bool {
        let state = self.shared.lock();
        !state.is_pending && !state.is_sending
    }

    /// Sends nothing from now on and lets go of the connection.
    pub(crate) fn close(&self) {
        self.shared.lock().is_closed = true;
        self.shared.changed.notify_one();
    }
}

impl Shared {
    // Two flags cannot be half changed, so a poisoned lock is as good.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, connection: &OwnedFd) {
        loop {
            let state = self.lock();
            let wait = self.changed.wait_while(state, |state| !state.is_pending && !state.is_closed);
            let mut state = wait.unwrap_or_else(PoisonError::into_inner);
            if state.is_closed {
                return;
            }
            (state.is_pending, state.is_sending) = (false, true);
            drop(state);
            if let Err(source) = send(connection) {
                warn!(%source, "the kernel was not told of changed names");
            }
            self.lock().is_sending = false;
        }
    }
}

fn send(connection: &OwnedFd) -> io::Result<()> {
    let mut message = [0; MESSAGE_BYTES as usize];
    message[0..4].copy_from_slice(&MESSAGE_BYTES.to_ne_bytes());
    message[4..8].copy_from_slice(&INCREMENT_EPOCH.to_ne_bytes());
    rustix::io::write(connection, &message)?;
    Ok(())
}
