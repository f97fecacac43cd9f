//! A bucket that counts, fails on cue and lets others act in between.

use std::fmt;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use swamp::bucket::{
    Body, Bucket, BucketError, GetOptions, ListOptions, Object, ObjectMeta, Page, PutMode, SharedBucket, Version,
};
use swamp::path::RelPath;
use tokio::sync::Notify;

/// Something to do before a write, once.
type Hook = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Script {
    requests: u64,
    fail_at: Option<u64>,
    lose_reply_at: Option<u64>,
    hang_at: Option<u64>,
    fail_writes_of: Option<String>,
    denied: Option<String>,
    refused: Option<String>,
    before_write: Option<(String, Hook)>,
    before_read: Option<(String, Hook)>,
    /// What listings go on to show.
    listed: Option<Vec<ObjectMeta>>,
}

/// Passes everything on to another bucket, except what the script says.
pub(crate) struct Scripted {
    inner: SharedBucket,
    script: Mutex<Script>,
    /// Told when a request hangs.
    hung: Notify,
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripted").finish_non_exhaustive()
    }
}

enum Reply {
    Arrives,
    IsLost,
    NeverComes,
}

impl Scripted {
    pub(crate) fn new(inner: SharedBucket) -> Self {
        Self { inner, script: Mutex::default(), hung: Notify::new() }
    }

    pub(crate) fn requests(&self) -> u64 {
        self.script().requests
    }

    /// Fails the n-th request from now.
    pub(crate) fn fail_request(&self, nth: u64) {
        let mut script = self.script();
        script.fail_at = Some(script.requests + nth);
    }

    /// Carries out the n-th request from now, and then says that it failed.
    pub(crate) fn lose_reply(&self, nth: u64) {
        let mut script = self.script();
        script.lose_reply_at = Some(script.requests + nth);
    }

    /// Carries out the n-th request from now, and never answers it.
    pub(crate) fn hang(&self, nth: u64) {
        let mut script = self.script();
        script.hang_at = Some(script.requests + nth);
    }

    /// Returns once a request hangs.
    pub(crate) async fn hung(&self) {
        self.hung.notified().await;
    }

    pub(crate) fn fail_writes_of(&self, part: &str) {
        self.script().fail_writes_of = Some(part.to_owned());
    }

    pub(crate) fn deny(&self, key: &str) {
        self.script().denied = Some(key.to_owned());
    }

    /// Takes no keys with this part.
    pub(crate) fn refuse(&self, part: &str) {
        self.script().refused = Some(part.to_owned());
    }

    pub(crate) fn before_write_of(&self, part: &str, hook: Hook) {
        self.script().before_write = Some((part.to_owned(), hook));
    }

    pub(crate) fn before_read_of(&self, part: &str, hook: Hook) {
        self.script().before_read = Some((part.to_owned(), hook));
    }

    pub(crate) fn freeze_listings(&self, listed: Vec<ObjectMeta>) {
        self.script().listed = Some(listed);
    }

    pub(crate) fn heal(&self) {
        let mut script = self.script();
        *script = Script { requests: script.requests, ..Script::default() };
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("no test panics while holding it")
    }

    /// Counts a request and says whether it goes through.
    fn admit(&self, operation: &'static str, key: &str, is_write: bool) -> Result<Reply, BucketError> {
        let hook = {
            let mut script = self.script();
            script.requests += 1;
            if script.denied.as_deref() == Some(key) {
                return Err(BucketError::Denied { key: key.to_owned(), hint: None, source: "scripted".into() });
            }
            let is_failing = script.fail_at == Some(script.requests)
                || (is_write && script.fail_writes_of.as_deref().is_some_and(|part| key.contains(part)));
            if is_failing {
                return Err(unavailable(operation, key));
            }
            let hook = if is_write { &mut script.before_write } else { &mut script.before_read };
            hook.take_if(|(part, _)| key.contains(part.as_str()))
        };
        if let Some((_, hook)) = hook {
            // On a thread of its own: the hook runs commands that start runtimes.
            std::thread::spawn(hook).join().expect("the hook works");
        }
        let script = self.script();
        let now = Some(script.requests);
        Ok(match () {
            () if script.lose_reply_at == now => Reply::IsLost,
            () if script.hang_at == now => Reply::NeverComes,
            () => Reply::Arrives,
        })
    }

    async fn reply<T>(&self, reply: Reply, operation: &'static str, key: &str, value: T) -> Result<T, BucketError> {
        match reply {
            Reply::Arrives => Ok(value),
            Reply::IsLost => Err(unavailable(operation, key)),
            Reply::NeverComes => {
                self.hung.notify_one();
                std::future::pending().await
            }
        }
    }
}

fn unavailable(operation: &'static str, key: &str) -> BucketError {
    BucketError::Unavailable { operation, key: key.to_owned(), source: "scripted".into() }
}

#[async_trait]
impl Bucket for Scripted {
    async fn get(&self, key: &RelPath, options: GetOptions) -> Result<Object, BucketError> {
        let admitted = self.admit("get", key.as_str(), false)?;
        let object = self.inner.get(key, options).await?;
        self.reply(admitted, "get", key.as_str(), object).await
    }

    async fn put(&self, key: &RelPath, body: Body, mode: PutMode) -> Result<Version, BucketError> {
        let admitted = self.admit("put", key.as_str(), true)?;
        let version = self.inner.put(key, body, mode).await?;
        self.reply(admitted, "put", key.as_str(), version).await
    }

    async fn head(&self, key: &RelPath) -> Result<ObjectMeta, BucketError> {
        let admitted = self.admit("head", key.as_str(), false)?;
        let meta = self.inner.head(key).await?;
        self.reply(admitted, "head", key.as_str(), meta).await
    }

    async fn delete(&self, key: &RelPath, expected: Option<Version>) -> Result<(), BucketError> {
        let admitted = self.admit("delete", key.as_str(), true)?;
        self.inner.delete(key, expected).await?;
        self.reply(admitted, "delete", key.as_str(), ()).await
    }

    async fn list(&self, options: ListOptions) -> Result<Page, BucketError> {
        let admitted = self.admit("list", "", false)?;
        let listed = self.script().listed.clone();
        let page = match listed {
            None => self.inner.list(options).await?,
            Some(mut objects) => {
                let beginning = options.prefix.map(|prefix| format!("{prefix}/")).unwrap_or_default();
                let after = options.start_after.unwrap_or_default();
                objects.retain(|object| object.key.as_str().starts_with(&beginning) && object.key.as_str() > &*after);
                Page { objects, ..Page::default() }
            }
        };
        self.reply(admitted, "list", "", page).await
    }

    async fn copy(&self, source: &RelPath, target: &RelPath) -> Result<Version, BucketError> {
        let admitted = self.admit("copy", target.as_str(), true)?;
        let version = self.inner.copy(source, target).await?;
        self.reply(admitted, "copy", target.as_str(), version).await
    }

    fn refuses(&self, key: &str) -> Option<&'static str> {
        self.script().refused.as_ref().filter(|part| key.contains(part.as_str())).map(|_| "the script says so")
    }

    fn locate(&self, key: &str) -> String {
        self.inner.locate(key)
    }
}
