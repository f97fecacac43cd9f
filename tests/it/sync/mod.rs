//! The sync engine with real parts: caches on disk, a bucket in memory, several machines.

mod apart;
mod catalogs;
mod changing;
mod commits;
mod counting;
mod cut_short;
mod former;
mod in_use;
mod late;
mod links;
mod lost;
mod reshaped;
mod scripted;
mod traps;
mod upstream;
pub(crate) mod world;
