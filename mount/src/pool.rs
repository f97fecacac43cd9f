//! Threads for whatever may wait: a bounded queue before a bounded number of threads, made when first needed.
//!
//! A job that panics ends alone. Dropping the pool drops the jobs that have not begun and ends the threads once they
//! have finished what they do; it does not wait for them, because a job may hold the pool's last owner.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tracing::error;

/// Jobs that may wait for a thread; one more is refused.
const QUEUE_MAX: usize = 1024;

/// Something to be done by a thread of a pool.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// A bounded number of threads that share a bounded queue.
pub(crate) struct Pool {
    name: &'static str,
    threads_max: usize,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closing: bool,
}

impl Pool {
    /// Returns a pool without threads, whose threads will bear the name.
    pub(crate) fn new(name: &'static str, threads_max: usize) -> Self {
        Self { name, threads_max: threads_max.max(1), shared: Arc::default() }
    }

    /// Takes a job on; false if too many wait already, and then the job is dropped.
    pub(crate) fn run(&self, job: Job) -> bool {
        self.take(job).is_none()
    }

    /// Takes a job on, or gives it back if too many wait already.
    pub(crate) fn take(&self, job: Job) -> Option<Job> {
        let mut state = self.shared.lock();
        if state.queue.len() >= QUEUE_MAX {
            return Some(job);
        }
        state.queue.push_back(job);
        if state.queue.len() > state.idle && state.threads < self.threads_max {
            self.add_thread(&mut state);
        }
        if state.threads == 0 {
            return state.queue.pop_back();
        }
        drop(state);
        self.shared.work.notify_one();
        None
    }

    fn add_thread(&self, state: &mut State) {
        let shared = Arc::clone(&self.shared);
        match thread::Builder::new().name(format!("swamp-{}", self.name)).spawn(move || shared.work()) {
            Ok(_detached) => state.threads += 1,
            Err(source) => error!(pool = self.name, %source, "cannot start a thread"),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closing = true;
        let dropped = std::mem::take(&mut state.queue);
        drop(state);
        self.shared.work.notify_all();
        drop(dropped);
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("name", &self.name).field("threads_max", &self.threads_max).finish_non_exhaustive()
    }
}

impl Shared {
    // Nothing is done under the lock that could leave the state half changed, so a poisoned one is as good.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                error!("a job panicked");
            }
        }
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                return Some(job);
            }
            if state.closing {
                state.threads -= 1;
                return None;
            }
            state.idle += 1;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    /// A job that reports its start and then waits for its sender to go away.
    fn held(started: &Sender<()>) -> (Sender<()>, Job) {
        let (release, released): (Sender<()>, Receiver<()>) = channel();
        let started = started.clone();
        let job = move || {
            started.send(()).unwrap();
            assert!(released.recv().is_err());
        };
        (release, Box::new(job))
    }

    #[test]
    fn jobs_run_side_by_side_up_to_the_limit() {
        let pool = Pool::new("test", 2);
        let (started, starts) = channel();
        let (first, job) = held(&started);
        assert!(pool.run(job));
        let (second, job) = held(&started);
        assert!(pool.run(job));
        let (third, job) = held(&started);
        assert!(pool.run(job));

        starts.recv_timeout(LONG).unwrap();
        starts.recv_timeout(LONG).unwrap();
        assert!(starts.try_recv().is_err());
        drop(first);
        starts.recv_timeout(LONG).unwrap();
        drop((second, third));
    }

    #[test]
    fn a_panicking_job_ends_alone() {
        let pool = Pool::new("test", 1);
        let (done, finished) = channel();

        assert!(pool.run(Box::new(|| panic!("on purpose"))));
        assert!(pool.run(Box::new(move || done.send(()).unwrap())));

        assert_eq!(finished.recv_timeout(LONG), Ok(()));
    }

    #[test]
    fn a_full_queue_refuses_and_drops_the_job() {
        let pool = Pool::new("test", 1);
        let (started, starts) = channel();
        let (release, job) = held(&started);
        assert!(pool.run(job));
        starts.recv_timeout(LONG).unwrap();
        let witness = Arc::new(());
        let taken = (0..QUEUE_MAX).filter(|_| pool.run(Box::new(|| ()))).count();
        let held_by_job = Arc::clone(&witness);

        let more = pool.run(Box::new(move || drop(held_by_job)));

        assert_eq!((taken, more, Arc::strong_count(&witness)), (QUEUE_MAX, false, 1));
        drop(release);
    }

    #[test]
    fn dropping_the_pool_drops_waiting_jobs_and_ends_its_threads() {
        let pool = Pool::new("test", 1);
        let shared = Arc::downgrade(&pool.shared);
        let (started, starts) = channel();
        let (release, job) = held(&started);
        assert!(pool.run(job));
        starts.recv_timeout(LONG).unwrap();
        let (waiting, dropped): (Sender<()>, Receiver<()>) = channel();
        assert!(pool.run(Box::new(move || waiting.send(()).unwrap())));

        drop(pool);

        assert!(dropped.recv_timeout(LONG).is_err());
        drop(release);
        let ended = (0..10_000).any(|_| {
            thread::yield_now();
            thread::park_timeout(Duration::from_millis(1));
            shared.strong_count() == 0
        });
        assert!(ended);
    }
}
