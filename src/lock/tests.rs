//! Holding a lock, with a clock that tests own.
#![expect(clippy::disallowed_methods, reason = "tests bring their own runtime: here one of more than one thread")]

use std::sync::mpsc;

use super::*;
use crate::bucket::memory::MemoryBucket;
use crate::clock::{ManualClock, Sleep, SystemClock, Timestamp};

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

fn lock(clock: Arc<dyn Clock>, bucket: &SharedBucket, memory: Option<Memory>) -> Lock {
    let holder = Holder { user: "ana".to_owned(), hostname: "here".to_owned(), pid: 0x7000_0000 };
    let options = Options { memory, ..Options::default() };
    Lock::new(Arc::clone(bucket), global_key(None), clock, holder, options)
}

#[test]
fn a_lock_is_renewed_while_the_work_computes() {
    let (sender, beats) = mpsc::channel();
    let clock: Arc<dyn Clock> = Arc::new(Heard(SystemClock::new(), sender));
    let bucket: SharedBucket = Arc::new(MemoryBucket::new(Arc::clone(&clock)));
    let lock = lock(clock, &bucket, None);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();

    let heard = runtime.expect("a runtime").block_on(lock.hold(async |_| {
        // No await: whoever shares the thread waits.
        Ok::<_, LockError>((0..3).filter(|_| beats.recv_timeout(Duration::from_secs(10)).is_ok()).count())
    }));

    assert_eq!(heard.expect("held"), 3);
}

#[tokio::test]
async fn a_lock_that_this_machine_took_and_left_is_taken_over_at_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let memory = Memory::new(directory.path().join("lock"));
    let clock = Arc::new(ManualClock::new(Timestamp::from_milliseconds(0)));
    let bucket: SharedBucket = Arc::new(MemoryBucket::new(Arc::clone(&clock) as Arc<dyn Clock>));
    let of = |memory| lock(Arc::clone(&clock) as Arc<dyn Clock>, &bucket, memory);
    drop(of(Some(memory.clone())).acquire().await.expect("taken"));
    let waited_for = async |memory| {
        let before = clock.elapsed();
        drop(of(memory).acquire().await.expect("taken over"));
        clock.elapsed().saturating_sub(before)
    };
    let (remembered, strange) = (waited_for(Some(memory)).await, waited_for(None).await);

    assert!(remembered < Duration::from_secs(1), "{remembered:?}");
    assert!((HEARTBEAT..TTL).contains(&strange), "{strange:?}");
}
