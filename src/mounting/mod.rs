//! Everything between a mount and the sync engine.
//!
//! The [`Recorder`] hears of every change before it happens and keeps its directory dirty as long as it goes on. The
//! keeper is one thread that follows: rows of the catalog within a moment, pushes some seconds later, other namespaces
//! every minute. Commands of the same repository talk to it through a socket, because one process at a time may serve
//! a cache; its [`claim`] says which one does.

mod attributes;
mod failures;
mod inbox;
mod recorder;
mod rows;
mod schedule;
mod watch;

pub use failures::{Failure, Failures};
pub use recorder::{Admission, Recorder};
pub use schedule::{Ended, PUSH_DELAY, PUSH_DELAY_MAX, Pushes, REFRESH, Schedule, Span, Timing};
