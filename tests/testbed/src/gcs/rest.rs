//! The JSON API: reading content, and every way of writing an object.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use hyper::header::{CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, LOCATION, RANGE};
use hyper::{Method, StatusCode, Uri};
use s3s::{Body, HttpRequest};
use serde_json::json;

use super::GcsProtocol;
use super::answer::{Answer, Reason, Refused};
use super::multipart;
use super::store::{Conditions, Content, Object};
use super::upload::{Claims, Piece, Upload};
use crate::counters::{Kind, Request};
use crate::query::{decode, parameter};

/// Says what a request to the JSON API asks for.
pub(crate) fn classify(method: &Method, uri: &Uri, headers: &HeaderMap) -> Request {
    if uri.path().starts_with("/upload/") {
        let key = parameter(uri, "name").unwrap_or_default();
        let kind = match (method, parameter(uri, "uploadType").as_deref()) {
            (&Method::POST, Some("resumable")) => Kind::CreateMultipart,
            (&Method::POST, _) => Kind::Put,
            (&Method::PUT, _) => match piece_of(headers) {
                Some(piece) if piece.is_last() => Kind::Complete,
                Some(Piece { offset: Some(_), .. }) => Kind::UploadPart,
                _ => Kind::Other,
            },
            _ => Kind::Other,
        };
        return Request { kind, key };
    }
    let key = object_of(uri.path()).map(|(_, key)| key).unwrap_or_default();
    let is_content = parameter(uri, "alt").as_deref() == Some("media");
    let kind = if method == Method::GET && is_content { Kind::Get } else { Kind::Other };
    Request { kind, key }
}

fn piece_of(headers: &HeaderMap) -> Option<Piece> {
    Piece::parse(headers.get(CONTENT_RANGE)?.to_str().ok()?)
}

/// Returns bucket and key of `/storage/v1/b/BUCKET/o/KEY`.
fn object_of(path: &str) -> Option<(&str, String)> {
    let (bucket, rest) = path.strip_prefix("/storage/v1/b/")?.split_once('/')?;
    Some((bucket, decode(rest.strip_prefix("o/")?)))
}

impl GcsProtocol {
    /// Executes a request to the JSON API; an error of the body means that nobody waits for the answer.
    pub(super) async fn rest(&self, request: HttpRequest) -> Result<Answer, Refused> {
        let (parts, body) = request.into_parts();
        if let Some(rest) = parts.uri.path().strip_prefix("/upload/storage/v1/b/") {
            let bucket = rest.strip_suffix("/o").unwrap_or_default();
            self.check_bucket(bucket)?;
            return match parts.method {
                Method::POST => self.insert(&parts.uri, &parts.headers, body).await,
                Method::PUT => self.resume(&parts.uri, &parts.headers, body).await,
                _ => Err(unknown(&parts.uri)),
            };
        }
        match object_of(parts.uri.path()) {
            Some((bucket, key)) if parts.method == Method::GET => self.read(bucket, &key, &parts.uri, &parts.headers),
            _ => Err(unknown(&parts.uri)),
        }
    }

    fn read(&self, bucket: &str, key: &str, uri: &Uri, headers: &HeaderMap) -> Result<Answer, Refused> {
        self.check_bucket(bucket)?;
        let object = self.store.read(bucket, key, conditions(uri)?)?;
        let range = headers.get(RANGE).and_then(|header| header.to_str().ok());
        let (status, range) = match range {
            None => (StatusCode::OK, 0..object.bytes.len()),
            Some(header) => (StatusCode::PARTIAL_CONTENT, wanted(header, object.bytes.len())?),
        };
        let mut headers = described(&object);
        if status == StatusCode::PARTIAL_CONTENT {
            let text = format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), object.bytes.len());
            headers.insert(CONTENT_RANGE, value(&text)?);
        }
        Ok(Answer::Rest { status, headers, body: object.bytes.slice(range) })
    }

    async fn insert(&self, uri: &Uri, headers: &HeaderMap, body: Body) -> Result<Answer, Refused> {
        let conditions = self.admitted(conditions(uri)?);
        let content_type = headers.get(CONTENT_TYPE).and_then(|header| header.to_str().ok()).unwrap_or_default();
        let sent = whole(body).await?;
        let (claims, bytes) = match parameter(uri, "uploadType").as_deref() {
            Some("resumable") => {
                let claims = Claims::parse(&sent)?;
                let upload = Upload::new(key_of(uri, &claims)?, conditions, claims);
                return self.begin(uri, upload);
            }
            Some("multipart") => multipart::parse(content_type, &sent)?,
            Some("media") => (Claims { content_type: content_type.to_owned(), ..Claims::default() }, sent),
            other => return Err(Refused::invalid(format!("Invalid upload type: {other:?}."))),
        };
        claims.verify(&bytes)?;
        let key = key_of(uri, &claims)?;
        let content = Content { bytes, content_type: claims.content_type };
        let object = self.store.write(&key, content, conditions)?;
        Ok(Answer::json(&self.resource(&key, &object)))
    }

    fn begin(&self, uri: &Uri, upload: Upload) -> Result<Answer, Refused> {
        let identifier = self.store.begin_upload(upload)?;
        // The header `Host` of the official client names no port, so the address is our own.
        let location = format!("{}{uri}&upload_id={identifier}", self.endpoint);
        Ok(Answer::bare(StatusCode::OK, Some((LOCATION, value(&location)?))))
    }

    async fn resume(&self, uri: &Uri, headers: &HeaderMap, body: Body) -> Result<Answer, Refused> {
        let identifier = parameter(uri, "upload_id").unwrap_or_default();
        let piece = piece_of(headers).ok_or_else(|| Refused::invalid("Invalid request: no Content-Range."))?;
        let hash = headers.get("x-goog-hash").and_then(|header| header.to_str().ok()).map(str::to_owned);
        let (bytes, is_whole) = received(body).await;
        let is_complete = self.store.with_upload(&identifier, |upload| {
            if upload.finished.is_some() {
                return Ok(true);
            }
            if let Some(hash) = &hash {
                upload.claims.extend_from_header(hash);
            }
            if let Some(offset) = piece.offset {
                upload.append(offset, &bytes, is_whole && piece.is_last())?;
            }
            Ok(is_whole && piece.total == Some(upload.kept()))
        })?;
        if is_complete {
            let object = self.store.finish_upload(&identifier)?;
            let key = parameter(uri, "name").unwrap_or_default();
            return Ok(Answer::json(&self.resource(&key, &object)));
        }
        let kept = self.store.with_upload(&identifier, |upload| Ok(upload.kept()))?;
        let range = if kept == 0 { None } else { Some((RANGE, value(&format!("bytes=0-{}", kept - 1))?)) };
        Ok(Answer::bare(StatusCode::PERMANENT_REDIRECT, range))
    }

    /// Returns the JSON that describes an object.
    fn resource(&self, key: &str, object: &Object) -> serde_json::Value {
        json!({
            "kind": "storage#object",
            "name": key,
            "bucket": &*self.bucket,
            "generation": object.generation.to_string(),
            "metageneration": "1",
            "contentType": object.content_type,
            "storageClass": "STANDARD",
            "size": object.bytes.len().to_string(),
            "crc32c": base64_simd::STANDARD.encode_to_string(object.crc32c.to_be_bytes()),
            "md5Hash": base64_simd::STANDARD.encode_to_string(object.md5),
            "etag": object.generation.to_string(),
        })
    }
}

