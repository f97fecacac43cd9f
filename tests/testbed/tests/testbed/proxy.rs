//! The proxy delays, and does not narrow.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use aws_sdk_s3::Client;
use swamp_testbed::proxy::Proxy;
use tokio::time::Instant;

use crate::support::{get, put, settings, start};

const RTT: Duration = Duration::from_millis(60);

#[tokio::test]
async fn an_exchange_takes_the_round_trip_time() {
    let (server, _) = start();
    let proxy = Proxy::start(server.address(), RTT).unwrap();
    let client = Client::from_conf(settings(&server).endpoint_url(proxy.endpoint()).build());
    put(&client, "a", "hello").await;

    let begun = Instant::now();
    let text = get(&client, "a").await;
    let taken = begun.elapsed();

    assert_eq!(text, "hello");
    assert!(taken >= RTT, "{taken:?}");
}

/// Serves one connection: reads everything, then answers with its length.
fn serve_length() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        stream.write_all(received.len().to_string().as_bytes()).unwrap();
    });
    address
}

#[test]
fn bytes_on_their_way_do_not_wait_for_each_other() {
    let proxy = Proxy::start(serve_length(), RTT).unwrap();
    let content = vec![0; 16 * 1024 * 1024];

    let begun = Instant::now();
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    stream.write_all(&content).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let taken = begun.elapsed();

    assert_eq!(answer, content.len().to_string());
    // One chunk of 64 KiB per 30 ms would take 7.7 s.
    assert!(taken >= RTT && taken < Duration::from_secs(5), "{taken:?}");
}
