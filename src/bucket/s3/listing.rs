//! Pages of keys.
//!
//! Pages are continued by their last key and not by the store's tokens, so that a page needs no state. Keys are asked
//! for escaped: XML cannot carry some characters and changes others, carriage returns for one.

use aws_sdk_s3::types::EncodingType;

use super::{Store, key, timestamp_of};
use crate::bucket::{BucketError, ListOptions, ObjectMeta, Page};

/// The most keys S3 puts into a page.
const PAGE_KEYS_MAX: u32 = 1_000;

/// Returns one page.
pub(super) async fn list(store: &Store, options: ListOptions) -> Result<Page, BucketError> {
    if options.directories {
        return directories(store, &options).await;
    }
    let outer = store.full_key("");
    let below = options.prefix.as_ref().map(|prefix| format!("{prefix}/")).unwrap_or_default();
    let mut request = store.client.list_objects_v2().bucket(&store.bucket).encoding_type(EncodingType::Url);
    request = request.set_start_after(options.start_after.map(|text| format!("{outer}{text}")));
    request = request.set_prefix(Some(format!("{outer}{below}")).filter(|prefix| !prefix.is_empty()));
    if let Some(page_size) = options.page_size {
        request = request.max_keys(i32::try_from(page_size.clamp(1, PAGE_KEYS_MAX)).unwrap_or(i32::MAX));
    }
    let output = request.send().await.map_err(store.failed("list", &below))?;

    let is_escaped = output.encoding_type() == Some(&EncodingType::Url);
    let mut page = Page::default();
    let mut last = None;
    for object in output.contents.unwrap_or_default() {
        let found = unescaped(object.key.unwrap_or_default(), is_escaped);
        let Some(found) = found.strip_prefix(outer.as_bytes()) else { continue };
        last = Some(String::from_utf8_lossy(found).into_owned());
        let parsed = std::str::from_utf8(found).ok().and_then(|text| text.parse().ok());
        match (parsed, object.e_tag) {
            (Some(key), Some(tag)) => page.objects.push(ObjectMeta {
                key,
                size: object.size.and_then(|size| size.try_into().ok()).unwrap_or_default(),
                modified: timestamp_of(object.last_modified.as_ref()),
                version: key::version_of(&tag),
            }),
            // Consoles mark the prefix itself by an empty object, which is not below it.
            _ if found.is_empty() => {}
            _ => page.refused.push(found.escape_ascii().to_string()),
        }
    }
    page.next = last.filter(|_| output.is_truncated == Some(true));
    Ok(page)
}

async fn directories(store: &Store, options: &ListOptions) -> Result<Page, BucketError> {
    let below = options.prefix.as_ref().map(|prefix| format!("{prefix}/")).unwrap_or_default();
    let outer = store.full_key(&below);
    let mut page = Page::default();
    let mut token = None;
    loop {
        let mut request = store.client.list_objects_v2().bucket(&store.bucket).encoding_type(EncodingType::Url);
        request = request.set_prefix(Some(outer.clone()).filter(|prefix| !prefix.is_empty())).delimiter("/");
        let sent = request.set_continuation_token(token).send().await;
        let output = sent.map_err(store.failed("list", &below))?;

        let is_escaped = output.encoding_type() == Some(&EncodingType::Url);
        for prefix in output.common_prefixes.unwrap_or_default() {
            let prefix = unescaped(prefix.prefix.unwrap_or_default(), is_escaped);
            let name = prefix.strip_prefix(outer.as_bytes()).and_then(|name| name.strip_suffix(b"/"));
            page.directories.extend(name.and_then(|name| std::str::from_utf8(name).ok()).map(str::to_owned));
        }
        token = output.next_continuation_token.filter(|_| output.is_truncated == Some(true));
        if token.is_none() {
            return Ok(page);
        }
    }
}

fn unescaped(text: String, is_escaped: bool) -> Vec<u8> {
    if is_escaped { key::unescape(&text) } else { text.into_bytes() }
}
