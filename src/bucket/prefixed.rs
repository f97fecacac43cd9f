//! A view of a bucket below one path: what is done through it cannot touch a key outside.
//!
//! This is the structure behind the promise that a synchronisation of one namespace leaves the others alone.

use async_trait::async_trait;

use crate::path::{PATH_BYTES_MAX, RelPath};

use super::{
    Body, Bucket, BucketError, GetOptions, KEY_TOO_LONG, ListOptions, Object, ObjectMeta, Page, PutMode, SharedBucket,
    Version,
};

/// A bucket that puts a path before every key and takes it off every result.
#[derive(Clone, Debug)]
pub struct Prefixed {
    inner: SharedBucket,
    prefix: RelPath,
}

impl Prefixed {
    /// Returns the view of `inner` below `prefix`.
    pub fn new(inner: SharedBucket, prefix: RelPath) -> Self {
        Self { inner, prefix }
    }

    fn outer(&self, operation: &'static str, key: &RelPath) -> Result<RelPath, BucketError> {
        self.prefix.child(key.as_str()).map_err(|error| BucketError::Invalid {
            operation,
            key: key.to_string(),
            source: error.into(),
        })
    }

    fn strip_meta(&self, mut meta: ObjectMeta) -> Result<ObjectMeta, BucketError> {
        let Some(key) = meta.key.strip(&self.prefix) else {
            let source = format!("the answer is about a key outside of `{}`", self.prefix).into();
            return Err(BucketError::Corrupt { key: meta.key.to_string(), source });
        };
        meta.key = key;
        Ok(meta)
    }

    fn strip_text(&self, text: String) -> String {
        match text.strip_prefix(self.prefix.as_str()).and_then(|rest| rest.strip_prefix('/')) {
            Some(rest) => rest.to_owned(),
            None => text,
        }
    }
}

#[async_trait]
impl Bucket for Prefixed {
    async fn get(&self, key: &RelPath, options: GetOptions) -> Result<Object, BucketError> {
        let Object { meta, body } = self.inner.get(&self.outer("read", key)?, options).await?;
        Ok(Object { meta: self.strip_meta(meta)?, body })
    }

    async fn put(&self, key: &RelPath, body: Body, mode: PutMode) -> Result<Version, BucketError> {
        self.inner.put(&self.outer("write", key)?, body, mode).await
    }

    async fn head(&self, key: &RelPath) -> Result<ObjectMeta, BucketError> {
        self.strip_meta(self.inner.head(&self.outer("examine", key)?).await?)
    }

    async fn delete(&self, key: &RelPath, expected: Option<Version>) -> Result<(), BucketError> {
        self.inner.delete(&self.outer("delete", key)?, expected).await
    }

    async fn list(&self, options: ListOptions) -> Result<Page, BucketError> {
        let prefix = match &options.prefix {
            Some(prefix) => self.outer("list", prefix)?,
            None => self.prefix.clone(),
        };
        let start_after = options.start_after.map(|text| format!("{}/{text}", self.prefix));
        let inner = ListOptions { prefix: Some(prefix), start_after, ..options };
        let Page { objects, refused, directories, next } = self.inner.list(inner).await?;
        Ok(Page {
            objects: objects.into_iter().map(|meta| self.strip_meta(meta)).collect::<Result<_, _>>()?,
            refused: refused.into_iter().map(|text| self.strip_text(text)).collect(),
            directories,
            next: next.map(|text| self.strip_text(text)),
        })
    }

    async fn copy(&self, source: &RelPath, target: &RelPath) -> Result<Version, BucketError> {
        self.inner.copy(&self.outer("copy", source)?, &self.outer("write", target)?).await
    }

    fn refuses(&self, key: &str) -> Option<&'static str> {
        let outer = format!("{}/{key}", self.prefix);
        if outer.len() > PATH_BYTES_MAX { Some(KEY_TOO_LONG) } else { self.inner.refuses(&outer) }
    }

    fn locate(&self, key: &str) -> String {
        self.inner.locate(&format!("{}/{key}", self.prefix))
    }
}
