//! What S3 does at the worst moment, and what we make of it.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::TryStreamExt as _;
use swamp::bucket::probe::{Conditions, probe_conditions};
use swamp::bucket::s3::{self, Checksums, Credentials, S3Config};
use swamp::bucket::{Body, BucketError, GetOptions, ListOptions, PutMode, SharedBucket};
use swamp::clock::{ManualClock, Timestamp};
use swamp::error::Failure as _;
use swamp_testbed::counters::Kind;
use swamp_testbed::faults::{Fault, Plan, Rule};
use swamp_testbed::s3::S3Server;

use crate::bucket_contract::backends::{body, config_of, key, noise, variant};

/// Longer than any test needs and shorter than a person waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opens a bucket whose pauses between attempts take no time.
async fn open(config: &S3Config) -> SharedBucket {
    s3::open(config, Arc::new(ManualClock::new(Timestamp::default()))).await.expect("opened")
}

async fn start() -> (S3Server, SharedBucket) {
    let server = S3Server::start();
    let bucket = open(&config_of(&server)).await;
    (server, bucket)
}

async fn impatient(server: &S3Server) -> SharedBucket {
    open(&S3Config { request_timeout: Duration::from_millis(200), ..config_of(server) }).await
}

async fn read(bucket: &SharedBucket, at: &str) -> Result<Vec<u8>, BucketError> {
    let object = bucket.get(&key(at), GetOptions::default()).await?;
    Ok(object.bytes(u64::MAX).await?.to_vec())
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let server = S3Server::start();
    let bucket = impatient(&server).await;
    server.faults(Rule::new(Fault::Stall));

    let read = tokio::time::timeout(PATIENCE, bucket.head(&key("a"))).await.expect("an end");

    assert_eq!(variant(read), "Unavailable");
    assert_eq!(server.counters().head, 3);
}

#[tokio::test]
async fn a_listing_that_never_ends_is_given_up() {
    let server = S3Server::start();
    let bucket = impatient(&server).await;
    server.put("a", "x");
    server.faults(Rule::new(Fault::StalledBody));

    let listed = tokio::time::timeout(PATIENCE, bucket.list(ListOptions::default())).await.expect("an end");

    assert_eq!(variant(listed), "Unavailable");
}

#[tokio::test]
async fn a_truncated_body_is_resumed() {
    let (server, bucket) = start().await;
    let bytes = noise(3 * 1024 * 1024);
    server.put("a", &bytes);
    server.faults(Rule::new(Fault::TruncatedBody).kind(Kind::Get).first(2));

    let read = read(&bucket, "a").await.expect("read");

    assert!(read == bytes, "other bytes");
    assert_eq!(server.counters().get, 3);
}

#[tokio::test]
async fn a_truncated_range_is_resumed() {
    let (server, bucket) = start().await;
    server.put("a", "0123456789abcdef");
    server.faults(Rule::new(Fault::TruncatedBody).kind(Kind::Get).first(1));

    let options = GetOptions { range: Some(4..14), ..GetOptions::default() };
    let object = bucket.get(&key("a"), options).await.expect("read");

    assert_eq!(object.bytes(100).await.expect("resumed"), "456789abcd");
}

#[tokio::test]
async fn a_stalled_body_is_resumed() {
    let server = S3Server::start();
    let bucket = impatient(&server).await;
    let bytes = noise(100_000);
    server.put("a", &bytes);
    server.faults(Rule::new(Fault::StalledBody).kind(Kind::Get).first(1));

    let read = tokio::time::timeout(PATIENCE, read(&bucket, "a")).await.expect("an end").expect("read");

    assert!(read == bytes, "other bytes");
}

#[tokio::test]
async fn a_body_that_makes_no_progress_is_given_up() {
    let (server, bucket) = start().await;
    server.put("a", noise(1000));
    server.faults(Rule::new(Fault::TruncatedBody).kind(Kind::Get));

    assert_eq!(variant(read(&bucket, "a").await), "Unavailable");
    assert_eq!(server.counters().get, 4);
}

#[tokio::test]
async fn a_body_is_not_resumed_from_another_version() {
    let (server, bucket) = start().await;
    server.put("a", noise(1000));
    server.faults(Rule::new(Fault::TruncatedBody).kind(Kind::Get).first(1));

    let object = bucket.get(&key("a"), GetOptions::default()).await.expect("read");
    server.put("a", noise(1001));

    assert_eq!(variant(object.body.try_collect::<Vec<_>>().await), "Precondition");
}

