//! What the mount promises, shown on real mounts. It takes root and `/dev/fuse`; without them the tests fail.

#![expect(clippy::disallowed_methods, reason = "a mount is tried by everything programs do to files")]

mod differential;
mod disks;
mod inodes;
mod observed;
mod owners;
mod refusals;
mod smoke;
