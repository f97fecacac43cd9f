//! The FUSE mechanism of swamp: trees, backing directories and the kernel protocol. It knows no datastores.
