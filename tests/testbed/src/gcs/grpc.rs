//! The gRPC service `google.storage.v2.Storage`: properties, listings, deletions, copies.

use std::sync::Arc;

use prost::Message;

use super::GcsProtocol;
use super::answer::{Answer, Reason, Refused};
use super::messages::{
    Checksums, DeleteObjectRequest, GetObjectRequest, ListObjectsRequest, ListObjectsResponse, ObjectMessage,
    RewriteObjectRequest, RewriteResponse, Timestamp,
};
use super::store::{Conditions, Content, Object};
use crate::counters::{Kind, Request};
use crate::listing::{Position, Query};

/// Entries of a page, at most and when nothing is asked for.
const PAGE_ENTRIES_MAX: usize = 1000;

/// Bytes that one call of a copy moves; a larger object takes several.
const REWRITE_BYTES: usize = 8 * 1024 * 1024;

/// A request, by its method.
#[derive(Debug)]
pub(crate) enum Call {
    Get(GetObjectRequest),
    List(ListObjectsRequest),
    Delete(DeleteObjectRequest),
    Rewrite(RewriteObjectRequest),
    Unknown(String),
}

impl Call {
    /// Reads a framed message sent to `/google.storage.v2.Storage/METHOD`.
    pub(crate) fn parse(path: &str, body: &[u8]) -> Result<Self, Refused> {
        let method = path.strip_prefix("/google.storage.v2.Storage/").unwrap_or(path);
        let [0, _, _, _, _, message @ ..] = body else { return Err(Refused::invalid("Malformed message.")) };
        let malformed = |error: prost::DecodeError| Refused::invalid(error.to_string());
        Ok(match method {
            "GetObject" => Self::Get(Message::decode(message).map_err(malformed)?),
            "ListObjects" => Self::List(Message::decode(message).map_err(malformed)?),
            "DeleteObject" => Self::Delete(Message::decode(message).map_err(malformed)?),
            "RewriteObject" => Self::Rewrite(Message::decode(message).map_err(malformed)?),
            _ => Self::Unknown(method.to_owned()),
        })
    }

    /// Says what it asks for.
    pub(crate) fn classify(&self) -> Request {
        let (kind, key) = match self {
            Self::Get(request) => (Kind::Head, &request.object),
            Self::List(request) => (Kind::List, &request.prefix),
            Self::Delete(request) => (Kind::Delete, &request.object),
            Self::Rewrite(request) => (Kind::Copy, &request.destination_name),
            Self::Unknown(method) => (Kind::Other, method),
        };
        Request { kind, key: key.clone() }
    }

    /// Whether it changes the store.
    pub(crate) fn is_write(&self) -> bool {
        matches!(self, Self::Delete(_) | Self::Rewrite(_))
    }
}

impl GcsProtocol {
    /// Executes a call.
    pub(super) fn call(&self, call: Call) -> Result<Answer, Refused> {
        match call {
            Call::Get(request) => {
                let bucket = self.bucket_named(&request.bucket)?;
                let conditions = conditions(request.if_generation_match, request.if_generation_not_match);
                let object = self.store.read(bucket, &request.object, conditions)?;
                Ok(Answer::message(&self.message(&request.object, &object)))
            }
            Call::List(request) => self.list(&request),
            Call::Delete(request) => {
                let bucket = self.bucket_named(&request.bucket)?;
                let conditions = conditions(request.if_generation_match, request.if_generation_not_match);
                self.store.delete(bucket, &request.object, self.admitted(conditions))?;
                Ok(Answer::message(&()))
            }
            Call::Rewrite(request) => self.rewrite(&request),
            Call::Unknown(method) => Err(Refused::new(Reason::Unimplemented, format!("{method} is not implemented"))),
        }
    }

    fn list(&self, request: &ListObjectsRequest) -> Result<Answer, Refused> {
        self.bucket_named(&request.parent)?;
        let from = match (request.page_token.as_str(), request.lexicographic_start.as_str()) {
            ("", "") => Position::Start,
            ("", start) => Position::At(start.to_owned()),
            (token, _) => Position::from_token(token).ok_or_else(|| Refused::invalid("Invalid page token."))?,
        };
        let asked = usize::try_from(request.page_size).unwrap_or_default();
        let page = self.store.page(&Query {
            prefix: &request.prefix,
            delimiter: Some(request.delimiter.as_str()).filter(|delimiter| !delimiter.is_empty()),
            from,
            entries_max: if asked == 0 { PAGE_ENTRIES_MAX } else { asked.min(PAGE_ENTRIES_MAX) },
        });
        Ok(Answer::message(&ListObjectsResponse {
            objects: page.objects.iter().map(|(key, object)| self.message(key, object)).collect(),
            prefixes: page.common_prefixes,
            next_page_token: page.next.map(|position| position.to_token()).unwrap_or_default(),
        }))
    }

