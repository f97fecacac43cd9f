//! The thread that follows a mount: rows within a moment, pushes by the schedule, other namespaces now and then.
//!
//! It never waits for a network itself; that is the other thread's part ([`Exchange`]). Dropping a [`Keeper`] interrupts
//! whatever goes on and leaves the rest dirty.

mod flushing;
mod following;
mod jobs;
mod state;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::control::{self, Answer, Verb};
use super::exchange::{self, Exchange};
use super::inbox::Inbox;
use super::relayed::Relayed;
use super::schedule::Timing;
use super::shown::{Doing, Shown};
use super::summary::Flushed;
use crate::clock::Clock;
use crate::error::Kind;
use crate::fsutil::FileError;
use crate::namespace::Namespace;
use crate::sync::Watermark;
use crate::tree::{Failures, Refresh};

use state::State;

/// Questions that wait for the keeper; whoever asks more waits as well.
const QUESTIONS_MAX: usize = 64;

/// What the recorder, the keeper and the reports share.
#[derive(Clone, Debug)]
pub struct Links {
    pub(super) inbox: Arc<Inbox>,
    pub(super) failures: Arc<Failures>,
    pub(super) shown: Arc<Shown>,
}

impl Links {
    /// Returns links over which nothing was said yet.
    pub fn new(clock: &Arc<dyn Clock>) -> Self {
        Self {
            inbox: Arc::new(Inbox::new(Arc::clone(clock))),
            failures: Arc::new(Failures::new(Arc::clone(clock))),
            shown: Arc::default(),
        }
    }

    /// Asks for another look at what others published, soon.
    pub fn want_refresh(&self) {
        self.inbox.want_refresh();
    }

    /// Returns what the keeper is doing.
    pub fn doing(&self) -> Doing {
        self.shown.doing()
    }

    /// Returns what failed.
    pub fn failures(&self) -> &Arc<Failures> {
        &self.failures
    }
}

impl Refresh for Links {
    fn ask(&self, _: Option<&Namespace>) {
        self.want_refresh();
    }
}

/// What the keeper tells the process around it.
pub trait Surroundings: Send + Sync + fmt::Debug {
    /// Names that are shown may have changed.
    fn names_changed(&self);

    /// Returns the document that is `status.json`.
    fn status(&self) -> serde_json::Value;
}

/// What a keeper is made of.
#[derive(Debug)]
pub struct KeeperParts {
    /// Who exchanges files.
    pub exchange: Arc<dyn Exchange>,
    /// What is dirty.
    pub watermark: Arc<Watermark>,
    /// The directory of our namespace.
    pub root: PathBuf,
    /// How long to wait for what.
    pub timing: Timing,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Who hears of it.
    pub surroundings: Arc<dyn Surroundings>,
}

/// Somebody wants the mount to end.
#[derive(Debug)]
pub struct Leave {
    /// How long to wait for the queue.
    pub timeout: Duration,
    /// Who waits to hear what is not remote.
    pub reply: oneshot::Sender<Result<Flushed, Relayed>>,
}

type Reply = oneshot::Sender<Result<Answer, Relayed>>;

/// A question, and who waits for the answer.
struct Ask {
    verb: Verb,
    reply: Reply,
}

/// A running keeper.
#[derive(Debug)]
pub struct Keeper {
    asks: mpsc::Sender<Ask>,
    stop: CancellationToken,
    _end: DropGuard,
    threads: Vec<JoinHandle<()>>,
}

impl Keeper {
    /// Starts to follow.
    pub fn start(parts: KeeperParts, links: Links) -> Result<Self, FileError> {
        let (asks, questions) = mpsc::channel(QUESTIONS_MAX);
        let (orders, worker) = exchange::start(Arc::clone(&parts.exchange))?;
        let keeper = exchange::on_thread("swamp-keeper", move || State::new(parts, links, orders).run(questions))?;
        let stop = CancellationToken::new();
        Ok(Self { asks, _end: stop.clone().drop_guard(), stop, threads: vec![keeper, worker] })
    }

    /// Starts to answer commands; whoever wants the mount to end is passed on to `leaves`.
    pub fn listen(
        &mut self,
        listener: std::os::unix::net::UnixListener,
        clock: Arc<dyn Clock>,
        leaves: mpsc::Sender<Leave>,
    ) -> Result<(), FileError> {
        let (asks, stop) = (self.asks.clone(), self.stop.clone());
        let serving = move || async move {
            let listener = match listener.set_nonblocking(true).and_then(|()| UnixListener::from_std(listener)) {
                Ok(listener) => listener,
                Err(error) => return tracing::error!(%error, "commands cannot be answered"),
            };
            control::serve(listener, clock, stop, async |verb| match verb {
                Verb::Unmount { timeout_ms } => leave(&leaves, Duration::from_millis(timeout_ms)).await,
                verb => ask(&asks, verb).await,
            })
            .await;
        };
        self.threads.push(exchange::on_thread("swamp-control", serving)?);
        Ok(())
    }

    /// Asks something.
    pub async fn ask(&self, verb: Verb) -> Result<Answer, Relayed> {
        ask(&self.asks, verb).await
    }

    /// Waits until everything is remote, for at most `timeout`; returns what is not.
    pub async fn flush(&self, timeout: Duration) -> Result<Flushed, Relayed> {
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        match self.ask(Verb::Flush { timeout_ms }).await? {
            Answer::Flushed(flushed) => Ok(flushed),
            other => Err(Relayed::new(Kind::Corrupt, format!("a flush was answered with {other:?}"))),
        }
    }

    /// Ends all threads, those that answer commands last. The exchange must have been told to stop.
    pub fn finish(self) {
        let Self { asks, stop, _end, threads } = self;
        stop.cancel();
        drop(asks);
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the mount has panicked");
            }
        }
    }
}

async fn ask(asks: &mpsc::Sender<Ask>, verb: Verb) -> Result<Answer, Relayed> {
    let ending = || Relayed::new(Kind::Unavailable, "the mount is ending");
    let (reply, answer) = oneshot::channel();
    if asks.send(Ask { verb, reply }).await.is_err() {
        return Err(ending());
    }
    answer.await.unwrap_or_else(|_| Err(ending()))
}

async fn leave(leaves: &mpsc::Sender<Leave>, timeout: Duration) -> Result<Answer, Relayed> {
    let ending = || Relayed::new(Kind::Unavailable, "the mount is ending");
    let (reply, answer) = oneshot::channel();
    if leaves.send(Leave { timeout, reply }).await.is_err() {
        return Err(ending());
    }
    answer.await.unwrap_or_else(|_| Err(ending())).map(Answer::Flushed)
}
