//! Multipart uploads: parts become one object.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{self, Checksum, ChecksumType, CompletedPart, ETag};
use s3s::{S3Request, S3Result, s3_error};

use super::store::{Attributes, Object, Part, Store, Upload, now};
use super::upload::{Claims, agree, copy_checksums, hasher_of, receive, verify};

/// The smallest part but the last.
const PART_BYTES_MIN: usize = 5 * 1024 * 1024;

/// The largest number of a part.
const PART_NUMBER_MAX: i32 = 10_000;

/// Entries of a listing of parts or uploads.
const LISTED_MAX: i32 = 1000;

pub(crate) fn create(store: &Store, input: dto::CreateMultipartUploadInput) -> dto::CreateMultipartUploadOutput {
    let algorithm = input.checksum_algorithm.map(|algorithm| algorithm.as_str().to_owned());
    let checksum_type = input.checksum_type.map(|kind| kind.as_str().to_owned());
    let upload = Upload {
        key: input.key.clone(),
        initiated: now(),
        attributes: Attributes {
            content_type: input.content_type,
            content_encoding: input.content_encoding,
            content_disposition: input.content_disposition,
            content_language: input.content_language,
            cache_control: input.cache_control,
            metadata: input.metadata,
        },
        algorithm: algorithm.clone(),
        checksum_type,
        parts: std::collections::BTreeMap::new(),
    };
    dto::CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        checksum_algorithm: algorithm.map(dto::ChecksumAlgorithm::from),
        upload_id: Some(store.begin_upload(upload)),
        ..Default::default()
    }
}

pub(crate) async fn put_part(
    store: &Store,
    request: S3Request<dto::UploadPartInput>,
) -> S3Result<dto::UploadPartOutput> {
    let input = request.input;
    if !(1..=PART_NUMBER_MAX).contains(&input.part_number) {
        return Err(s3_error!(InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive"));
    }
    let mut claims = Claims { md5: input.content_md5.clone(), trailers: request.trailing_headers, ..Claims::default() };
    copy_checksums!(claims.checksum, &input);
    let bytes = receive(input.body, input.content_length).await?;
    claims.algorithm = store.upload(&input.key, &input.upload_id)?.algorithm;
    let checksum = verify(&bytes, claims)?;
    let etag = hex::encode(Md5::checksum(&bytes));

    let mut output = dto::UploadPartOutput { e_tag: Some(ETag::Strong(etag.clone())), ..Default::default() };
    copy_checksums!(output, &checksum);
    store.put_part(&input.key, &input.upload_id, input.part_number, Part { bytes, etag, modified: now(), checksum })?;
    Ok(output)
}

/// Makes the object of the parts chosen; the caller stores it.
pub(crate) fn assemble(upload: &Upload, input: &dto::CompleteMultipartUploadInput) -> S3Result<Object> {
    let chosen = input.multipart_upload.as_ref().and_then(|chosen| chosen.parts.as_deref()).unwrap_or_default();
    let parts = choose(upload, chosen)?;
    let mut bytes = BytesMut::with_capacity(parts.iter().map(|part| part.bytes.len()).sum());
    let mut digests = Vec::new();
    for part in &parts {
        bytes.extend_from_slice(&part.bytes);
        let digest = hex::decode(&part.etag).map_err(|error| s3_error!(error, InternalError))?;
        digests.extend_from_slice(&digest);
    }
    let bytes = bytes.freeze();
    let checksum = checksum_of(upload, &parts, &bytes)?;
    let mut claimed = Checksum::default();
    copy_checksums!(claimed, input);
    agree(&claimed, &checksum)?;
    let size_claimed = input.mpu_object_size.and_then(|size| usize::try_from(size).ok());
    if size_claimed.is_some_and(|size| size != bytes.len()) {
        return Err(s3_error!(InvalidRequest, "The provided object size does not match the uploaded parts"));
    }

    let etag = format!("{}-{}", hex::encode(Md5::checksum(&digests)), parts.len());
    Ok(Object { bytes, etag, modified: now(), attributes: upload.attributes.clone(), checksum })
}

fn choose<'a>(upload: &'a Upload, chosen: &[CompletedPart]) -> S3Result<Vec<&'a Part>> {
    if chosen.is_empty() {
        return Err(s3_error!(InvalidRequest, "You must specify at least one part"));
    }
    if !chosen.is_sorted_by(|left, right| left.part_number < right.part_number) {
        return Err(s3_error!(InvalidPartOrder, "The list of parts was not in ascending order."));
    }
    let mut parts = Vec::with_capacity(chosen.len());
    for named in chosen {
        let part = named.part_number.and_then(|number| upload.parts.get(&number)).filter(|part| is_named(part, named));
        parts.push(
            part.ok_or_else(|| s3_error!(InvalidPart, "One or more of the specified parts could not be found."))?,
        );
    }
    let is_too_small = |part: &&Part| part.bytes.len() < PART_BYTES_MIN;
    if parts[..parts.len() - 1].iter().any(is_too_small) {
        return Err(s3_error!(EntityTooSmall, "Your proposed upload is smaller than the minimum allowed size"));
    }
    Ok(parts)
}

