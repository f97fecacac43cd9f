//! What a namespace holds remotely: one monolith (version 1) or shards (version 2), formats.md section 4.
//!
//! Reading tells what changed since the local [`Mirror`] was reconciled; a [`Commit`] needs proof that the
//! namespace's lock is held and is a compare-and-swap as well. The rest of the program sees [`ShardId`]s and entries,
//! not layouts.

mod commit;
mod entry;
mod error;
mod migrate;
mod mirror;
mod partition;
mod remote;
mod repair;
pub(crate) mod replace;

pub use commit::{Change, Commit, Founding};
pub use entry::{Body, Entries, Entry, INDEX_BYTES_MAX, InvalidBody, Meta, RefusedEntry};
pub use error::IndexError;
pub use migrate::Migrated;
pub use mirror::{Head, Known, Layout, Mirror, Record, ShardId, Stamp, Verified};
pub use partition::PartitionKey;
pub use remote::{Index, Probe, Refreshed, Seen};
pub use repair::Repaired;
