//! Reading: conditions, ranges, bodies.

use futures::stream::TryStreamExt as _;
use swamp::bucket::{Body, GetOptions, ListOptions, PutMode, Version};

use super::backends::{Backend, key, noise, variant};

pub(super) async fn what_is_absent_is_not_found(backend: &Backend) {
    backend.write("a/b", "x").await;

    assert_eq!(variant(backend.get("none", GetOptions::default()).await), "NotFound");
    assert_eq!(variant(backend.get("a", GetOptions::default()).await), "NotFound");
    assert_eq!(variant(backend.get("a/b/c", GetOptions::default()).await), "NotFound");
    assert_eq!(variant(backend.bucket.head(&key("none")).await), "NotFound");
    assert_eq!(variant(backend.bucket.head(&key("a")).await), "NotFound");
    assert_eq!(variant(backend.bucket.copy(&key("none"), &key("copy")).await), "NotFound");
}

pub(super) async fn an_empty_object_is_an_object(backend: &Backend) {
    backend.write("empty", "").await;

    assert_eq!(backend.read("empty").await, "");
    assert_eq!(backend.bucket.head(&key("empty")).await.expect("there").size, 0);
    let range = GetOptions { range: Some(0..1), ..GetOptions::default() };
    assert_eq!(variant(backend.get("empty", range).await), "Invalid");
}

pub(super) async fn ranges_are_clamped_to_the_object(backend: &Backend) {
    backend.write("digits", "0123456789").await;
    let range = |range| GetOptions { range: Some(range), ..GetOptions::default() };

    assert_eq!(backend.get("digits", range(2..5)).await.expect("read"), "234");
    assert_eq!(backend.get("digits", range(0..10)).await.expect("read"), "0123456789");
    assert_eq!(backend.get("digits", range(8..1000)).await.expect("read"), "89");
    let object = backend.bucket.get(&key("digits"), range(9..10)).await.expect("read");
    assert_eq!(object.meta.size, 10);
}

pub(super) async fn ranges_that_hold_nothing_are_refused(backend: &Backend) {
    backend.write("digits", "0123456789").await;
    let range = |range| GetOptions { range: Some(range), ..GetOptions::default() };

    assert_eq!(variant(backend.get("digits", range(10..11)).await), "Invalid");
    assert_eq!(variant(backend.get("digits", range(3..3)).await), "Invalid");
}

pub(super) async fn reads_obey_conditions(backend: &Backend) {
    let old = backend.write("a", "old").await;
    let new = backend.write("a", "new").await;
    let only = |version: &Version| GetOptions { if_match: Some(version.clone()), ..GetOptions::default() };
    let unless = |version: &Version| GetOptions { if_none_match: Some(version.clone()), ..GetOptions::default() };

    assert_eq!(backend.get("a", only(&new)).await.expect("read"), "new");
    assert_eq!(variant(backend.get("a", only(&old)).await), "Precondition");
    assert_eq!(backend.get("a", unless(&old)).await.expect("read"), "new");
    assert_eq!(variant(backend.get("a", unless(&new)).await), "NotModified");
}

pub(super) async fn all_calls_tell_the_same_of_an_object(backend: &Backend) {
    let version = backend.write("dir/file", "12345").await;

    let head = backend.bucket.head(&key("dir/file")).await.expect("there");
    let mut read = backend.bucket.get(&key("dir/file"), GetOptions::default()).await.expect("read").meta;
    let mut listed = backend.bucket.list(ListOptions::default()).await.expect("listed").objects.remove(0);

    assert_eq!((&head.key, head.size, &head.version), (&key("dir/file"), 5, &version));
    // Headers tell whole seconds, listings milliseconds.
    assert_eq!(listed.modified.milliseconds() / 1000, head.modified.milliseconds() / 1000);
    assert_eq!(read.modified.milliseconds() / 1000, head.modified.milliseconds() / 1000);
    listed.modified = head.modified;
    read.modified = head.modified;
    assert_eq!(read, head);
    assert_eq!(listed, head);
}

pub(super) async fn an_open_body_outlives_its_object(backend: &Backend) {
    let bytes = noise(3 * 1024 * 1024);
    let mode = PutMode::Overwrite;
    backend.bucket.put(&key("a"), Body::Bytes(bytes.clone().into()), mode).await.expect("written");

    let mut object = backend.bucket.get(&key("a"), GetOptions::default()).await.expect("read");
    let first = object.body.try_next().await.expect("a chunk").expect("not the end");
    backend.write("a", "changed").await;
    let rest: Vec<_> = object.body.try_collect().await.expect("the rest");

    assert!([first.to_vec(), rest.concat()].concat() == bytes, "the bytes of another version");
}

pub(super) async fn bodies_beyond_the_bound_are_refused(backend: &Backend) {
    backend.write("a", "12345").await;

    let object = backend.bucket.get(&key("a"), GetOptions::default()).await.expect("read");
    assert_eq!(object.bytes(5).await.expect("within the bound"), "12345");
    let object = backend.bucket.get(&key("a"), GetOptions::default()).await.expect("read");
    assert_eq!(variant(object.bytes(4).await), "TooLarge");
}
