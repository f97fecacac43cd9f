//! A client without retries, and answers reduced to what tests compare.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use swamp_testbed::s3::S3Server;

/// Answers later than this fail the test.
const PATIENCE: Duration = Duration::from_secs(30);

/// Returns the settings of a client of this server.
pub(crate) fn settings(server: &S3Server) -> Builder {
    let credentials = Credentials::new(server.access_key_id(), server.secret_access_key(), None, None, "swamp-testbed");
    Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(server.endpoint())
        .region(Region::new(server.region().to_owned()))
        .credentials_provider(credentials)
        .force_path_style(true)
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_timeout(PATIENCE).build())
}

/// Starts a server and a client of it.
pub(crate) fn start() -> (S3Server, Client) {
    let server = S3Server::start();
    let client = Client::from_conf(settings(&server).build());
    (server, client)
}

/// Returns the error code of an answer; `None` when it was a success or no answer at all.
pub(crate) fn code<T, E: ProvideErrorMetadata>(result: &Result<T, SdkError<E>>) -> Option<String> {
    result.as_ref().err()?.as_service_error()?.code().map(str::to_owned)
}

/// Returns the HTTP status of an error; `None` when it was a success or no answer at all.
pub(crate) fn status<T, E>(result: &Result<T, SdkError<E>>) -> Option<u16> {
    match result.as_ref().err()? {
        SdkError::ServiceError(error) => Some(error.raw().status().as_u16()),
        SdkError::ResponseError(error) => Some(error.raw().status().as_u16()),
        _ => None,
    }
}

/// Says whether the connection ended without an answer.
pub(crate) fn is_unanswered<T, E>(result: &Result<T, SdkError<E>>) -> bool {
    matches!(result, Err(SdkError::DispatchFailure(_)))
}

/// Puts an object without conditions and returns its `ETag`.
pub(crate) async fn put(client: &Client, key: &str, text: &str) -> String {
    let request = client.put_object().bucket("testbed").key(key).body(body(text));
    request.send().await.unwrap().e_tag.unwrap()
}

pub(crate) fn body(text: &str) -> ByteStream {
    ByteStream::from(text.as_bytes().to_vec())
}

/// Gets an object's bytes as text.
pub(crate) async fn get(client: &Client, key: &str) -> String {
    let answer = client.get_object().bucket("testbed").key(key).send().await.unwrap();
    String::from_utf8(answer.body.collect().await.unwrap().to_vec()).unwrap()
}
