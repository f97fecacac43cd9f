//! The `swamp` binary.
#![forbid(unsafe_code)]

fn main() {}