fn is_named(part: &Part, named: &CompletedPart) -> bool {
    let mut claimed = Checksum::default();
    copy_checksums!(claimed, named);
    named.e_tag.as_ref().is_none_or(|etag| etag.value() == part.etag) && agree(&claimed, &part.checksum).is_ok()
}

/// Returns the object's checksum: of its bytes, or of its parts' checksums, as asked for when the upload began.
fn checksum_of(upload: &Upload, parts: &[&Part], bytes: &Bytes) -> S3Result<Checksum> {
    let algorithm = upload.algorithm.as_deref();
    let is_composite = match upload.checksum_type.as_deref() {
        Some(kind) => kind == ChecksumType::COMPOSITE,
        None => algorithm.is_some_and(|algorithm| algorithm != dto::ChecksumAlgorithm::CRC64NVME),
    };
    let mut hasher = hasher_of(algorithm);
    if !is_composite {
        hasher.update(bytes);
        let mut checksum = hasher.finalize();
        checksum.checksum_type = Some(ChecksumType::from_static(ChecksumType::FULL_OBJECT));
        return Ok(checksum);
    }
    for part in parts {
        let value = value_of(&part.checksum, algorithm).unwrap_or_default();
        let digest = base64_simd::STANDARD
            .decode_to_vec(value)
            .map_err(|error| s3_error!(error, InvalidPart, "The checksum of a part is not base64"))?;
        hasher.update(&digest);
    }
    let mut checksum = hasher.finalize();
    for value in [&mut checksum.checksum_crc32, &mut checksum.checksum_crc32c, &mut checksum.checksum_sha1]
        .into_iter()
        .chain([&mut checksum.checksum_sha256, &mut checksum.checksum_crc64nvme])
        .flatten()
    {
        *value = format!("{value}-{}", parts.len());
    }
    checksum.checksum_type = Some(ChecksumType::from_static(ChecksumType::COMPOSITE));
    Ok(checksum)
}

fn value_of<'a>(checksum: &'a Checksum, algorithm: Option<&str>) -> Option<&'a str> {
    match algorithm {
        Some("CRC32") => checksum.checksum_crc32.as_deref(),
        Some("CRC32C") => checksum.checksum_crc32c.as_deref(),
        Some("SHA1") => checksum.checksum_sha1.as_deref(),
        Some("SHA256") => checksum.checksum_sha256.as_deref(),
        _ => checksum.checksum_crc64nvme.as_deref(),
    }
}

pub(crate) fn completed(
    input: dto::CompleteMultipartUploadInput,
    object: &Object,
) -> dto::CompleteMultipartUploadOutput {
    let mut output = dto::CompleteMultipartUploadOutput {
        location: Some(format!("/{}/{}", input.bucket, input.key)),
        bucket: Some(input.bucket),
        key: Some(input.key),
        e_tag: Some(object.etag()),
        checksum_type: object.checksum.checksum_type.clone(),
        ..Default::default()
    };
    copy_checksums!(output, &object.checksum);
    output
}

