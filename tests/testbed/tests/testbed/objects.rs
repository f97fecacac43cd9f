//! Single objects: bytes, ranges, properties, checksums, credentials.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, Delete, ObjectIdentifier};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use swamp_testbed::counters::{Counters, Kind, Request};
use swamp_testbed::s3::S3Server;

use crate::support::{body, code, get, put, settings, start, status};

#[tokio::test]
async fn objects_come_back_with_their_properties() {
    let (_server, client) = start();
    let request = client.put_object().bucket("testbed").key("a").content_type("text/x").metadata("owner", "infra");

    let written = request.body(body("hello")).send().await.unwrap();
    let read = client.head_object().bucket("testbed").key("a").send().await.unwrap();

    assert_eq!(written.e_tag.as_deref(), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    assert_eq!(read.e_tag, written.e_tag);
    assert_eq!(read.content_length, Some(5));
    assert_eq!(read.content_type.as_deref(), Some("text/x"));
    assert_eq!(read.metadata.unwrap()["owner"], "infra");
    assert_eq!(get(&client, "a").await, "hello");
}

async fn range(client: &Client, range: &str) -> (String, Option<String>) {
    let answer = client.get_object().bucket("testbed").key("a").range(range).send().await.unwrap();
    let content_range = answer.content_range.clone();
    (String::from_utf8(answer.body.collect().await.unwrap().to_vec()).unwrap(), content_range)
}

#[tokio::test]
async fn ranges_select_bytes() {
    let (server, client) = start();
    server.put("a", "0123456789");

    assert_eq!(range(&client, "bytes=2-4").await, ("234".into(), Some("bytes 2-4/10".into())));
    assert_eq!(range(&client, "bytes=7-").await, ("789".into(), Some("bytes 7-9/10".into())));
    assert_eq!(range(&client, "bytes=-3").await, ("789".into(), Some("bytes 7-9/10".into())));
    assert_eq!(range(&client, "bytes=8-99").await, ("89".into(), Some("bytes 8-9/10".into())));
    let beyond = client.get_object().bucket("testbed").key("a").range("bytes=10-").send().await;
    assert_eq!((code(&beyond).as_deref(), status(&beyond)), (Some("InvalidRange"), Some(416)));
}

#[tokio::test]
async fn conditional_reads_answer_304_and_412() {
    let (server, client) = start();
    let etag = put(&client, "a", "one").await;

    let same = client.get_object().bucket("testbed").key("a").if_none_match(&etag).send().await;
    let other = client.get_object().bucket("testbed").key("a").if_match("\"other\"").send().await;
    let same_head = client.head_object().bucket("testbed").key("a").if_none_match(&etag).send().await;
    server.put("a", "two");
    let changed = client.get_object().bucket("testbed").key("a").if_none_match(&etag).send().await;

    assert_eq!(status(&same), Some(304));
    assert_eq!(status(&other), Some(412));
    assert_eq!(status(&same_head), Some(304));
    assert_eq!(changed.unwrap().content_length, Some(3));
}

#[tokio::test]
async fn absent_things_are_named() {
    let (_server, client) = start();

    let key = client.get_object().bucket("testbed").key("a").send().await;
    let head = client.head_object().bucket("testbed").key("a").send().await;
    let bucket = client.get_object().bucket("other").key("a").send().await;

    assert_eq!((code(&key).as_deref(), status(&key)), (Some("NoSuchKey"), Some(404)));
    assert_eq!(status(&head), Some(404));
    assert_eq!((code(&bucket).as_deref(), status(&bucket)), (Some("NoSuchBucket"), Some(404)));
    client.head_bucket().bucket("testbed").send().await.unwrap();
    assert_eq!(status(&client.head_bucket().bucket("other").send().await), Some(404));
}

#[tokio::test]
async fn any_key_survives_writing_listing_copying_and_deleting() {
    let (server, client) = start();
    let long = "k".repeat(1024);
    let keys = ["a b+c", "a#b?c%20d", "dir/", "dir//x", "ü/日本語", "a&b<c>\"'", "new\nline", "@acme/x/..", &long];

    for key in keys {
        put(&client, key, key).await;
        let source = percent_encode(key.as_bytes(), NON_ALPHANUMERIC);
        let copy = client.copy_object().bucket("testbed").key("copy").copy_source(format!("testbed/{source}"));
        copy.send().await.unwrap();
        let listed = client.list_objects_v2().bucket("testbed").prefix(key).send().await.unwrap();

        assert_eq!(server.get("copy").unwrap(), key.as_bytes());
        assert_eq!(listed.contents()[0].key(), Some(key));
        assert_eq!(get(&client, key).await, key);
        client.delete_object().bucket("testbed").key(key).send().await.unwrap();
    }

    assert_eq!(server.keys(""), ["copy"]);
    let too_long = client.put_object().bucket("testbed").key("k".repeat(1025)).body(body("")).send().await;
    assert_eq!(code(&too_long).as_deref(), Some("KeyTooLongError"));
}

/// Writes an object with a checksum, reads it (the client verifies) and returns what the server says of the checksum.
async fn kept_checksum(client: &Client, algorithm: ChecksumAlgorithm) -> HeadObjectOutput {
    let key = algorithm.as_str().to_owned();
    let request = client.put_object().bucket("testbed").key(&key).body(body("hello"));
    request.checksum_algorithm(algorithm).send().await.unwrap();
    assert_eq!(get(client, &key).await, "hello");
    client.head_object().bucket("testbed").key(key).checksum_mode(ChecksumMode::Enabled).send().await.unwrap()
}

#[tokio::test]
async fn several_objects_are_deleted_at_once() {
    let (server, client) = start();
    for key in ["a", "b", "c"] {
        server.put(key, "x");
    }
    let named = |key: &str, etag: Option<&str>| {
        ObjectIdentifier::builder().key(key).set_e_tag(etag.map(str::to_owned)).build().unwrap()
    };
    let objects = [named("a", None), named("b", Some("\"other\"")), named("absent", None)];

    let delete = Delete::builder().set_objects(Some(objects.to_vec())).build().unwrap();
    let answer = client.delete_objects().bucket("testbed").delete(delete).send().await.unwrap();

    assert_eq!(answer.errors().iter().map(|error| error.code().unwrap()).collect::<Vec<_>>(), ["PreconditionFailed"]);
    assert_eq!(server.keys(""), ["b", "c"]);
}

#[tokio::test]
async fn checksums_of_every_algorithm_are_kept() {
    let (_server, client) = start();

    let crc32 = kept_checksum(&client, ChecksumAlgorithm::Crc32).await.checksum_crc32;
    let crc32c = kept_checksum(&client, ChecksumAlgorithm::Crc32C).await.checksum_crc32_c;
    let crc64 = kept_checksum(&client, ChecksumAlgorithm::Crc64Nvme).await.checksum_crc64_nvme;
    let sha1 = kept_checksum(&client, ChecksumAlgorithm::Sha1).await.checksum_sha1;
    let sha256 = kept_checksum(&client, ChecksumAlgorithm::Sha256).await.checksum_sha256;

    assert_eq!(crc32.as_deref(), Some("NhCmhg=="));
    assert_eq!(crc32c.as_deref(), Some("mnG7TA=="));
    assert_eq!(crc64.as_deref(), Some("M3eFcAZSQlc="));
    assert_eq!(sha1.as_deref(), Some("qvTGHdzF6KLavt4PO0gs2a6pQ00="));
    assert_eq!(sha256.as_deref(), Some("LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="));
}

#[tokio::test]
async fn wrong_checksums_are_refused() {
    let (server, client) = start();

    let put = || client.put_object().bucket("testbed").key("a").body(body("hello"));
    let crc32 = put().checksum_crc32("AAAAAA==").send().await;
    let md5 = put().content_md5("AAAAAAAAAAAAAAAAAAAAAA==").send().await;
    put().content_md5("XUFAKrxLKna5cZ2REBfFkg==").send().await.unwrap();

    assert_eq!((code(&crc32).as_deref(), status(&crc32)), (Some("BadDigest"), Some(400)));
    assert_eq!((code(&md5).as_deref(), status(&md5)), (Some("BadDigest"), Some(400)));
    assert_eq!(server.counters().put, 3);
}

#[tokio::test]
async fn streamed_files_carry_their_checksum_in_a_trailer() {
    let (server, client) = start();
    let file = tempfile::NamedTempFile::new().unwrap();
    let content = vec![b'x'; 3_000_000];
    std::fs::write(file.path(), &content).unwrap();

    let stream = ByteStream::from_path(file.path()).await.unwrap();
    let written = client.put_object().bucket("testbed").key("a").body(stream).send().await.unwrap();
    let head = client.head_object().bucket("testbed").key("a").send().await.unwrap();

    assert_eq!(server.get("a").unwrap(), content);
    assert_eq!(written.checksum_crc32.map(|sum| sum.len()), Some(8));
    assert_eq!(head.content_encoding, None);
}

#[tokio::test]
async fn only_the_one_credential_gets_in() {
    let server = S3Server::start();
    let client_of = |name: &str, secret: &str| {
        let credentials = Credentials::new(name, secret, None, None, "swamp-testbed");
        Client::from_conf(settings(&server).credentials_provider(credentials).build())
    };

    let unknown = client_of("nobody", "secret").head_bucket().bucket("testbed").send().await;
    let wrong = client_of(server.access_key_id(), "secret").get_object().bucket("testbed").key("a").send().await;

    assert_eq!(status(&unknown), Some(403));
    assert_eq!(code(&wrong).as_deref(), Some("SignatureDoesNotMatch"));
}

#[tokio::test]
async fn requests_are_counted_and_logged() {
    let (server, client) = start();
    put(&client, "a b", "one").await;
    get(&client, "a b").await;
    client.list_objects_v2().bucket("testbed").prefix("a ").send().await.unwrap();

    let request = |kind, key: &str| Request { kind, key: key.to_owned() };
    let expected = [request(Kind::Put, "a b"), request(Kind::Get, "a b"), request(Kind::List, "a ")];
    assert_eq!(server.counters(), Counters { put: 1, get: 1, list: 1, ..Counters::default() });
    assert_eq!(server.requests(), expected);

    server.reset_counters();
    assert_eq!((server.counters().total(), server.requests()), (0, vec![]));
}

#[tokio::test]
async fn objects_can_be_made_to_look_old() {
    let (server, client) = start();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    server.put("a", "one");

    assert!(server.set_modified("a", long_ago));

    let head = client.head_object().bucket("testbed").key("a").send().await.unwrap();
    assert_eq!(head.last_modified.map(|time| time.secs()), Some(1_000_000_000));
}

#[test]
fn directories_become_keys() {
    let server = S3Server::start();
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join("infra/_index")).unwrap();
    std::fs::write(directory.path().join("infra/_index/_meta.json"), "{}").unwrap();
    std::fs::write(directory.path().join("top"), "x").unwrap();

    assert_eq!(server.load_directory(directory.path(), "swamp").unwrap(), 2);
    assert_eq!(server.keys(""), ["swamp/infra/_index/_meta.json", "swamp/top"]);
    assert!(server.delete("swamp/top"));
    assert!(!server.delete("swamp/top"));
}

#[tokio::test]
async fn a_dropped_server_is_gone() {
    let server = S3Server::start();
    let address = server.address();

    drop(server);

    let refused = TcpStream::connect(address).map(drop).map_err(|error| error.kind());
    assert_eq!(refused, Err(ErrorKind::ConnectionRefused));
}

#[tokio::test]
async fn ten_thousand_small_objects_are_written_in_seconds() {
    let (server, client) = start();

    for batch in 0..157 {
        let writers: tokio::task::JoinSet<_> = (0..64)
            .map(|writer| {
                let client = client.clone();
                async move { put(&client, &format!("data/{batch:03}/{writer:02}"), "small").await }
            })
            .collect();
        writers.join_all().await;
    }

    assert_eq!(server.counters().put, 157 * 64);
    assert_eq!(server.keys("data/").len(), 157 * 64);
}
