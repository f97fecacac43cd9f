//! Faults happen when planned, and do what they say.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use swamp_testbed::counters::Kind;
use swamp_testbed::faults::{Fault, Plan, Rule};
use swamp_testbed::s3::S3Server;

use crate::support::{body, code, get, is_unanswered, put, settings, start, status};

#[tokio::test]
async fn refusals_have_their_code_and_change_nothing() {
    let (server, client) = start();
    let expected = [
        (Fault::SlowDown, "SlowDown", 503),
        (Fault::InternalError, "InternalError", 500),
        (Fault::Denied, "AccessDenied", 403),
        (Fault::ExpiredToken, "ExpiredToken", 400),
        (Fault::Conflict, "ConditionalRequestConflict", 409),
        (Fault::Precondition, "PreconditionFailed", 412),
    ];

    for (fault, name, number) in expected {
        server.faults(Rule::new(fault).kind(Kind::Put).key("a"));
        let refused = client.put_object().bucket("testbed").key("a").body(body("x")).send().await;
        assert_eq!((code(&refused).as_deref(), status(&refused)), (Some(name), Some(number)));
    }

    assert_eq!(server.get("a"), None);
    server.clear_faults();
    put(&client, "a", "x").await;
}

#[tokio::test]
async fn a_client_with_retries_survives_the_first_failures() {
    let (server, _) = start();
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    let client = Client::from_conf(settings(&server).retry_config(retries).build());
    server
        .faults([Rule::new(Fault::SlowDown).kind(Kind::Put).only(1), Rule::new(Fault::Reset).kind(Kind::Put).only(2)]);

    put(&client, "a", "x").await;

    assert_eq!(server.counters().put, 3);
}

#[tokio::test]
async fn a_reset_request_is_not_executed() {
    let (server, client) = start();
    server.faults(Rule::new(Fault::Reset).kind(Kind::Put));

    let put = client.put_object().bucket("testbed").key("a").body(body("x")).send().await;

    assert!(is_unanswered(&put));
    assert_eq!(server.get("a"), None);
}

#[test]
fn a_reset_is_one_on_the_wire() {
    let server = S3Server::start();
    server.faults([Rule::new(Fault::Reset).only(1), Rule::new(Fault::ApplyThenDrop).only(2)]);
    let exchange = || {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.write_all(b"GET /testbed/a HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        stream.read(&mut [0; 1]).map_err(|error| error.kind())
    };

    assert_eq!(exchange(), Err(ErrorKind::ConnectionReset));
    assert_eq!(exchange(), Ok(0));
}

#[tokio::test]
async fn a_dropped_answer_leaves_the_write_in_place() {
    let (server, client) = start();
    server.faults(Rule::new(Fault::ApplyThenDrop).kind(Kind::Put).only(1));
    let create = || client.put_object().bucket("testbed").key("a").if_none_match("*").body(body("x")).send();

    let first = create().await;
    let second = create().await;

    assert!(is_unanswered(&first));
    assert_eq!(code(&second).as_deref(), Some("PreconditionFailed"));
    assert_eq!(server.get("a").unwrap(), b"x");
}

#[tokio::test]
async fn a_truncated_answer_declares_its_full_length() {
    let (server, client) = start();
    server.put("a", vec![b'x'; 100_000]);
    server.faults(Rule::new(Fault::TruncatedBody).kind(Kind::Get).first(1));

    let mut answer = client.get_object().bucket("testbed").key("a").send().await.unwrap();
    let mut received = 0;
    let ended = loop {
        match answer.body.try_next().await {
            Ok(Some(chunk)) => received += chunk.len(),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };

    assert_eq!(answer.content_length, Some(100_000));
    assert!(ended.is_err());
    assert_eq!(received, 50_000);
    assert_eq!(get(&client, "a").await.len(), 100_000);
}

#[tokio::test]
async fn a_stalled_request_is_never_answered() {
    let (server, client) = start();
    server.put("a", "hello");
    server.faults([Rule::new(Fault::Stall).kind(Kind::Head), Rule::new(Fault::StalledBody).kind(Kind::Get)]);
    let impatient = TimeoutConfig::builder().operation_timeout(Duration::from_millis(100)).build();
    let impatient = aws_sdk_s3::Config::builder().timeout_config(impatient);

    let head = client.head_object().bucket("testbed").key("a").customize().config_override(impatient).send().await;
    let mut answer = client.get_object().bucket("testbed").key("a").send().await.unwrap();
    let first = answer.body.try_next().await.unwrap();
    let rest = tokio::time::timeout(Duration::from_millis(100), answer.body.try_next()).await;

    assert!(matches!(head, Err(aws_sdk_s3::error::SdkError::TimeoutError(_))));
    assert_eq!(first.unwrap().as_ref(), b"he");
    assert_eq!(rest.ok().map(drop), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn held_requests_wait_for_the_next_plan() {
    let (server, client) = start();
    server.faults(Rule::new(Fault::Hold).key("held"));
    let held = tokio::spawn({
        let client = client.clone();
        async move { put(&client, "held", "first").await }
    });

    let has_arrived = tokio::task::block_in_place(|| server.wait_until(Duration::from_secs(30), |seen| seen.put == 1));
    let before = server.get("held");
    server.clear_faults();
    held.await.unwrap();

    assert_eq!((has_arrived, before, server.get("held")), (true, None, Some(b"first".to_vec())));
}

#[tokio::test]
async fn a_read_only_server_denies_writes_only() {
    let (server, client) = start();
    server.put("a", "one");
    server.faults(Plan::read_only());

    let put = client.put_object().bucket("testbed").key("a").body(body("x")).send().await;
    let delete = client.delete_object().bucket("testbed").key("a").send().await;

    assert_eq!(code(&put).as_deref(), Some("AccessDenied"));
    assert_eq!(code(&delete).as_deref(), Some("AccessDenied"));
    assert_eq!(get(&client, "a").await, "one");
}
