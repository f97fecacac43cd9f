//! What follows from a change in a mount, with a real engine and a bucket in memory; only the kernel is missing.

mod keeping;
mod readme;
mod rig;
mod talking;
