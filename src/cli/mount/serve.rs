//! `swamp mount`: from the claim on the cache to the last push.

use std::fs::File;
use std::io;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use swamp::fsutil::{self, FileError};
use swamp::mounting::{
    Claim, Flushed, Keeper, KeeperParts, Leave, Links, MountFacts, MountReports, Pushes, RepoExchange, Server,
    Surroundings,
};
use swamp::path::RelPath;
use swamp::repo::{Repo, RepoError};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::arguments::MountArguments;
use super::failure::MountFailure;
use super::guardian::Guardian;
use super::join::{self, Parts, Served};
use super::{daemon, notify};
use crate::cli::context::Context;
use crate::cli::report::{Failed, Outcome};

/// How long whoever uses the mount may take to finish when it ends.
const GRACE: Duration = Duration::from_secs(5);

/// How long the last look for changes may take when the time for pushing is over.
const LAST_LOOK: Duration = Duration::from_secs(2);

/// How often to look whether it is still mounted, for nobody tells if the process that says so dies.
const WAIT_STEP: Duration = Duration::from_secs(1);

/// What is passed on to a mount that may not be there yet.
#[derive(Debug)]
struct Outside {
    served: Whereabouts,
    reports: Arc<MountReports>,
}

/// Where a mount is found once it is there; the mount itself leads here, and ends nevertheless when it is dropped.
type Whereabouts = Arc<OnceLock<Weak<dyn Served>>>;

fn found(served: &Whereabouts) -> Option<Arc<dyn Served>> {
    served.get().and_then(Weak::upgrade)
}

impl Surroundings for Outside {
    fn names_changed(&self) {
        if let Some(served) = found(&self.served) {
            served.names_changed();
        }
    }

    fn status(&self) -> serde_json::Value {
        self.reports.status()
    }
}

/// Why a mount ends.
enum End {
    /// Somebody asked for it, and waits to hear what is left.
    Asked(Leave),
    /// We were told to by a signal.
    Signalled,
    /// It was unmounted by somebody, or cannot be served any more.
    Gone(Result<(), Failed>),
}

pub(crate) async fn run(arguments: MountArguments, context: &Context) -> Outcome {
    if arguments.daemon {
        // Whatever can be refused is refused by the process in the background, in the same words.
        return daemon::start(context.environment.directory().join(&arguments.mountpoint), context);
    }
    if arguments.detached {
        daemon::detach()?;
    }
    let repo = Arc::new(context.repo()?);
    repo.check_shares_data()?;
    let mountpoint = context.environment.directory().join(&arguments.mountpoint);
    check_place(&repo, &mountpoint)?;
    if !arguments.read_only {
        repo.check_owner().await?;
    }
    let state = &repo.paths().state;
    let socket = swamp::mounting::socket_path(state, context.environment.variable("XDG_RUNTIME_DIR").map(Path::new));
    let started = context.clock.now();
    let server = Server { pid: std::process::id(), mountpoint: mountpoint.clone(), socket: socket.clone(), started };
    let _claim = Claim::take(state, &server, &*context.clock).await?;
    fsutil::create_directory(&repo.namespaced())?;
    let is_unsure = repo.watermark().attend()?;
    if is_unsure {
        info!("the last mount did not end properly, all files are looked at");
    }
    let (served, links) = (Whereabouts::default(), Links::new(&context.clock));
    let reports = Arc::new(reports(&repo, &links, &server, &served, context));
    let parts = Parts { repo: &repo, links: &links, reports: &reports, mountpoint: &mountpoint, arguments: &arguments };
    let mut guardian = Guardian::start(&mountpoint, &join::source_of(repo.id()));
    // Before anybody can see the mount: whoever talks to it then waits for the answer.
    let listener = swamp::mounting::listen(&socket)?;
    let mount = join::mount(&parts, &mut guardian, context).inspect_err(|_| drop(fsutil::remove_file(&socket)))?;
    served.get_or_init(|| Arc::downgrade(&mount));

    let stop = CancellationToken::new();
    let around = Arc::new(Outside { served, reports: Arc::clone(&reports) });
    let exchange = Arc::new(RepoExchange::new(Arc::clone(&repo), stop.clone()).unsure(is_unsure));
    let (keeper, leaves) = keep(&repo, links.clone(), around, listener, &arguments, exchange, context)?;
    announce(&arguments, state, &mountpoint, context)?;

    let end = until_end(&mount, leaves, context).await;
    notify::tell(&context.environment, "STOPPING=1");
    let outcome = finish(end, keeper, mount, &parts, &stop).await;
    if !repo.watermark().leave()? {
        warn!("something was still being written, the next mount looks at all files");
    }
    drop(guardian);
    fsutil::remove_file(&socket)?;
    outcome
}

