//! Coming and going: what is checked before mounting, how it is mounted, watched, given up and cleaned up after.

mod abort;
mod attach;
mod diagnosis;
mod error;
pub(crate) mod fusermount;
mod guardian;
mod in_flight;
mod notifier;
mod place;
mod preflight;
#[cfg(test)]
mod tests;

pub use diagnosis::{Device, Diagnosis, HALT_POLL_SETTING, diagnose};
pub use error::{MountError, ServeError};
pub use guardian::{guard, tell};
pub use notifier::Notifier;
pub use preflight::is_dead;

pub(crate) use abort::abort;
pub(crate) use attach::attach;
pub(crate) use in_flight::{InFlight, Token};
pub(crate) use place::{Place, within};
pub(crate) use preflight::prepare;
