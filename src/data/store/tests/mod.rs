//! The store against a temporary directory.

mod basics;
mod concurrency;
mod life;
