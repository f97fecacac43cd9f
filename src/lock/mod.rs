//! The distributed mutex of a namespace or a model (formats.md 7), over any [`Bucket`](bucket::Bucket) with conditional writes.
//!
//! A lock is an object created with [`PutMode::Create`], renewed every [`HEARTBEAT`] by compare-and-swap, and deleted
//! by its holder only. [`Held`] is the proof of holding; what must not happen without the lock asks for one. A holder
//! that was paused past its time to live finds out through [`Held::check`] before it writes. One that computes for long
//! keeps its lock: a task of its own renews it.

mod body;
mod breakglass;
mod error;
mod memory;
#[cfg(test)]
mod tests;
mod wait;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{Either, select};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::bucket::{self, Body as Payload, BucketError, ObjectMeta, PutMode, SharedBucket, Version};
use crate::clock::Clock;
use crate::namespace::Namespace;
use crate::path::{InvalidPath, RelPath};

pub use body::{Body, HEARTBEAT, Holder, LOCK_BYTES_MAX, TTL, Verdict};
pub use breakglass::Broken;
pub use error::LockError;
pub use memory::Memory;

use wait::Watch;

/// How long a command waits for a lock unless told otherwise (`SWAMP_LOCK_TIMEOUT_MS`).
pub const WAIT_DEFAULT: Duration = Duration::from_mins(1);

/// First and longest pause between two looks at a lock that somebody else holds.
const POLL: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// Returns the key of the lock that guards a namespace's index, or the whole datastore in solo mode.
pub fn global_key(namespace: Option<&Namespace>) -> RelPath {
    RelPath::from_trusted(match namespace {
        Some(namespace) => format!(".locks/{namespace}.lock"),
        None => ".datastore.lock".to_owned(),
    })
}

/// Returns the key of the lock that guards one model's data; `model` is `{type}/{id}`.
pub fn model_key(namespace: Option<&Namespace>, model: &RelPath) -> Result<RelPath, InvalidPath> {
    let prefix = namespace.map(|namespace| format!("{namespace}/")).unwrap_or_default();
    format!("{prefix}data/{model}/.lock").parse()
}

/// A lock object as it was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The content, `None` if it is empty or not what a swamp writes.
    pub body: Option<Body>,
    /// What the store knows about the object.
    pub meta: ObjectMeta,
}

/// One lock of a datastore.
#[derive(Clone, Debug)]
pub struct Lock {
    bucket: SharedBucket,
    key: RelPath,
    clock: Arc<dyn Clock>,
    holder: Holder,
    options: Options,
}

/// Proof that a lock is held; work of [`Lock::hold`] sees one while it runs.
#[derive(Debug)]
pub struct Held {
    lock: Lock,
    nonce: String,
    renewal: Mutex<Renewal>,
    is_lost: AtomicBool,
}

#[derive(Clone, Debug)]
struct Renewal {
    version: Version,
    /// Elapsed time of the clock just before the write that renewed the lock was sent.
    at: Duration,
}

impl Lock {
    /// Describes a lock; nothing is asked of the store yet. `stop` ends waiting and work early, releasing the lock.
    pub fn new(bucket: SharedBucket, key: RelPath, clock: Arc<dyn Clock>, holder: Holder, options: Options) -> Self {
        Self { bucket, key, clock, holder, options }
    }

    /// Returns the same lock, ended by another token.
    pub fn stopping_with(&self, stop: CancellationToken) -> Self {
        Self { options: Options { stop, ..self.options.clone() }, ..self.clone() }
    }

    /// Describes another lock of the same datastore.
    pub fn beside(&self, key: RelPath) -> Self {
        Self { key, ..self.clone() }
    }

    /// Returns the lock's key.
    pub fn key(&self) -> &RelPath {
        &self.key
    }

    /// Acquires the lock, runs `work` while renewing it, and releases it, whatever `work` returns.
    pub async fn hold<T, E, W>(&self, work: W) -> Result<T, E>
    where
        W: AsyncFnOnce(&Held) -> Result<T, E>,
        E: From<LockError>,
    {
        let held = Arc::new(self.acquire().await?);
        let mut heartbeat = JoinSet::new();
        // Simulations have no runtime: there, the lock is renewed while the work waits.
        if Handle::try_current().is_ok() {
            let held = Arc::clone(&held);
            heartbeat.spawn(async move { held.renew_until_stopped().await });
        }
        let outcome = {
            let work = std::pin::pin!(work(&held));
            let renewing = std::pin::pin!(async {
                match heartbeat.join_next().await {
                    Some(Ok(error)) => error,
                    Some(Err(_)) => LockError::Lost { key: self.key.clone() },
                    None => held.renew_until_stopped().await,
                }
            });
            match select(work, renewing).await {
                Either::Left((outcome, _)) => outcome,
                Either::Right((error, _)) => Err(error.into()),
            }
        };
        heartbeat.shutdown().await;
        held.release().await;
        outcome
    }

