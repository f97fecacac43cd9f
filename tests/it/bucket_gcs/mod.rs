//! What GCS does at the worst moment, and what we make of it.

mod bodies;
mod credentials;
mod uploads;

use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use swamp::bucket::gcs::{self, GcsConfig};
use swamp::bucket::probe::{Conditions, probe_conditions};
use swamp::bucket::{BucketError, GetOptions, ListOptions, PutMode, SharedBucket, Version};
use swamp::clock::{ManualClock, Timestamp};
use swamp_testbed::counters::Kind;
use swamp_testbed::faults::{Fault, Plan, Rule};
use swamp_testbed::gcs::GcsServer;

use crate::bucket_contract::backends::{body, gcs_config_of, key, noise, variant};

/// Longer than any test needs and shorter than a person waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opens a bucket whose pauses between attempts take no time.
fn open(config: &GcsConfig) -> SharedBucket {
    gcs::open(config, Arc::new(ManualClock::new(Timestamp::default())))
}

fn start() -> (GcsServer, SharedBucket) {
    let server = GcsServer::start();
    let bucket = open(&gcs_config_of(&server));
    (server, bucket)
}

fn impatient(server: &GcsServer) -> SharedBucket {
    open(&GcsConfig { request_timeout: Duration::from_millis(200), ..gcs_config_of(server) })
}

