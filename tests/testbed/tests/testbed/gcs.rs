//! The GCS server: what of the JSON API the client of the product does not show.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;
use swamp_testbed::counters::Kind;
use swamp_testbed::faults::{Fault, Plan, Rule};
use swamp_testbed::gcs::GcsServer;

/// An answer.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.into_iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Sends one request and returns its answer.
fn exchange(server: &GcsServer, request: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let head = format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    let fields: String = headers.iter().map(|(name, value)| [name, ": ", value, "\r\n"].concat()).collect();
    write!(stream, "{head}{fields}\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Answer { status: head[9..12].parse().unwrap(), head: head.to_owned(), body: body.to_owned() }
}

const MULTIPART: &str = "POST /upload/storage/v1/b/testbed/o?uploadType=multipart&name=a%2Fb";

fn multipart(checksums: &str) -> String {
    let head = "--z\r\ncontent-type: application/json\r\n\r\n{\"contentType\": \"text/plain\"}\r\n";
    format!("{head}--z\r\n\r\nhello world\r\n--z\r\n\r\n{checksums}\r\n--z--\r\n")
}

fn insert(server: &GcsServer, checksums: &str, headers: &[(&str, &str)], query: &str) -> Answer {
    let headers = [&[("content-type", "multipart/related; boundary=z")], headers].concat();
    exchange(server, &format!("{MULTIPART}{query}"), &headers, &multipart(checksums))
}

#[test]
fn checksums_behind_the_content_are_verified() {
    let server = GcsServer::start();

    let wrong = insert(&server, r#"{"crc32c": "AAAAAA=="}"#, &[], "");
    let right = insert(&server, r#"{"crc32c": "yZRlqg==", "md5Hash": "XrY7u+Ae7tCTyyK7j1rNww=="}"#, &[], "");

    assert_eq!((wrong.status, right.status), (400, 200));
    assert_eq!((&right.json()["name"], &right.json()["crc32c"]), (&"a/b".into(), &"yZRlqg==".into()));
    assert_eq!(server.get("a/b").unwrap(), b"hello world");
    assert_eq!(server.counters().put, 2);
}

#[test]
fn content_is_read_with_its_properties() {
    let server = GcsServer::start();
    let written = insert(&server, "{}", &[], "").json();
    let generation = written["generation"].as_str().unwrap();
    let get = |query: &str, headers: &[(&str, &str)]| {
        exchange(&server, &format!("GET /storage/v1/b/testbed/o/a%2Fb?alt=media{query}"), headers, "")
    };

    let whole = get("", &[]);
    let part = get("", &[("range", "bytes=6-99")]);

    assert_eq!((whole.status, whole.body.as_str()), (200, "hello world"));
    assert_eq!(whole.header("x-goog-generation"), Some(generation));
    assert_eq!(whole.header("x-goog-hash"), Some("crc32c=yZRlqg==,md5=XrY7u+Ae7tCTyyK7j1rNww=="));
    assert_eq!((part.status, part.body.as_str()), (206, "world"));
    assert_eq!(part.header("content-range"), Some("bytes 6-10/11"));
    assert_eq!(part.header("x-goog-stored-content-length"), Some("11"));
    assert_eq!(get("", &[("range", "bytes=11-")]).status, 416);
    assert_eq!(get(&format!("&ifGenerationMatch={generation}"), &[]).status, 200);
    assert_eq!(get("&ifGenerationMatch=1", &[]).status, 412);
    assert_eq!(get(&format!("&ifGenerationNotMatch={generation}"), &[]).status, 304);
    assert_eq!(exchange(&server, "GET /storage/v1/b/other/o/a?alt=media", &[], "").status, 404);
}

#[test]
fn a_known_token_gets_the_same_answer() {
    let server = GcsServer::start();
    let token = [("x-goog-gcs-idempotency-token", "t-1")];

    let first = insert(&server, "{}", &token, "&ifGenerationMatch=0");
    let again = insert(&server, "{}", &token, "&ifGenerationMatch=0");
    let other = insert(&server, "{}", &[("x-goog-gcs-idempotency-token", "t-2")], "&ifGenerationMatch=0");

    assert_eq!((first.status, again.status, other.status), (200, 200, 412));
    assert_eq!(first.json(), again.json());
}

/// Begins an upload and returns the address it continues at.
fn begin(server: &GcsServer, query: &str) -> String {
    let begun =
        exchange(server, &format!("POST /upload/storage/v1/b/testbed/o?uploadType=resumable&name=a{query}"), &[], "");
    let location = begun.header("location").unwrap().to_owned();
    location.strip_prefix(&server.endpoint()).unwrap().to_owned()
}

fn send(server: &GcsServer, upload: &str, range: &str, body: &str) -> Answer {
    exchange(server, &format!("PUT {upload}"), &[("content-range", range)], body)
}

#[test]
fn an_upload_goes_on_where_it_was() {
    let server = GcsServer::start();
    let upload = begin(&server, "");
    let quantum = "x".repeat(256 * 1024);

    let nothing = send(&server, &upload, "bytes */*", "");
    let part = send(&server, &upload, "bytes 0-262153/*", &format!("{quantum}0123456789"));
    let asked = send(&server, &upload, "bytes */*", "");
    let last = send(&server, &upload, "bytes 262144-262153/262154", "0123456789");
    let after = send(&server, &upload, "bytes */*", "");

    assert_eq!((nothing.status, nothing.header("range")), (308, None));
    assert_eq!((part.status, part.header("range")), (308, Some("bytes=0-262143")));
    assert_eq!((asked.status, asked.header("range")), (308, Some("bytes=0-262143")));
    assert_eq!((last.status, after.status), (200, 200));
    assert_eq!(last.json(), after.json());
    assert_eq!(server.get("a").unwrap(), format!("{quantum}0123456789").as_bytes());
    let counters = server.counters();
    let kinds = (counters.create_multipart, counters.upload_part, counters.complete, counters.other);
    assert_eq!(kinds, (1, 1, 1, 3));
}

#[test]
fn the_condition_of_an_upload_is_decided_at_its_end() {
    let server = GcsServer::start();
    let upload = begin(&server, "&ifGenerationMatch=0");
    server.put("a", "theirs");

    let refused = send(&server, &upload, "bytes 0-3/4", "mine");

    assert_eq!((refused.status, server.get("a").unwrap()), (412, b"theirs".to_vec()));
    assert_eq!(refused.json()["error"]["errors"][0]["reason"], "conditionNotMet");
}

#[test]
fn an_upload_whose_checksum_is_wrong_becomes_nothing() {
    let server = GcsServer::start();
    let upload = begin(&server, "");
    let headers = [("content-range", "bytes 0-10/11"), ("x-goog-hash", "crc32c=AAAAAA==")];

    let refused = exchange(&server, &format!("PUT {upload}"), &headers, "hello world");

    assert_eq!((refused.status, server.get("a")), (400, None));
}

#[test]
fn an_interrupted_piece_is_kept_in_part() {
    let server = GcsServer::start();
    let upload = begin(&server, "");
    server.faults(Rule::new(Fault::Interrupted { bytes: 300_000 }).kind(Kind::Complete));

    let mut stream = TcpStream::connect(server.address()).unwrap();
    let body = "x".repeat(400_000);
    let head = format!("PUT {upload} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n", body.len());
    let sent = write!(stream, "{head}content-range: bytes 0-399999/400000\r\n\r\n{body}");
    let ended = sent.and_then(|()| stream.read_to_end(&mut Vec::new())).map_err(|error| error.kind());

    assert!(matches!(ended, Err(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)), "{ended:?}");
    assert_eq!(send(&server, &upload, "bytes */*", "").header("range"), Some("bytes=0-262143"));
}

#[test]
fn refusals_have_their_status_and_change_nothing() {
    let server = GcsServer::start();
    let refused = |plan: Plan| {
        server.faults(plan);
        insert(&server, "{}", &[], "").status
    };
    let faults = [
        Fault::SlowDown,
        Fault::InternalError,
        Fault::Denied,
        Fault::ExpiredToken,
        Fault::Conflict,
        Fault::Precondition,
    ];

    let statuses = faults.map(|fault| refused(Rule::new(fault).into()));
    let read_only = refused(Plan::read_only());

    assert_eq!(statuses, [429, 500, 403, 401, 409, 412]);
    assert_eq!((read_only, server.keys("")), (403, vec![]));
}