/// Refuses places from which the cache would be reached through the mount, or the other way round.
fn check_place(repo: &Repo, mountpoint: &Path) -> Result<(), Failed> {
    if let Some(directory) = repo.config().backend.directory()
        && !directory.is_dir()
    {
        return Err(RepoError::DirectoryMissing { directory: directory.to_owned() }.into());
    }
    for cache in [&repo.paths().cache, &repo.paths().tree] {
        if mountpoint.starts_with(cache) || cache.starts_with(mountpoint) {
            return Err(MountFailure::Overlap { mountpoint: mountpoint.to_owned(), cache: cache.clone() }.into());
        }
    }
    Ok(())
}

fn reports(repo: &Arc<Repo>, links: &Links, server: &Server, served: &Whereabouts, context: &Context) -> MountReports {
    let served = Arc::clone(served);
    MountReports {
        repo: Arc::clone(repo),
        mountpoint: server.mountpoint.clone(),
        socket: server.socket.clone(),
        started: server.started,
        links: links.clone(),
        ask_mount: Arc::new(move || found(&served).map_or_else(MountFacts::default, |served| served.facts())),
        clock: Arc::clone(&context.clock),
    }
}

#[expect(clippy::too_many_arguments, reason = "everything that a mount consists of")]
fn keep(
    repo: &Arc<Repo>,
    links: Links,
    surroundings: Arc<Outside>,
    listener: UnixListener,
    arguments: &MountArguments,
    exchange: Arc<RepoExchange>,
    context: &Context,
) -> Result<(Keeper, mpsc::Receiver<Leave>), Failed> {
    let parts = KeeperParts {
        exchange,
        watermark: Arc::clone(repo.watermark()),
        root: repo.namespaced(),
        timing: arguments.timing(),
        clock: Arc::clone(&context.clock),
        surroundings,
    };
    let mut keeper = Keeper::start(parts, links)?;
    let (sender, leaves) = mpsc::channel(1);
    keeper.listen(listener, Arc::clone(&context.clock), sender)?;
    Ok((keeper, leaves))
}

/// Says that the mount answers, to everybody who waits for that.
fn announce(arguments: &MountArguments, state: &Path, mountpoint: &Path, context: &Context) -> Result<(), Failed> {
    if arguments.detached {
        let log = arguments.log_file.as_ref().map(|file| context.environment.directory().join(file));
        context.output.status(&format!("mounted at {}; `swamp unmount` ends it", mountpoint.display()));
        daemon::ready(&log.unwrap_or_else(|| state.join("mount.log")))?;
    } else {
        context.output.status(&format!("mounted at {}; Ctrl-C or `swamp unmount` ends it", mountpoint.display()));
    }
    notify::tell(&context.environment, "READY=1\n");
    Ok(())
}

