//! Tries again what a store could not answer.
//!
//! The one place that retries requests: the clients below are told not to. Three attempts, 500 ms apart, three times
//! longer each time, give or take a quarter. Only [`BucketError::is_transient`] failures (timeouts, transport, HTTP
//! 429 and 5xx) are tried again; a refusal or a failed precondition is an answer.
//!
//! A conditional write whose reply was lost fails its own condition when it is repeated. It is told from a conflict
//! by content: if the object holds exactly what was to be written, the write is ours or as good as ours.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tracing::debug;

use crate::clock::Clock;
use crate::path::RelPath;

use super::compare::holds;
use super::{
    Body, Bucket, BucketError, GetOptions, ListOptions, Object, ObjectMeta, Page, PutMode, SharedBucket, Version,
};

/// Attempts at one request, the first included.
pub const ATTEMPTS_MAX: u32 = 3;

const BASE_DELAY: Duration = Duration::from_millis(500);
const DELAY_FACTOR: u32 = 3;
const JITTER_PERCENT: u32 = 25;

/// How often and how far apart requests are repeated.
#[derive(Clone)]
pub struct Policy {
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy").finish_non_exhaustive()
    }
}

/// What came of a request that may have been repeated.
#[derive(Debug)]
pub(super) struct Outcome<T> {
    /// The last attempt's result.
    pub(super) result: Result<T, BucketError>,
    /// Whether an earlier attempt failed, and may nevertheless have had its effect.
    pub(super) is_repeated: bool,
}

impl Policy {
    /// Returns the policy that sleeps on `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }

    /// Waits as long as is due after so many failures.
    pub(super) async fn pause(&self, failures: u32) {
        let delay = BASE_DELAY * DELAY_FACTOR.pow(failures.saturating_sub(1).min(ATTEMPTS_MAX));
        let percent = fastrand::u32(100 - JITTER_PERCENT..=100 + JITTER_PERCENT);
        self.clock.sleep(delay * percent / 100).await;
    }

    /// Makes attempts until one is answered or there were [`ATTEMPTS_MAX`].
    pub(super) async fn run<T, F>(&self, mut attempt: impl FnMut() -> F + Send) -> Outcome<T>
    where
        F: Future<Output = Result<T, BucketError>> + Send,
        T: Send,
    {
        let mut failures = 0;
        loop {
            let result = attempt().await;
            match &result {
                Err(error) if error.is_transient() && failures + 1 < ATTEMPTS_MAX => {
                    failures += 1;
                    debug!(failures, error = error as &dyn std::error::Error, "request is tried again");
                }
                _ => return Outcome { result, is_repeated: failures > 0 },
            }
            self.pause(failures).await;
        }
    }
}

/// A bucket that repeats what its inner one could not get answered.
#[derive(Clone, Debug)]
pub struct Retry {
    inner: SharedBucket,
    policy: Policy,
}

impl Retry {
    /// Returns `inner` with every request repeated according to `policy`.
    pub fn new(inner: SharedBucket, policy: Policy) -> Self {
        Self { inner, policy }
    }
}

#[async_trait]
impl Bucket for Retry {
    async fn get(&self, key: &RelPath, options: GetOptions) -> Result<Object, BucketError> {
        self.policy.run(|| self.inner.get(key, options.clone())).await.result
    }

    async fn put(&self, key: &RelPath, body: Body, mode: PutMode) -> Result<Version, BucketError> {
        let outcome = self.policy.run(|| self.inner.put(key, body.clone(), mode.clone())).await;
        match outcome.result {
            Err(BucketError::Precondition { key: refused }) if outcome.is_repeated => {
                let ours = self.policy.run(|| holds(&*self.inner, key, &body)).await.result?;
                ours.ok_or(BucketError::Precondition { key: refused })
            }
            result => result,
        }
    }

    async fn head(&self, key: &RelPath) -> Result<ObjectMeta, BucketError> {
        self.policy.run(|| self.inner.head(key)).await.result
    }

    async fn delete(&self, key: &RelPath, expected: Option<Version>) -> Result<(), BucketError> {
        self.policy.run(|| self.inner.delete(key, expected.clone())).await.result
    }

