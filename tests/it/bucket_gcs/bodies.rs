//! Bodies that break off, and ranges.

use futures::stream::TryStreamExt as _;
use swamp::bucket::GetOptions;
use swamp_testbed::counters::Kind;
use swamp_testbed::faults::{Fault, Rule};
use swamp_testbed::gcs::GcsServer;

use super::{PATIENCE, impatient, read, start};
use crate::bucket_contract::backends::{key, noise, variant};

#[tokio::test]
async fn a_truncated_body_is_resumed() {
    let (server, bucket) = start();
    let bytes = noise(3 * 1024 * 1024);
    server.put("a", &bytes);
    server.faults(Rule::new(Fault::TruncatedBody).kind(Kind::Get).first(2));

    let read = read(&bucket, "a").await.expect("read");

    assert!(read == bytes, "other bytes");
    assert_eq!(server.counters().get, 3);
}

#[tokio::test]
async fn a_truncated_range_is_resumed() {
    let (server, bucket) = start();
    server.put("a", "0123456789abcdef");
    server.faults(Rule::new(Fault::TruncatedBody).kind(Kind::Get).first(1));

    let options = GetOptions { range: Some(4..14), ..GetOptions::default() };
    let object = bucket.get(&key("a"), options).await.expect("read");

    assert_eq!(object.bytes(100).await.expect("resumed"), "456789abcd");
}

#[tokio::test]
async fn a_stalled_body_is_resumed() {
    let server = GcsServer::start();
    let bucket = impatient(&server);
    let bytes = noise(100_000);
    server.put("a", &bytes);
    server.faults(Rule::new(Fault::StalledBody).kind(Kind::Get).first(1));

    let read = tokio::time::timeout(PATIENCE, read(&bucket, "a")).await.expect("an end").expect("read");

    assert!(read == bytes, "other bytes");
}

#[tokio::test]
async fn a_body_that_makes_no_progress_is_given_up() {
    let (server, bucket) = start();
    server.put("a", noise(1000));
    server.faults(Rule::new(Fault::TruncatedBody).kind(Kind::Get));

    assert_eq!(variant(read(&bucket, "a").await), "Unavailable");
    assert_eq!(server.counters().get, 4);
}

#[tokio::test]
async fn a_body_is_not_resumed_from_another_version() {
    let (server, bucket) = start();
    server.put("a", noise(1000));
    server.faults(Rule::new(Fault::TruncatedBody).kind(Kind::Get).first(1));

    let object = bucket.get(&key("a"), GetOptions::default()).await.expect("read");
    server.put("a", noise(1001));

    assert_eq!(variant(object.body.try_collect::<Vec<_>>().await), "Precondition");
}

#[tokio::test]
async fn a_range_may_reach_beyond_every_object() {
    let (server, bucket) = start();
    server.put("a", "0123456789");

    let options = GetOptions { range: Some(4..u64::MAX), ..GetOptions::default() };
    let object = bucket.get(&key("a"), options).await.expect("read");

    assert_eq!(object.bytes(100).await.expect("read"), "456789");
}
