//! What is particular to a directory as a bucket.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use futures::future::join_all;
use swamp::bucket::directory::DirectoryBucket;
use swamp::bucket::{Bucket as _, BucketError, GetOptions, ListOptions, Page, PutMode};
use swamp::clock::SystemClock;

use crate::bucket_contract::backends::{body, key, variant};

fn bucket(root: &Path) -> DirectoryBucket {
    DirectoryBucket::new(root.to_owned(), root.join(".swamp-tmp"), Arc::new(SystemClock::new()))
}

async fn listed(bucket: &DirectoryBucket) -> Page {
    bucket.list(ListOptions::default()).await.expect("listed")
}

fn keys(page: &Page) -> Vec<&str> {
    page.objects.iter().map(|object| object.key.as_str()).collect()
}

#[tokio::test]
async fn directories_that_lead_elsewhere_are_refused() {
    let (root, outside) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let bucket = bucket(root.path());
    symlink(outside.path(), root.path().join("link")).expect("linked");
    fs::create_dir(outside.path().join("dir")).expect("made");

    assert_eq!(variant(bucket.put(&key("link/a"), body("x"), PutMode::Overwrite).await), "Invalid");
    assert_eq!(variant(bucket.put(&key("link/dir/a"), body("x"), PutMode::Create).await), "Invalid");
    assert_eq!(variant(bucket.get(&key("link/a"), GetOptions::default()).await), "Invalid");
    assert_eq!(variant(bucket.head(&key("link/a")).await), "Invalid");
    assert_eq!(variant(bucket.delete(&key("link/a"), None).await), "Invalid");
    assert_eq!(fs::read_dir(outside.path().join("dir")).expect("listed").count(), 0);
}

#[tokio::test]
async fn links_are_neither_read_nor_listed_as_objects() {
    let root = tempfile::tempdir().expect("a directory");
    let bucket = bucket(root.path());
    symlink("/etc/hostname", root.path().join("link")).expect("linked");

    assert_eq!(variant(bucket.get(&key("link"), GetOptions::default()).await), "Invalid");
    let page = listed(&bucket).await;
    assert_eq!(keys(&page), [""; 0]);
    assert_eq!(page.refused, ["link"]);
}

#[tokio::test]
async fn a_root_that_is_a_link_is_its_owners_choice() {
    let home = tempfile::tempdir().expect("a directory");
    fs::create_dir(home.path().join("real")).expect("made");
    symlink("real", home.path().join("root")).expect("linked");
    let bucket = bucket(&home.path().join("root"));

    bucket.put(&key("a/b"), body("x"), PutMode::Create).await.expect("created");

    assert_eq!(keys(&listed(&bucket).await), ["a/b"]);
}

#[tokio::test]
async fn a_key_below_a_key_is_refused() {
    let root = tempfile::tempdir().expect("a directory");
    let bucket = bucket(root.path());
    bucket.put(&key("file"), body("x"), PutMode::Create).await.expect("created");
    bucket.put(&key("dir/a"), body("x"), PutMode::Create).await.expect("created");

    assert_eq!(variant(bucket.put(&key("file/a"), body("x"), PutMode::Overwrite).await), "Invalid");
    assert_eq!(variant(bucket.put(&key("dir"), body("x"), PutMode::Overwrite).await), "Invalid");
    assert_eq!(variant(bucket.put(&key("dir"), body("x"), PutMode::Create).await), "Invalid");
    bucket.delete(&key("dir"), None).await.expect("no object, so nothing to delete");
    assert_eq!(keys(&listed(&bucket).await), ["dir/a", "file"]);
}

