//! What an answer of GCS, or none, means to a user of the bucket.

use std::fmt;

use google_cloud_gax::error::rpc::Code;
use google_cloud_storage::Error;

use super::{Credentials, Store};
use crate::bucket::refusal::{Refusal, Refused, shown};
use crate::bucket::{BucketError, Outage};

/// A refusal as the server worded it.
#[derive(Debug)]
struct Reply {
    status: u16,
    message: String,
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status)?;
        if self.message.is_empty() {
            return Ok(());
        }
        write!(f, ": {}", shown(&self.message))
    }
}

impl std::error::Error for Reply {}

fn classify(status: u16, message: &str) -> Refusal {
    match status {
        304 => Refusal::NotModified,
        // The words are the only difference between the two absences.
        404 if message.contains("bucket does not exist") => Refusal::BucketAbsent,
        404 => Refusal::KeyAbsent,
        // Two writes met at the same moment: the other one may have won.
        409 | 412 => Refusal::Precondition,
        401 | 403 => Refusal::Denied,
        408 | 410 | 429 | 500 | 502..=599 => Refusal::Busy,
        400 if message.contains("doesn't match calculated") => Refusal::Damaged,
        _ => Refusal::Invalid,
    }
}

/// Returns the HTTP status that means the same.
fn status_of(code: Code) -> u16 {
    match code {
        Code::NotFound => 404,
        Code::FailedPrecondition => 412,
        Code::Aborted | Code::AlreadyExists => 409,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::ResourceExhausted => 429,
        Code::DeadlineExceeded => 504,
        Code::Internal => 500,
        Code::Unavailable | Code::Unknown | Code::Cancelled | Code::DataLoss => 503,
        Code::OutOfRange => 416,
        Code::Unimplemented => 501,
        _ => 400,
    }
}

impl Store {
    /// Says what a failed request means.
    pub(super) fn meaning(&self, operation: &'static str, key: &str, error: Error) -> BucketError {
        if error.is_authentication() {
            return self.unsigned(operation, key.to_owned(), error.into());
        }
        if let Some(reply) = reply_of(&error) {
            return self.refusal(operation, key.to_owned(), reply);
        }
        let key = key.to_owned();
        if error.is_serialization() || error.is_deserialization() || error.is_binding() {
            return BucketError::Invalid { operation, key, source: error.into() };
        }
        let outage = if error.is_timeout() { Outage::TimedOut } else { Outage::Unreachable };
        BucketError::Unavailable { operation, key, source: outage.at(self.address(), error.into()) }
    }

    fn refusal(&self, operation: &'static str, key: String, reply: Reply) -> BucketError {
        let (status, refusal) = (reply.status, classify(reply.status, &reply.message));
        let (bucket, hint) = (&*self.config.bucket, || self.hint(status));
        refusal.of(Refused { operation, key, reply: reply.into(), bucket, hint })
    }

    /// Says what to do about credentials.
    fn hint(&self, status: u16) -> String {
        let bucket = &self.config.bucket;
        match (&self.config.credentials, status) {
            (Credentials::Anonymous, _) => {
                "requests to another server than Google's (`apiEndpoint`) carry no credentials".to_owned()
            }
            (_, 401) => {
                "the session is over or the credentials are wrong: run `gcloud auth application-default login`, \
                         or check GOOGLE_APPLICATION_CREDENTIALS"
                    .to_owned()
            }
            _ => format!("check that the credentials allow to list, read, write and delete in bucket `{bucket}`"),
        }
    }
}

/// Returns what the server said, `None` if it said nothing.
fn reply_of(error: &Error) -> Option<Reply> {
    let said = error.status();
    let status = error.http_status_code().or_else(|| said.map(|said| status_of(said.code)))?;
    let payload = || error.http_payload().map(|payload| String::from_utf8_lossy(payload).trim().to_owned());
    let message = said.map(|said| said.message.clone()).or_else(payload).unwrap_or_default();
    Some(Reply { status, message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_classified_by_status() {
        assert_eq!(classify(304, ""), Refusal::NotModified);
        assert_eq!(classify(403, ""), Refusal::Denied);
        assert_eq!(classify(404, "No such object: b/k"), Refusal::KeyAbsent);
        assert_eq!(classify(404, "The specified bucket does not exist."), Refusal::BucketAbsent);
        assert_eq!(classify(412, ""), Refusal::Precondition);
        assert_eq!(classify(429, ""), Refusal::Busy);
        assert_eq!(classify(501, ""), Refusal::Invalid);
        assert_eq!(classify(503, ""), Refusal::Busy);
        let message = "Provided CRC32C \"AAAAAA==\" doesn't match calculated CRC32C \"yZRlqg==\".";
        assert_eq!(classify(400, message), Refusal::Damaged);
    }

    #[test]
    fn both_protocols_say_the_same() {
        let said = |code| classify(status_of(code), "");

        assert_eq!(said(Code::NotFound), Refusal::KeyAbsent);
        assert_eq!(said(Code::FailedPrecondition), Refusal::Precondition);
        assert_eq!(said(Code::PermissionDenied), Refusal::Denied);
        assert_eq!(said(Code::ResourceExhausted), Refusal::Busy);
        assert_eq!(said(Code::Unavailable), Refusal::Busy);
        assert_eq!(said(Code::InvalidArgument), Refusal::Invalid);
    }
}
