//! How commands of a repository talk to the process that serves its cache: JSON lines over a socket of this machine.
//!
//! One line asks, one line answers. Both carry the version of the protocol; another version is refused, because the two
//! ends may be different builds of this program. Nothing waits without a deadline.

mod client;
mod server;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::relayed::Relayed;
use super::summary::{CatalogOutcome, Flushed, Pulled, Pushed};
use crate::namespace::Namespace;

pub use client::{ControlError, ask};
pub(super) use server::serve;

/// The version of the protocol.
const PROTOCOL: u32 = 1;

/// The longest line, in bytes.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// How long the other end may take to send a line it has begun, or to take one.
const LINE_WAIT: Duration = Duration::from_secs(5);

/// What a command asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Push what is dirty, now.
    Push,
    /// Bring the cache up to date.
    Pull {
        /// Whether contents are left for later.
        metadata_only: bool,
    },
    /// Fetch the catalogs of these namespaces, of all others if there are none.
    CatalogPull {
        /// Which.
        namespaces: Vec<Namespace>,
    },
    /// Look at what others published, without waiting for it.
    Refresh,
    /// Wait until everything is remote.
    Flush {
        /// How long, in milliseconds.
        timeout_ms: u64,
    },
    /// Flush, then unmount whatever came of it.
    Unmount {
        /// How long to flush, in milliseconds.
        timeout_ms: u64,
    },
    /// Tell how things are.
    Status,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// What the push did.
    Pushed(Pushed),
    /// What the pull did.
    Pulled(Pulled),
    /// What became of each catalog.
    Catalogs(Vec<CatalogOutcome>),
    /// It will be done.
    Noted,
    /// What is not remote yet.
    Flushed(Flushed),
    /// How things are: the document that is `status.json`.
    Status(serde_json::Value),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    protocol: u32,
    ask: Verb,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    protocol: u32,
    answer: Result<Answer, Relayed>,
}

fn line<T: Serialize>(message: &T) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_the_protocol_are_fixed() {
        let request = |ask| String::from_utf8(line(&Request { protocol: PROTOCOL, ask })).expect("text");

        assert_eq!(request(Verb::Push), "{\"protocol\":1,\"ask\":\"push\"}\n");
        assert_eq!(request(Verb::Flush { timeout_ms: 5 }), "{\"protocol\":1,\"ask\":{\"flush\":{\"timeout_ms\":5}}}\n");
        let reply = Reply { protocol: PROTOCOL, answer: Ok(Answer::Noted) };
        assert_eq!(line(&reply), b"{\"protocol\":1,\"answer\":{\"Ok\":\"noted\"}}\n");
    }
}