fn unknown(uri: &Uri) -> Refused {
    Refused::new(Reason::NotFound, format!("There is no {}.", uri.path()))
}

/// Returns the key of a new object, from the address or from the metadata sent.
fn key_of(uri: &Uri, claims: &Claims) -> Result<String, Refused> {
    let key = parameter(uri, "name").unwrap_or_else(|| claims.name.clone());
    let is_refused = key.is_empty() || key.len() > 1024 || key.contains(['\r', '\n']);
    if is_refused { Err(Refused::invalid("Invalid object name.")) } else { Ok(key) }
}

fn conditions(uri: &Uri) -> Result<Conditions, Refused> {
    let number = |name: &str| match parameter(uri, name) {
        None => Ok(None),
        Some(text) => match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(Refused::invalid(format!("Invalid value for {name}: {text}."))),
        },
    };
    Ok(Conditions {
        generation_match: number("ifGenerationMatch")?,
        generation_not_match: number("ifGenerationNotMatch")?,
    })
}

/// Returns the bytes a range header asks for.
fn wanted(header: &str, size: usize) -> Result<Range<usize>, Refused> {
    let parsed = || {
        let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
        if first.is_empty() {
            return Some(size.saturating_sub(last.parse().ok()?)..size);
        }
        let end = if last.is_empty() { size } else { last.parse::<usize>().ok()?.saturating_add(1).min(size) };
        Some(first.parse().ok()?..end)
    };
    let range = parsed().ok_or_else(|| Refused::invalid(format!("Invalid range: {header}.")))?;
    let is_empty = range.is_empty();
    if is_empty { Err(Refused::new(Reason::OutOfRange, "Request range not satisfiable")) } else { Ok(range) }
}

fn described(object: &Object) -> HeaderMap {
    let encode = |digest: &[u8]| base64_simd::STANDARD.encode_to_string(digest);
    let hash = format!("crc32c={},md5={}", encode(&object.crc32c.to_be_bytes()), encode(&object.md5));
    let texts = [
        ("x-goog-generation", object.generation.to_string()),
        ("x-goog-metageneration", "1".to_owned()),
        ("x-goog-stored-content-length", object.bytes.len().to_string()),
        ("x-goog-stored-content-encoding", "identity".to_owned()),
        ("x-goog-storage-class", "STANDARD".to_owned()),
        ("x-goog-hash", hash),
        (ETAG.as_str(), object.generation.to_string()),
        (CONTENT_TYPE.as_str(), object.content_type.clone()),
    ];
    let parsed = |(name, text): (&str, String)| Some((HeaderName::try_from(name).ok()?, text.try_into().ok()?));
    texts.into_iter().filter_map(parsed).collect()
}

fn value(text: &str) -> Result<HeaderValue, Refused> {
    HeaderValue::from_str(text).map_err(|error| Refused::new(Reason::Internal, error.to_string()))
}

async fn whole(body: Body) -> Result<Bytes, Refused> {
    match received(body).await {
        (bytes, true) => Ok(bytes),
        (_, false) => Err(Refused::invalid("The request ended early.")),
    }
}

/// Returns what arrives of a body, and whether that is all of it.
async fn received(mut body: Body) -> (Bytes, bool) {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.next().await {
        match chunk {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(_) => return (bytes.freeze(), false),
        }
    }
    (bytes.freeze(), true)
}
