//! Why a store is unavailable: what tells a user where to look.

use std::error::Error;
use std::fmt;
use std::io;

use super::{BucketError, Source};

/// What kind of unavailable a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// No connection to it can be made or kept.
    Unreachable,
    /// It does not answer in time.
    TimedOut,
    /// It answers, and cannot do what it is asked.
    Failing,
}

/// A cause that says which outage it is, and where, or otherwise shows itself.
#[derive(Debug)]
struct Explained {
    outage: Outage,
    address: Option<String>,
    cause: Source,
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.address, self.outage) {
            (Some(address), Outage::Unreachable) => write!(f, "{address} cannot be reached"),
            (Some(address), Outage::TimedOut) => write!(f, "{address} does not answer in time"),
            (Some(address), Outage::Failing) => write!(f, "{address} fails"),
            (None, _) => self.cause.fmt(f),
        }
    }
}

impl Error for Explained {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self.address {
            Some(_) => Some(&*self.cause),
            None => self.cause.source(),
        }
    }
}

impl Outage {
    /// Returns `cause` as the cause of this outage.
    pub(super) fn caused_by(self, cause: Source) -> Source {
        Box::new(Explained { outage: self, address: None, cause })
    }

    /// Returns `cause` as the cause of this outage of the store at `address`.
    pub(super) fn at(self, address: impl Into<String>, cause: Source) -> Source {
        Box::new(Explained { outage: self, address: Some(address.into()), cause })
    }

    fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(explained) = error.downcast_ref::<Explained>() {
            return Some(explained.outage);
        }
        let is_late = |error: &io::Error| error.kind() == io::ErrorKind::TimedOut;
        let timed_out = error.is::<tokio::time::error::Elapsed>() || error.downcast_ref().is_some_and(is_late);
        timed_out.then_some(Self::TimedOut)
    }
}

impl BucketError {
    /// Returns which outage it is, `None` for every failure that is an answer.
    pub fn outage(&self) -> Option<Outage> {
        let Self::Unavailable { source, .. } = self else { return None };
        let mut cause: Option<&(dyn Error + 'static)> = Some(&**source);
        while let Some(error) = cause {
            if let Some(outage) = Outage::of(error) {
                return Some(outage);
            }
            cause = error.source();
        }
        Some(Outage::Failing)
    }
}
