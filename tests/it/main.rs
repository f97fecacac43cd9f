//! Integration tests of the library, in one binary.
#![expect(clippy::disallowed_methods, reason = "`#[tokio::test]` blocks on its own runtime")]

mod bucket_contract;
mod bucket_directory;
mod bucket_gcs;
mod bucket_s3;
mod hostile;
mod mounting;
mod pushdown;
mod storms;
mod sync;
mod tree;
