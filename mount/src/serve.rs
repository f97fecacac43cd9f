//! Everything together: the operations, the protocol and the session, from the options of a mount.

use std::fmt;
use std::sync::Arc;

use crate::content::Usage;
use crate::fs::Core;
use crate::fuse::{Adapter, Facts};
use crate::lifecycle::InFlight;
use crate::{Mount, MountError, Mounted, Options};

/// How bytes get between a program and a file of the backing directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// It will be known when the first file is opened.
    Undecided,
    /// The kernel moves them by itself.
    Passthrough,
    /// They go through this process, and why.
    Served(String),
}

/// How many inodes of the backing directory are known, and how many of them by an open descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inodes {
    /// Inodes that the kernel knows.
    pub known: usize,
    /// Descriptors that are open for them.
    pub open: usize,
}

/// A mounted file system and what is known of it. Dropping it unmounts.
pub struct Served {
    mount: Mount,
    core: Arc<Core>,
    facts: Arc<Facts>,
}

/// Mounts and serves what the options say. `attached` hears which mount it is before anything is answered through it: a
/// guardian must know it by then.
pub fn serve(options: &Options, attached: impl FnOnce(&Mounted)) -> Result<Served, MountError> {
    let refused = |source| MountError::Refused { path: options.mountpoint.clone(), source };
    let core = Arc::new(Core::new(options).map_err(refused)?);
    let in_flight = InFlight::new();
    let adapter = Adapter::new(Arc::clone(&core), options.passthrough, Arc::clone(&in_flight));
    let facts = adapter.facts();
    let mount = Mount::new(options, adapter, in_flight, |mounted, device| {
        attached(mounted);
        facts.probe(device);
    })?;
    Ok(Served { mount, core, facts })
}

impl Served {
    /// Returns the mount itself.
    pub const fn mount(&self) -> &Mount {
        &self.mount
    }

    #[cfg(test)]
    pub(crate) const fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Returns how bytes of backing files are transferred.
    pub fn transfer(&self) -> Transfer {
        self.facts.transfer()
    }

    /// Returns how the memory for fetched content is used.
    pub fn usage(&self) -> Usage {
        self.core.usage()
    }

    /// Counts the inodes of the backing directory.
    pub fn inodes(&self) -> Inodes {
        self.core.backing().map_or(Inodes { known: 0, open: 0 }, |backing| backing.usage())
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").field("transfer", &self.transfer()).finish_non_exhaustive()
    }
}