#[tokio::test]
async fn staged_files_are_not_keys() {
    let root = tempfile::tempdir().expect("a directory");
    let bucket = bucket(root.path());
    bucket.put(&key("a"), body("x"), PutMode::Create).await.expect("created");

    assert_eq!(keys(&listed(&bucket).await), ["a"]);
    let within = ListOptions { prefix: Some(key(".swamp-tmp")), ..ListOptions::default() };
    assert_eq!(bucket.list(within).await.expect("listed"), Page::default());
    assert_eq!(variant(bucket.put(&key(".swamp-tmp/a"), body("x"), PutMode::Create).await), "Invalid");
    let left: Vec<_> = fs::read_dir(root.path().join(".swamp-tmp")).expect("listed").collect();
    assert_eq!(left.len(), 1, "more than the lock file: {left:?}");
}

#[tokio::test]
async fn names_that_are_not_utf8_are_refused_once() {
    let root = tempfile::tempdir().expect("a directory");
    let bucket = bucket(root.path());
    for text in ["a", "b", "c"] {
        bucket.put(&key(text), body("x"), PutMode::Create).await.expect("created");
    }
    let made = fs::File::create(root.path().join(OsStr::from_bytes(b"b\xff")));
    made.expect("a file system that allows it");

    let first = bucket.list(ListOptions { page_size: Some(2), ..ListOptions::default() }).await.expect("listed");
    let second = bucket.list(ListOptions { start_after: first.next.clone(), ..ListOptions::default() }).await;
    let second = second.expect("listed");

    assert_eq!(keys(&first), ["a", "b"]);
    assert_eq!(first.refused, [""; 0]);
    assert_eq!(keys(&second), ["c"]);
    assert_eq!(second.refused, ["b\\xff"]);
}

#[tokio::test]
async fn deleting_removes_directories_that_became_empty() {
    let root = tempfile::tempdir().expect("a directory");
    let bucket = bucket(root.path());
    bucket.put(&key("a/b/c/d"), body("x"), PutMode::Create).await.expect("created");
    bucket.put(&key("a/e"), body("x"), PutMode::Create).await.expect("created");

    bucket.delete(&key("a/b/c/d"), None).await.expect("deleted");

    assert!(!root.path().join("a/b").exists());
    bucket.delete(&key("a/e"), None).await.expect("deleted");
    assert!(root.path().exists() && !root.path().join("a").exists());
}

#[tokio::test]
async fn a_pipe_neither_blocks_nor_is_read() {
    let root = tempfile::tempdir().expect("a directory");
    let bucket = bucket(root.path());
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, root.path().join("pipe"), rustix::fs::FileType::Fifo, mode, 0).expect("made");

    assert_eq!(variant(bucket.get(&key("pipe"), GetOptions::default()).await), "Invalid");
}

#[tokio::test]
async fn an_absent_root_is_an_empty_bucket() {
    let home = tempfile::tempdir().expect("a directory");
    let bucket = bucket(&home.path().join("none"));

    assert_eq!(listed(&bucket).await, Page::default());
    assert_eq!(variant(bucket.get(&key("a"), GetOptions::default()).await), "NotFound");
    bucket.delete(&key("a"), None).await.expect("nothing to delete");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buckets_of_one_directory_see_each_others_locks() {
    let root = tempfile::tempdir().expect("a directory");
    let version = bucket(root.path()).put(&key("a"), body("x"), PutMode::Create).await.expect("created");
    let racers = (0..64).map(|number: u32| {
        let (bucket, version) = (bucket(root.path()), version.clone());
        async move { bucket.put(&key("a"), body(&number.to_string()), PutMode::Update(version)).await }
    });

    let results = join_all(racers).await;

    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    let lost = |result: &&Result<_, _>| matches!(result, Err(BucketError::Precondition { .. }));
    assert_eq!(results.iter().filter(lost).count(), 63);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_outlast_deletions_of_their_directory() {
    let root = tempfile::tempdir().expect("a directory");
    let bucket = &bucket(root.path());
    let writers = (0..16).map(|number: u32| async move {
        for _ in 0..10 {
            let key = key(&format!("a/b/c/{number}"));
            bucket.put(&key, body("x"), PutMode::Overwrite).await.expect("written");
            bucket.delete(&key, None).await.expect("deleted");
        }
    });

    join_all(writers).await;

    assert_eq!(listed(bucket).await, Page::default());
}