#[tokio::test]
async fn a_busy_store_is_asked_again() {
    let (server, bucket) = start().await;
    server.faults(Rule::new(Fault::SlowDown).kind(Kind::Put).first(2));

    bucket.put(&key("a"), body("x"), PutMode::Create).await.expect("created");

    assert_eq!((server.counters().put, server.get("a")), (3, Some(b"x".to_vec())));
}

#[tokio::test]
async fn a_store_that_stays_busy_is_given_up() {
    let (server, bucket) = start().await;
    server.faults(Rule::new(Fault::SlowDown));

    let refused = bucket.head(&key("a")).await.expect_err("busy");

    assert_eq!(refused.to_string(), "cannot examine `a`");
    assert_eq!(server.counters().head, 3);
}

#[tokio::test]
async fn a_reset_connection_is_made_again() {
    let (server, bucket) = start().await;
    server.put("a", "x");
    server.faults(Rule::new(Fault::Reset).first(2));

    assert_eq!(read(&bucket, "a").await.expect("read"), b"x");
}

#[tokio::test]
async fn a_lost_reply_is_no_conflict() {
    let (server, bucket) = start().await;
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
    let (server, bucket) = start().await;
    server.put("a", "theirs");
    server.faults(Rule::new(Fault::ApplyThenDrop).kind(Kind::Put).first(1));

    let refused = bucket.put(&key("a"), body("mine"), PutMode::Create).await;

    assert_eq!((variant(refused), server.get("a")), ("Precondition", Some(b"theirs".to_vec())));
}

#[tokio::test]
async fn a_lost_reply_to_a_deletion_is_a_deletion() {
    let (server, bucket) = start().await;
    server.put("a", "x");
    let version = bucket.head(&key("a")).await.expect("there").version;
    server.faults(Rule::new(Fault::ApplyThenDrop).kind(Kind::Delete).first(1));

    bucket.delete(&key("a"), Some(version)).await.expect("deleted");

    assert_eq!(server.counters().delete, 2);
}

#[tokio::test]
async fn conflicting_writes_are_contention_and_not_repeated() {
    let (server, bucket) = start().await;
    server.faults(Rule::new(Fault::Conflict).kind(Kind::Put));

    assert_eq!(variant(bucket.put(&key("a"), body("x"), PutMode::Create).await), "Precondition");
    assert_eq!(server.counters().put, 1);
}

/// Returns a file of two parts.
fn large_file() -> (tempfile::NamedTempFile, Vec<u8>) {
    let bytes = noise(20 * 1024 * 1024);
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    std::io::Write::write_all(&mut file, &bytes).expect("written");
    (file, bytes)
}

#[tokio::test]
async fn parts_are_sent_again_one_by_one() {
    let (server, bucket) = start().await;
    let (file, bytes) = large_file();
    server.faults(Rule::new(Fault::SlowDown).kind(Kind::UploadPart).first(1));

    bucket.put(&key("a"), Body::File(file.path().to_owned()), PutMode::Create).await.expect("created");

    assert!(server.get("a").expect("there") == bytes, "other bytes");
    let counters = server.counters();
    assert_eq!((counters.create_multipart, counters.upload_part, counters.complete), (1, 3, 1));
}

#[tokio::test]
async fn a_lost_reply_to_the_last_request_is_no_conflict() {
    let (server, bucket) = start().await;
    let (file, bytes) = large_file();
    server.faults(Rule::new(Fault::ApplyThenDrop).kind(Kind::Complete).first(1));

    bucket.put(&key("a"), Body::File(file.path().to_owned()), PutMode::Create).await.expect("created");

    assert!(server.get("a").expect("there") == bytes, "other bytes");
    assert_eq!(server.counters().create_multipart, 1);
}

#[tokio::test]
async fn a_failed_upload_is_aborted() {
    let (server, bucket) = start().await;
    let (file, _) = large_file();
    server.faults(Rule::new(Fault::Denied).kind(Kind::Complete));

    let refused = bucket.put(&key("a"), Body::File(file.path().to_owned()), PutMode::Create).await;

    assert_eq!((variant(refused), server.get("a")), ("Denied", None));
    assert_eq!(server.counters().other, 1, "the abort");
}

#[tokio::test]
async fn an_upload_that_must_fail_is_not_begun() {
    let (server, bucket) = start().await;
    let (file, _) = large_file();
    server.put("a", "theirs");

    let refused = bucket.put(&key("a"), Body::File(file.path().to_owned()), PutMode::Create).await;

    assert_eq!((variant(refused), server.counters().create_multipart), ("Precondition", 0));
}

