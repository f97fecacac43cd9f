//! A loopback port with threads of its own.
//!
//! Dropping a [`Listening`] stops accepting, abandons every connection and returns when the port is closed.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Threads that serve the connections of one port.
const WORKERS: usize = 2;

/// How long accepting rests when the process has no file descriptor left.
const ACCEPT_REST: Duration = Duration::from_millis(10);

/// A served port; dropping it closes the port.
#[derive(Debug)]
pub(crate) struct Listening {
    address: SocketAddr,
    /// Never sent through: its end is the signal.
    running: Option<oneshot::Sender<Infallible>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Listening {
    /// Binds a port of the loopback interface (0: any free one) and serves each connection with `serve`.
    pub(crate) fn open<S, F>(port: u16, serve: S) -> io::Result<Self>
    where
        S: Fn(TcpStream) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
        let listener = {
            let _guard = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let (running, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name(format!("testbed-{}", address.port()))
            .spawn(move || drive(&runtime, accept(listener, serve), stopped))?;
        Ok(Self { address, running: Some(running), thread: Some(thread) })
    }

    /// Returns the bound address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the port as an HTTP endpoint.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.running = None;
        if let Some(thread) = self.thread.take() {
            // A panic in there was printed by the thread itself; there is nothing left to stop.
            drop(thread.join());
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this thread exists to own the runtime")]
fn drive(runtime: &Runtime, accepting: impl Future<Output = ()>, stopped: oneshot::Receiver<Infallible>) {
    runtime.block_on(async move {
        tokio::select! {
            () = accepting => {}
            _ended = stopped => {}
        }
    });
}

async fn accept<S, F>(listener: TcpListener, serve: S)
where
    S: Fn(TcpStream) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _peer)) => {
                    // Small answers must not wait for the acknowledgement of earlier ones.
                    if stream.set_nodelay(true).is_ok() {
                        connections.spawn(serve(stream));
                    }
                }
                Err(_) => tokio::time::sleep(ACCEPT_REST).await,
            },
            Some(_finished) = connections.join_next() => {}
        }
    }
}
