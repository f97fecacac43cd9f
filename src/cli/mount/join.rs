//! Where the file system itself is joined to everything else; nothing above knows how it is made.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use swamp::error::Kind;
use swamp::fsutil::FileError;
use swamp::mounting::{Admission, Links, MountFacts, MountReports, Recorder};
use swamp::repo::Repo;
use swamp::tree::{Datastore, MountedTree, Reports, TreeParts};
use swamp_mount::{Access, MountError, Mounted, Options, Passthrough, Transfer, Unmounted, Waited, Writable};
use tokio::runtime::Handle;
use tracing::warn;

use super::arguments::MountArguments;
use super::failure::MountFailure;
use super::guardian::Guardian;
use crate::cli::context::Context;
use crate::cli::report::Failed;

/// A file system that is mounted. Dropping it unmounts.
pub(super) trait Served: Send + Sync + fmt::Debug {
    /// Waits until it is unmounted, at most for `timeout`; returns whether it is still mounted.
    fn wait(&self, timeout: Duration) -> Result<bool, Failed>;

    /// Takes it away; who uses it may finish within `grace`. Returns whether everybody did.
    fn unmount(&self, grace: Duration) -> bool;

    /// Tells the kernel that names have changed.
    fn names_changed(&self);

    /// Returns what it knows about itself.
    fn facts(&self) -> MountFacts;
}

/// What is mounted, and who hears of it.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) repo: &'a Arc<Repo>,
    pub(super) links: &'a Links,
    pub(super) reports: &'a Arc<MountReports>,
    pub(super) mountpoint: &'a Path,
    pub(super) arguments: &'a MountArguments,
}

impl Served for swamp_mount::Served {
    fn wait(&self, timeout: Duration) -> Result<bool, Failed> {
        let waited = self.mount().wait(timeout).map_err(|error| MountFailure::Mechanism {
            kind: Kind::Unavailable,
            hint: Some("nothing is lost; mount again".to_owned()),
            source: Box::new(error),
        })?;
        Ok(waited == Waited::Served)
    }

    fn unmount(&self, grace: Duration) -> bool {
        let is_free = self.mount().unmount(grace) == Unmounted::Drained;
        if !is_free {
            warn!("somebody still used the mount and was cut off");
        }
        is_free
    }

    fn names_changed(&self) {
        self.mount().notifier().names_changed();
    }

    fn facts(&self) -> MountFacts {
        let (usage, inodes) = (self.usage(), self.inodes());
        let passthrough_reason = match self.transfer() {
            Transfer::Passthrough => None,
            Transfer::Served(reason) => Some(reason),
            Transfer::Undecided => Some("the first file that is opened decides".to_owned()),
        };
        let counters = [
            ("inodes", inodes.known as u64),
            ("descriptors", inodes.open as u64),
            ("cache_hits", usage.hits),
            ("cache_misses", usage.misses),
            ("fetches", usage.fetches),
            ("fetched_bytes", usage.fetched_bytes),
        ];
        MountFacts {
            passthrough: passthrough_reason.is_none(),
            passthrough_reason,
            cache_bytes: usage.bytes,
            cache_bytes_max: usage.bytes_max,
            counters: counters.map(|(name, value)| (name.to_owned(), value)).into(),
        }
    }
}

/// Mounts; must be called from within the runtime that fetches. The guardian knows the mount before anybody can use it.
pub(super) fn mount(parts: &Parts<'_>, guardian: &mut Guardian, context: &Context) -> Result<Arc<dyn Served>, Failed> {
    let Parts { repo, links, reports, mountpoint, arguments } = parts;
    let tree = MountedTree::new(TreeParts {
        catalog: repo.catalog()?,
        namespace: repo.namespace().cloned(),
        store: Arc::clone(repo.store()),
        // Connections belong to the runtime they were made on: fetching has a datastore of its own.
        datastore: Arc::new(context.repo()?) as Arc<dyn Datastore>,
        reports: Arc::clone(reports) as Arc<dyn Reports>,
        refresh: Arc::new((*links).clone()),
        failures: Arc::clone(links.failures()),
        clock: Arc::clone(&context.clock),
        runtime: Handle::current(),
        deadline: arguments.deadline,
    });
    let admission = Admission::new(repo.config()).with_special(arguments.special());
    let watermark = Arc::clone(repo.watermark());
    let recorder = Recorder::new(watermark, admission, links);
    let writable = Writable {
        name: tree.own_name().to_owned(),
        directory: repo.namespaced(),
        overlay: tree.overlay(),
        observer: Arc::new(recorder),
    };
    let (user, group) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let options = Options {
        mountpoint: mountpoint.to_path_buf(),
        source: source_of(repo.id()),
        tree,
        writable: Some(writable),
        read_only: arguments.read_only,
        access: if arguments.allow_other { Access::Everybody } else { Access::Owner },
        passthrough: if arguments.no_passthrough { Passthrough::Off } else { Passthrough::Auto },
        owner: (arguments.uid.unwrap_or(user), arguments.gid.unwrap_or(group)),
        cache_bytes: arguments.cache_bytes,
        deadline: arguments.deadline,
    };
    let served = swamp_mount::serve(&options, |mounted| guardian.tell(mounted));
    let served = served.map_err(|error| MountFailure::Mechanism {
        kind: kind_of(&error),
        hint: error.hint().map(str::to_owned),
        source: Box::new(error),
    })?;
    Ok(Arc::new(served))
}

/// What names the mounts of a repository in the list of mounts, where a comma would end the name.
pub(super) fn source_of(id: &str) -> String {
    let plain = |character: char| if character.is_ascii_alphanumeric() || character == '-' { character } else { '_' };
    format!("swamp-{}", id.chars().map(plain).collect::<String>())
}

fn kind_of(error: &MountError) -> Kind {
    match error {
        MountError::Mountpoint { .. }
        | MountError::NotEmpty { .. }
        | MountError::Occupied { .. }
        | MountError::Device { .. }
        | MountError::NoFusermount
        | MountError::NotForEverybody => Kind::Invalid,
        MountError::Refused { .. } => Kind::Denied,
        MountError::Unresponsive { .. } => Kind::Unavailable,
    }
}

/// Takes a mount of ours away if nobody serves it any more, and returns what it was of. If it is not dead, `silence` is why it
/// does not say where its process answers.
pub(super) fn take_away(mountpoint: &Path, silence: io::Error) -> Result<String, Failed> {
    let failed = || FileError::at("unmount", mountpoint);
    let mounted = match swamp_mount::mounted_at(mountpoint) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        mounted => mounted.map_err(failed())?.filter(Mounted::is_ours),
    };
    let Some(mounted) = mounted else {
        return Err(MountFailure::NotMounted { mountpoint: mountpoint.to_owned() }.into());
    };
    // What is dead says so at once.
    if silence.kind() == io::ErrorKind::TimedOut || !swamp_mount::is_dead(&mounted) {
        let (mountpoint, holder) = (mountpoint.to_owned(), mounted.source);
        return Err(MountFailure::Silent { mountpoint, holder, source: silence }.into());
    }
    swamp_mount::detach(&mounted).map_err(failed())?;
    Ok(mounted.source)
}
