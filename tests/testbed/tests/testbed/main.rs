//! The test servers seen by the client the product uses.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests fail like tests; `tokio::test` blocks"
)]

mod conditions;
mod faults;
mod gcs;
mod listing;
mod objects;
mod program;
mod proxy;
mod support;
mod uploads;
