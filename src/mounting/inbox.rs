//! What the mount tells the thread that follows it: that something changes, and which names have changed.
//!
//! Written to from the threads that serve the kernel: a lock, a few words, and a bell that rings once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::schedule::Span;
use crate::clock::Clock;
use crate::path::RelPath;

/// How many changed names are kept for the next look; beyond that, the look is at everything.
const NAMES_MAX: usize = 65_536;

/// What happened since somebody looked.
#[derive(Debug, Default)]
pub(super) struct News {
    /// When something changed.
    pub(super) span: Option<Span>,
    /// Names that have changed.
    pub(super) names: BTreeSet<RelPath>,
    /// Whether there were more names than were kept.
    pub(super) is_overfull: bool,
    /// Whether other namespaces should be looked at.
    pub(super) is_refresh_wanted: bool,
}

impl News {
    fn is_empty(&self) -> bool {
        self.span.is_none() && self.names.is_empty() && !self.is_refresh_wanted
    }
}

/// Where the news lie until somebody looks.
#[derive(Debug)]
pub(super) struct Inbox {
    clock: Arc<dyn Clock>,
    news: Mutex<News>,
    bell: Notify,
}

impl Inbox {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, news: Mutex::default(), bell: Notify::new() }
    }

    /// Hears that something is about to change, or has just changed.
    pub(super) fn touch(&self) {
        self.tell(|_| {});
    }

    /// Hears that a name has changed.
    pub(super) fn changed(&self, path: RelPath) {
        self.tell(|news| {
            if news.names.len() < NAMES_MAX {
                news.names.insert(path);
            } else {
                news.is_overfull = true;
            }
        });
    }

    /// Hears that somebody found other namespaces to be other than what is known of them.
    pub(super) fn want_refresh(&self) {
        let mut news = self.news();
        let was_empty = news.is_empty();
        news.is_refresh_wanted = true;
        drop(news);
        if was_empty {
            self.bell.notify_one();
        }
    }

    /// Returns the news and forgets them.
    pub(super) fn take(&self) -> News {
        std::mem::take(&mut *self.news())
    }

    /// Completes when there are news.
    pub(super) async fn ring(&self) {
        while self.news().is_empty() {
            self.bell.notified().await;
        }
    }

    fn tell(&self, what: impl FnOnce(&mut News)) {
        let now = self.clock.elapsed();
        let mut news = self.news();
        let was_empty = news.is_empty();
        let span = Span { first: now, last: now };
        news.span = Some(news.span.map_or(span, |known| known.with(span)));
        what(&mut news);
        drop(news);
        if was_empty {
            self.bell.notify_one();
        }
    }

    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
