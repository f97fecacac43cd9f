//! Everything between a mount and the sync engine.
//!
//! The [`Recorder`] hears of every change before it happens and keeps its directory dirty as long as it goes on. The
//! keeper is one thread that follows: rows of the catalog within a moment, pushes some seconds later, other namespaces
//! every minute. Commands of the same repository talk to it through a socket, because one process at a time may serve
//! a cache; its [`Claim`] says which one does.
#![expect(clippy::future_not_send, reason = "each future here stays on the thread that was started for it")]

mod claim;
pub mod control;
mod exchange;
mod inbox;
mod keeper;
mod recorder;
mod relayed;
mod reports;
mod schedule;
mod shown;
mod socket;
mod summary;
mod watch;

pub use claim::{Claim, ClaimError, Server};
pub use exchange::{Catalogs, Exchange, RepoExchange};
pub use keeper::{Keeper, KeeperParts, Leave, Links, Surroundings};
pub use recorder::{Admission, Recorder, Special};
pub use relayed::Relayed;
pub use reports::{AskMount, MountFacts, MountReports};
pub use schedule::{Ended, PUSH_DELAY, PUSH_DELAY_MAX, Pushes, REFRESH, Schedule, Span, Timing};
pub use shown::{Doing, LastError, Phase, Shown, Totals};
pub use socket::{listen, socket_path};
pub use summary::{CatalogOutcome, Flushed, OUTDONE, Pulled, Pushed, Renumbered};