    /// Returns the lock object as it is now, `None` if nobody holds it. Unlike a failed look, absence is an answer.
    pub async fn inspect(&self) -> Result<Option<Found>, LockError> {
        let found = bucket::read_if_exists(&*self.bucket, &self.key, LOCK_BYTES_MAX).await;
        let found = found.map_err(|source| self.failed("inspect", source))?;
        Ok(found.map(|(meta, bytes)| Found { body: serde_json::from_slice(&bytes).ok(), meta }))
    }

    async fn acquire(&self) -> Result<Held, LockError> {
        let started = self.clock.elapsed();
        let nonce = uuid::Uuid::new_v4().to_string();
        let mut watch = Watch::default();
        let mut pause = POLL.0;
        loop {
            if self.options.stop.is_cancelled() {
                return Err(LockError::Interrupted { key: self.key.clone() });
            }
            let sent = self.clock.elapsed();
            if let Some(held) = self.try_create(&nonce).await? {
                return Ok(held);
            }
            let found = self.inspect().await?;
            let now = self.clock.elapsed();
            let waited = now.saturating_sub(started);
            let Some(found) = found else {
                // Released between the two looks; a store that keeps contradicting itself is not waited for for ever.
                if waited >= self.options.wait_max {
                    return Err(LockError::Timeout { key: self.key.clone(), body: None, waited });
                }
                self.options.stop.run_until_cancelled(self.clock.sleep(POLL.0)).await;
                continue;
            };
            if let Some(body) = &found.body
                && body.nonce == nonce
            {
                // The reply to our own write was lost.
                return Ok(self.held(nonce, found.meta.version, sent));
            }
            if self.is_abandoned(&found, watch.unchanged(&found, now)) {
                self.steal(&found).await?;
                continue;
            }
            if waited >= self.options.wait_max {
                return Err(LockError::Timeout { key: self.key.clone(), body: found.body.map(Box::new), waited });
            }
            pause = self.pause(pause, waited).await;
        }
    }

    /// Creates the lock object, `None` if there is one already.
    async fn try_create(&self, nonce: &str) -> Result<Option<Held>, LockError> {
        let sent = self.clock.elapsed();
        let payload = Payload::Bytes(self.body(nonce).to_bytes().into());
        match self.bucket.put(&self.key, payload, PutMode::Create).await {
            Ok(version) => {
                debug!(key = %self.key, "lock acquired");
                Ok(Some(self.held(nonce.to_owned(), version, sent)))
            }
            Err(BucketError::Precondition { .. }) => Ok(None),
            Err(source) => Err(self.failed("acquire", source)),
        }
    }

    fn is_abandoned(&self, found: &Found, unchanged: Duration) -> bool {
        let (body, modified) = (found.body.as_ref(), found.meta.modified);
        let is_remembered =
            body.is_some_and(|body| self.options.memory.as_ref().is_some_and(|memory| memory.is_of(&body.nonce)));
        let seen = body::Observation { body, modified, now: self.clock.now(), unchanged, is_remembered };
        match body::judge(&seen, &self.holder, body::is_alive) {
            Verdict::Live => false,
            verdict @ (Verdict::Dead | Verdict::Expired) => {
                let holder = body.map_or("unknown", |body| body.holder.as_str());
                warn!(key = %self.key, holder, ?verdict, "taking over an abandoned lock");
                true
            }
        }
    }

    /// Removes exactly the lock object that was judged, then waits a little: others may be stealing it as well, and
    /// the existing swamp deletes without a condition.
    async fn steal(&self, found: &Found) -> Result<(), LockError> {
        match self.bucket.delete(&self.key, Some(found.meta.version.clone())).await {
            Ok(()) | Err(BucketError::Precondition { .. } | BucketError::NotFound { .. }) => {}
            Err(source) => return Err(self.failed("break", source)),
        }
        self.clock.sleep(Duration::from_millis(200 + fastrand::u64(0..300))).await;
        Ok(())
    }

