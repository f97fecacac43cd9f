//! What an answer of S3, or none, means to a user of the bucket.

use std::error::Error;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::{ConnectorError, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId as _;

use super::Store;
use crate::bucket::refusal::{Refusal, Refused, shown};
use crate::bucket::{BucketError, Outage, Source};

/// A refusal as the server worded it.
#[derive(Debug)]
struct Reply {
    status: u16,
    code: Option<String>,
    message: Option<String>,
    request_id: Option<String>,
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status)?;
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        if let Some(message) = &self.message {
            write!(f, ": {}", shown(message))?;
        }
        match &self.request_id {
            Some(request_id) => write!(f, " (request {request_id})"),
            None => Ok(()),
        }
    }
}

impl Error for Reply {}

/// The code decides before the status: S3 has answers of status 200 and 400 that mean `Busy` or `Denied`.
fn classify(status: u16, code: Option<&str>) -> Refusal {
    match (code.unwrap_or_default(), status) {
        ("NoSuchBucket", _) => Refusal::BucketAbsent,
        ("NoSuchKey" | "NotFound", _) => Refusal::KeyAbsent,
        ("ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "InvalidToken", _) => Refusal::Denied,
        ("BadDigest" | "InvalidDigest" | "XAmzContentSHA256Mismatch" | "XAmzContentChecksumMismatch", _) => {
            Refusal::Damaged
        }
        // A vanished upload is begun again like one that was never answered.
        (
            "SlowDown"
            | "InternalError"
            | "ServiceUnavailable"
            | "RequestTimeout"
            | "Throttling"
            | "ThrottlingException"
            | "OperationAborted"
            | "NoSuchUpload",
            _,
        )
        | (_, 408 | 429 | 500 | 502..=599) => Refusal::Busy,
        // Two conditional writes met at the same moment: the other one may have won.
        ("ConditionalRequestConflict" | "PreconditionFailed", _) | (_, 409 | 412) => Refusal::Precondition,
        (_, 304) => Refusal::NotModified,
        (_, 401 | 403) => Refusal::Denied,
        (_, 404) => Refusal::KeyAbsent,
        _ => Refusal::Invalid,
    }
}

impl Store {
    /// Returns a function that says what a failed request means.
    pub(super) fn failed<E>(&self, operation: &'static str, key: &str) -> impl FnOnce(SdkError<E>) -> BucketError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        move |error| self.meaning(operation, key.to_owned(), error)
    }

    fn meaning<E>(&self, operation: &'static str, key: String, error: SdkError<E>) -> BucketError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        if let SdkError::ServiceError(refused) = &error {
            let reply = Reply {
                status: refused.raw().status().as_u16(),
                code: refused.err().code().map(str::to_owned),
                message: refused.err().message().map(str::to_owned),
                request_id: refused.err().meta().request_id().map(str::to_owned),
            };
            return self.refusal(operation, key, reply);
        }
        match credentials_error(&error) {
            Some(CredentialsError::ProviderTimedOut(_)) => {}
            Some(_) => {
                let hint = Some(self.hint(401, None));
                return BucketError::Denied { key, hint, source: unwrapped(error) };
            }
            None if matches!(error, SdkError::ConstructionFailure(_)) => {
                return BucketError::Invalid { operation, key, source: unwrapped(error) };
            }
            None => {}
        }
        let outage = if is_late(&error) { Outage::TimedOut } else { Outage::Unreachable };
        BucketError::Unavailable { operation, key, source: outage.at(&*self.address, unwrapped(error)) }
    }

    fn refusal(&self, operation: &'static str, key: String, reply: Reply) -> BucketError {
        let (status, code) = (reply.status, reply.code.clone());
        let hint = || self.hint(status, code.as_deref());
        let refusal = classify(status, code.as_deref());
        refusal.of(Refused { operation, key, reply: reply.into(), bucket: &self.bucket, hint })
    }

    /// Says what to do about credentials; without a code they are missing.
    fn hint(&self, status: u16, code: Option<&str>) -> String {
        let sign_in = match &self.profile {
            Some(profile) => format!("`aws sso login --profile \"{profile}\"`"),
            None => "`aws sso login`".to_owned(),
        };
        match (code, status) {
            (Some("ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired"), _) => {
                format!("the session is over: run {sign_in}, or renew the session token")
            }
            (Some("InvalidToken"), _) => {
                format!("the session token is wrong: run {sign_in}, or set or unset AWS_SESSION_TOKEN")
            }
            (Some("InvalidAccessKeyId" | "NotSignedUp"), _) => {
                "the store does not know this access key: check AWS_ACCESS_KEY_ID and AWS_PROFILE".to_owned()
            }
            (Some("SignatureDoesNotMatch"), _) => {
                "the secret does not belong to the access key: check AWS_SECRET_ACCESS_KEY and AWS_PROFILE".to_owned()
            }
            (Some("RequestTimeTooSkewed"), _) => "set the clock of this machine".to_owned(),
            (None, 401) => {
                format!("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run {sign_in}")
            }
            _ => format!(
                "check the credentials, and that they allow to list, read, write and delete in bucket `{}`",
                self.bucket
            ),
        }
    }
}

/// Whether no answer came within the time that was set for one.
fn is_late<E>(error: &SdkError<E>) -> bool {
    match error {
        SdkError::TimeoutError(_) => true,
        SdkError::DispatchFailure(failure) => failure.is_timeout(),
        _ => false,
    }
}

fn credentials_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CredentialsError> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// Takes off the outer layers that only say "dispatch failure" and "other".
fn unwrapped<E: Error + Send + Sync + 'static>(error: SdkError<E>) -> Source {
    let source: Source = error.into_source().unwrap_or_else(Into::into);
    match source.downcast::<ConnectorError>() {
        Ok(connector) if connector.is_other() => connector.into_source(),
        Ok(connector) => connector,
        Err(source) => source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_decide_before_statuses() {
        assert_eq!(classify(400, Some("ExpiredToken")), Refusal::Denied);
        assert_eq!(classify(400, Some("RequestTimeout")), Refusal::Busy);
        assert_eq!(classify(200, Some("InternalError")), Refusal::Busy);
        assert_eq!(classify(404, Some("NoSuchBucket")), Refusal::BucketAbsent);
        assert_eq!(classify(409, Some("OperationAborted")), Refusal::Busy);
    }

    #[test]
    fn answers_without_a_body_are_classified_by_status() {
        assert_eq!(classify(304, None), Refusal::NotModified);
        assert_eq!(classify(403, None), Refusal::Denied);
        assert_eq!(classify(404, None), Refusal::KeyAbsent);
        assert_eq!(classify(412, None), Refusal::Precondition);
        assert_eq!(classify(429, None), Refusal::Busy);
        assert_eq!(classify(501, None), Refusal::Invalid);
        assert_eq!(classify(503, None), Refusal::Busy);
    }

    #[test]
    fn conflicting_conditional_writes_are_contention() {
        assert_eq!(classify(409, Some("ConditionalRequestConflict")), Refusal::Precondition);
    }
}