pub(crate) fn list_parts(upload: &Upload, input: dto::ListPartsInput) -> dto::ListPartsOutput {
    let after = input.part_number_marker.unwrap_or(0);
    let parts_max = input.max_parts.unwrap_or(LISTED_MAX).clamp(0, LISTED_MAX);
    let limit = usize::try_from(parts_max).unwrap_or(0);
    let mut later = upload.parts.iter().filter(|(number, _)| **number > after);
    let parts: Vec<dto::Part> = later.by_ref().take(limit).map(|(number, part)| listed_part(*number, part)).collect();
    dto::ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        part_number_marker: Some(after),
        next_part_number_marker: parts.last().and_then(|part| part.part_number),
        max_parts: Some(parts_max),
        is_truncated: Some(later.next().is_some()),
        parts: Some(parts),
        ..Default::default()
    }
}

fn listed_part(number: i32, part: &Part) -> dto::Part {
    let mut listed = dto::Part {
        part_number: Some(number),
        e_tag: Some(ETag::Strong(part.etag.clone())),
        last_modified: Some(part.modified.into()),
        size: i64::try_from(part.bytes.len()).ok(),
        ..Default::default()
    };
    copy_checksums!(listed, &part.checksum);
    listed
}

/// Lists unfinished uploads by key, then by age; delimiters are not supported.
pub(crate) fn list_uploads(
    store: &Store,
    input: dto::ListMultipartUploadsInput,
) -> S3Result<dto::ListMultipartUploadsOutput> {
    if input.delimiter.is_some() {
        return Err(s3_error!(NotImplemented, "Uploads are listed without delimiter only"));
    }
    let prefix = input.prefix.clone().unwrap_or_default();
    let marker = (input.key_marker.clone().unwrap_or_default(), input.upload_id_marker.clone());
    let uploads_max = input.max_uploads.unwrap_or(LISTED_MAX).clamp(0, LISTED_MAX);
    let mut found: Vec<_> =
        store.uploads().into_iter().map(|(identifier, upload)| (upload.key, identifier, upload.initiated)).collect();
    found.retain(|(key, identifier, _)| key.starts_with(&prefix) && is_after(key, identifier, &marker));
    found.sort();
    let limit = usize::try_from(uploads_max).unwrap_or(0);
    let is_truncated = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| is_truncated).cloned();
    let uploads = found.into_iter().map(|(key, identifier, initiated)| dto::MultipartUpload {
        key: Some(key),
        upload_id: Some(identifier),
        initiated: Some(initiated.into()),
        ..Default::default()
    });
    Ok(dto::ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        prefix: input.prefix,
        key_marker: input.key_marker,
        upload_id_marker: input.upload_id_marker,
        next_key_marker: last.as_ref().map(|(key, _, _)| key.clone()),
        next_upload_id_marker: last.map(|(_, identifier, _)| identifier),
        max_uploads: Some(uploads_max),
        is_truncated: Some(is_truncated),
        uploads: Some(uploads.collect()),
        ..Default::default()
    })
}

fn is_after(key: &str, identifier: &str, (key_marker, identifier_marker): &(String, Option<String>)) -> bool {
    let is_same_key_later = identifier_marker.as_deref().is_some_and(|marker| key == key_marker && identifier > marker);
    key > key_marker.as_str() || is_same_key_later
}

/// Makes the object and puts it in the upload's place.
pub(crate) fn complete(
    store: &Store,
    input: dto::CompleteMultipartUploadInput,
    conditions: &super::store::Conditions,
) -> S3Result<dto::CompleteMultipartUploadOutput> {
    let upload = store.upload(&input.key, &input.upload_id)?;
    let object = assemble(&upload, &input)?;
    let finished = Arc::new(object.clone());
    store.finish_upload(&input.upload_id, object, conditions)?;
    Ok(completed(input, &finished))
}
