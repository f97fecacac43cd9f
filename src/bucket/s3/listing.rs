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
        let found = object.key.unwrap_or_default();
        let found = if is_escaped { key::unescape(&found) } else { found.into_bytes() };
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
