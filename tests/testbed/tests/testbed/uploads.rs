//! Multipart uploads.

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::upload_part::UploadPartOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use tokio::task::JoinSet;

use crate::support::{code, put, start};

const PART_BYTES: usize = 5 * 1024 * 1024;

async fn begin(client: &Client) -> String {
    client.create_multipart_upload().bucket("testbed").key("a").send().await.unwrap().upload_id.unwrap()
}

async fn send_part(client: &Client, upload: &str, number: i32, bytes: Vec<u8>) -> CompletedPart {
    let request = client.upload_part().bucket("testbed").key("a").upload_id(upload).part_number(number);
    let UploadPartOutput { e_tag, checksum_crc32, .. } = request.body(ByteStream::from(bytes)).send().await.unwrap();
    CompletedPart::builder().part_number(number).set_e_tag(e_tag).set_checksum_crc32(checksum_crc32).build()
}

fn chosen(parts: &[CompletedPart]) -> CompletedMultipartUpload {
    CompletedMultipartUpload::builder().set_parts(Some(parts.to_vec())).build()
}

#[tokio::test]
async fn parts_become_one_object() {
    let (server, client) = start();
    let upload = begin(&client).await;
    let first = send_part(&client, &upload, 1, vec![b'a'; PART_BYTES]).await;
    let second = send_part(&client, &upload, 2, vec![b'b'; 10]).await;

    let listed = client.list_parts().bucket("testbed").key("a").upload_id(&upload).send().await.unwrap();
    let uploads = client.list_multipart_uploads().bucket("testbed").send().await.unwrap();
    let request = client.complete_multipart_upload().bucket("testbed").key("a").upload_id(&upload);
    let completed = request.multipart_upload(chosen(&[first, second])).send().await.unwrap();

    assert_eq!(listed.parts().iter().map(|part| part.size().unwrap()).sum::<i64>(), 5_242_890);
    assert_eq!(uploads.uploads()[0].upload_id(), Some(upload.as_str()));
    assert!(completed.e_tag.unwrap().ends_with("-2\""));
    assert_eq!(server.get("a").unwrap().len(), PART_BYTES + 10);
    let read = client.get_object().bucket("testbed").key("a").send().await.unwrap();
    assert_eq!(read.body.collect().await.unwrap().to_vec(), server.get("a").unwrap());
    let counters = server.counters();
    assert_eq!((counters.create_multipart, counters.upload_part, counters.complete), (1, 2, 1));
}

#[tokio::test]
async fn parts_but_the_last_have_a_minimum_size() {
    let (_server, client) = start();
    let upload = begin(&client).await;
    let parts =
        [send_part(&client, &upload, 1, vec![b'a'; 10]).await, send_part(&client, &upload, 2, vec![b'b'; 10]).await];
    let complete = |parts: &[CompletedPart]| {
        let request = client.complete_multipart_upload().bucket("testbed").key("a").upload_id(&upload);
        request.multipart_upload(chosen(parts)).send()
    };

    let small = complete(&parts).await;
    let reversed = complete(&[parts[1].clone(), parts[0].clone()]).await;
    let unknown = complete(&[CompletedPart::builder().part_number(3).e_tag("\"other\"").build()]).await;

    assert_eq!(code(&small).as_deref(), Some("EntityTooSmall"));
    assert_eq!(code(&reversed).as_deref(), Some("InvalidPartOrder"));
    assert_eq!(code(&unknown).as_deref(), Some("InvalidPart"));
}

#[tokio::test]
async fn aborted_uploads_are_gone() {
    let (server, client) = start();
    let upload = begin(&client).await;
    let part = send_part(&client, &upload, 1, vec![b'a'; 10]).await;

    client.abort_multipart_upload().bucket("testbed").key("a").upload_id(&upload).send().await.unwrap();

    let request = client.complete_multipart_upload().bucket("testbed").key("a").upload_id(&upload);
    let completed = request.multipart_upload(chosen(&[part])).send().await;
    assert_eq!(code(&completed).as_deref(), Some("NoSuchUpload"));
    assert_eq!(server.keys(""), Vec::<String>::new());
}

async fn upload_if_absent(client: Client) -> bool {
    let upload = begin(&client).await;
    let part = send_part(&client, &upload, 1, upload.clone().into_bytes()).await;
    let request = client.complete_multipart_upload().bucket("testbed").key("a").upload_id(&upload).if_none_match("*");
    request.multipart_upload(chosen(&[part])).send().await.is_ok()
}

#[tokio::test]
async fn exactly_one_of_many_conditional_uploads_wins() {
    let (_server, client) = start();

    let racers: JoinSet<_> = (0..16).map(|_| upload_if_absent(client.clone())).collect();

    assert_eq!(racers.join_all().await.into_iter().filter(|won| *won).count(), 1);
}

#[tokio::test]
async fn uploads_replace_only_the_state_they_name() {
    let (_server, client) = start();
    let etag = put(&client, "a", "one").await;
    let upload = begin(&client).await;
    let part = send_part(&client, &upload, 1, b"two".to_vec()).await;
    let complete = |etag: &str| {
        let request = client.complete_multipart_upload().bucket("testbed").key("a").upload_id(&upload).if_match(etag);
        request.multipart_upload(chosen(std::slice::from_ref(&part))).send()
    };

    let stale = complete("\"other\"").await;
    let current = complete(&etag).await;

    assert_eq!(code(&stale).as_deref(), Some("PreconditionFailed"));
    assert!(current.unwrap().e_tag.unwrap().ends_with("-1\""));
}