    fn rewrite(&self, request: &RewriteObjectRequest) -> Result<Answer, Refused> {
        let bucket = self.bucket_named(&request.source_bucket)?;
        self.bucket_named(&request.destination_bucket)?;
        let source = self.store.read(bucket, &request.source_object, Conditions::default())?;
        let begun: usize = match request.rewrite_token.as_str() {
            "" => 0,
            token => token.parse().map_err(|error| Refused::invalid(format!("Invalid rewrite token: {error}.")))?,
        };
        let size = source.bytes.len();
        let moved = begun.saturating_add(REWRITE_BYTES).min(size);
        let mut response = RewriteResponse { object_size: length(size), ..RewriteResponse::default() };
        response.total_bytes_rewritten = length(moved);
        if moved < size {
            response.rewrite_token = moved.to_string();
            return Ok(Answer::message(&response));
        }
        let conditions = conditions(request.if_generation_match, request.if_generation_not_match);
        let content = Content { bytes: source.bytes.clone(), content_type: source.content_type.clone() };
        let object = self.store.write(&request.destination_name, content, self.admitted(conditions))?;
        response.done = true;
        response.resource = Some(self.message(&request.destination_name, &object));
        Ok(Answer::message(&response))
    }

    fn bucket_named<'a>(&self, name: &'a str) -> Result<&'a str, Refused> {
        let bucket = name.strip_prefix("projects/_/buckets/");
        let bucket = bucket.ok_or_else(|| Refused::invalid("Bucket names begin with projects/_/buckets/."))?;
        self.check_bucket(bucket)?;
        Ok(bucket)
    }

    fn message(&self, key: &str, object: &Arc<Object>) -> ObjectMessage {
        let nanos = i32::try_from(object.generation % 1_000_000 * 1000).unwrap_or_default();
        let written = Timestamp { seconds: object.generation / 1_000_000, nanos };
        ObjectMessage {
            name: key.to_owned(),
            bucket: format!("projects/_/buckets/{}", self.bucket),
            generation: object.generation,
            metageneration: 1,
            storage_class: "STANDARD".to_owned(),
            size: length(object.bytes.len()),
            content_type: object.content_type.clone(),
            create_time: Some(written),
            checksums: Some(Checksums { crc32c: Some(object.crc32c), md5_hash: object.md5.to_vec() }),
            update_time: Some(written),
            etag: object.generation.to_string(),
        }
    }
}

fn conditions(generation_match: Option<i64>, generation_not_match: Option<i64>) -> Conditions {
    Conditions { generation_match, generation_not_match }
}

fn length(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::store::Store;
    use super::*;
    use crate::controls::{Controls, Objects as _};

    const BUCKET: &str = "projects/_/buckets/b";

    fn protocol(keys: &[&str]) -> GcsProtocol {
        let store: Arc<Store> = Arc::default();
        for key in keys {
            store.put(key, Bytes::from_static(b"x"));
        }
        let controls = Controls::new(Arc::clone(&store) as _);
        GcsProtocol { bucket: Arc::from("b"), endpoint: Arc::from(""), store, controls }
    }

    fn listed(protocol: &GcsProtocol, request: ListObjectsRequest) -> (Vec<String>, Vec<String>, String) {
        let request = ListObjectsRequest { parent: BUCKET.to_owned(), ..request };
        let Ok(Answer::Grpc { body: Some(body), .. }) = protocol.call(Call::List(request)) else { panic!("refused") };
        let ListObjectsResponse { objects, prefixes, next_page_token } = Message::decode(body).unwrap();
        (objects.into_iter().map(|object| object.name).collect(), prefixes, next_page_token)
    }

    #[test]
    fn pages_have_objects_and_prefixes() {
        let protocol = protocol(&["a", "d/1", "d/2", "e", "f"]);
        let request = ListObjectsRequest { delimiter: "/".to_owned(), page_size: 2, ..ListObjectsRequest::default() };

        let (objects, prefixes, token) = listed(&protocol, request.clone());
        let rest = listed(&protocol, ListObjectsRequest { page_token: token, ..request });

        assert_eq!((objects, prefixes), (vec!["a".to_owned()], vec!["d/".to_owned()]));
        assert_eq!(rest, (vec!["e".to_owned(), "f".to_owned()], vec![], String::new()));
    }

    #[test]
    fn a_listing_starts_at_a_name() {
        let start = ListObjectsRequest { lexicographic_start: "d/2".to_owned(), ..ListObjectsRequest::default() };

        let (objects, ..) = listed(&protocol(&["a", "d/1", "d/2", "e"]), start);

        assert_eq!(objects, ["d/2", "e"]);
    }

    #[test]
    fn calls_are_told_apart_by_their_path() {
        let request = GetObjectRequest { object: "k".to_owned(), ..GetObjectRequest::default() };
        let framed = [&[0; 5][..], &request.encode_to_vec()].concat();
        let kind = |method: &str| {
            let call = Call::parse(&format!("/google.storage.v2.Storage/{method}"), &framed);
            call.map(|call| call.classify().kind).map_err(|refused| refused.reason)
        };

        assert_eq!(kind("GetObject"), Ok(Kind::Head));
        assert_eq!(kind("BidiReadObject"), Ok(Kind::Other));
        assert_eq!(
            Call::parse("/x", b"").map(|call| call.is_write()).map_err(|refused| refused.reason),
            Err(Reason::Invalid)
        );
    }

    #[test]
    fn a_refused_call_is_told_in_the_header() {
        let refused = Refused::new(Reason::NotFound, "No such object: b/ü\n%");
        let refused = Answer::of_grpc(&refused).into_response().unwrap();

        assert_eq!(refused.headers()["grpc-status"], "5");
        assert_eq!(refused.headers()["grpc-message"], "No such object: b/%C3%BC%0A%25");
    }
}
