//! Whether the kernel reads and writes backing files by itself, and the one registration per file that this takes.
//!
//! The kernel refuses (EIO) a second registration of a file that is open, and one that is open without: whatever the
//! first open of a file got all further ones get, until the last is closed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fuser::{BackingId, InitFlags, KernelConfig};
use rustix::process::geteuid;
use tracing::{debug, info};

use crate::backing::{Backing, OpenFile};
use crate::{Passthrough, Transfer};

/// What is found out about the kernel while mounting.
pub(crate) struct Facts {
    backing: Option<Arc<Backing>>,
    state: Mutex<Transfer>,
    files: Mutex<HashMap<u64, Shared>>,
}

/// How a file is open, and how often.
struct Shared {
    /// None if the kernel asks us for its bytes.
    registered: Option<Arc<BackingId>>,
    handles: usize,
}

impl Facts {
    pub(super) fn new(backing: Option<Arc<Backing>>, wanted: Passthrough) -> Self {
        let state = match (&backing, wanted) {
            (None, _) => Transfer::Served("nothing is writable".to_owned()),
            (Some(_), Passthrough::Off) => Transfer::Served("it was switched off".to_owned()),
            (Some(_), Passthrough::Auto) if !geteuid().is_root() => Transfer::Served("it takes root".to_owned()),
            (Some(_), Passthrough::Auto) => Transfer::Undecided,
        };
        Self { backing, state: Mutex::new(state), files: Mutex::default() }
    }

    /// Returns how bytes of backing files are transferred.
    pub(crate) fn transfer(&self) -> Transfer {
        lock(&self.state).clone()
    }

    /// Asks the kernel for what passthrough takes, at the start of the protocol.
    pub(super) fn negotiate(&self, config: &mut KernelConfig) {
        let mut state = lock(&self.state);
        let Some(backing) = self.backing.as_ref().filter(|_| *state == Transfer::Undecided) else { return };
        // On top of a stacked file system we are one level higher; the kernel allows two.
        let depth = if backing.is_stacked() { 2 } else { 1 };
        if config.add_capabilities(InitFlags::FUSE_PASSTHROUGH).is_err() {
            *state = Transfer::Served("the kernel does not have it".to_owned());
        } else if config.set_max_stack_depth(depth).is_err() {
            *state = Transfer::Served("the kernel does not stack that high".to_owned());
        }
    }

    /// Decides once and for all, on the device of a mount that has just been made and serves nobody yet.
    ///
    /// The file that is registered for this is nameless and empty; its registration ends with the mount.
    pub(crate) fn probe(&self, device: impl AsFd) {
        let mut state = lock(&self.state);
        let Some(backing) = self.backing.as_ref().filter(|_| *state == Transfer::Undecided) else { return };
        // Where no file can be made the first one opened will decide.
        let Ok(nameless) = backing.nameless_file() else { return };
        *state = decided(BackingId::create_raw(device, nameless).as_ref().map(drop));
    }

    /// Returns the registration for one more handle of a file, none if the kernel is to ask us.
    pub(super) fn share(
        &self,
        file: &OpenFile,
        register: impl FnOnce(BorrowedFd<'_>) -> io::Result<BackingId>,
    ) -> Option<Arc<BackingId>> {
        let mut state = lock(&self.state);
        if matches!(*state, Transfer::Served(_)) {
            return None;
        }
        // Under the lock: two first opens must not register twice.
        let mut files = lock(&self.files);
        let shared = match files.entry(file.number()) {
            Entry::Occupied(occupied) => occupied.into_mut(),
            Entry::Vacant(vacant) => {
                let registered = register(file.file());
                if *state == Transfer::Undecided {
                    *state = decided(registered.as_ref().map(drop));
                }
                if let Err(source) = &registered {
                    debug!(%source, "a file cannot be passed through");
                }
                vacant.insert(Shared { registered: registered.ok().map(Arc::new), handles: 0 })
            }
        };
        shared.handles += 1;
        shared.registered.clone()
    }

    /// Ends a handle of a file.
    pub(super) fn unshare(&self, number: u64) {
        let mut files = lock(&self.files);
        if let Entry::Occupied(mut occupied) = files.entry(number) {
            occupied.get_mut().handles -= 1;
            if occupied.get().handles == 0 {
                occupied.remove();
            }
        }
    }
}

fn decided(registered: Result<(), &io::Error>) -> Transfer {
    match registered {
        Ok(()) => {
            info!("reads and writes bypass this process");
            Transfer::Passthrough
        }
        Err(source) => {
            info!(%source, "reads and writes go through this process");
            Transfer::Served(source.to_string())
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
