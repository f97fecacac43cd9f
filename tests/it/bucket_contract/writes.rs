//! Writing: conditions, races, keys, files, copies.

use std::path::PathBuf;
use std::sync::Arc;

use futures::future::join_all;
use swamp::bucket::probe::{Conditions, probe_conditions};
use swamp::bucket::{Body, GetOptions, PutMode, read_if_exists};
use swamp::error::{Failure as _, Kind};

use super::backends::{Backend, body, key, noise, variant};

const RACERS: usize = 64;

pub(super) async fn a_key_is_created_once(backend: &Backend) {
    let version = backend.put("dir/a", "one", PutMode::Create).await.expect("created");

    assert_eq!(variant(backend.put("dir/a", "two", PutMode::Create).await), "Precondition");
    assert_eq!(backend.read("dir/a").await, "one");
    assert_eq!(backend.bucket.head(&key("dir/a")).await.expect("there").version, version);
}

pub(super) async fn an_update_needs_the_present_version(backend: &Backend) {
    let first = backend.write("a", "one").await;
    let second = backend.put("a", "two", PutMode::Update(first.clone())).await.expect("updated");

    assert_eq!(variant(backend.put("a", "three", PutMode::Update(first.clone())).await), "Precondition");
    assert_eq!(variant(backend.put("none", "x", PutMode::Update(first)).await), "Precondition");
    assert_eq!(backend.read("a").await, "two");
    assert_eq!(backend.bucket.head(&key("a")).await.expect("there").version, second);
}

pub(super) async fn every_write_changes_the_version(backend: &Backend) {
    let mut versions = Vec::new();
    for text in ["one", "two", "six"] {
        versions.push(backend.write("a", text).await);
    }

    versions.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    versions.dedup();
    assert_eq!(versions.len(), 3);
}

/// Lets all racers write at once and returns the texts of those who did.
async fn race(backend: &Backend, mode: &PutMode) -> Vec<String> {
    let writes = (0..RACERS).map(|number| {
        let (bucket, mode) = (Arc::clone(&backend.bucket), mode.clone());
        async move {
            let text = format!("racer {number}");
            let written = bucket.put(&key("dir/a"), body(&text), mode).await;
            if written.is_ok() {
                return Some(text);
            }
            assert_eq!(variant(written), "Precondition");
            None
        }
    });
    join_all(writes).await.into_iter().flatten().collect()
}

pub(super) async fn of_64_creators_one_wins(backend: &Backend) {
    let winners = race(backend, &PutMode::Create).await;

    assert_eq!(winners, [backend.read("dir/a").await]);
}

pub(super) async fn of_64_updaters_one_wins(backend: &Backend) {
    let version = backend.write("dir/a", "start").await;

    let winners = race(backend, &PutMode::Update(version)).await;

    assert_eq!(winners, [backend.read("dir/a").await]);
}

pub(super) async fn no_increment_of_a_counter_is_lost(backend: &Backend) {
    backend.write("counter", "0").await;
    let increments = (0..8).map(|_| async {
        for _ in 0..5 {
            loop {
                let read = read_if_exists(&*backend.bucket, &key("counter"), 100).await.expect("read");
                let (meta, bytes) = read.expect("there");
                let count: u64 = String::from_utf8_lossy(&bytes).parse().expect("a number");
                let text = (count + 1).to_string();
                let written = backend.put("counter", &text, PutMode::Update(meta.version)).await;
                if written.is_ok() {
                    break;
                }
                assert_eq!(variant(written), "Precondition");
            }
        }
    });

    join_all(increments).await;

    assert_eq!(backend.read("counter").await, "40");
}

pub(super) async fn deleting_what_is_not_there_succeeds(backend: &Backend) {
    let version = backend.write("a/b", "x").await;
    backend.bucket.delete(&key("a/b"), None).await.expect("deleted");

    backend.bucket.delete(&key("a/b"), None).await.expect("nothing to delete");
    backend.bucket.delete(&key("a/b"), Some(version)).await.expect("nothing to delete");
    assert_eq!(variant(backend.bucket.head(&key("a/b")).await), "NotFound");
}

pub(super) async fn a_conditional_delete_spares_a_changed_object(backend: &Backend) {
    let old = backend.write("a", "old").await;
    let new = backend.write("a", "new").await;

    assert_eq!(variant(backend.bucket.delete(&key("a"), Some(old)).await), "Precondition");
    assert_eq!(backend.read("a").await, "new");
    backend.bucket.delete(&key("a"), Some(new)).await.expect("deleted");
    assert_eq!(variant(backend.bucket.head(&key("a")).await), "NotFound");
}

fn file_of(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("file");
    let written = swamp::fsutil::write_atomic(&path, bytes, directory.path(), swamp::fsutil::Durability::Relaxed);
    written.expect("written");
    (directory, path)
}

