//! What a raw HTTP request asks for, before anything of it is trusted or executed.

use hyper::{HeaderMap, Method, Uri};

use crate::counters::{Kind, Request};
use crate::query::{decode, parameter};

/// Returns the kind of a path-style request and the key it names.
pub(crate) fn classify(method: &Method, uri: &Uri, headers: &HeaderMap) -> Request {
    let path = uri.path().strip_prefix('/').unwrap_or_default();
    let key = path.split_once('/').map(|(_bucket, key)| key).unwrap_or_default();
    let kind = if key.is_empty() { of_bucket(method, uri) } else { of_object(method, uri, headers) };
    let key = match (kind, key) {
        (Kind::List, _) => parameter(uri, "prefix").unwrap_or_default(),
        (_, key) => decode(key),
    };
    Request { kind, key }
}

/// Says whether a request changes the store.
pub(crate) fn is_write(method: &Method) -> bool {
    method != Method::GET && method != Method::HEAD
}

fn of_bucket(method: &Method, uri: &Uri) -> Kind {
    let is_listing = parameter(uri, "list-type").is_some() || parameter(uri, "prefix").is_some();
    match *method {
        Method::GET if is_listing && parameter(uri, "uploads").is_none() => Kind::List,
        Method::POST if parameter(uri, "delete").is_some() => Kind::Delete,
        _ => Kind::Other,
    }
}

fn of_object(method: &Method, uri: &Uri, headers: &HeaderMap) -> Kind {
    let is_of_upload = parameter(uri, "uploadId").is_some();
    let is_of_property = ["acl", "tagging", "attributes"].iter().any(|name| parameter(uri, name).is_some());
    match *method {
        _ if is_of_property => Kind::Other,
        Method::GET if !is_of_upload => Kind::Get,
        Method::HEAD => Kind::Head,
        Method::PUT if is_of_upload => Kind::UploadPart,
        Method::PUT if headers.contains_key("x-amz-copy-source") => Kind::Copy,
        Method::PUT => Kind::Put,
        Method::DELETE if !is_of_upload => Kind::Delete,
        Method::POST if parameter(uri, "uploads").is_some() => Kind::CreateMultipart,
        Method::POST if is_of_upload => Kind::Complete,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(method: &Method, uri: &'static str) -> (Kind, String) {
        let request = classify(method, &Uri::from_static(uri), &HeaderMap::new());
        (request.kind, request.key)
    }

    #[test]
    fn requests_are_told_apart_by_method_and_query() {
        assert_eq!(kind(&Method::GET, "/b/a%20b/c?x-id=GetObject"), (Kind::Get, "a b/c".into()));
        assert_eq!(kind(&Method::GET, "/b/?list-type=2&prefix=p%2Fq"), (Kind::List, "p/q".into()));
        assert_eq!(kind(&Method::GET, "/b?uploads&prefix=p"), (Kind::Other, String::new()));
        assert_eq!(kind(&Method::HEAD, "/b"), (Kind::Other, String::new()));
        assert_eq!(kind(&Method::HEAD, "/b/k"), (Kind::Head, "k".into()));
        assert_eq!(kind(&Method::PUT, "/b/k?partNumber=1&uploadId=u"), (Kind::UploadPart, "k".into()));
        assert_eq!(kind(&Method::POST, "/b/k?uploads"), (Kind::CreateMultipart, "k".into()));
        assert_eq!(kind(&Method::POST, "/b/k?uploadId=u"), (Kind::Complete, "k".into()));
        assert_eq!(kind(&Method::DELETE, "/b/k?uploadId=u"), (Kind::Other, "k".into()));
    }
}