#[tokio::test]
async fn files_are_written_without_checksums_where_a_store_knows_none() {
    let server = S3Server::start();
    let bucket = open(&S3Config { checksums: Checksums::WhenRequired, ..config_of(&server) }).await;
    let (file, bytes) = large_file();

    bucket.put(&key("large"), Body::File(file.path().to_owned()), PutMode::Create).await.expect("created");
    bucket.put(&key("small"), body("x"), PutMode::Create).await.expect("created");

    assert!(read(&bucket, "large").await.expect("read") == bytes, "other bytes");
    assert_eq!(read(&bucket, "small").await.expect("read"), b"x");
}

async fn with_key(server: &S3Server, access_key_id: &str, secret_access_key: &str) -> SharedBucket {
    let credentials =
        Credentials::Key { access_key_id: access_key_id.to_owned(), secret_access_key: secret_access_key.to_owned() };
    open(&S3Config { credentials, ..config_of(server) }).await
}

fn hint_of<T: std::fmt::Debug>(result: Result<T, BucketError>) -> String {
    let error = result.expect_err("denied");
    assert!(matches!(error, BucketError::Denied { .. }), "{error:?}");
    error.hint().expect("a hint")
}

#[tokio::test]
async fn wrong_credentials_are_denied_once_with_advice() {
    let server = S3Server::start();
    let unknown = with_key(&server, "UNKNOWN", server.secret_access_key()).await;
    let wrong = with_key(&server, server.access_key_id(), "wrong").await;

    let hint = hint_of(unknown.list(ListOptions::default()).await);
    assert_eq!(hint, "the store does not know this access key: check AWS_ACCESS_KEY_ID and AWS_PROFILE");
    let hint = hint_of(wrong.put(&key("a"), body("x"), PutMode::Create).await);
    assert_eq!(hint, "the secret does not belong to the access key: check AWS_SECRET_ACCESS_KEY and AWS_PROFILE");
    assert_eq!((server.counters().list, server.counters().put), (1, 1));
}

#[tokio::test]
async fn an_expired_session_is_denied_with_advice() {
    let server = S3Server::start();
    let bucket = open(&S3Config { profile: Some("work".to_owned()), ..config_of(&server) }).await;
    server.faults(Rule::new(Fault::ExpiredToken));

    let hint = hint_of(bucket.list(ListOptions::default()).await);

    assert_eq!(hint, "the session is over: run `aws sso login --profile \"work\"`, or renew the session token");
}

#[tokio::test]
async fn a_bucket_that_does_not_exist_is_named() {
    let server = S3Server::start();
    let bucket = open(&S3Config { bucket: "elsewhere".to_owned(), ..config_of(&server) }).await;

    let refused = bucket.put(&key("a"), body("x"), PutMode::Create).await.expect_err("no bucket");

    assert_eq!(refused.source().map(ToString::to_string).as_deref(), Some("there is no bucket `elsewhere`"));
    assert_eq!(variant::<()>(Err(refused)), "Invalid");
}

#[tokio::test]
async fn keys_that_are_no_paths_are_told_apart() {
    let server = S3Server::start();
    let bucket = open(&S3Config { prefix: "p".to_owned(), ..config_of(&server) }).await;
    for text in ["p/", "p/../x", "p/a", "p/a//b", "p/marker/", "q/a"] {
        server.put(text, "x");
    }

    let page = bucket.list(ListOptions::default()).await.expect("listed");

    assert_eq!(page.objects.iter().map(|object| object.key.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(page.refused, ["../x", "a//b", "marker/"]);
}

#[tokio::test]
async fn the_prefix_is_taken_verbatim() {
    let server = S3Server::start();
    let bucket = open(&S3Config { prefix: "p q/".to_owned(), ..config_of(&server) }).await;

    bucket.put(&key("a"), body("x"), PutMode::Create).await.expect("created");

    assert_eq!(server.keys(""), ["p q//a"]);
    assert_eq!(bucket.locate("a"), format!("s3://{}/p q//a", server.bucket()));
    assert_eq!(bucket.list(ListOptions::default()).await.expect("listed").objects.len(), 1);
}

#[tokio::test]
async fn a_store_that_ignores_conditions_is_found_out() {
    let (server, bucket) = start().await;
    server.faults(Plan::ignoring_conditions());

    let found = probe_conditions(&*bucket, &key("scratch")).await.expect("probed");

    assert_eq!(found, Conditions { create: false, update: false });
    assert_eq!(server.keys(""), [""; 0]);
}
