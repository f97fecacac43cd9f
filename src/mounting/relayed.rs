//! A failure that crossed a thread or a socket: its words without its types.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Failure, Kind};

/// A failure in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relayed {
    /// What failed.
    pub message: String,
    /// What can be done about it, by name.
    kind: KindName,
    /// Why, the nearest cause first.
    pub caused_by: Option<Box<Cause>>,
    /// What a person can do.
    pub hint: Option<String>,
}

/// Why something failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    message: String,
    caused_by: Option<Box<Self>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindName {
    Invalid,
    NotFound,
    Conflict,
    Unavailable,
    Denied,
    Corrupt,
}

impl Relayed {
    /// Returns the words of a failure.
    pub fn of(error: &dyn Failure) -> Self {
        fn causes(error: Option<&dyn std::error::Error>) -> Option<Box<Cause>> {
            let error = error?;
            Some(Box::new(Cause { message: error.to_string(), caused_by: causes(error.source()) }))
        }
        let caused_by = causes(std::error::Error::source(error));
        Self { message: error.to_string(), kind: error.kind().into(), caused_by, hint: error.hint() }
    }

    /// Returns a failure that began here.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { message: message.into(), kind: kind.into(), caused_by: None, hint: None }
    }

    /// Returns message and causes in one line.
    pub fn to_line(&self) -> String {
        let mut line = self.message.clone();
        let mut cause = self.caused_by.as_deref();
        while let Some(Cause { message, caused_by }) = cause {
            line = format!("{line}: {message}");
            cause = caused_by.as_deref();
        }
        line
    }
}

impl From<Kind> for KindName {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Invalid => Self::Invalid,
            Kind::NotFound => Self::NotFound,
            Kind::Conflict => Self::Conflict,
            Kind::Unavailable => Self::Unavailable,
            Kind::Denied => Self::Denied,
            Kind::Corrupt => Self::Corrupt,
        }
    }
}

impl fmt::Display for Relayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

fn source(cause: Option<&Cause>) -> Option<&(dyn std::error::Error + 'static)> {
    cause.map(|cause| -> &(dyn std::error::Error + 'static) { cause })
}

impl std::error::Error for Relayed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        source(self.caused_by.as_deref())
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        source(self.caused_by.as_deref())
    }
}

impl Failure for Relayed {
    fn kind(&self) -> Kind {
        match self.kind {
            KindName::Invalid => Kind::Invalid,
            KindName::NotFound => Kind::NotFound,
            KindName::Conflict => Kind::Conflict,
            KindName::Unavailable => Kind::Unavailable,
            KindName::Denied => Kind::Denied,
            KindName::Corrupt => Kind::Corrupt,
        }
    }

    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fsutil::FileError;
    use std::path::Path;

    #[test]
    fn a_failure_keeps_its_words_kind_and_causes_on_the_way() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let error = FileError::at("write", Path::new("/x"))(full);

        let sent = serde_json::to_string(&Relayed::of(&error)).expect("JSON");
        let relayed: Relayed = serde_json::from_str(&sent).expect("the same");

        assert_eq!(relayed.to_string(), error.to_string());
        assert_eq!((relayed.kind(), relayed.hint()), (error.kind(), error.hint()));
        assert_eq!(relayed.to_line(), "cannot write `/x`: no storage space");
    }
}