    fn body(&self, nonce: &str) -> Body {
        Body {
            holder: format!("{}@{}", self.holder.user, self.holder.hostname),
            hostname: self.holder.hostname.clone(),
            pid: self.holder.pid,
            acquired_at: self.clock.now(),
            ttl_ms: u64::try_from(TTL.as_millis()).unwrap_or(u64::MAX),
            nonce: nonce.to_owned(),
        }
    }

    fn held(&self, nonce: String, version: Version, at: Duration) -> Held {
        if let Some(memory) = &self.options.memory {
            memory.remember(&nonce);
        }
        let renewal = Mutex::new(Renewal { version, at });
        Held { lock: self.clone(), nonce, renewal, is_lost: AtomicBool::new(false) }
    }

    fn failed(&self, operation: &'static str, source: BucketError) -> LockError {
        LockError::Store { operation, key: self.key.clone(), source }
    }
}

/// How a lock waits and stops.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long to wait for somebody else to release it.
    pub wait_max: Duration,
    /// Cancelled when the command is interrupted.
    pub stop: CancellationToken,
    /// Where to remember on this machine that it took the lock: what a process of it leaves that dies is taken over at once.
    pub memory: Option<Memory>,
}

impl Default for Options {
    fn default() -> Self {
        Self { wait_max: WAIT_DEFAULT, stop: CancellationToken::new(), memory: None }
    }
}

impl Held {
    /// Fails unless the lock is certainly still ours: nobody took it, and it was renewed within its time to live.
    pub fn check(&self) -> Result<(), LockError> {
        let age = self.lock.clock.elapsed().saturating_sub(self.renewal().at);
        if self.is_lost.load(Ordering::Acquire) || age >= TTL {
            return Err(LockError::Lost { key: self.lock.key.clone() });
        }
        Ok(())
    }

    /// Fails unless the store says that the lock is still ours; renews it.
    pub async fn confirm(&self) -> Result<(), LockError> {
        self.check()?;
        if let Err(error) = self.renew().await {
            self.is_lost.store(true, Ordering::Release);
            return Err(error);
        }
        self.check()
    }

    /// Renews the lock until it is lost or the command is interrupted, then says why.
    async fn renew_until_stopped(&self) -> LockError {
        loop {
            let sleep = self.lock.clock.sleep(HEARTBEAT);
            if self.lock.options.stop.run_until_cancelled(sleep).await.is_none() {
                return LockError::Interrupted { key: self.lock.key.clone() };
            }
            if let Err(error) = self.renew().await {
                self.is_lost.store(true, Ordering::Release);
                return error;
            }
        }
    }

    /// Renews the lock by compare-and-swap. A store that does not answer is not a lost lock until its time is over.
    async fn renew(&self) -> Result<(), LockError> {
        let sent = self.lock.clock.elapsed();
        let payload = Payload::Bytes(self.lock.body(&self.nonce).to_bytes().into());
        let version = self.renewal().version;
        match self.lock.bucket.put(&self.lock.key, payload, PutMode::Update(version)).await {
            Ok(version) => self.renewed(version, sent),
            Err(BucketError::Precondition { .. } | BucketError::NotFound { .. }) => match self.lock.inspect().await? {
                // The reply to an earlier renewal was lost; the lock is still ours.
                Some(Found { body: Some(body), meta }) if body.nonce == self.nonce => self.renewed(meta.version, sent),
                _ => return Err(LockError::Lost { key: self.lock.key.clone() }),
            },
            Err(error) => {
                warn!(key = %self.lock.key, %error, "lock not renewed");
                self.check()?;
            }
        }
        Ok(())
    }

    /// Deletes the lock if it is still ours. A failure leaves it to expire: the work under it is done.
    async fn release(&self) {
        let outcome = match self.lock.inspect().await {
            Ok(Some(Found { body: Some(body), meta })) if body.nonce == self.nonce => {
                self.lock.bucket.delete(&self.lock.key, Some(meta.version)).await
            }
            Ok(_) => {
                warn!(key = %self.lock.key, "lock was taken by somebody else before it was released");
                return;
            }
            Err(error) => {
                warn!(key = %self.lock.key, %error, "lock not released; it expires by itself");
                return;
            }
        };
        match outcome {
            Ok(()) => debug!(key = %self.lock.key, "lock released"),
            Err(error) => warn!(key = %self.lock.key, %error, "lock not released; it expires by itself"),
        }
    }

    fn renewal(&self) -> Renewal {
        self.renewal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn renewed(&self, version: Version, at: Duration) {
        *self.renewal.lock().unwrap_or_else(PoisonError::into_inner) = Renewal { version, at };
    }
}
