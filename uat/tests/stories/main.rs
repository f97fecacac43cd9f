//! The acceptance stories, each through the built binary; those of a datastore on a directory, on S3 and on GCS.

mod completion;
mod conflict;
mod crash;
mod errors;
mod expressions;
mod foreign;
mod golden;
mod interleave;
mod json_keys;
mod mount;
mod mount_kill;
mod mount_lifecycle;
mod mount_requests;
mod mount_soak;
mod mount_writes;
mod namespaces;
mod provenance;
mod query;
mod removal;
mod requests;
mod solo;
