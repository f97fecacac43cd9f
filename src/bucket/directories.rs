//! Directories of a store that cannot tell them apart from keys.

use super::{Bucket, BucketError, ListOptions, Page};

/// Finds one directory after the other, by a page of one key each.
pub(super) async fn by_keys(bucket: &impl Bucket, options: ListOptions) -> Result<Page, BucketError> {
    let below = options.prefix.as_ref().map(|prefix| format!("{prefix}/")).unwrap_or_default();
    let mut found = Page::default();
    let mut keys = ListOptions { page_size: Some(1), directories: false, ..options };
    loop {
        let page = bucket.list(keys.clone()).await?;
        let first = page.objects.first().map(|object| object.key.as_str());
        keys.start_after = match (first, page.next) {
            (Some(key), next) => match key.strip_prefix(&below).unwrap_or(key).split_once('/') {
                Some((name, _)) => {
                    found.directories.push(name.to_owned());
                    // The character after `/`: everything below the directory sorts before it.
                    Some(format!("{below}{name}0"))
                }
                None if next.is_some() => Some(key.to_owned()),
                None => return Ok(found),
            },
            // Nothing but keys that cannot be used on this page.
            (None, Some(next)) => Some(next),
            (None, None) => return Ok(found),
        };
    }
}
