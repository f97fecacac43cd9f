//! Servers that tests, the demo and the benchmarks talk to.
//!
//! [`s3::S3Server`] is an S3 in memory: conditional writes are atomic, checksums and signatures are verified, and
//! answers are those AWS gives. [`gcs::GcsServer`] is the same of Google Cloud Storage. Each does on demand what a real
//! store does at the worst moment ([`faults`]) and remembers what it was asked ([`counters`]); [`controls`] lead there.
//! [`proxy::Proxy`] adds a round-trip time to any address. Every server has threads of its own, so that tests without a
//! runtime can use it, and is gone when its value is dropped.
//!
//! ```
//! use swamp_testbed::counters::Kind;
//! use swamp_testbed::faults::{Fault, Rule};
//! use swamp_testbed::s3::S3Server;
//!
//! let server = S3Server::start();
//! server.put("infra/.lock", b"held");
//! server.faults(Rule::new(Fault::SlowDown).kind(Kind::Put).key("_index/").first(2));
//!
//! assert_eq!(server.keys("infra/"), ["infra/.lock"]);
//! ```

pub mod admin;
pub mod controls;
pub mod counters;
pub mod faults;
mod gate;
pub mod gcs;
mod listening;
mod listing;
pub mod proxy;
mod query;
pub mod s3;
mod wire;
