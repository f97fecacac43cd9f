//! A proxy that is far away: every byte arrives half a round-trip time later, in both directions.
//!
//! Bytes on their way do not wait for each other (a delay line), so bandwidth stays what it was. Connecting costs
//! nothing extra; the first byte already travels.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::listening::Listening;

/// Bytes read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Chunks on their way per direction of a connection; enough that a long line does not become a narrow one.
const IN_FLIGHT_CHUNKS_MAX: usize = 4096;

/// A running proxy; it ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    listening: Listening,
}

impl Proxy {
    /// Starts a proxy on a free port of the loopback interface.
    pub fn start(target: SocketAddr, rtt: Duration) -> io::Result<Self> {
        Self::open(0, target, rtt)
    }

    /// Starts a proxy on this port (0: any free one).
    pub fn open(port: u16, target: SocketAddr, rtt: Duration) -> io::Result<Self> {
        let one_way = rtt / 2;
        let listening = Listening::open(port, move |client| async move {
            // An unreachable target looks as it would without us: the connection ends.
            if let Ok(server) = TcpStream::connect(target).await
                && server.set_nodelay(true).is_ok()
            {
                join(client, server, one_way).await;
            }
        })?;
        Ok(Self { listening })
    }

    /// Returns the address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.listening.address()
    }

    /// Returns the address it listens on as an HTTP endpoint.
    pub fn endpoint(&self) -> String {
        self.listening.endpoint()
    }
}

async fn join(client: TcpStream, server: TcpStream, one_way: Duration) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(carry(from_client, to_server, one_way), carry(from_server, to_client, one_way));
}

/// Moves one direction until its source ends or its target is gone.
async fn carry(source: impl AsyncRead + Unpin, target: impl AsyncWrite + Unpin, one_way: Duration) {
    let (line, arriving) = mpsc::channel(IN_FLIGHT_CHUNKS_MAX);
    tokio::join!(depart(source, line, one_way), arrive(arriving, target));
}

async fn depart(mut source: impl AsyncRead + Unpin, line: mpsc::Sender<(Instant, Bytes)>, one_way: Duration) {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(CHUNK_BYTES);
        let read = source.read_buf(&mut buffer).await;
        // The end travels too, as an empty chunk; a reset is passed on as an end.
        let chunk = if read.is_ok() { buffer.split().freeze() } else { Bytes::new() };
        let is_end = chunk.is_empty();
        if line.send((Instant::now() + one_way, chunk)).await.is_err() || is_end {
            return;
        }
    }
}

async fn arrive(mut arriving: mpsc::Receiver<(Instant, Bytes)>, mut target: impl AsyncWrite + Unpin) {
    while let Some((due, chunk)) = arriving.recv().await {
        tokio::time::sleep_until(due).await;
        let moved = if chunk.is_empty() { target.shutdown().await } else { target.write_all(&chunk).await };
        if moved.is_err() {
            return;
        }
    }
}
