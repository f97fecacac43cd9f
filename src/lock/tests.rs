//! Holding a lock, with a clock that tests own.
#![expect(clippy::disallowed_methods, reason = "tests bring their own runtime: here one of more than one thread")]

use std::sync::mpsc;

use super::*;
use crate::bucket::memory::MemoryBucket;
use crate::clock::{Sleep, SystemClock, Timestamp};

/// A clock whose sleeps are short, and heard of.
#[derive(Debug)]
struct Heard(SystemClock, mpsc::Sender<()>);

impl Clock for Heard {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, _: Duration) -> Sleep<'_> {
        self.1.send(()).unwrap_or_default();
        self.0.sleep(Duration::from_millis(1))
    }
}

fn lock(clock: Arc<dyn Clock>, bucket: &SharedBucket) -> Lock {
    let holder = Holder { user: "ana".to_owned(), hostname: "here".to_owned(), pid: 0x7000_0000 };
    Lock::new(Arc::clone(bucket), global_key(None), clock, holder, Options::default())
}

#[test]
fn a_lock_is_renewed_while_the_work_computes() {
    let (sender, beats) = mpsc::channel();
    let clock: Arc<dyn Clock> = Arc::new(Heard(SystemClock::new(), sender));
    let bucket: SharedBucket = Arc::new(MemoryBucket::new(Arc::clone(&clock)));
    let lock = lock(clock, &bucket);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();

    let heard = runtime.expect("a runtime").block_on(lock.hold(async |_| {
        // No await: whoever shares the thread waits.
        Ok::<_, LockError>((0..3).filter(|_| beats.recv_timeout(Duration::from_secs(10)).is_ok()).count())
    }));

    assert_eq!(heard.expect("held"), 3);
}
