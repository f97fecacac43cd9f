//! The acceptance stories, each through the built binary; those of a datastore on a directory, on S3 and on GCS.

mod completion;
mod conflict;
mod crash;
mod errors;
mod expressions;
mod foreign;
mod full_disk;
mod golden;
mod interleave;
mod json_keys;
mod killed_push;
mod mount;
mod mount_kill;
mod mount_lifecycle;
mod mount_requests;
mod mount_soak;
mod mount_writes;
mod namespaces;
mod network;
mod paused_holder;
mod provenance;
mod query;
mod refused;
mod removal;
mod requests;
mod solo;
