//! The data tree of a namespace: where versions lie, what is known about them, how they come and go.
//!
//! [`layout`] maps names to paths and back, [`metadata`] reads and writes `metadata.yaml`, [`walk`] finds what is
//! there, [`store`] changes it, [`definition`] tells which model a name means. Every path is relative to the namespace
//! root. Nothing but the files of the contract ever appears in the tree (trap T16): all else is staged beside it.

pub mod definition;
pub mod layout;
pub mod metadata;
pub mod name;
pub mod period;
pub mod store;
pub mod walk;

#[cfg(test)]
mod testing;
