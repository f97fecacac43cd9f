//! The messages of `google.storage.v2` that are spoken here, with the fields that are looked at.
//!
//! The numbers are those of the published protocol.

use prost::Message;

/// The time since 1970.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct Timestamp {
    #[prost(int64, tag = "1")]
    pub(crate) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(crate) nanos: i32,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Checksums {
    #[prost(fixed32, optional, tag = "1")]
    pub(crate) crc32c: Option<u32>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) md5_hash: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct ObjectMessage {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) bucket: String,
    #[prost(int64, tag = "3")]
    pub(crate) generation: i64,
    #[prost(int64, tag = "4")]
    pub(crate) metageneration: i64,
    #[prost(string, tag = "5")]
    pub(crate) storage_class: String,
    #[prost(int64, tag = "6")]
    pub(crate) size: i64,
    #[prost(string, tag = "13")]
    pub(crate) content_type: String,
    #[prost(message, optional, tag = "14")]
    pub(crate) create_time: Option<Timestamp>,
    #[prost(message, optional, tag = "16")]
    pub(crate) checksums: Option<Checksums>,
    #[prost(message, optional, tag = "17")]
    pub(crate) update_time: Option<Timestamp>,
    #[prost(string, tag = "27")]
    pub(crate) etag: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct GetObjectRequest {
    #[prost(string, tag = "1")]
    pub(crate) bucket: String,
    #[prost(string, tag = "2")]
    pub(crate) object: String,
    #[prost(int64, tag = "3")]
    pub(crate) generation: i64,
    #[prost(int64, optional, tag = "4")]
    pub(crate) if_generation_match: Option<i64>,
    #[prost(int64, optional, tag = "5")]
    pub(crate) if_generation_not_match: Option<i64>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct DeleteObjectRequest {
    #[prost(string, tag = "1")]
    pub(crate) bucket: String,
    #[prost(string, tag = "2")]
    pub(crate) object: String,
    #[prost(int64, tag = "4")]
    pub(crate) generation: i64,
    #[prost(int64, optional, tag = "5")]
    pub(crate) if_generation_match: Option<i64>,
    #[prost(int64, optional, tag = "6")]
    pub(crate) if_generation_not_match: Option<i64>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct ListObjectsRequest {
    #[prost(string, tag = "1")]
    pub(crate) parent: String,
    #[prost(int32, tag = "2")]
    pub(crate) page_size: i32,
    #[prost(string, tag = "3")]
    pub(crate) page_token: String,
    #[prost(string, tag = "4")]
    pub(crate) delimiter: String,
    #[prost(string, tag = "6")]
    pub(crate) prefix: String,
    #[prost(string, tag = "10")]
    pub(crate) lexicographic_start: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct ListObjectsResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) objects: Vec<ObjectMessage>,
    #[prost(string, repeated, tag = "2")]
    pub(crate) prefixes: Vec<String>,
    #[prost(string, tag = "3")]
    pub(crate) next_page_token: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct RewriteObjectRequest {
    #[prost(string, tag = "24")]
    pub(crate) destination_name: String,
    #[prost(string, tag = "25")]
    pub(crate) destination_bucket: String,
    #[prost(string, tag = "2")]
    pub(crate) source_bucket: String,
    #[prost(string, tag = "3")]
    pub(crate) source_object: String,
    #[prost(string, tag = "5")]
    pub(crate) rewrite_token: String,
    #[prost(int64, optional, tag = "7")]
    pub(crate) if_generation_match: Option<i64>,
    #[prost(int64, optional, tag = "8")]
    pub(crate) if_generation_not_match: Option<i64>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct RewriteResponse {
    #[prost(int64, tag = "1")]
    pub(crate) total_bytes_rewritten: i64,
    #[prost(int64, tag = "2")]
    pub(crate) object_size: i64,
    #[prost(bool, tag = "3")]
    pub(crate) done: bool,
    #[prost(string, tag = "4")]
    pub(crate) rewrite_token: String,
    #[prost(message, optional, tag = "5")]
    pub(crate) resource: Option<ObjectMessage>,
}
