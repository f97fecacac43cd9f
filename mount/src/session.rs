//! A mount from beginning to end: mounted, served, watched and taken away.
//!
//! We mount and unmount ourselves and give the crate that speaks the protocol nothing but the connection: whatever it
//! would do at the end, it would do to a path, which may be somebody else's mount by then. Unmounting never waits for
//! who uses the mount, and not for long for anything else.

use std::fmt;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use fuser::{Config, Filesystem, Session, SessionACL};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::process::DumpableBehavior;
use tracing::{debug, error, info, warn};

use crate::lifecycle::{InFlight, MountError, Notifier, ServeError, abort, attach, prepare, within};
use crate::mounts::{self, MountId, Mounted};
use crate::{Options, SUBTYPE};

/// How long a new mount may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Operations this much beyond their deadline are reported.
const OVERDUE: Duration = Duration::from_secs(5);

/// A thread that takes no requests for this long never will.
const STUCK: Duration = Duration::from_mins(1);

/// How often the watch looks at operations in flight.
const WATCH_INTERVAL: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// What a dropped mount waits for its last requests.
const DROP_GRACE: Duration = Duration::from_secs(1);

/// What threads get to end after the connection was given up.
const ABORT_GRACE: Duration = Duration::from_secs(2);

/// Something mounted and served by this process. Dropping it unmounts.
pub struct Mount {
    mounted: Mounted,
    notifier: Notifier,
    shared: Arc<Shared>,
}

/// What has become of a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// It is still served: the time is over.
    Served,
    /// It is unmounted, by us or by somebody else. What was open may still be served until [`Mount::unmount`].
    Unmounted,
}

/// How an unmount ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmounted {
    /// Every request was answered.
    Drained,
    /// Somebody still used it, here or in another mount namespace, and was cut off.
    CutOff,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// No thread takes requests any more, and why.
    ended: Option<Result<(), Arc<io::Error>>>,
    /// It has no name any more.
    is_detached: bool,
    /// Somebody is about to take its name away.
    is_detaching: bool,
    /// Why it was given up though nobody wanted to unmount it.
    stuck: Option<ServeError>,
    /// Nothing more can be done to end it.
    is_given_up: bool,
}

