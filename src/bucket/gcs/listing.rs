//! Pages of keys.
//!
//! Pages are continued by their last key and not by the store's tokens, so that a page needs no state.

use futures::future::FutureExt as _;

use super::{Store, meta_of};
use crate::bucket::{BucketError, ListOptions, Page};

/// The most keys GCS puts into a page.
const PAGE_KEYS_MAX: u32 = 1_000;

/// Returns one page.
pub(super) async fn list(store: &Store, options: ListOptions) -> Result<Page, BucketError> {
    if options.directories {
        return directories(store, &options).await;
    }
    let outer = store.full_key("");
    let below = options.prefix.as_ref().map(|prefix| format!("{prefix}/")).unwrap_or_default();
    let mut keys_max = options.page_size.unwrap_or(PAGE_KEYS_MAX).clamp(1, PAGE_KEYS_MAX) as usize;
    let clients = store.clients().await?;
    let mut request = clients.control.list_objects().set_parent(store.resource());
    request = request.set_prefix(format!("{outer}{below}"));
    let start = options.start_after.map(|text| format!("{outer}{text}"));
    if let Some(start) = &start {
        // The store begins at the text itself, which is not wanted again: one more makes up for it.
        request = request.set_lexicographic_start(start);
    }
    let asked = keys_max + usize::from(start.is_some());
    request = request.set_page_size(i32::try_from(asked.min(PAGE_KEYS_MAX as usize)).unwrap_or(i32::MAX));
    let answer = store.answered("list", &below, store.timeout(), request.send().boxed()).await?;

    let mut page = Page::default();
    let is_last = answer.next_page_token.is_empty();
    let mut found = answer.objects.into_iter().filter(|object| start.as_ref() != Some(&object.name));
    let mut last = None;
    for object in found.by_ref() {
        let Some(name) = object.name.strip_prefix(&outer) else { continue };
        last = Some(name.to_owned());
        match name.parse() {
            Ok(key) => page.objects.push(meta_of(key, &object)?),
            // Consoles mark the prefix itself by an empty object, which is not below it.
            Err(_) if name.is_empty() => {}
            Err(_) => page.refused.push(name.escape_default().to_string()),
        }
        keys_max -= 1;
        if keys_max == 0 {
            break;
        }
    }
    page.next = last.filter(|_| !is_last || found.next().is_some());
    Ok(page)
}

async fn directories(store: &Store, options: &ListOptions) -> Result<Page, BucketError> {
    let below = options.prefix.as_ref().map(|prefix| format!("{prefix}/")).unwrap_or_default();
    let outer = store.full_key(&below);
    let clients = store.clients().await?;
    let mut page = Page::default();
    let mut token = String::new();
    loop {
        let request = clients.control.list_objects().set_parent(store.resource()).set_prefix(&outer);
        let request = request.set_delimiter("/").set_page_token(token);
        let answer = store.answered("list", &below, store.timeout(), request.send().boxed()).await?;
        let names = answer.prefixes.iter().filter_map(|prefix| prefix.strip_prefix(&outer)?.strip_suffix('/'));
        page.directories.extend(names.map(str::to_owned));
        token = answer.next_page_token;
        if token.is_empty() {
            return Ok(page);
        }
    }
}
