//! Credentials: none, over, refused.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use swamp::bucket::gcs::{Credentials, GcsConfig};
use swamp::bucket::{BucketError, ListOptions, PutMode, SharedBucket};
use swamp::error::Failure as _;
use swamp_testbed::faults::{Fault, Rule};
use swamp_testbed::gcs::GcsServer;

use super::{open, start};
use crate::bucket_contract::backends::{body, gcs_config_of, key};

fn hint_of<T: std::fmt::Debug>(result: Result<T, BucketError>) -> String {
    let error = result.expect_err("denied");
    assert!(matches!(error, BucketError::Denied { .. }), "{error:?}");
    error.hint().expect("a hint")
}

#[tokio::test]
async fn denied_access_is_told_once_with_advice() {
    let (server, bucket) = start();
    server.faults(Rule::new(Fault::Denied));

    let hint = hint_of(bucket.list(ListOptions::default()).await);

    assert_eq!(hint, "requests to another server than Google's (`apiEndpoint`) carry no credentials");
    assert_eq!(server.counters().list, 1);
}

/// Serves one token request with this answer, and returns a file with credentials that ask there.
fn credentials(status: &'static str, answer: &'static str) -> tempfile::NamedTempFile {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut request = [0; 4096];
            let _read = stream.read(&mut request).expect("a request");
            let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n");
            write!(stream, "{head}content-length: {}\r\n\r\n{answer}", answer.len()).expect("answered");
        }
    });
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    let fields = format!(
        r#"{{"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r",
        "token_uri": "http://{address}/token"}}"#
    );
    file.write_all(fields.as_bytes()).expect("written");
    file
}

fn signed_in(server: &GcsServer, file: &tempfile::NamedTempFile) -> SharedBucket {
    open(&GcsConfig { credentials: Credentials::File(file.path().to_owned()), ..gcs_config_of(server) })
}

#[tokio::test]
async fn an_expired_session_is_denied_with_advice() {
    let server = GcsServer::start();
    let file = credentials("400 Bad Request", r#"{"error": "invalid_grant", "error_description": "Bad Request"}"#);

    let hint = hint_of(signed_in(&server, &file).list(ListOptions::default()).await);

    assert_eq!(
        hint,
        "the session is over: run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a \
         file with credentials"
    );
    assert_eq!(server.counters().total(), 0);
}

#[tokio::test]
async fn refused_credentials_are_denied_with_advice() {
    let server = GcsServer::start();
    let file = credentials("200 OK", r#"{"access_token": "t", "token_type": "Bearer", "expires_in": 3600}"#);
    let bucket = signed_in(&server, &file);
    bucket.list(ListOptions::default()).await.expect("signed in");

    server.faults(Rule::new(Fault::ExpiredToken));
    let over = hint_of(bucket.list(ListOptions::default()).await);
    server.faults(Rule::new(Fault::Denied));
    let denied = hint_of(bucket.put(&key("a"), body("x"), PutMode::Create).await);

    assert!(over.starts_with("the session is over or the credentials are wrong: run `gcloud auth"), "{over}");
    assert_eq!(denied, "check that the credentials allow to list, read, write and delete in bucket `testbed`");
}
