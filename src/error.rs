//! The few kinds of failure a caller can act on.
//!
//! Every module has an error enum of its own; all of them classify themselves into [`Kind`], and exit codes and
//! errnos are functions of the kind alone. A message says what failed, the source why, the hint what to do.

/// What a caller can do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request itself is wrong: bad input, bad configuration. Change it.
    Invalid,
    /// The named thing does not exist.
    NotFound,
    /// Somebody else holds or changed the thing. Decide, or try again.
    Conflict,
    /// The datastore or the machine does not answer now. Try again later.
    Unavailable,
    /// Credentials or permissions do not allow it.
    Denied,
    /// Stored bytes are not what they must be.
    Corrupt,
}

/// An error that knows what a caller can do about it.
pub trait Failure: std::error::Error + Send + Sync + 'static {
    /// Returns the kind, from which exit codes and errnos follow.
    fn kind(&self) -> Kind;

    /// Returns the word for scripts if it says more than the kind, `None` if it is the kind's.
    fn code(&self) -> Option<&'static str> {
        None
    }

    /// Returns what a person can do, as a clause without a full stop, or `None` where the message says it all.
    fn hint(&self) -> Option<String> {
        None
    }
}
