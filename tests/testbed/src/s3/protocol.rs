//! S3 in the words of the gate.

use async_trait::async_trait;
use s3s::service::S3Service;
use s3s::{HttpRequest, HttpResponse, S3Error, S3ErrorCode, StdError};

use super::classify::{classify, is_write};
use crate::gate::{Asked, PLANNED, Protocol, Refusal};

/// The way to the one bucket.
#[derive(Clone, Debug)]
pub(crate) struct S3Protocol {
    pub(crate) service: S3Service,
}

#[async_trait]
impl Protocol for S3Protocol {
    async fn classify(&self, request: HttpRequest) -> Result<(Asked, HttpRequest), StdError> {
        let asked = classify(request.method(), request.uri(), request.headers());
        Ok((Asked { request: asked, is_write: is_write(request.method()) }, request))
    }

    async fn apply(&self, request: HttpRequest) -> Result<HttpResponse, StdError> {
        Ok(self.service.call(request).await?)
    }

    fn refuse(&self, _request: &HttpRequest, refusal: Refusal) -> Result<HttpResponse, StdError> {
        let code = match refusal {
            Refusal::SlowDown => S3ErrorCode::SlowDown,
            Refusal::InternalError => S3ErrorCode::InternalError,
            Refusal::Denied => S3ErrorCode::AccessDenied,
            Refusal::ExpiredToken => S3ErrorCode::ExpiredToken,
            Refusal::Conflict => S3ErrorCode::ConditionalRequestConflict,
            Refusal::Precondition => S3ErrorCode::PreconditionFailed,
        };
        Ok(S3Error::with_message(code, PLANNED).to_http_response()?)
    }
}
