//! The bytes of files: streaming them out in pieces, staging them whole.

use std::fs::{File, FileTimes};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use tokio::io::AsyncReadExt as _;

use crate::bucket::{Body, BucketError, ByteStream};
use crate::clock::Timestamp;
use crate::fsutil::{FileError, Staged};
use crate::path::RelPath;

/// Bytes read from a file at once.
const CHUNK_BYTES: u64 = 256 * 1024;

/// Streams a part of an open file; the file may be replaced meanwhile, not this stream's.
pub(super) fn stream(key: &RelPath, mut file: File, range: Range<u64>) -> Result<ByteStream, BucketError> {
    let key = key.to_string();
    let unavailable = |key: &str, error: io::Error| BucketError::Unavailable {
        operation: "read",
        key: key.to_owned(),
        source: error.into(),
    };
    file.seek(SeekFrom::Start(range.start)).map_err(|error| unavailable(&key, error))?;
    let state = (tokio::fs::File::from_std(file), range.end - range.start);
    let chunks = stream::try_unfold(state, move |(mut file, left)| {
        let key = key.clone();
        async move {
            let mut chunk = Vec::new();
            let wanted = left.min(CHUNK_BYTES);
            (&mut file).take(wanted).read_to_end(&mut chunk).await.map_err(|error| unavailable(&key, error))?;
            let length = chunk.len() as u64;
            if length < wanted {
                return Err(BucketError::Corrupt { key, source: "the file became shorter while it was read".into() });
            }
            Ok((length > 0).then(|| (Bytes::from(chunk), (file, left - length))))
        }
    });
    Ok(chunks.boxed())
}

/// Writes a body to a staged file that lasts.
pub(super) fn stage(key: &RelPath, body: &Body, staging: &Path, now: Timestamp) -> Result<Staged, BucketError> {
    match body {
        Body::Bytes(bytes) => staged(key, staging, now, |file| file.write_all(bytes)),
        Body::File(path) => {
            let opened = File::open(path).map_err(FileError::at("read", path));
            let mut source = opened.map_err(|error| BucketError::unreadable(key, error))?;
            stage_file(key, &mut source, staging, now)
        }
    }
}

/// Copies an open file to a staged one that lasts.
pub(super) fn stage_file(
    key: &RelPath,
    source: &mut File,
    staging: &Path,
    now: Timestamp,
) -> Result<Staged, BucketError> {
    staged(key, staging, now, |file| io::copy(source, file).map(drop))
}

fn staged(
    key: &RelPath,
    staging: &Path,
    now: Timestamp,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<Staged, BucketError> {
    let failed = |error: io::Error| super::error::classified("write", key.as_str(), staging, error);
    let mut staged = Staged::new(staging).map_err(|error| failed(error.source))?;
    let file = staged.file();
    write(file).and_then(|()| file.set_times(unique_times(now))).and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(staged)
}

/// Returns `now` with random nanoseconds below its milliseconds.
fn unique_times(now: Timestamp) -> FileTimes {
    let milliseconds = u64::try_from(now.milliseconds()).unwrap_or_default();
    let modified = Duration::from_millis(milliseconds) + Duration::from_nanos(fastrand::u64(0..1_000_000));
    FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + modified)
}
