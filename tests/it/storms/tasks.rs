//! What machines do over time: each a future that is polled when it was woken, in a fixed order, and dropped to die.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::timeline::Who;

/// What a task comes to: how the trace tells it, or why it failed.
pub(crate) type Outcome = Result<String, swamp::sync::SyncError>;

/// Something that takes time.
pub(crate) type Work = Pin<Box<dyn Future<Output = Outcome>>>;

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Task {
    name: String,
    work: Work,
    woken: Arc<Woken>,
}

/// What all machines are doing, at most one thing each.
#[derive(Default)]
pub(crate) struct Tasks(BTreeMap<Who, Task>);

impl Tasks {
    pub(crate) fn begin(&mut self, who: Who, name: &str, work: Work) {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        self.0.insert(who, Task { name: name.to_owned(), work, woken });
    }

    /// Returns what a machine is doing.
    pub(crate) fn of(&self, who: Who) -> Option<&str> {
        self.0.get(&who).map(|task| task.name.as_str())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ends what a machine is doing where it stands.
    pub(crate) fn kill(&mut self, who: Who) -> Option<String> {
        self.0.remove(&who).map(|task| task.name)
    }

    /// Lets everybody who was woken go on; returns what is done.
    pub(crate) fn poll(&mut self) -> Vec<(Who, String, Outcome)> {
        let mut done = Vec::new();
        loop {
            let mut is_quiet = true;
            let mut ended = Vec::new();
            for (who, task) in &mut self.0 {
                if !task.woken.0.swap(false, Ordering::Relaxed) {
                    continue;
                }
                is_quiet = false;
                let waker = Waker::from(Arc::clone(&task.woken));
                if let Poll::Ready(outcome) = task.work.as_mut().poll(&mut Context::from_waker(&waker)) {
                    ended.push((*who, outcome));
                }
            }
            for (who, outcome) in ended {
                done.extend(self.0.remove(&who).map(|task| (who, task.name, outcome)));
            }
            if is_quiet {
                return done;
            }
        }
    }
}