pub(super) async fn a_file_of_20_mib_arrives_whole(backend: &Backend) {
    let bytes = noise(20 * 1024 * 1024 + 5);
    let (_directory, path) = file_of(&bytes);

    let version = backend.bucket.put(&key("big"), Body::File(path.clone()), PutMode::Create).await.expect("written");

    assert!(backend.get("big", GetOptions::default()).await.expect("read") == bytes, "other bytes");
    let head = backend.bucket.head(&key("big")).await.expect("there");
    assert_eq!((head.version, head.size), (version.clone(), bytes.len() as u64));
    let again = backend.bucket.put(&key("big"), Body::File(path.clone()), PutMode::Create).await;
    assert_eq!(variant(again), "Precondition");
    backend.bucket.put(&key("big"), Body::File(path), PutMode::Update(version)).await.expect("updated");
}

pub(super) async fn files_arrive_whole(backend: &Backend) {
    let small = noise(10);
    let middle = noise(2 * 1024 * 1024 + 1);
    let (_small_directory, small_path) = file_of(&small);
    let (_middle_directory, middle_path) = file_of(&middle);

    backend.bucket.put(&key("small"), Body::File(small_path), PutMode::Create).await.expect("written");
    backend.bucket.put(&key("middle"), Body::File(middle_path.clone()), PutMode::Create).await.expect("written");

    assert!(backend.get("small", GetOptions::default()).await.expect("read") == small, "other bytes");
    assert!(backend.get("middle", GetOptions::default()).await.expect("read") == middle, "other bytes");
    let again = backend.bucket.put(&key("middle"), Body::File(middle_path), PutMode::Create).await;
    assert_eq!(variant(again), "Precondition");
}

pub(super) async fn a_file_that_cannot_be_read_is_no_fault_of_the_store(backend: &Backend) {
    let (directory, path) = file_of(b"x");
    drop(directory);

    let refused = backend.bucket.put(&key("a"), Body::File(path), PutMode::Overwrite).await.expect_err("no file");

    assert!(refused.to_string().starts_with("cannot read the local file for `"), "{refused}");
    assert_eq!((refused.kind(), refused.is_transient(), refused.hint()), (Kind::Unavailable, false, None));
}

pub(super) async fn copies_overwrite_and_leave_the_source(backend: &Backend) {
    backend.write("source", "new").await;
    backend.write("dir/target", "old").await;

    let version = backend.bucket.copy(&key("source"), &key("dir/target")).await.expect("copied");

    assert_eq!(backend.read("dir/target").await, "new");
    assert_eq!(backend.read("source").await, "new");
    assert_eq!(backend.bucket.head(&key("dir/target")).await.expect("there").version, version);
}

/// In byte order.
const ODD_KEYS: [&str; 14] = [
    " leading space",
    "\"double\" 'single' `back`",
    "#?&=;:@",
    "%2F",
    "%zz/%",
    "+plus + plus",
    ".leading dot",
    "<xml>&amp;</xml>",
    "C:\\back\\slash",
    "back to\r\nthe next line",
    "bell\u{7}",
    "trailing space ",
    "~tilde*star|pipe",
    "ünï/🦀",
];

pub(super) async fn odd_keys_are_keys_like_any_other(backend: &Backend) {
    let (odd, refused): (Vec<&str>, Vec<&str>) = ODD_KEYS.iter().partition(|text| (backend.takes)(text));
    for text in refused {
        let written = backend.put(&format!("odd/{text}"), text, PutMode::Create).await;
        assert_eq!(variant(written), "Invalid", "{text}");
    }
    for text in odd.iter().copied() {
        let odd = key(&format!("odd/{text}"));
        let copy = key(&format!("copy/{text}"));
        let version = backend.bucket.put(&odd, body(text), PutMode::Create).await.expect(text);
        backend.bucket.copy(&odd, &copy).await.expect(text);

        assert_eq!(backend.read(copy.as_str()).await, text);
        assert_eq!(backend.bucket.head(&odd).await.expect(text).version, version);
    }

    let options = swamp::bucket::ListOptions { prefix: Some(key("odd")), ..Default::default() };
    let page = backend.bucket.list(options).await.expect("listed");
    let listed: Vec<_> = page.objects.iter().map(|object| object.key.as_str().to_owned()).collect();
    assert_eq!(listed, odd.iter().map(|text| format!("odd/{text}")).collect::<Vec<_>>());
    assert_eq!(page.refused, [""; 0]);
    for object in page.objects {
        backend.bucket.delete(&object.key, Some(object.version)).await.expect("deleted");
        assert_eq!(variant(backend.bucket.head(&object.key).await), "NotFound");
    }
}

pub(super) async fn the_longest_keys_are_keys_like_any_other(backend: &Backend) {
    // A prefix of two bytes takes its share of S3's 1,024.
    let text = format!("{0}/{0}/{0}/{0}/last", "x".repeat(253));
    let text = format!("{text}{}", "y".repeat(1022 - text.len()));

    backend.put(&text, "long", PutMode::Create).await.expect("created");

    assert_eq!(backend.read(&text).await, "long");
    let page = backend.bucket.list(swamp::bucket::ListOptions::default()).await.expect("listed");
    assert_eq!(page.objects.first().map(|object| object.key.as_str()), Some(text.as_str()));
}

pub(super) async fn conditions_are_found_to_be_honoured(backend: &Backend) {
    let found = probe_conditions(&*backend.bucket, &key("probe/scratch")).await.expect("probed");

    assert_eq!(found, Conditions { create: true, update: true });
    assert_eq!(variant(backend.bucket.head(&key("probe/scratch")).await), "NotFound");
}