impl Mount {
    /// Mounts and serves a file system, of which every operation should be in the table.
    ///
    /// `connected` is given the mount and its connection once the kernel has had its first answer, before it asks anything
    /// else. From then on this process leaves no core dump: it would hold content that must not be on disk.
    pub(crate) fn new<F: Filesystem>(
        options: &Options,
        filesystem: F,
        in_flight: Arc<InFlight>,
        connected: impl FnOnce(&Mounted, BorrowedFd<'_>),
    ) -> Result<Self, MountError> {
        let mountpoint = prepare(options)?;
        let refused = |source| MountError::Refused { path: mountpoint.clone(), source };
        let connection = attach(options, &mountpoint)?;
        let mounted = identify(&mountpoint, options).map_err(refused)?;
        let started = start(connection, filesystem, |device| connected(&mounted, device));
        let (notifier, shared) = started.map_err(|source| {
            give_up(&mounted);
            refused(source)
        })?;
        let mount = Self { mounted, notifier, shared };
        let path = mountpoint.clone();
        match within(ANSWER_MAX, move || rustix::fs::stat(&path)) {
            Some(Ok(_)) => {}
            Some(Err(source)) => return Err(refused(source.into())),
            None => {
                give_up(&mount.mounted);
                mount.shared.lock().is_given_up = true;
                return Err(MountError::Unresponsive { path: mountpoint });
            }
        }
        mount.watch(in_flight, options.deadline + OVERDUE).map_err(refused)?;
        info!(path = %mountpoint.display(), id = %mount.mounted.id, "mounted");
        Ok(mount)
    }

    /// Returns what names this mount to a guardian.
    pub fn id(&self) -> MountId {
        self.mounted.id
    }

    /// Returns where it is mounted, without symbolic links.
    pub fn mountpoint(&self) -> &Path {
        &self.mounted.mountpoint
    }

    /// Returns what tells the kernel of changes.
    pub fn notifier(&self) -> Notifier {
        self.notifier.clone()
    }

    /// Waits until it is unmounted or given up, at most for `timeout`.
    pub fn wait(&self, timeout: Duration) -> Result<Waited, ServeError> {
        let is_served = |state: &mut State| state.ended.is_none() && !state.is_detached && state.stuck.is_none();
        let waited = self.shared.changed.wait_timeout_while(self.shared.lock(), timeout, is_served);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if let Some(stuck) = &state.stuck {
            return Err(stuck.clone());
        }
        match &state.ended {
            Some(Err(source)) => Err(ServeError::Failed { source: Arc::clone(source) }),
            Some(Ok(())) => Ok(Waited::Unmounted),
            None if state.is_detached => Ok(Waited::Unmounted),
            None => Ok(Waited::Served),
        }
    }

    /// Takes the mount out of the tree of names, lets who uses it finish for `grace`, then cuts them off.
    ///
    /// What was mounted at its place since by somebody else is left alone. Doing it twice is no error.
    pub fn unmount(&self, grace: Duration) -> Unmounted {
        self.notifier.close();
        self.detach();
        if self.shared.await_end(grace) {
            return Unmounted::Drained;
        }
        info!(id = %self.mounted.id, "still in use, connection given up");
        give_up(&self.mounted);
        self.shared.lock().is_given_up = true;
        if !self.shared.await_end(ABORT_GRACE) {
            warn!(id = %self.mounted.id, "an operation never ends");
        }
        Unmounted::CutOff
    }

    // On a thread of its own: the last one to let go of a mount waits until pages written through it are ours.
    fn detach(&self) {
        let (shared, mounted) = (Arc::clone(&self.shared), self.mounted.clone());
        {
            let mut state = shared.lock();
            if state.is_detached || state.is_detaching {
                return;
            }
            state.is_detaching = true;
        }
        let detach = move || {
            try_detach(&mounted);
            let is_detached = !is_mounted(&mounted);
            let mut state = shared.lock();
            (state.is_detached, state.is_detaching) = (is_detached, false);
            drop(state);
            shared.changed.notify_all();
        };
        if let Err(source) = thread::Builder::new().name("swamp-detach".to_owned()).spawn(detach) {
            warn!(%source, "cannot start a thread");
            self.shared.lock().is_detaching = false;
        }
    }

    /// Watches until the end for what never ends, and for an unmount by somebody else.
    fn watch(&self, in_flight: Arc<InFlight>, overdue: Duration) -> io::Result<()> {
        let list = rustix::fs::open("/proc/self/mountinfo", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let (mounted, shared) = (self.mounted.clone(), Arc::clone(&self.shared));
        let watch = move || {
            let mut is_over = false;
            while !is_over {
                let mut polled = [PollFd::new(&list, PollFlags::PRI)];
                // An interrupted wait is a short one.
                let events = rustix::event::poll(&mut polled, Some(&WATCH_INTERVAL)).unwrap_or(0);
                if events > 0 && !is_mounted(&mounted) {
                    shared.lock().is_detached = true;
                    shared.changed.notify_all();
                }
                is_over = shared.lock().ended.is_some() || look_at(&in_flight, overdue, &mounted, &shared);
            }
        };
        thread::Builder::new().name("swamp-watch".to_owned()).spawn(watch)?;
        Ok(())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        self.notifier.close();
        let state = self.shared.lock();
        let is_over = state.ended.is_some() || state.is_given_up;
        drop(state);
        if !is_over || is_mounted(&self.mounted) {
            self.unmount(DROP_GRACE);
        }
    }
}

impl fmt::Debug for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mount").field("mounted", &self.mounted).finish_non_exhaustive()
    }
}

impl Shared {
    // Flags cannot be half changed, so a poisoned lock is as good.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn await_end(&self, limit: Duration) -> bool {
        let waited =
            self.changed.wait_timeout_while(self.lock(), limit, |state| state.ended.is_none() || state.is_detaching);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.ended.is_some()
    }
}

/// Finds what was just mounted in the list of mounts.
fn identify(mountpoint: &Path, options: &Options) -> io::Result<Mounted> {
    let mounted = mounts::mounted_at(mountpoint)?;
    mounted
        .filter(|mounted| mounted.is_ours() && mounted.source == options.source)
        .ok_or_else(|| io::Error::other(format!("it is not in the list of mounts as `fuse.{SUBTYPE}`")))
}

/// Speaks with the kernel on threads of their own.
fn start<F: Filesystem>(
    connection: OwnedFd,
    filesystem: F,
    connected: impl FnOnce(BorrowedFd<'_>),
) -> io::Result<(Notifier, Arc<Shared>)> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let mut config = Config::default();
    // More threads are slower on few processors, whose time they take from who waits for them.
    let processors = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    config.n_threads = Some(if processors <= 2 { 1 } else { 2 });
    // Who may use the mount is checked by the kernel, which also knows of programs that change their user.
    let session = Session::from_fd(filesystem, connection, SessionACL::All, config)?;
    connected(session.as_fd());
    let notifier = Notifier::new(session.as_fd().try_clone_to_owned()?)?;
    let shared = Arc::<Shared>::default();
    let ending = Arc::clone(&shared);
    let serve = move || {
        let result = session.run().map_err(Arc::new);
        debug!(is_error = result.is_err(), "no more requests");
        ending.lock().ended = Some(result);
        ending.changed.notify_all();
    };
    thread::Builder::new().name("swamp-session".to_owned()).spawn(serve)?;
    Ok((notifier, shared))
}