async fn read(bucket: &SharedBucket, at: &str) -> Result<Vec<u8>, BucketError> {
    let object = bucket.get(&key(at), GetOptions::default()).await?;
    Ok(object.bytes(u64::MAX).await?.to_vec())
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let server = GcsServer::start();
    let bucket = impatient(&server);
    server.faults(Rule::new(Fault::Stall));

    let examined = tokio::time::timeout(PATIENCE, bucket.head(&key("a"))).await.expect("an end");
    let read = tokio::time::timeout(PATIENCE, read(&bucket, "a")).await.expect("an end");

    assert_eq!((variant(examined), variant(read)), ("Unavailable", "Unavailable"));
    assert_eq!((server.counters().head, server.counters().get), (3, 3));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_given_up() {
    let server = GcsServer::start();
    let bucket = open(&gcs_config_of(&server));
    drop(server);

    let examined = tokio::time::timeout(PATIENCE, bucket.head(&key("a"))).await.expect("an end");
    let read = tokio::time::timeout(PATIENCE, read(&bucket, "a")).await.expect("an end");

    assert_eq!((variant(examined), variant(read)), ("Unavailable", "Unavailable"));
}

#[tokio::test]
async fn a_listing_that_never_ends_is_given_up() {
    let server = GcsServer::start();
    let bucket = impatient(&server);
    server.put("a", "x");
    server.faults(Rule::new(Fault::StalledBody));

    let listed = tokio::time::timeout(PATIENCE, bucket.list(ListOptions::default())).await.expect("an end");

    assert_eq!(variant(listed), "Unavailable");
}

#[tokio::test]
async fn a_busy_store_is_asked_again() {
    let (server, bucket) = start();
    server.faults(Rule::new(Fault::SlowDown).kind(Kind::Put).first(2));

    bucket.put(&key("a"), body("x"), PutMode::Create).await.expect("created");

    assert_eq!((server.counters().put, server.get("a")), (3, Some(b"x".to_vec())));
}

#[tokio::test]
async fn a_store_that_stays_busy_is_given_up() {
    let (server, bucket) = start();
    server.faults(Rule::new(Fault::SlowDown));

    let refused = bucket.head(&key("a")).await.expect_err("busy");

    assert_eq!(refused.to_string(), "cannot examine `a`");
    assert_eq!(server.counters().head, 3);
}

#[tokio::test]
async fn a_reset_connection_is_made_again() {
    let (server, bucket) = start();
    server.put("a", "x");
    // Without a pause the next call may still meet the connection that is gone: one reset can cost two attempts.
    let heads = Rule::new(Fault::Reset).kind(Kind::Head).first(1);
    server.faults([Rule::new(Fault::Reset).kind(Kind::Get).first(2), heads]);

    assert_eq!(read(&bucket, "a").await.expect("read"), b"x");
    assert_eq!(bucket.head(&key("a")).await.expect("there").size, 1);
}

#[tokio::test]
async fn a_lost_reply_is_no_conflict() {
    let (server, bucket) = start();
    server.faults(Rule::new(Fault::ApplyThenDrop).kind(Kind::Put).first(1));

    let version = bucket.put(&key("a"), body("mine"), PutMode::Create).await.expect("created");

    assert_eq!(server.counters().put, 2);
    assert_eq!(bucket.head(&key("a")).await.expect("there").version, version);
    server.faults(Rule::new(Fault::ApplyThenDrop).kind(Kind::Put).first(1));
    bucket.put(&key("a"), body("mine too"), PutMode::Update(version)).await.expect("updated");
    assert_eq!(server.get("a"), Some(b"mine too".to_vec()));
}

#[tokio::test]
async fn a_lost_reply_does_not_hide_a_conflict() {
    let (server, bucket) = start();
    server.put("a", "theirs");
    server.faults(Rule::new(Fault::ApplyThenDrop).kind(Kind::Put).first(1));

    let refused = bucket.put(&key("a"), body("mine"), PutMode::Create).await;

    assert_eq!((variant(refused), server.get("a")), ("Precondition", Some(b"theirs".to_vec())));
}

#[tokio::test]
async fn a_lost_reply_to_a_deletion_is_a_deletion() {
    let (server, bucket) = start();
    server.put("a", "x");
    let version = bucket.head(&key("a")).await.expect("there").version;
    server.faults(Rule::new(Fault::ApplyThenDrop).kind(Kind::Delete).first(1));

    bucket.delete(&key("a"), Some(version)).await.expect("deleted");

    assert_eq!(server.counters().delete, 2);
}

#[tokio::test]
async fn conflicting_writes_are_contention_and_not_repeated() {
    let (server, bucket) = start();
    server.faults(Rule::new(Fault::Conflict).kind(Kind::Put));

    assert_eq!(variant(bucket.put(&key("a"), body("x"), PutMode::Create).await), "Precondition");
    assert_eq!(server.counters().put, 1);
}

#[tokio::test]
async fn a_large_copy_takes_several_calls() {
    let (server, bucket) = start();
    server.put("a", noise(20 * 1024 * 1024));

    let version = bucket.copy(&key("a"), &key("b")).await.expect("copied");

    assert!(server.get("b") == server.get("a"), "other bytes");
    assert_eq!(bucket.head(&key("b")).await.expect("there").version, version);
    assert_eq!(server.counters().copy, 3);
}

#[tokio::test]
async fn a_version_of_another_store_is_not_present() {
    let (server, bucket) = start();
    server.put("a", "theirs");
    let foreign = Version::new("d41d8cd98f00b204e9800998ecf8427e");

    let written = bucket.put(&key("a"), body("mine"), PutMode::Update(foreign.clone())).await;
    let created = bucket.put(&key("b"), body("mine"), PutMode::Update(Version::new("0"))).await;
    let deleted = bucket.delete(&key("a"), Some(foreign)).await;

    assert_eq!(
        (variant(written), variant(created), variant(deleted)),
        ("Precondition", "Precondition", "Precondition")
    );
    assert_eq!((server.get("a"), server.get("b")), (Some(b"theirs".to_vec()), None));
}

#[tokio::test]
async fn a_server_whose_generations_are_no_times_is_asked_for_the_time() {
    let (server, bucket) = start();
    server.put("a", "x");
    assert!(server.set_modified("a", SystemTime::UNIX_EPOCH + Duration::from_secs(7)));

    let object = bucket.get(&key("a"), GetOptions::default()).await.expect("read");

    assert_eq!(object.meta.modified, Timestamp::from_milliseconds(7_000));
    assert_eq!(server.counters().head, 1);
}

#[tokio::test]
async fn a_bucket_that_does_not_exist_is_named() {
    let server = GcsServer::start();
    let bucket = open(&GcsConfig { bucket: "elsewhere".to_owned(), ..gcs_config_of(&server) });

    for refused in [
        bucket.put(&key("a"), body("x"), PutMode::Create).await.map(drop),
        bucket.head(&key("a")).await.map(drop),
        bucket.list(ListOptions::default()).await.map(drop),
    ] {
        let refused = refused.expect_err("no bucket");
        assert_eq!(refused.source().map(ToString::to_string).as_deref(), Some("there is no bucket `elsewhere`"));
        assert_eq!(variant::<()>(Err(refused)), "Invalid");
    }
}

#[tokio::test]
async fn keys_that_are_no_paths_are_told_apart() {
    let server = GcsServer::start();
    let bucket = open(&GcsConfig { prefix: "p".to_owned(), ..gcs_config_of(&server) });
    for text in ["p/", "p/../x", "p/a", "p/a//b", "p/marker/", "q/a"] {
        server.put(text, "x");
    }

    let page = bucket.list(ListOptions::default()).await.expect("listed");

    assert_eq!(page.objects.iter().map(|object| object.key.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(page.refused, ["../x", "a//b", "marker/"]);
}

#[tokio::test]
async fn the_prefix_is_taken_verbatim() {
    let server = GcsServer::start();
    let bucket = open(&GcsConfig { prefix: "p q/".to_owned(), ..gcs_config_of(&server) });

    bucket.put(&key("a"), body("x"), PutMode::Create).await.expect("created");

    assert_eq!(server.keys(""), ["p q//a"]);
    assert_eq!(bucket.locate("a"), format!("gs://{}/p q//a", server.bucket()));
    assert_eq!(bucket.list(ListOptions::default()).await.expect("listed").objects.len(), 1);
}

#[tokio::test]
async fn a_store_that_ignores_conditions_is_found_out() {
    let (server, bucket) = start();
    server.faults(Plan::ignoring_conditions());

    let found = probe_conditions(&*bucket, &key("scratch")).await.expect("probed");

    assert_eq!(found, Conditions { create: false, update: false });
    assert_eq!(server.keys(""), [""; 0]);
}

#[tokio::test]
async fn names_that_the_store_does_not_take_are_told_without_asking_it() {
    let (server, bucket) = start();

    for taken in ["a", "a b/ü", "tab\t"] {
        assert_eq!(bucket.refuses(taken), None, "{taken:?}");
    }
    for refused in ["a\nb", "a\r", &"x".repeat(1025)] {
        assert!(bucket.refuses(refused).is_some(), "{refused:?}");
    }

    assert!(server.requests().is_empty());
}
