//! Sending one file. Files change while they are sent: what the index is told of a file is what was sent of it, not what
//! was there when the push was planned.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::time::Duration;

use super::super::Engine;
use super::super::transfer::TransferError;
use crate::bucket::{Body, BucketError, PutMode, Version};
use crate::fsutil::{self, FileError, Pinned};
use crate::index::replace::{self, Before};
use crate::index::{Stamp, Verified};
use crate::lock::Held;
use crate::path::RelPath;

/// The largest file that is read before it is sent, in bytes, so that its content is known whatever it becomes.
const READ_BYTES_MAX: u64 = 1 << 20;

/// How files are written.
#[derive(Clone, Copy)]
pub(super) enum Way<'a> {
    /// None of them may exist.
    Create,
    /// Over what is there, as [`replace::put`] does.
    Over {
        before: &'a BTreeMap<RelPath, Before>,
        held: Option<&'a Held>,
        /// When no more are begun, by the clock.
        until: Option<Duration>,
    },
}

impl Way<'_> {
    pub(super) const fn until(self) -> Option<Duration> {
        match self {
            Self::Create => None,
            Self::Over { until, .. } => until,
        }
    }
}

/// What became of a file.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The datastore has this content of it.
    Written(Verified, Version),
    /// It changed while it was streamed: the datastore has it partly as it was and partly as it is.
    Torn(Version),
    /// A condition refused this content.
    Refused(Verified),
    /// It is not here any more, or it is another file than the one that was planned and too large to be read first.
    Vanished,
}

impl Engine {
    /// Uploads one file that was planned with this content.
    pub(super) async fn send(
        &self,
        path: &RelPath,
        planned: &Verified,
        way: Way<'_>,
    ) -> Result<Outcome, TransferError> {
        // Kept until it is sent: the body is this file, whatever becomes of its name.
        let Some(file) = self.places.pin(path)? else { return Ok(Outcome::Vanished) };
        let bytes = read(&file).map_err(|error| FileError { path: path.under(&self.places.root), ..error })?;
        let is_as_planned = || -> Result<bool, FileError> {
            let metadata = file.metadata().map_err(FileError::at("examine", &path.under(&self.places.root)))?;
            Ok(Stamp::from(&metadata) == planned.stamp)
        };
        let is_streamed = bytes.is_none();
        if is_streamed && !is_as_planned()? {
            return Ok(Outcome::Vanished);
        }
        let (body, content) = match bytes {
            Some(bytes) => {
                let digested = fsutil::digest_bytes(&bytes);
                let changed = || Verified { stamp: Stamp::of_nothing(digested.size), sha256: digested.sha256.clone() };
                let content = if digested.sha256 == planned.sha256 { planned.clone() } else { changed() };
                (Body::Bytes(bytes.into()), content)
            }
            None => (Body::File(file.path()), planned.clone()),
        };
        let sent = match way {
            Way::Create => self.scope.put(path, body, PutMode::Create).await,
            Way::Over { before, held, .. } => {
                let before = before.get(path).cloned().unwrap_or_default();
                replace::put(&*self.scope, path, body, before, held).await
            }
        };
        let version = match sent {
            Ok(version) => version,
            Err(BucketError::Precondition { .. }) => return Ok(Outcome::Refused(content)),
            Err(error) => return Err(error.into()),
        };
        if is_streamed && !is_as_planned()? {
            return Ok(Outcome::Torn(version));
        }
        Ok(Outcome::Written(content, version))
    }
}

/// Reads a small file; `None` if it is none.
fn read(file: &Pinned) -> Result<Option<Vec<u8>>, FileError> {
    let path = file.path();
    let failed = || FileError::at("read", &path);
    let length = file.metadata().map_err(failed())?.len();
    if length > READ_BYTES_MAX {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    let opened = File::open(&path).map_err(failed())?;
    opened.take(READ_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed())?;
    Ok((bytes.len() as u64 <= READ_BYTES_MAX).then_some(bytes))
}
