//! `ListObjectsV2`: a page of keys in S3's words.

use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{self, EncodingType};
use s3s::{S3Result, s3_error};

use super::store::{Object, Store};
use crate::listing::{Position, Query};

/// Entries of a page, at most and when nothing is asked for.
const PAGE_ENTRIES_MAX: i32 = 1000;

/// What `encoding-type=url` escapes.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/').remove(b'*');

pub(crate) fn list(store: &Store, input: dto::ListObjectsV2Input) -> S3Result<dto::ListObjectsV2Output> {
    let entries_max = input.max_keys.unwrap_or(PAGE_ENTRIES_MAX).min(PAGE_ENTRIES_MAX);
    let limit = usize::try_from(entries_max).map_err(|error| {
        s3_error!(error, InvalidArgument, "Argument maxKeys must be an integer between 0 and 2147483647")
    })?;
    let from = match (&input.continuation_token, &input.start_after) {
        (Some(token), _) => Position::from_token(token)
            .ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))?,
        (None, Some(key)) => Position::AfterKey(key.clone()),
        (None, None) => Position::Start,
    };
    let query = Query {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty()),
        from,
        entries_max: limit,
    };
    let page = store.page(&query);

    let is_escaped = input.encoding_type.as_ref().is_some_and(|kind| kind.as_str() == EncodingType::URL);
    let escape = |text: String| if is_escaped { utf8_percent_encode(&text, ESCAPED).to_string() } else { text };
    let entries = page.objects.len() + page.common_prefixes.len();
    let prefixes = page.common_prefixes.into_iter().map(|prefix| dto::CommonPrefix { prefix: Some(escape(prefix)) });
    let objects = page.objects.into_iter().map(|(key, object)| listed(escape(key), &object));
    Ok(dto::ListObjectsV2Output {
        common_prefixes: Some(prefixes.collect()),
        contents: Some(objects.collect()),
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next.map(|position| position.to_token()),
        key_count: i32::try_from(entries).ok(),
        max_keys: Some(entries_max),
        name: Some(input.bucket),
        prefix: input.prefix.map(escape),
        delimiter: input.delimiter.map(escape),
        start_after: input.start_after.map(escape),
        continuation_token: input.continuation_token,
        encoding_type: input.encoding_type,
        ..Default::default()
    })
}

fn listed(key: String, object: &Arc<Object>) -> dto::Object {
    dto::Object {
        key: Some(key),
        e_tag: Some(object.etag()),
        size: i64::try_from(object.bytes.len()).ok(),
        last_modified: Some(object.modified.into()),
        storage_class: Some(dto::ObjectStorageClass::from_static(dto::ObjectStorageClass::STANDARD)),
        checksum_type: object.checksum.checksum_type.clone(),
        ..Default::default()
    }
}