async fn until_end(mount: &Arc<dyn Served>, mut leaves: mpsc::Receiver<Leave>, context: &Context) -> End {
    let (gone, is_gone) = oneshot::channel();
    let watched = Arc::downgrade(mount);
    let watch = move || {
        let outcome = loop {
            let Some(mount) = watched.upgrade() else { return };
            match mount.wait(WAIT_STEP) {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        // Nobody listens if it ends for another reason.
        drop(gone.send(outcome));
    };
    if let Err(error) = std::thread::Builder::new().name("swamp-wait".to_owned()).spawn(watch) {
        return End::Gone(Err(FileError::at("start", Path::new("a thread"))(error).into()));
    }
    tokio::select! {
        Some(leave) = leaves.recv() => End::Asked(leave),
        () = context.stop.cancelled() => End::Signalled,
        gone = is_gone => End::Gone(gone.unwrap_or(Ok(()))),
    }
}

/// Pushes, unmounts, and pushes what was written until then.
async fn finish(
    end: End,
    keeper: Keeper,
    mount: Arc<dyn Served>,
    parts: &Parts<'_>,
    stop: &CancellationToken,
) -> Outcome {
    let Parts { repo, arguments, .. } = parts;
    let is_pushing = arguments.timing().pushes == Pushes::Automatic;
    let timeout = match &end {
        End::Asked(leave) => leave.timeout,
        End::Signalled | End::Gone(_) if is_pushing => arguments.timeout,
        End::Signalled | End::Gone(_) => Duration::ZERO,
    };
    let first = keeper.flush(timeout).await;
    let is_reachable = first.as_ref().is_ok_and(Flushed::is_done);
    let (unmounting, writing) = (Arc::clone(&mount), repo.watermark().held());
    let unmounted = tokio::task::spawn_blocking(move || unmounting.unmount(GRACE)).await;
    let is_free = unmounted.map_err(RepoError::from)?;
    drop(mount);
    // Whoever still wrote has been heard now.
    let last_look = if is_reachable && !timeout.is_zero() { timeout.max(LAST_LOOK) } else { Duration::ZERO };
    let left = match keeper.flush(last_look).await {
        Ok(left) => left,
        Err(error) => Flushed { is_everything: true, reason: Some(error.to_string()), ..Flushed::default() },
    };
    // The first one knows why better than one that had no time.
    let reason = first.ok().and_then(|first| first.reason).or(left.reason);
    let mut left = Flushed { reason, left: left.left, is_everything: left.is_everything };
    // What is written to a shared directory is in the datastore already.
    if !is_free && !writing.is_empty() && repo.config().backend.directory().is_none() {
        leave_open(repo, writing, &mut left)?;
    }
    let failed = match end {
        End::Asked(leave) => {
            // Whoever asked says what is left; for us that is an orderly end.
            drop(leave.reply.send(Ok(left.clone())));
            None
        }
        End::Signalled => None,
        End::Gone(outcome) => outcome.err(),
    };
    stop.cancel();
    // Ends threads, which may take a moment: what is asked is answered, and locks are released.
    let ended = tokio::task::spawn_blocking(move || keeper.finish()).await;
    ended.map_err(RepoError::from)?;
    match failed {
        Some(failed) => Err(failed),
        None if left.is_done() => Ok(()),
        None => Err(MountFailure::NotRemote { left }.into()),
    }
}

/// Records directories in which files stay open for writing: the kernel goes on writing to them, and nobody is told.
fn leave_open(repo: &Repo, writing: Vec<RelPath>, left: &mut Flushed) -> Result<(), FileError> {
    for directory in writing {
        repo.watermark().mark(Some(&directory))?;
        left.left.push(directory.to_string());
    }
    left.left.sort_unstable();
    left.left.dedup();
    let open = "a program still writes to open files there; the next mount or push sends what it wrote".to_owned();
    left.reason.get_or_insert(open);
    Ok(())
}

/// Opens the file that log records go to.
pub(crate) fn log_file(path: &PathBuf) -> Result<File, FileError> {
    let open = || -> io::Result<File> { File::options().create(true).append(true).open(path) };
    open().map_err(FileError::at("open", path))
}
