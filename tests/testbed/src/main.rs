//! The test servers as a program, for the demo and the benchmarks.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use serde_json::{Value, json};
use swamp_testbed::admin::Admin;
use swamp_testbed::controls::Controls;
use swamp_testbed::gcs::{self, GcsServer};
use swamp_testbed::proxy::Proxy;
use swamp_testbed::s3::{self, S3Server};
use tokio::signal::unix::{SignalKind, signal};

/// Servers to test object store clients against.
///
/// Each command prints one line of JSON when it is ready, then serves until SIGINT or SIGTERM. Everything is in memory
/// and on the loopback interface.
#[derive(Debug, Parser)]
#[command(name = "testbed", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve one S3 bucket from memory, with faults and counters.
    ///
    /// Prints endpoint, bucket, region, `access_key_id`, `secret_access_key` and admin. Clients must use path-style addresses.
    #[command(after_long_help = ADMINISTRATION)]
    S3(StoreArguments),
    /// Serve one GCS bucket from memory, with faults and counters.
    ///
    /// Prints endpoint, bucket and admin. The JSON API and gRPC are on one port, without credentials.
    #[command(after_long_help = ADMINISTRATION)]
    Gcs(StoreArguments),
    Proxy(ProxyArguments),
}

/// What the administration port understands.
const ADMINISTRATION: &str = "\
The admin endpoint controls the server:
  curl $ADMIN/counters                     requests so far, by kind
  curl $ADMIN/requests                     the same one by one: kind and key
  curl $ADMIN/keys?prefix=infra/           what is stored
  curl -X POST $ADMIN/reset                forget the requests so far
  curl -X POST $ADMIN/faults -d '[{\"on\": {\"kind\": \"put\", \"key\": \"_index/\"}, \"nth\": {\"first\": 2}, \"fault\": \"slow_down\"}]'
  curl -X POST $ADMIN/faults -d '{\"ignore_conditions\": true}'     or {\"read_only\": true}
  curl -X DELETE $ADMIN/faults             let nothing go wrong any more

A rule fires on the requests it names: `kind` is one of get, put, head, delete, list, copy, create_multipart, upload_part,
complete, other; `key` is a part of the key; `nth` is \"all\", {\"only\": N}, {\"first\": N}, {\"from\": N} or {\"every\": N}.
Faults: slow_down, internal_error, denied, expired_token, conflict, precondition, reset, {\"interrupted\": {\"bytes\": N}},
stall, apply_then_drop, truncated_body, stalled_body, {\"delay\": {\"ms\": N}}, and hold, which waits until the faults change.

Example:
  testbed s3 --rtt-ms 30 --load ./golden/bucket=swamp";

/// What to serve.
#[derive(Debug, Args)]
struct StoreArguments {
    /// Port to listen on; 0 takes any free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Name of the bucket
    #[arg(long, default_value = "testbed")]
    bucket: String,
    /// Round-trip time to simulate, in milliseconds; bandwidth stays as it is
    #[arg(long, value_name = "N")]
    rtt_ms: Option<u64>,
    /// Directory to load as objects, under a prefix if one is given
    #[arg(long, value_name = "DIR[=PREFIX]")]
    load: Vec<String>,
}

/// Put a round-trip time in front of an address; bandwidth stays as it is.
///
/// Prints endpoint. Every byte arrives half the round-trip time later, in both directions.
#[derive(Debug, Args)]
struct ProxyArguments {
    /// Address to forward to, like 127.0.0.1:9000
    #[arg(long, value_name = "ADDR")]
    target: SocketAddr,
    /// Round-trip time, in milliseconds
    #[arg(long, value_name = "N")]
    rtt_ms: u64,
    /// Port to listen on; 0 takes any free one
    #[arg(long, default_value_t = 0)]
    port: u16,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let served = match arguments.command {
        Command::S3(arguments) => serve_s3(&arguments),
        Command::Gcs(arguments) => serve_gcs(&arguments),
        Command::Proxy(arguments) => serve_proxy(&arguments),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

fn serve_s3(arguments: &StoreArguments) -> io::Result<()> {
    let bucket = arguments.bucket.clone();
    let server = S3Server::open(s3::Options { port: arguments.own_port(), bucket, ..s3::Options::default() })?;
    let ready = json!({
        "bucket": server.bucket(),
        "region": server.region(),
        "access_key_id": server.access_key_id(),
        "secret_access_key": server.secret_access_key(),
    });
    serve_store(arguments, &server, server.address(), ready)
}

fn serve_gcs(arguments: &StoreArguments) -> io::Result<()> {
    let server = GcsServer::open(gcs::Options { port: arguments.own_port(), bucket: arguments.bucket.clone() })?;
    serve_store(arguments, &server, server.address(), json!({ "bucket": server.bucket() }))
}

impl StoreArguments {
    /// Returns the port of the server itself; a proxy before it takes the one that is asked for.
    fn own_port(&self) -> u16 {
        if self.rtt_ms.is_none() { self.port } else { 0 }
    }
}

fn serve_store(
    arguments: &StoreArguments,
    controls: &Controls,
    address: SocketAddr,
    mut ready: Value,
) -> io::Result<()> {
    for load in &arguments.load {
        let (directory, prefix) = load.split_once('=').unwrap_or((load, ""));
        controls
            .load_directory(directory, prefix)
            .map_err(|error| io::Error::new(error.kind(), format!("cannot load directory {directory}: {error}")))?;
    }
    let admin = Admin::start(controls)?;
    let proxy = match arguments.rtt_ms {
        Some(rtt_ms) => Some(Proxy::open(arguments.port, address, Duration::from_millis(rtt_ms))?),
        None => None,
    };
    ready["endpoint"] = json!(proxy.as_ref().map_or_else(|| format!("http://{address}"), Proxy::endpoint));
    ready["admin"] = json!(admin.endpoint());
    until_signalled(&ready)
}

fn serve_proxy(arguments: &ProxyArguments) -> io::Result<()> {
    let proxy = Proxy::open(arguments.port, arguments.target, Duration::from_millis(arguments.rtt_ms))?;
    until_signalled(&json!({ "endpoint": proxy.endpoint() }))
}

#[expect(clippy::disallowed_methods, reason = "signals are awaited here and nowhere else")]
fn until_signalled(ready: &Value) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve_until_signalled(ready))
}

async fn serve_until_signalled(ready: &Value) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    announce(ready);
    tokio::select! {
        _signal = terminate.recv() => {}
        _signal = interrupt.recv() => {}
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the line of JSON is this program's output")]
fn announce(ready: &Value) {
    println!("{ready}");
}

#[expect(clippy::print_stderr, reason = "there is nowhere else to say it")]
fn report(error: &io::Error) {
    eprintln!("error: {error}");
}
