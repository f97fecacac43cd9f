//! A store in memory behind a network that loses, delays and repeats. Each machine has a line of its own to it.
//!
//! A request is an event of the network, not of its sender: it may arrive although its sender has died meanwhile.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::stream::{self, StreamExt as _};
use swamp::bucket::{Body, Bucket, BucketError, GetOptions, ListOptions, Object, ObjectMeta, Page, PutMode, Version};
use swamp::path::RelPath;

use super::shelf::Shelf;
use super::timeline::{Timeline, Who};
use super::weather::{Answer, Fate, PATIENCE, Request, Weather};

/// The way from machines to the store.
pub(crate) struct Network {
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) shelf: Arc<Shelf>,
    weather: Mutex<(Weather, fastrand::Rng)>,
}

/// One machine's way to the store.
pub(crate) struct Line {
    pub(crate) network: Arc<Network>,
    pub(crate) who: Who,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("who", &self.who).finish_non_exhaustive()
    }
}

/// Takes back a request that had not left when its sender died.
struct Sending {
    is_taken_back: Arc<AtomicBool>,
    fate: Fate,
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.is_taken_back.fetch_or(!self.fate.outlives_sender, Ordering::Relaxed);
    }
}

impl Network {
    pub(crate) fn new(timeline: &Arc<Timeline>, shelf: &Arc<Shelf>, weather: Weather, rng: fastrand::Rng) -> Self {
        Self { timeline: Arc::clone(timeline), shelf: Arc::clone(shelf), weather: Mutex::new((weather, rng)) }
    }

    /// Changes the weather for requests that are sent from now on.
    pub(crate) fn set_weather(&self, weather: Weather) {
        self.weather.lock().unwrap_or_else(PoisonError::into_inner).0 = weather;
    }

    pub(crate) fn weather(&self) -> Weather {
        self.weather.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn draw<T>(&self, choose: impl FnOnce(&Weather, &mut fastrand::Rng) -> T) -> T {
        let mut guard = self.weather.lock().unwrap_or_else(PoisonError::into_inner);
        let (weather, rng) = &mut *guard;
        choose(weather, rng)
    }
}

impl Line {
    /// Sends a request whose effect is `carry_out`, and waits for the answer.
    async fn ask<T: Send + 'static>(
        &self,
        request: Request,
        (operation, key): (&'static str, &str),
        carry_out: impl Fn(&Shelf) -> Result<T, BucketError> + Send + Sync + 'static,
    ) -> Result<T, BucketError> {
        let timeline = &self.network.timeline;
        let (fate, sent) = (self.network.draw(|weather, rng| weather.fate(rng, request)), timeline.now());
        let is_taken_back = Arc::new(AtomicBool::new(false));
        let answer: Arc<Mutex<Option<Result<T, BucketError>>>> = Arc::default();
        let arrives = sent + fate.there;
        let gives_up = sent + PATIENCE;
        if matches!(fate.answer, Answer::True | Answer::Nothing) {
            let carry_out = Arc::new(carry_out);
            if let Some(later) = fate.again {
                let (shelf, carry_out) = (Arc::clone(&self.network.shelf), Arc::clone(&carry_out));
                let is_taken_back = Arc::clone(&is_taken_back);
                timeline.happen(arrives + later, move || {
                    if !is_taken_back.load(Ordering::Relaxed) {
                        drop(carry_out(&shelf));
                    }
                });
            }
            let (shelf, answer) = (Arc::clone(&self.network.shelf), Arc::clone(&answer));
            let is_taken_back = Arc::clone(&is_taken_back);
            timeline.happen(arrives, move || {
                if !is_taken_back.load(Ordering::Relaxed) {
                    *answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(carry_out(&shelf));
                }
            });
        }
        let mut sending = Sending { is_taken_back, fate };
        timeline.until(self.who, (arrives + fate.back).min(gives_up)).await;
        // It was sent; that nobody waits any more does not take it back.
        sending.fate.outlives_sender |= arrives <= timeline.now();
        let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (fate.answer, answer) {
            (Answer::True, Some(answer)) => answer,
            (Answer::Conflict, _) => Err(BucketError::Precondition { key: key.to_owned() }),
            _ => Err(unavailable(operation, key)),
        }
    }
}

pub(crate) fn unavailable(operation: &'static str, key: &str) -> BucketError {
    BucketError::Unavailable { operation, key: key.to_owned(), source: "the storm".into() }
}

#[async_trait]
impl Bucket for Line {
    async fn get(&self, key: &RelPath, options: GetOptions) -> Result<Object, BucketError> {
        let asked = key.clone();
        let carry_out = move |shelf: &Shelf| shelf.get(&asked, options.clone());
        let (meta, bytes) = self.ask(Request::Read, ("read", key.as_str()), carry_out).await?;
        let end = self.network.draw(|weather, rng| {
            let is_truncated = rng.u32(0..1000) < weather.truncated;
            is_truncated.then(|| rng.usize(0..bytes.len().max(1)))
        });
        let mut pieces = vec![Ok(bytes.slice(..end.unwrap_or(bytes.len())))];
        pieces.extend(end.map(|_| Err(unavailable("read the rest of", key.as_str()))));
        Ok(Object { meta, body: stream::iter(pieces).boxed() })
    }

    async fn put(&self, key: &RelPath, body: Body, mode: PutMode) -> Result<Version, BucketError> {
        let Body::Bytes(bytes) = body else { unreachable!("files are read before they are sent") };
        let request = match &mode {
            PutMode::Overwrite => Request::Write,
            PutMode::Create => Request::Creation,
            PutMode::Update(_) => Request::Update,
        };
        let (who, asked) = (self.who, key.clone());
        let carry_out = move |shelf: &Shelf| shelf.put(who, &asked, &bytes, &mode);
        self.ask(request, ("write", key.as_str()), carry_out).await
    }

    async fn head(&self, key: &RelPath) -> Result<ObjectMeta, BucketError> {
        let asked = key.clone();
        self.ask(Request::Read, ("examine", key.as_str()), move |shelf| shelf.head(&asked)).await
    }

    async fn delete(&self, key: &RelPath, expected: Option<Version>) -> Result<(), BucketError> {
        let request = if expected.is_none() { Request::Write } else { Request::Update };
        let (who, asked) = (self.who, key.clone());
        let carry_out = move |shelf: &Shelf| shelf.delete(who, &asked, expected.as_ref());
        self.ask(request, ("delete", key.as_str()), carry_out).await
    }

    async fn list(&self, options: ListOptions) -> Result<Page, BucketError> {
        let who = self.who;
        self.ask(Request::Read, ("list", ""), move |shelf| Ok(shelf.list(who, &options))).await
    }

    async fn copy(&self, source: &RelPath, target: &RelPath) -> Result<Version, BucketError> {
        let (who, source, key) = (self.who, source.clone(), target.clone());
        let carry_out = move |shelf: &Shelf| {
            let (_, bytes) = shelf.get(&source, GetOptions::default())?;
            shelf.put(who, &key, &bytes, &PutMode::Overwrite)
        };
        self.ask(Request::Write, ("copy", target.as_str()), carry_out).await
    }

    fn locate(&self, key: &str) -> String {
        format!("storm:{key}")
    }
}
