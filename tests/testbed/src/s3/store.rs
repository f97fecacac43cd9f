//! The objects of one bucket, in memory, under one mutex: every operation is atomic.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{Checksum, ETag, ETagCondition, Metadata};
use s3s::{S3Result, s3_error};

use crate::controls::Objects;
use crate::listing::{self, Page, Query};

/// What came with an object's bytes and goes with them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attributes {
    pub(crate) content_type: Option<String>,
    pub(crate) content_encoding: Option<String>,
    pub(crate) content_disposition: Option<String>,
    pub(crate) content_language: Option<String>,
    pub(crate) cache_control: Option<String>,
    pub(crate) metadata: Option<Metadata>,
}

/// One state of one object.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) bytes: Bytes,
    /// Without quotes.
    pub(crate) etag: String,
    /// In whole seconds, as S3 keeps it.
    pub(crate) modified: SystemTime,
    pub(crate) attributes: Attributes,
    pub(crate) checksum: Checksum,
}

impl Object {
    pub(crate) fn new(bytes: Bytes, attributes: Attributes, checksum: Checksum) -> Self {
        let etag = hex::encode(Md5::checksum(&bytes));
        Self { bytes, etag, modified: now(), attributes, checksum }
    }

    pub(crate) fn etag(&self) -> ETag {
        ETag::Strong(self.etag.clone())
    }

    /// Says whether a condition names this state.
    pub(crate) fn is_named_by(&self, condition: &ETagCondition) -> bool {
        match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(etag) => etag.as_strong() == Some(self.etag.as_str()),
        }
    }
}

/// What must hold for a write to happen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions {
    /// `If-None-Match: *`.
    pub(crate) is_create: bool,
    /// `If-Match`.
    pub(crate) present: Option<ETagCondition>,
}

impl Conditions {
    /// Reads the conditions of a write; the store knows only `*` for `If-None-Match`, as S3 does.
    pub(crate) fn new(if_match: Option<ETagCondition>, if_none_match: Option<&ETagCondition>) -> S3Result<Self> {
        match if_none_match {
            Some(ETagCondition::ETag(_)) => {
                Err(s3_error!(NotImplemented, "A write takes If-None-Match with the value * only"))
            }
            Some(ETagCondition::Any) => Ok(Self { is_create: true, present: if_match }),
            None => Ok(Self { is_create: false, present: if_match }),
        }
    }

    fn check(&self, existing: Option<&Arc<Object>>) -> S3Result<()> {
        let failed = || s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold");
        if self.is_create && existing.is_some() {
            return Err(failed());
        }
        match (&self.present, existing) {
            (Some(_), None) => Err(no_such_key()),
            (Some(condition), Some(object)) if !object.is_named_by(condition) => Err(failed()),
            _ => Ok(()),
        }
    }
}

/// One part of an unfinished upload.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) bytes: Bytes,
    /// Without quotes.
    pub(crate) etag: String,
    pub(crate) modified: SystemTime,
    pub(crate) checksum: Checksum,
}

/// An unfinished upload.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub(crate) key: String,
    pub(crate) initiated: SystemTime,
    pub(crate) attributes: Attributes,
    /// The checksum algorithm asked for when it began, and the type.
    pub(crate) algorithm: Option<String>,
    pub(crate) checksum_type: Option<String>,
    pub(crate) parts: BTreeMap<i32, Part>,
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
}

impl Store {
    pub(crate) fn put(&self, key: &str, object: Object, conditions: &Conditions) -> S3Result<()> {
        let mut state = self.state();
        conditions.check(state.objects.get(key))?;
        state.objects.insert(key.to_owned(), Arc::new(object));
        Ok(())
    }

    pub(crate) fn get(&self, key: &str) -> Option<Arc<Object>> {
        self.state().objects.get(key).map(Arc::clone)
    }

    /// Deletes the object; without conditions, absence is no failure.
    pub(crate) fn delete(&self, key: &str, conditions: &Conditions) -> S3Result<()> {
        let mut state = self.state();
        conditions.check(state.objects.get(key))?;
        state.objects.remove(key);
        Ok(())
    }

    pub(crate) fn page(&self, query: &Query<'_>) -> Page<Arc<Object>> {
        listing::page(&self.state().objects, query)
    }

    pub(crate) fn begin_upload(&self, upload: Upload) -> String {
        let mut state = self.state();
        state.uploads_begun += 1;
        let identifier = format!("upload-{:08}", state.uploads_begun);
        state.uploads.insert(identifier.clone(), upload);
        identifier
    }

    pub(crate) fn put_part(&self, key: &str, upload: &str, number: i32, part: Part) -> S3Result<()> {
        let mut state = self.state();
        let upload = state.uploads.get_mut(upload).filter(|upload| upload.key == key).ok_or_else(no_such_upload)?;
        upload.parts.insert(number, part);
        Ok(())
    }

    /// Returns the upload as it is; the parts' bytes are shared, not copied.
    pub(crate) fn upload(&self, key: &str, upload: &str) -> S3Result<Upload> {
        self.state().uploads.get(upload).filter(|upload| upload.key == key).cloned().ok_or_else(no_such_upload)
    }

    pub(crate) fn uploads(&self) -> Vec<(String, Upload)> {
        self.state().uploads.iter().map(|(identifier, upload)| (identifier.clone(), upload.clone())).collect()
    }

    /// Replaces the upload by its object, if the conditions hold and nobody finished it first.
    pub(crate) fn finish_upload(&self, upload: &str, object: Object, conditions: &Conditions) -> S3Result<()> {
        let mut state = self.state();
        let key = state.uploads.get(upload).map(|upload| upload.key.clone()).ok_or_else(no_such_upload)?;
        conditions.check(state.objects.get(&key))?;
        state.uploads.remove(upload);
        state.objects.insert(key, Arc::new(object));
        Ok(())
    }

    pub(crate) fn abort_upload(&self, key: &str, upload: &str) -> S3Result<()> {
        let mut state = self.state();
        state.uploads.get(upload).filter(|upload| upload.key == key).ok_or_else(no_such_upload)?;
        state.uploads.remove(upload);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Objects for Store {
    fn put(&self, key: &str, bytes: Bytes) {
        let object = Object::new(bytes, Attributes::default(), Checksum::default());
        self.state().objects.insert(key.to_owned(), Arc::new(object));
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

    fn set_modified(&self, key: &str, modified: SystemTime) -> bool {
        let mut state = self.state();
        let Some(object) = state.objects.get_mut(key) else { return false };
        Arc::make_mut(object).modified = in_whole_seconds(modified);
        true
    }
}

pub(crate) fn no_such_key() -> s3s::S3Error {
    s3_error!(NoSuchKey, "The specified key does not exist.")
}

fn no_such_upload() -> s3s::S3Error {
    s3_error!(NoSuchUpload, "The specified upload does not exist.")
}

/// Returns the present second.
#[expect(clippy::disallowed_methods, reason = "a server has a clock of its own; tests set times with `set_modified`")]
pub(crate) fn now() -> SystemTime {
    in_whole_seconds(SystemTime::now())
}

fn in_whole_seconds(time: SystemTime) -> SystemTime {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since_epoch.as_secs())
}