    async fn list(&self, options: ListOptions) -> Result<Page, BucketError> {
        self.policy.run(|| self.inner.list(options.clone())).await.result
    }

    async fn copy(&self, source: &RelPath, target: &RelPath) -> Result<Version, BucketError> {
        self.policy.run(|| self.inner.copy(source, target)).await.result
    }

    fn refuses(&self, key: &str) -> Option<&'static str> {
        self.inner.refuses(key)
    }

    fn locate(&self, key: &str) -> String {
        self.inner.locate(key)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "`#[tokio::test]` blocks on its own runtime")]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use bytes::Bytes;

    use super::*;
    use crate::bucket::memory::MemoryBucket;
    use crate::clock::{ManualClock, Timestamp};

    /// A bucket whose first writes happen and are never answered.
    #[derive(Debug)]
    struct Deaf {
        inner: MemoryBucket,
        writes_unanswered: AtomicU32,
    }

    impl Deaf {
        fn hear(&self) -> Result<(), BucketError> {
            let left =
                self.writes_unanswered.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            match left {
                Ok(_) => {
                    Err(BucketError::Unavailable { operation: "write", key: "a".to_owned(), source: "silence".into() })
                }
                Err(_) => Ok(()),
            }
        }
    }

    #[async_trait]
    impl Bucket for Deaf {
        async fn get(&self, key: &RelPath, options: GetOptions) -> Result<Object, BucketError> {
            self.inner.get(key, options).await
        }

        async fn put(&self, key: &RelPath, body: Body, mode: PutMode) -> Result<Version, BucketError> {
            let written = self.inner.put(key, body, mode).await;
            self.hear()?;
            written
        }

        async fn head(&self, key: &RelPath) -> Result<ObjectMeta, BucketError> {
            self.inner.head(key).await
        }

        async fn delete(&self, key: &RelPath, expected: Option<Version>) -> Result<(), BucketError> {
            self.inner.delete(key, expected).await
        }

        async fn list(&self, options: ListOptions) -> Result<Page, BucketError> {
            self.inner.list(options).await
        }

        async fn copy(&self, source: &RelPath, target: &RelPath) -> Result<Version, BucketError> {
            self.inner.copy(source, target).await
        }

        fn locate(&self, key: &str) -> String {
            self.inner.locate(key)
        }
    }

    fn start(writes_unanswered: u32) -> (Retry, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(Timestamp::default()));
        let inner = MemoryBucket::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let deaf = Deaf { inner, writes_unanswered: writes_unanswered.into() };
        (Retry::new(Arc::new(deaf), Policy::new(Arc::clone(&clock) as Arc<dyn Clock>)), clock)
    }

    async fn create(bucket: &Retry, text: &'static str) -> Result<Version, BucketError> {
        let key = RelPath::from_trusted("a".to_owned());
        bucket.put(&key, Body::Bytes(Bytes::from_static(text.as_bytes())), PutMode::Create).await
    }

    #[tokio::test]
    async fn a_writer_recognises_its_own_write() {
        let (bucket, clock) = start(2);

        let version = create(&bucket, "mine").await.expect("created");

        assert_eq!(bucket.head(&RelPath::from_trusted("a".to_owned())).await.expect("there").version, version);
        // 500 ms and 1,500 ms, give or take a quarter.
        let waited = clock.elapsed();
        assert!((Duration::from_millis(1_500)..=Duration::from_millis(2_500)).contains(&waited), "{waited:?}");
    }

    #[tokio::test]
    async fn a_conflict_stays_one_without_a_lost_reply() {
        let (bucket, clock) = start(0);
        create(&bucket, "mine").await.expect("created");

        let refused = create(&bucket, "mine").await;

        assert!(matches!(refused, Err(BucketError::Precondition { .. })), "{refused:?}");
        assert_eq!(clock.elapsed(), Duration::ZERO);
    }

    #[tokio::test]
    async fn silence_is_reported_after_the_last_attempt() {
        let (bucket, _) = start(ATTEMPTS_MAX);

        let refused = create(&bucket, "mine").await;

        assert!(matches!(refused, Err(BucketError::Unavailable { .. })), "{refused:?}");
    }
}
