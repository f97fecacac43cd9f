//! Replies that are given later: by a thread of a pool, or by the deadline if there is one and it comes first.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use fuser::{ReplyBmap, ReplyData, ReplyEmpty, ReplyIoctl, ReplyOpen, ReplyWrite, ReplyXattr};
use rustix::io::Errno;
use tracing::error;

use super::convert::code;
use crate::attributes::{Answer, Step};
use crate::clock::Clock;
use crate::errno::{Refusal, refused};
use crate::lifecycle::Token;
use crate::pool::Pool;

/// Threads that wait for networks.
const NETWORK_THREADS_MAX: usize = 32;

/// Threads that wait for this machine's disk.
const DISK_THREADS_MAX: usize = 8;

/// A reply that can be an error.
pub(super) trait Fail: Send + 'static {
    fn fail(self, errno: Errno);
}

macro_rules! fails {
    ($($reply:ty),*) => { $(impl Fail for $reply {
        fn fail(self, errno: Errno) {
            self.error(code(errno));
        }
    })* };
}

fails!(ReplyBmap, ReplyData, ReplyEmpty, ReplyIoctl, ReplyOpen, ReplyWrite, ReplyXattr);

/// Gives replies later.
pub(super) struct Later {
    pool: Pool,
    deadline: Option<Duration>,
    deadlines: Arc<Deadlines>,
}

impl Later {
    /// For whatever waits for a network.
    pub(super) fn by(deadline: Duration) -> Self {
        Self::new(Pool::new("fuse", NETWORK_THREADS_MAX), Some(deadline))
    }

    /// For whatever waits for this machine's disk alone: however long it takes, as without us, because whoever asks for
    /// durability would take an early answer for a lost disk; and on threads that no network keeps busy.
    pub(super) fn whenever() -> Self {
        Self::new(Pool::new("disk", DISK_THREADS_MAX), None)
    }

    fn new(pool: Pool, deadline: Option<Duration>) -> Self {
        let deadlines = Arc::new(Deadlines { clock: Clock::system(), state: Mutex::default(), wake: Condvar::new() });
        Self { pool, deadline, deadlines }
    }

    /// Replies when the step is done, at the latest with ETIMEDOUT at the deadline; `give` gets no reply then.
    pub(super) fn reply<R: Fail, T: 'static>(
        &self,
        reply: R,
        token: Token,
        step: Step<T>,
        give: impl FnOnce(Option<R>, T) + Send + 'static,
    ) {
        let job = match step {
            Step::Done(Ok(value)) => return give(Some(reply), value),
            Step::Done(Err(errno)) => return reply.fail(errno),
            Step::Wait(job) => job,
        };
        let slot = Arc::new(Slot(Mutex::new(Some(reply))));
        if let Some(deadline) = self.deadline {
            let expiring: Arc<dyn Expire> = Arc::clone(&slot) as _;
            self.deadlines.add(deadline, Arc::downgrade(&expiring));
        }
        token.hand_over();
        let run = move || {
            match answer(job) {
                Ok(value) => give(slot.take(), value),
                Err(errno) => {
                    if let Some(reply) = slot.take() {
                        reply.fail(errno);
                    }
                }
            }
            drop(token);
        };
        // Refused, the job is dropped, and with it the reply: the caller sees EIO.
        if !self.pool.run(Box::new(run)) {
            error!("too many requests wait");
        }
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        self.deadlines.lock().closing = true;
        self.deadlines.wake.notify_all();
    }
}

/// Does a job; a panic is EIO.
fn answer<T>(job: Box<dyn FnOnce() -> Answer<T> + Send>) -> Answer<T> {
    catch_unwind(AssertUnwindSafe(job)).unwrap_or_else(|_panic| {
        error!("a job panicked");
        Err(refused(Refusal::Failed))
    })
}

/// A reply that is given once, by whoever comes first.
struct Slot<R>(Mutex<Option<R>>);

impl<R> Slot<R> {
    fn take(&self) -> Option<R> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

trait Expire: Send + Sync {
    fn expire(&self);
}

impl<R: Fail> Expire for Slot<R> {
    fn expire(&self) {
        if let Some(reply) = self.take() {
            reply.fail(refused(Refusal::TimedOut));
        }
    }
}

/// Requests in the order of their deadlines, which is the order they came in: all have the same time.
struct Deadlines {
    clock: Clock,
    state: Mutex<Waiting>,
    wake: Condvar,
}

#[derive(Default)]
struct Waiting {
    queue: VecDeque<(Duration, Weak<dyn Expire>)>,
    started: bool,
    closing: bool,
}

impl Deadlines {
    fn add(self: &Arc<Self>, deadline: Duration, slot: Weak<dyn Expire>) {
        let mut waiting = self.lock();
        while waiting.queue.front().is_some_and(|(_, slot)| slot.strong_count() == 0) {
            waiting.queue.pop_front();
        }
        waiting.queue.push_back((self.clock.now() + deadline, slot));
        if !waiting.started {
            let deadlines = Arc::clone(self);
            match thread::Builder::new().name("swamp-deadline".to_owned()).spawn(move || deadlines.run()) {
                Ok(_ends_when_dropped) => waiting.started = true,
                Err(source) => error!(%source, "cannot watch deadlines"),
            }
        }
        drop(waiting);
        self.wake.notify_one();
    }

    fn run(&self) {
        let mut waiting = self.lock();
        while !waiting.closing {
            waiting = match waiting.queue.front().map(|(at, _)| at.saturating_sub(self.clock.now())) {
                None => self.wake.wait(waiting).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => {
                    let due = waiting.queue.pop_front();
                    drop(waiting);
                    if let Some(slot) = due.and_then(|(_, slot)| slot.upgrade()) {
                        slot.expire();
                    }
                    self.lock()
                }
                Some(left) => self.wake.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
