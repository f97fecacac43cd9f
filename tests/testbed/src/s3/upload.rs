//! Bytes as they arrive: collected, and compared with the checksums that came with them.

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::dto::{Checksum, ChecksumType, StreamingBlob};
use s3s::{S3Error, S3ErrorCode, S3Result, TrailingHeaders, s3_error};

/// Bytes reserved on the word of a request's content length.
const RESERVED_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// The five checksums every S3 structure repeats.
macro_rules! copy_checksums {
    ($target:expr, $source:expr) => {{
        let source = $source;
        $target.checksum_crc32 = source.checksum_crc32.clone();
        $target.checksum_crc32c = source.checksum_crc32c.clone();
        $target.checksum_crc64nvme = source.checksum_crc64nvme.clone();
        $target.checksum_sha1 = source.checksum_sha1.clone();
        $target.checksum_sha256 = source.checksum_sha256.clone();
    }};
}
pub(crate) use copy_checksums;

/// What the client says about the bytes it sends.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    pub(crate) md5: Option<String>,
    pub(crate) checksum: Checksum,
    /// The algorithm to use when no value is claimed.
    pub(crate) algorithm: Option<String>,
    pub(crate) trailers: Option<TrailingHeaders>,
}

/// Collects the body; what the framework verifies while streaming becomes the error S3 gives.
pub(crate) async fn receive(body: Option<StreamingBlob>, length: Option<i64>) -> S3Result<Bytes> {
    let Some(mut body) = body else { return Ok(Bytes::new()) };
    let Some(first) = body.next().await.transpose().map_err(refused)? else { return Ok(Bytes::new()) };
    let length = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    if first.len() == length {
        // The stream has to end all the same: its last poll verifies the signature and delivers the trailers.
        return match body.next().await.transpose().map_err(refused)? {
            None => Ok(first),
            Some(_) => Err(s3_error!(IncompleteBody, "The body is longer than its content length")),
        };
    }
    let mut collected = BytesMut::with_capacity(length.min(RESERVED_BYTES_MAX).max(first.len()));
    collected.extend_from_slice(&first);
    while let Some(chunk) = body.next().await.transpose().map_err(refused)? {
        collected.extend_from_slice(&chunk);
    }
    Ok(collected.freeze())
}

fn refused(error: s3s::StdError) -> S3Error {
    let text = error.to_string();
    // The framework's own error types are private; their names in the message are all there is.
    let code = if text.contains("Sha256Mismatch") {
        S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into())
    } else if text.contains("SignatureMismatch") {
        S3ErrorCode::SignatureDoesNotMatch
    } else {
        S3ErrorCode::IncompleteBody
    };
    let mut refused = S3Error::with_message(code, text);
    refused.set_status_code(refused.status_code().unwrap_or(hyper::StatusCode::BAD_REQUEST));
    refused.set_source(error);
    refused
}

/// Verifies every claim and returns the checksums to keep.
pub(crate) fn verify(bytes: &[u8], mut claims: Claims) -> S3Result<Checksum> {
    if let Some(md5) = &claims.md5 {
        verify_md5(bytes, md5)?;
    }
    if let Some(trailers) = claims.trailers.take().and_then(|trailers| trailers.take()) {
        let trailer = |name: &str| trailers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let claimed = &mut claims.checksum;
        claimed.checksum_crc32 = claimed.checksum_crc32.take().or_else(|| trailer("x-amz-checksum-crc32"));
        claimed.checksum_crc32c = claimed.checksum_crc32c.take().or_else(|| trailer("x-amz-checksum-crc32c"));
        claimed.checksum_crc64nvme = claimed.checksum_crc64nvme.take().or_else(|| trailer("x-amz-checksum-crc64nvme"));
        claimed.checksum_sha1 = claimed.checksum_sha1.take().or_else(|| trailer("x-amz-checksum-sha1"));
        claimed.checksum_sha256 = claimed.checksum_sha256.take().or_else(|| trailer("x-amz-checksum-sha256"));
    }
    let claimed = claims.checksum;
    let is_claimed = claimed != Checksum::default();
    let algorithm = claims.algorithm.as_deref();
    let mut hasher = if is_claimed && algorithm.is_none() { ChecksumHasher::default() } else { hasher_of(algorithm) };
    hasher.crc32 = hasher.crc32.or_else(|| claimed.checksum_crc32.as_ref().map(|_| Crc32::new()));
    hasher.crc32c = hasher.crc32c.or_else(|| claimed.checksum_crc32c.as_ref().map(|_| Crc32c::new()));
    hasher.crc64nvme = hasher.crc64nvme.or_else(|| claimed.checksum_crc64nvme.as_ref().map(|_| Crc64Nvme::new()));
    hasher.sha1 = hasher.sha1.or_else(|| claimed.checksum_sha1.as_ref().map(|_| Sha1::new()));
    hasher.sha256 = hasher.sha256.or_else(|| claimed.checksum_sha256.as_ref().map(|_| Sha256::new()));
    hasher.update(bytes);
    let mut computed = hasher.finalize();

    agree(&claimed, &computed)?;
    computed.checksum_type = Some(ChecksumType::from_static(ChecksumType::FULL_OBJECT));
    Ok(computed)
}

/// Compares every claimed checksum with the computed one.
pub(crate) fn agree(claimed: &Checksum, computed: &Checksum) -> S3Result<()> {
    let pairs = [
        ("crc32", &claimed.checksum_crc32, &computed.checksum_crc32),
        ("crc32c", &claimed.checksum_crc32c, &computed.checksum_crc32c),
        ("crc64nvme", &claimed.checksum_crc64nvme, &computed.checksum_crc64nvme),
        ("sha1", &claimed.checksum_sha1, &computed.checksum_sha1),
        ("sha256", &claimed.checksum_sha256, &computed.checksum_sha256),
    ];
    for (name, claimed, computed) in pairs {
        if claimed.is_some() && claimed != computed {
            return Err(s3_error!(BadDigest, "The {name} you specified did not match the calculated checksum."));
        }
    }
    Ok(())
}

fn verify_md5(bytes: &[u8], claimed: &str) -> S3Result<()> {
    let digest = base64_simd::STANDARD
        .decode_to_vec(claimed)
        .map_err(|error| s3_error!(error, InvalidDigest, "The Content-MD5 you specified was invalid."))?;
    if digest == Md5::checksum(bytes).as_ref() {
        Ok(())
    } else {
        Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received."))
    }
}

/// Returns a hasher for one algorithm; CRC64NVME, as S3 does, when none is named.
pub(crate) fn hasher_of(algorithm: Option<&str>) -> ChecksumHasher {
    let mut hasher = ChecksumHasher::default();
    match algorithm {
        Some("CRC32") => hasher.crc32 = Some(Crc32::new()),
        Some("CRC32C") => hasher.crc32c = Some(Crc32c::new()),
        Some("SHA1") => hasher.sha1 = Some(Sha1::new()),
        Some("SHA256") => hasher.sha256 = Some(Sha256::new()),
        _ => hasher.crc64nvme = Some(Crc64Nvme::new()),
    }
    hasher
}
