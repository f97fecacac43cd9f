//! What the mount promises, shown on real mounts. It takes root and `/dev/fuse`; without them the tests fail.

mod smoke;
