//! A namespace: one repository's share of a datastore, named by a checked slug.
//!
//! Solo mode, a datastore used by one repository without namespaces, is `Option::<Namespace>::None`, never `""`.

use std::fmt;
use std::str::FromStr;

use crate::error::{Failure, Kind};
use crate::path::RelPath;

/// The longest slug, in bytes (formats.md 3.1).
pub const NAMESPACE_BYTES_MAX: usize = 64;

/// A checked slug: 1 to 64 of `a-z`, `0-9` and `-`, neither beginning nor ending with `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(String);

/// A text that is not a namespace slug.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a namespace: use 1 to 64 of `a-z`, `0-9` and `-`, not beginning or ending with `-`")]
pub struct InvalidNamespace(String);

impl Failure for InvalidNamespace {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

impl Namespace {
    /// Returns the slug.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the slug as the one-segment path that all keys of the namespace begin with.
    pub fn to_path(&self) -> RelPath {
        RelPath::from_trusted(self.0.clone())
    }
}

impl FromStr for Namespace {
    type Err = InvalidNamespace;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = text.as_bytes();
        let length_fits = (1..=NAMESPACE_BYTES_MAX).contains(&bytes.len());
        let alphabet_fits = bytes.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if length_fits && alphabet_fits && !text.starts_with('-') && !text.ends_with('-') {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidNamespace(text.chars().take(2 * NAMESPACE_BYTES_MAX).collect()))
        }
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for Namespace {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Namespace {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_of_the_contract_are_accepted() {
        for text in ["a", "0", "infra", "a-b", "a--b", &"x".repeat(64)] {
            assert_eq!(text.parse::<Namespace>().expect("a slug").as_str(), text);
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in ["", "-a", "a-", "A", "a/b", "..", "a b", "é", &"x".repeat(65)] {
            assert!(text.parse::<Namespace>().is_err(), "{text:?} was accepted");
        }
    }
}
