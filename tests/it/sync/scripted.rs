//! A bucket that counts, fails on cue and lets others act in between.

use std::fmt;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use swamp::bucket::{
    Body, Bucket, BucketError, GetOptions, ListOptions, Object, ObjectMeta, Page, PutMode, SharedBucket, Version,
};
use swamp::path::RelPath;

/// Something to do before a write, once.
type Hook = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Script {
    requests: u64,
    fail_at: Option<u64>,
    lose_reply_at: Option<u64>,
    fail_writes_of: Option<String>,
    denied: Option<String>,
    before_write: Option<(String, Hook)>,
    before_read: Option<(String, Hook)>,
}

/// Passes everything on to another bucket, except what the script says.
pub(crate) struct Scripted {
    inner: SharedBucket,
    script: Mutex<Script>,
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripted").finish_non_exhaustive()
    }
}

#[derive(PartialEq, Eq)]
enum Reply {
    Arrives,
    IsLost,
}

impl Scripted {
    pub(crate) fn new(inner: SharedBucket) -> Self {
        Self { inner, script: Mutex::default() }
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

    pub(crate) fn fail_writes_of(&self, part: &str) {
        self.script().fail_writes_of = Some(part.to_owned());
    }

    pub(crate) fn deny(&self, key: &str) {
        self.script().denied = Some(key.to_owned());
    }

    pub(crate) fn before_write_of(&self, part: &str, hook: Hook) {
        self.script().before_write = Some((part.to_owned(), hook));
    }

    pub(crate) fn before_read_of(&self, part: &str, hook: Hook) {
        self.script().before_read = Some((part.to_owned(), hook));
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
        Ok(if script.lose_reply_at == Some(script.requests) { Reply::IsLost } else { Reply::Arrives })
    }
}

fn unavailable(operation: &'static str, key: &str) -> BucketError {
    BucketError::Unavailable { operation, key: key.to_owned(), source: "scripted".into() }
}

fn reply<T>(reply: &Reply, operation: &'static str, key: &str, value: T) -> Result<T, BucketError> {
    if *reply == Reply::Arrives { Ok(value) } else { Err(unavailable(operation, key)) }
}

#[async_trait]
impl Bucket for Scripted {
    async fn get(&self, key: &RelPath, options: GetOptions) -> Result<Object, BucketError> {
        let admitted = self.admit("get", key.as_str(), false)?;
        let object = self.inner.get(key, options).await?;
        reply(&admitted, "get", key.as_str(), object)
    }

    async fn put(&self, key: &RelPath, body: Body, mode: PutMode) -> Result<Version, BucketError> {
        let admitted = self.admit("put", key.as_str(), true)?;
        let version = self.inner.put(key, body, mode).await?;
        reply(&admitted, "put", key.as_str(), version)
    }

    async fn head(&self, key: &RelPath) -> Result<ObjectMeta, BucketError> {
        let admitted = self.admit("head", key.as_str(), false)?;
        let meta = self.inner.head(key).await?;
        reply(&admitted, "head", key.as_str(), meta)
    }

    async fn delete(&self, key: &RelPath, expected: Option<Version>) -> Result<(), BucketError> {
        let admitted = self.admit("delete", key.as_str(), true)?;
        self.inner.delete(key, expected).await?;
        reply(&admitted, "delete", key.as_str(), ())
    }

    async fn list(&self, options: ListOptions) -> Result<Page, BucketError> {
        let admitted = self.admit("list", "", false)?;
        let page = self.inner.list(options).await?;
        reply(&admitted, "list", "", page)
    }

    async fn copy(&self, source: &RelPath, target: &RelPath) -> Result<Version, BucketError> {
        let admitted = self.admit("copy", target.as_str(), true)?;
        let version = self.inner.copy(source, target).await?;
        reply(&admitted, "copy", target.as_str(), version)
    }

    fn locate(&self, key: &str) -> String {
        self.inner.locate(key)
    }
}
