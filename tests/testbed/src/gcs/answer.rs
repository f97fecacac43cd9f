//! Answers, and refusals in the words of both protocols.

use bytes::{BufMut as _, Bytes, BytesMut};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use s3s::{Body, HttpResponse, StdError};
use serde_json::json;

use super::framed::Framed;
use crate::gate::{PLANNED, Refusal};

/// Why a request is not executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Invalid,
    Unauthenticated,
    Denied,
    NotFound,
    NotModified,
    Conflict,
    Precondition,
    OutOfRange,
    TooMany,
    Internal,
    Unimplemented,
}

/// A request that is not executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

impl Refused {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Reason::Invalid, message)
    }

    pub(crate) fn precondition() -> Self {
        Self::new(Reason::Precondition, "At least one of the pre-conditions you specified did not hold.")
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let reason = match refusal {
            Refusal::SlowDown => Reason::TooMany,
            Refusal::InternalError => Reason::Internal,
            Refusal::Denied => Reason::Denied,
            Refusal::ExpiredToken => Reason::Unauthenticated,
            Refusal::Conflict => Reason::Conflict,
            Refusal::Precondition => Reason::Precondition,
        };
        Self::new(reason, PLANNED)
    }
}

impl Reason {
    /// Returns the HTTP status, the word of the JSON body, and the gRPC status.
    fn words(self) -> (StatusCode, &'static str, u8) {
        match self {
            Self::Invalid => (StatusCode::BAD_REQUEST, "invalid", 3),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "authError", 16),
            Self::Denied => (StatusCode::FORBIDDEN, "forbidden", 7),
            Self::NotFound => (StatusCode::NOT_FOUND, "notFound", 5),
            Self::NotModified => (StatusCode::NOT_MODIFIED, "notModified", 10),
            Self::Conflict => (StatusCode::CONFLICT, "conflict", 10),
            Self::Precondition => (StatusCode::PRECONDITION_FAILED, "conditionNotMet", 9),
            Self::OutOfRange => (StatusCode::RANGE_NOT_SATISFIABLE, "requestedRangeNotSatisfiable", 11),
            Self::TooMany => (StatusCode::TOO_MANY_REQUESTS, "rateLimitExceeded", 8),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internalError", 13),
            Self::Unimplemented => (StatusCode::NOT_IMPLEMENTED, "notImplemented", 12),
        }
    }
}

/// The answer to a request, in a form that can be given twice.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Rest { status: StatusCode, headers: HeaderMap, body: Bytes },
    Grpc { status: u8, message: String, body: Option<Bytes> },
}

impl Answer {
    /// Returns a JSON document.
    pub(crate) fn json(value: &serde_json::Value) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        Self::Rest { status: StatusCode::OK, headers, body: value.to_string().into() }
    }

    /// Returns an empty answer with one header.
    pub(crate) fn bare(status: StatusCode, header: Option<(HeaderName, HeaderValue)>) -> Self {
        Self::Rest { status, headers: header.into_iter().collect(), body: Bytes::new() }
    }

    /// Returns a message.
    pub(crate) fn message(message: &impl prost::Message) -> Self {
        Self::Grpc { status: 0, message: String::new(), body: Some(message.encode_to_vec().into()) }
    }

    pub(crate) fn of_rest(refused: &Refused) -> Self {
        let (status, word, _) = refused.reason.words();
        let message = &refused.message;
        let errors = [json!({ "message": message, "domain": "global", "reason": word })];
        let document = json!({ "error": { "code": status.as_u16(), "message": message, "errors": errors } });
        let Self::Rest { headers, body, .. } = Self::json(&document) else { return Self::json(&document) };
        // An answer that something has not changed has no body.
        let body = if status == StatusCode::NOT_MODIFIED { Bytes::new() } else { body };
        Self::Rest { status, headers, body }
    }

    pub(crate) fn of_grpc(refused: &Refused) -> Self {
        Self::Grpc { status: refused.reason.words().2, message: refused.message.clone(), body: None }
    }

    /// Whether the request was executed.
    pub(crate) fn is_success(&self) -> bool {
        match self {
            Self::Rest { status, .. } => status.is_success(),
            Self::Grpc { status, .. } => *status == 0,
        }
    }

    pub(crate) fn into_response(self) -> Result<HttpResponse, StdError> {
        match self {
            Self::Rest { status, headers, body } => {
                let mut response = Response::new(Body::from(body));
                *response.status_mut() = status;
                *response.headers_mut() = headers;
                Ok(response)
            }
            Self::Grpc { status, message, body } => {
                let outcome = HeaderMap::from_iter([
                    (HeaderName::from_static("grpc-status"), HeaderValue::from(u16::from(status))),
                    (HeaderName::from_static("grpc-message"), HeaderValue::from_str(&escaped(&message))?),
                ]);
                let response = Response::builder().header(CONTENT_TYPE, "application/grpc");
                if let Some(body) = body {
                    return Ok(response.body(Body::http_body(Framed::new(frame(&body), outcome)))?);
                }
                // Without a message, what would follow it comes first.
                let mut response = response.body(Body::empty())?;
                response.headers_mut().extend(outcome);
                Ok(response)
            }
        }
    }
}

/// Escapes what a message may hold and a header may not, as gRPC has it.
fn escaped(message: &str) -> String {
    const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');
    utf8_percent_encode(message, ESCAPED).to_string()
}

/// Puts the prefix of gRPC before a message: not compressed, so many bytes.
fn frame(message: &Bytes) -> Bytes {
    let mut framed = BytesMut::with_capacity(message.len() + 5);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(message);
    framed.freeze()
}
