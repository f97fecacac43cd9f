//! Whether an object holds given bytes: how a writer whose reply was lost recognises its own write.

use futures::stream::StreamExt as _;
use tokio::io::AsyncReadExt as _;

use crate::fsutil::FileError;
use crate::path::RelPath;

use super::{Body, Bucket, BucketError, ByteStream, GetOptions, Version};

/// Returns the state of `key` if it holds exactly the bytes of `body`, `None` if it is absent or holds others.
pub(super) async fn holds(bucket: &dyn Bucket, key: &RelPath, body: &Body) -> Result<Option<Version>, BucketError> {
    let object = match bucket.get(key, GetOptions::default()).await {
        Ok(object) => object,
        Err(BucketError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let equal = match body {
        Body::Bytes(bytes) => bytes.len() as u64 == object.meta.size && equals_bytes(object.body, bytes).await?,
        Body::File(path) => {
            let unreadable = |error| BucketError::unreadable(key, FileError::at("read", path)(error));
            let mut file = tokio::fs::File::open(path).await.map_err(unreadable)?;
            let size = file.metadata().await.map_err(unreadable)?.len();
            size == object.meta.size && equals_file(object.body, &mut file).await?
        }
    };
    Ok(equal.then_some(object.meta.version))
}

async fn equals_bytes(mut body: ByteStream, mut expected: &[u8]) -> Result<bool, BucketError> {
    while let Some(chunk) = body.next().await {
        match expected.strip_prefix(chunk?.as_ref()) {
            Some(rest) => expected = rest,
            None => return Ok(false),
        }
    }
    Ok(expected.is_empty())
}

async fn equals_file(mut body: ByteStream, file: &mut tokio::fs::File) -> Result<bool, BucketError> {
    let mut buffer = Vec::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk?;
        buffer.resize(chunk.len(), 0);
        // A file that ends early or cannot be read any more is not what was written.
        if file.read_exact(&mut buffer).await.is_err() || buffer != chunk {
            return Ok(false);
        }
    }
    Ok(true)
}
