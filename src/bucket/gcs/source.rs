//! What is sent, piece by piece, and whether it moves.

use std::io::{self, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use google_cloud_storage::streaming_source::{Seek, SizeHint, StreamingSource};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio::sync::Notify;
use tokio::time::error::Elapsed;

/// Bytes of a file in memory at a time.
const CHUNK_BYTES: usize = 256 * 1024;

/// The content of an object to be.
#[derive(Debug)]
pub(super) struct Upload {
    content: Content,
    size: u64,
    progress: Arc<Notify>,
}

#[derive(Debug)]
enum Content {
    Bytes { all: Bytes, left: Bytes },
    File(File),
}

impl Upload {
    /// Sends bytes in memory.
    pub(super) fn of_bytes(bytes: Bytes) -> Self {
        let size = bytes.len() as u64;
        Self { content: Content::Bytes { all: bytes.clone(), left: bytes }, size, progress: Arc::default() }
    }

    /// Sends a file.
    pub(super) async fn of_file(path: &Path) -> io::Result<Self> {
        let file = File::open(path).await?;
        let size = file.metadata().await?.len();
        Ok(Self { content: Content::File(file), size, progress: Arc::default() })
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Returns what hears of every piece that is sent.
    pub(super) fn progress(&self) -> Progress {
        Progress(Arc::clone(&self.progress))
    }

    async fn read(&mut self) -> io::Result<Bytes> {
        match &mut self.content {
            Content::Bytes { left, .. } => Ok(std::mem::take(left)),
            Content::File(file) => {
                let mut chunk = Vec::with_capacity(CHUNK_BYTES);
                file.take(CHUNK_BYTES as u64).read_to_end(&mut chunk).await?;
                Ok(chunk.into())
            }
        }
    }
}

impl StreamingSource for Upload {
    type Error = io::Error;

    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        let chunk = self.read().await;
        self.progress.notify_one();
        match chunk {
            Ok(chunk) if chunk.is_empty() => None,
            chunk => Some(chunk),
        }
    }

    async fn size_hint(&self) -> io::Result<SizeHint> {
        Ok(SizeHint::with_exact(self.size))
    }
}

impl Seek for Upload {
    type Error = io::Error;

    async fn seek(&mut self, offset: u64) -> io::Result<()> {
        match &mut self.content {
            Content::Bytes { all, left } => {
                let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(all.len());
                *left = all.slice(offset..);
            }
            Content::File(file) => {
                file.seek(SeekFrom::Start(offset)).await?;
            }
        }
        Ok(())
    }
}

/// Hears of every piece that is sent.
#[derive(Debug)]
pub(super) struct Progress(Arc<Notify>);

impl Progress {
    /// Carries out an upload, which is given up when nothing moved for `idle_max`.
    pub(super) async fn watch<T>(self, idle_max: Duration, mut upload: BoxFuture<'_, T>) -> Result<T, Elapsed> {
        loop {
            tokio::select! {
                done = &mut upload => return Ok(done),
                moved = tokio::time::timeout(idle_max, self.0.notified()) => moved?,
            }
        }
    }
}
