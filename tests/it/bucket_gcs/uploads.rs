//! Uploads of large files, interrupted.

use std::io::Write as _;
use std::time::Duration;

use swamp::bucket::gcs::GcsConfig;
use swamp::bucket::{Body, PutMode};
use swamp_testbed::counters::Kind;
use swamp_testbed::faults::{Fault, Rule};
use swamp_testbed::gcs::GcsServer;

use super::{PATIENCE, open, start};
use crate::bucket_contract::backends::{gcs_config_of, key, noise, variant};

/// Returns a file that is too large for one request.
fn large_file() -> (tempfile::NamedTempFile, Vec<u8>) {
    let bytes = noise(20 * 1024 * 1024);
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(&bytes).expect("written");
    (file, bytes)
}

#[tokio::test]
async fn an_interrupted_upload_is_resumed_where_it_was() {
    let (server, bucket) = start();
    let (file, bytes) = large_file();
    server.faults(Rule::new(Fault::Interrupted { bytes: 12 * 1024 * 1024 }).kind(Kind::Complete).first(1));

    bucket.put(&key("a"), Body::File(file.path().to_owned()), PutMode::Create).await.expect("created");

    assert!(server.get("a").expect("there") == bytes, "other bytes");
    let counters = server.counters();
    // Nothing is begun again: one question how far it came, then the rest.
    assert_eq!((counters.create_multipart, counters.other, counters.complete), (1, 1, 2));
}

#[tokio::test]
async fn an_upload_that_stays_interrupted_is_given_up() {
    let (server, bucket) = start();
    let (file, _) = large_file();
    server.faults(Rule::new(Fault::Interrupted { bytes: 0 }).kind(Kind::Complete));

    let refused = bucket.put(&key("a"), Body::File(file.path().to_owned()), PutMode::Create).await;

    assert_eq!((variant(refused), server.get("a")), ("Unavailable", None));
}

#[tokio::test]
async fn an_upload_that_does_not_move_is_given_up() {
    let server = GcsServer::start();
    let bucket = open(&GcsConfig { request_timeout: Duration::from_millis(100), ..gcs_config_of(&server) });
    let (file, _) = large_file();
    server.faults(Rule::new(Fault::Stall).kind(Kind::Complete));

    let key = key("a");
    let put = bucket.put(&key, Body::File(file.path().to_owned()), PutMode::Overwrite);
    let refused = tokio::time::timeout(PATIENCE, put).await.expect("an end");

    assert_eq!(variant(refused), "Unavailable");
}

#[tokio::test]
async fn a_lost_reply_to_the_last_request_is_no_conflict() {
    let (server, bucket) = start();
    let (file, bytes) = large_file();
    server.faults(Rule::new(Fault::ApplyThenDrop).kind(Kind::Complete).first(1));

    bucket.put(&key("a"), Body::File(file.path().to_owned()), PutMode::Create).await.expect("created");

    assert!(server.get("a").expect("there") == bytes, "other bytes");
    assert_eq!(server.counters().create_multipart, 1);
}

#[tokio::test]
async fn a_denied_upload_leaves_nothing() {
    let (server, bucket) = start();
    let (file, _) = large_file();
    server.faults(Rule::new(Fault::Denied).kind(Kind::Complete));

    let refused = bucket.put(&key("a"), Body::File(file.path().to_owned()), PutMode::Create).await;

    assert_eq!((variant(refused), server.get("a")), ("Denied", None));
}

#[tokio::test]
async fn an_upload_that_must_fail_is_not_begun() {
    let (server, bucket) = start();
    let (file, _) = large_file();
    server.put("a", "theirs");

    let refused = bucket.put(&key("a"), Body::File(file.path().to_owned()), PutMode::Create).await;

    assert_eq!((variant(refused), server.counters().create_multipart), ("Precondition", 0));
}
