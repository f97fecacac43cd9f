//! `swamp`: many repositories, one datastore, each under its own namespace.
#![forbid(unsafe_code)]

pub mod bucket;
pub mod clock;
pub mod error;
pub mod fsutil;
pub mod index;
pub mod lock;
pub mod namespace;
pub mod path;