fn is_mounted(mounted: &Mounted) -> bool {
    !matches!(mounts::find(&mounted.mountpoint, mounted.id), Ok(None))
}

/// Makes every request fail and detaches what is left.
fn give_up(mounted: &Mounted) {
    if let Err(source) = abort(mounted) {
        warn!(id = %mounted.id, %source, "cannot give the connection up");
    }
    try_detach(mounted);
}

fn try_detach(mounted: &Mounted) {
    if let Err(source) = mounts::detach(mounted)
        && source.kind() != io::ErrorKind::NotFound
    {
        warn!(path = %mounted.mountpoint.display(), %source, "cannot detach the mount");
    }
}

/// Reports operations that take too long; true if one did for so long that the mount was given up.
fn look_at(in_flight: &InFlight, overdue: Duration, mounted: &Mounted, shared: &Shared) -> bool {
    in_flight.look();
    for slow in in_flight.newly_slow(overdue) {
        warn!(operation = slow.operation, seconds = slow.age.as_secs(), "an operation takes too long");
    }
    let Some(stuck) = in_flight.stuck(STUCK) else { return false };
    error!(operation = stuck.operation, seconds = stuck.age.as_secs(), "an operation never ends, mount given up");
    // Before giving it up, which may end the session: then this is why.
    shared.lock().stuck = Some(ServeError::Stuck { operation: stuck.operation, seconds: stuck.age.as_secs() });
    give_up(mounted);
    shared.lock().is_given_up = true;
    shared.changed.notify_all();
    true
}

/// File systems for tests of everything around them.
#[cfg(test)]
pub(crate) mod simple {
    use std::time::SystemTime;

    use fuser::{Errno, FileAttr, FileHandle, FileType, Generation, INodeNo, LockOwner, OpenFlags, Request};
    use fuser::{ReplyAttr, ReplyData, ReplyDirectory, ReplyEntry};

    use super::*;
    use crate::lifecycle::Token;

    /// What [`Simple`] does when somebody looks a name up: given the name, tells the size of a file.
    pub(crate) type Lookup = Box<dyn Fn(&str) -> Option<u64> + Send + Sync>;

    /// A root directory with whatever files `lookup` finds in it.
    pub(crate) struct Simple {
        pub(crate) in_flight: Arc<InFlight>,
        pub(crate) lookup: Lookup,
        pub(crate) ttl: Duration,
    }

    impl Simple {
        fn begin(&self, name: &'static str) -> Token {
            self.in_flight.begin(name)
        }
    }

    fn attr(ino: INodeNo, size: u64) -> FileAttr {
        let time = SystemTime::UNIX_EPOCH;
        let (kind, perm) =
            if ino == INodeNo::ROOT { (FileType::Directory, 0o755) } else { (FileType::RegularFile, 0o644) };
        FileAttr {
            ino,
            size,
            blocks: 0,
            atime: time,
            mtime: time,
            ctime: time,
            crtime: time,
            kind,
            perm,
            nlink: 1,
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }

    impl Filesystem for Simple {
        fn lookup(&self, _: &Request, _: INodeNo, name: &std::ffi::OsStr, reply: ReplyEntry) {
            let _token = self.begin("lookup");
            match (self.lookup)(&name.to_string_lossy()) {
                Some(size) => reply.entry(&self.ttl, &attr(INodeNo(2), size), Generation(0)),
                None => reply.error(Errno::ENOENT),
            }
        }

        fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
            let _token = self.begin("getattr");
            reply.attr(&Duration::ZERO, &attr(ino, 5));
        }

        fn read(
            &self,
            _: &Request,
            _: INodeNo,
            _: FileHandle,
            _: u64,
            _: u32,
            _: OpenFlags,
            _: Option<LockOwner>,
            reply: ReplyData,
        ) {
            let _token = self.begin("read");
            reply.data(b"bytes");
        }

        fn readdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: u64, reply: ReplyDirectory) {
            let _token = self.begin("readdir");
            reply.ok();
        }
    }
}
