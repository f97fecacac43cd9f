//! Listing: order, prefixes, pages.

use swamp::bucket::{ListOptions, list_all, list_directories};

use super::backends::{Backend, key};

/// Keys whose byte order is not the order a directory walk meets them in, in byte order.
const KEYS: [&str; 10] = [".hidden", "a b", "a-b/c", "a.b", "a/b/.hidden", "a/b/c", "a/b0", "a0", "b/c", "ü/🦀"];

async fn write_all(backend: &Backend) {
    for text in KEYS {
        backend.write(text, "x").await;
    }
}

async fn listed(backend: &Backend, options: ListOptions) -> Vec<String> {
    let page = backend.bucket.list(options).await.expect("listed");
    page.objects.iter().map(|object| object.key.to_string()).collect()
}

fn after(text: &str) -> ListOptions {
    ListOptions { start_after: Some(text.to_owned()), ..ListOptions::default() }
}

fn below(text: &str) -> ListOptions {
    ListOptions { prefix: Some(key(text)), ..ListOptions::default() }
}

pub(super) async fn keys_come_in_byte_order(backend: &Backend) {
    write_all(backend).await;

    assert_eq!(listed(backend, ListOptions::default()).await, KEYS);
}

pub(super) async fn a_prefix_ends_at_a_segment(backend: &Backend) {
    write_all(backend).await;

    assert_eq!(listed(backend, below("a")).await, ["a/b/.hidden", "a/b/c", "a/b0"]);
    assert_eq!(listed(backend, below("a/b")).await, ["a/b/.hidden", "a/b/c"]);
    assert_eq!(listed(backend, below("a0")).await, [""; 0]);
}

pub(super) async fn pages_follow_each_other(backend: &Backend) {
    write_all(backend).await;
    let mut pages = Vec::new();
    let mut options = ListOptions { page_size: Some(4), ..ListOptions::default() };

    loop {
        let page = backend.bucket.list(options.clone()).await.expect("listed");
        pages.push(page.objects.iter().map(|object| object.key.to_string()).collect::<Vec<_>>());
        options.start_after = page.next;
        if options.start_after.is_none() {
            break;
        }
    }

    assert_eq!(pages, [&KEYS[..4], &KEYS[4..8], &KEYS[8..]]);
    let mut refused = Vec::new();
    let all = list_all(&*backend.bucket, Some(&key("a")), |text| refused.push(text)).await.expect("listed");
    assert_eq!((all.len(), refused), (3, vec![]));
}

pub(super) async fn listing_starts_after_any_text(backend: &Backend) {
    write_all(backend).await;

    assert_eq!(listed(backend, after("a/b0")).await, ["a0", "b/c", "ü/🦀"]);
    assert_eq!(listed(backend, after("a/b/")).await, KEYS[4..]);
    assert_eq!(listed(backend, after("a/b/b")).await, KEYS[5..]);
    assert_eq!(listed(backend, after("a/c")).await, KEYS[7..]);
    assert_eq!(listed(backend, after("a.c")).await, KEYS[4..]);
    assert_eq!(listed(backend, after("ü/🦀")).await, [""; 0]);
    let within = ListOptions { start_after: Some("a/b/.hidden".to_owned()), ..below("a") };
    assert_eq!(listed(backend, within).await, ["a/b/c", "a/b0"]);
    let before = ListOptions { start_after: Some("a".to_owned()), ..below("b") };
    assert_eq!(listed(backend, before).await, ["b/c"]);
    let behind = ListOptions { start_after: Some("c".to_owned()), ..below("b") };
    assert_eq!(listed(backend, behind).await, [""; 0]);
}

pub(super) async fn directories_are_told_from_keys(backend: &Backend) {
    write_all(backend).await;

    assert_eq!(list_directories(&*backend.bucket).await.expect("listed"), ["a-b", "a", "b", "ü"]);
    let below = ListOptions { directories: true, ..below("a") };
    assert_eq!(backend.bucket.list(below).await.expect("listed").directories, ["b"]);
}

pub(super) async fn directories_fill_more_than_a_page(backend: &Backend) {
    let names: Vec<String> = (0..1_001).map(|number| format!("d{number:04}")).collect();
    for name in &names {
        backend.write(&format!("{name}/file"), "x").await;
    }

    assert_eq!(list_directories(&*backend.bucket).await.expect("listed"), names);
}

pub(super) async fn nothing_is_listed_where_nothing_is(backend: &Backend) {
    let page = backend.bucket.list(below("none")).await.expect("listed");

    assert_eq!(page, swamp::bucket::Page::default());
    assert_eq!(backend.bucket.list(ListOptions::default()).await.expect("listed"), swamp::bucket::Page::default());
    assert_eq!(list_directories(&*backend.bucket).await.expect("listed"), [""; 0]);
}

pub(super) async fn deleted_keys_are_gone_from_listings(backend: &Backend) {
    backend.write("a/b/c", "x").await;
    backend.write("a/d", "x").await;

    backend.bucket.delete(&key("a/b/c"), None).await.expect("deleted");

    assert_eq!(listed(backend, ListOptions::default()).await, ["a/d"]);
}
