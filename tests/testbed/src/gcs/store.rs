//! The objects of one bucket, in memory, under one mutex: every operation is atomic.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use s3s::crypto::{Checksum as _, Crc32c, Md5};

use super::answer::{Answer, Reason, Refused};
use super::upload::Upload;
use crate::controls::Objects;
use crate::listing::{self, Page, Query};

/// Answers that are remembered by the token of their request.
const TOKENS_MAX: usize = 10_000;

/// One state of one object.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) bytes: Bytes,
    /// When it was written, in microseconds since 1970, as GCS counts states.
    pub(crate) generation: i64,
    pub(crate) content_type: String,
    pub(crate) crc32c: u32,
    pub(crate) md5: [u8; 16],
}

/// What a writer sends.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) bytes: Bytes,
    pub(crate) content_type: String,
}

/// What must hold for a request to be executed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    /// Only this state; 0 for none at all.
    pub(crate) generation_match: Option<i64>,
    /// Any state but this; 0 for any at all.
    pub(crate) generation_not_match: Option<i64>,
}

impl Conditions {
    /// Decides about a write or a deletion.
    pub(crate) fn admit(self, present: Option<&Object>) -> Result<(), Refused> {
        let present = present.map_or(0, |object| object.generation);
        let is_refused = self.generation_match.is_some_and(|expected| expected != present)
            || self.generation_not_match == Some(present);
        if is_refused { Err(Refused::precondition()) } else { Ok(()) }
    }

    fn admit_read(self, object: &Object) -> Result<(), Refused> {
        if self.generation_match.is_some_and(|expected| expected != object.generation) {
            return Err(Refused::precondition());
        }
        if self.generation_not_match == Some(object.generation) {
            return Err(Refused::new(Reason::NotModified, "Not Modified"));
        }
        Ok(())
    }
}

/// The one bucket.
#[derive(Debug, Default)]
pub(crate) struct Store {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Arc<Object>>,
    /// By upload identifier.
    uploads: BTreeMap<String, Upload>,
    uploads_begun: u64,
    answers: BTreeMap<String, Answer>,
    /// The tokens of `answers`, the oldest first.
    tokens: VecDeque<String>,
    generation: i64,
}

impl State {
    fn insert(&mut self, key: &str, content: Content) -> Arc<Object> {
        self.generation = (self.generation + 1).max(microseconds(now()));
        let object = Arc::new(Object {
            crc32c: u32::from_be_bytes(Crc32c::checksum(&content.bytes)),
            md5: Md5::checksum(&content.bytes),
            bytes: content.bytes,
            generation: self.generation,
            content_type: content.content_type,
        });
        self.objects.insert(key.to_owned(), Arc::clone(&object));
        object
    }
}

impl Store {
    pub(crate) fn write(&self, key: &str, content: Content, conditions: Conditions) -> Result<Arc<Object>, Refused> {
        let mut state = self.state();
        conditions.admit(state.objects.get(key).map(|object| &**object))?;
        Ok(state.insert(key, content))
    }

    pub(crate) fn read(&self, bucket: &str, key: &str, conditions: Conditions) -> Result<Arc<Object>, Refused> {
        let found = self.state().objects.get(key).map(Arc::clone);
        let object = found.ok_or_else(|| no_such_object(bucket, key))?;
        conditions.admit_read(&object)?;
        Ok(object)
    }

    pub(crate) fn delete(&self, bucket: &str, key: &str, conditions: Conditions) -> Result<(), Refused> {
        let mut state = self.state();
        let object = state.objects.get(key).ok_or_else(|| no_such_object(bucket, key))?;
        conditions.admit(Some(object))?;
        state.objects.remove(key);
        Ok(())
    }

    pub(crate) fn page(&self, query: &Query<'_>) -> Page<Arc<Object>> {
        listing::page(&self.state().objects, query)
    }

    /// Begins an upload, if its condition holds so far.
    pub(crate) fn begin_upload(&self, upload: Upload) -> Result<String, Refused> {
        let mut state = self.state();
        upload.conditions.admit(state.objects.get(&upload.key).map(|object| &**object))?;
        state.uploads_begun += 1;
        let identifier = format!("upload-{:08}", state.uploads_begun);
        state.uploads.insert(identifier.clone(), upload);
        Ok(identifier)
    }

    /// Looks at an upload, or changes it.
    pub(crate) fn with_upload<T>(
        &self,
        identifier: &str,
        work: impl FnOnce(&mut Upload) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let mut state = self.state();
        let upload = state.uploads.get_mut(identifier);
        work(upload.ok_or_else(|| Refused::new(Reason::NotFound, "There is no such upload."))?)
    }

    /// Makes an object of an upload, if its condition holds and nobody did it first.
    pub(crate) fn finish_upload(&self, identifier: &str) -> Result<Arc<Object>, Refused> {
        let mut state = self.state();
        let State { objects, uploads, .. } = &mut *state;
        let upload = uploads.get_mut(identifier);
        let upload = upload.ok_or_else(|| Refused::new(Reason::NotFound, "There is no such upload."))?;
        if let Some(finished) = &upload.finished {
            return Ok(Arc::clone(finished));
        }
        upload.conditions.admit(objects.get(&upload.key).map(|object| &**object))?;
        let (key, content) = (upload.key.clone(), upload.content()?);
        let object = state.insert(&key, content);
        if let Some(upload) = state.uploads.get_mut(identifier) {
            upload.finished = Some(Arc::clone(&object));
        }
        Ok(object)
    }

    /// Returns the answer to an earlier request with the same token.
    pub(crate) fn remembered(&self, token: &str) -> Option<Answer> {
        self.state().answers.get(token).cloned()
    }

    pub(crate) fn remember(&self, token: String, answer: Answer) {
        let mut state = self.state();
        if state.tokens.len() == TOKENS_MAX
            && let Some(oldest) = state.tokens.pop_front()
        {
            state.answers.remove(&oldest);
        }
        state.tokens.push_back(token.clone());
        state.answers.insert(token, answer);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Objects for Store {
    fn put(&self, key: &str, bytes: Bytes) {
        self.state().insert(key, Content { bytes, content_type: String::new() });
    }

    fn get(&self, key: &str) -> Option<Bytes> {
        self.state().objects.get(key).map(|object| object.bytes.clone())
    }

    fn keys(&self, prefix: &str) -> Vec<String> {
        let state = self.state();
        let from_prefix = state.objects.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from_prefix.map(|(key, _)| key.clone()).take_while(|key| key.starts_with(prefix)).collect()
    }

    fn remove(&self, key: &str) -> bool {
        self.state().objects.remove(key).is_some()
    }

    /// Makes it another state as well: states are counted by time.
    fn set_modified(&self, key: &str, modified: SystemTime) -> bool {
        let mut state = self.state();
        let Some(object) = state.objects.get_mut(key) else { return false };
        let Object { bytes, content_type, crc32c, md5, .. } = &**object;
        *object = Arc::new(Object {
            bytes: bytes.clone(),
            generation: microseconds(modified),
            content_type: content_type.clone(),
            crc32c: *crc32c,
            md5: *md5,
        });
        true
    }
}

fn no_such_object(bucket: &str, key: &str) -> Refused {
    Refused::new(Reason::NotFound, format!("No such object: {bucket}/{key}"))
}

#[expect(clippy::disallowed_methods, reason = "a server has a clock of its own; tests set times with `set_modified`")]
fn now() -> SystemTime {
    SystemTime::now()
}

fn microseconds(time: SystemTime) -> i64 {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)
}
