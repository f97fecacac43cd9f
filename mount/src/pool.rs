//! Threads for whatever may wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Bounded threads, one per job.
#[derive(Debug)]
pub(crate) struct Pool {
    name: &'static str,
    threads_max: usize,
    running: Arc<AtomicUsize>,
}

impl Pool {
    pub(crate) fn new(name: &'static str, threads_max: usize) -> Self {
        Self { name, threads_max, running: Arc::default() }
    }

    pub(crate) fn run(&self, job: Box<dyn FnOnce() + Send>) -> bool {
        if self.running.fetch_add(1, Ordering::SeqCst) >= self.threads_max {
            self.running.fetch_sub(1, Ordering::SeqCst);
            return false;
        }
        let running = Arc::clone(&self.running);
        let spawned = thread::Builder::new().name(self.name.to_owned()).spawn(move || {
            job();
            running.fetch_sub(1, Ordering::SeqCst);
        });
        spawned.is_ok()
    }
}
