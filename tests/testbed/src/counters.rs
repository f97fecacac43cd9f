//! What a server was asked: counters by kind of request, and a log of keys.
//!
//! A request is recorded when it arrives, before any fault: a retried request counts as often as it was sent.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Requests remembered by the log; later ones are only counted.
pub const LOG_REQUESTS_MAX: usize = 200_000;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Read an object, or a range of it.
    Get,
    /// Write an object in one piece.
    Put,
    /// Ask for an object's properties.
    Head,
    /// Delete an object, or several at once.
    Delete,
    /// List one page of keys.
    List,
    /// Copy an object within the store.
    Copy,
    /// Begin a multipart upload.
    CreateMultipart,
    /// Send one part.
    UploadPart,
    /// Make an object of the parts.
    Complete,
    /// Anything else: the bucket itself, aborted and listed uploads.
    Other,
}

/// One request as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What it asked for.
    pub kind: Kind,
    /// The key it named; the prefix of a listing; of a copy, the target.
    pub key: String,
}

/// Numbers of requests by [`Kind`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "one field per kind")]
#[serde(default)]
pub struct Counters {
    pub get: u64,
    pub put: u64,
    pub head: u64,
    pub delete: u64,
    pub list: u64,
    pub copy: u64,
    pub create_multipart: u64,
    pub upload_part: u64,
    pub complete: u64,
    pub other: u64,
}

impl Counters {
    /// Returns the number of all requests.
    pub fn total(&self) -> u64 {
        let Self { get, put, head, delete, list, copy, create_multipart, upload_part, complete, other } = self;
        get + put + head + delete + list + copy + create_multipart + upload_part + complete + other
    }

    fn of(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::Get => &mut self.get,
            Kind::Put => &mut self.put,
            Kind::Head => &mut self.head,
            Kind::Delete => &mut self.delete,
            Kind::List => &mut self.list,
            Kind::Copy => &mut self.copy,
            Kind::CreateMultipart => &mut self.create_multipart,
            Kind::UploadPart => &mut self.upload_part,
            Kind::Complete => &mut self.complete,
            Kind::Other => &mut self.other,
        }
    }
}

/// Counts and logs; shared by the server and whoever asks.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Seen {
    counters: Counters,
    log: Vec<Request>,
}

impl Recorder {
    pub(crate) fn record(&self, request: Request) {
        let mut seen = self.seen();
        *seen.counters.of(request.kind) += 1;
        if seen.log.len() < LOG_REQUESTS_MAX {
            seen.log.push(request);
        }
        drop(seen);
        self.changed.notify_all();
    }

    pub(crate) fn counters(&self) -> Counters {
        self.seen().counters
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.seen().log.clone()
    }

    pub(crate) fn reset(&self) {
        *self.seen() = Seen::default();
        self.changed.notify_all();
    }

    /// Waits until the counters satisfy `enough`; false when `patience` ended first.
    pub(crate) fn wait_until(&self, patience: Duration, enough: impl Fn(&Counters) -> bool) -> bool {
        let (seen, _timeout) = self
            .changed
            .wait_timeout_while(self.seen(), patience, |seen| !enough(&seen.counters))
            .unwrap_or_else(PoisonError::into_inner);
        enough(&seen.counters)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
