//! The names that data is known by, checked once: types, model ids, data names, version numbers.
//!
//! Each type accepts what the existing swamp accepts (formats.md 2.2-2.4), less what no path can hold.

use std::fmt;
use std::str::FromStr;

use crate::error::{Failure, Kind};

/// The longest name of a file or directory on the file systems we know, in bytes.
pub const SEGMENT_BYTES_MAX: usize = 255;

/// The largest version number: what a JSON reader keeps exact.
pub const VERSION_MAX: u64 = (1 << 53) - 1;

/// A text that cannot be the name it was meant to be.
#[derive(Debug, thiserror::Error)]
#[error("`{}` is not a {what}: {reason}", shown(.text))]
pub struct InvalidName {
    what: &'static str,
    text: String,
    reason: &'static str,
}

impl InvalidName {
    pub(super) fn new(what: &'static str, text: &str, reason: &'static str) -> Self {
        Self { what, text: text.chars().take(121).collect(), reason }
    }
}

impl Failure for InvalidName {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

/// Returns at most 120 characters of a hostile text, escaped, so that it can stand in a message.
pub(super) fn shown(text: &str) -> String {
    let start: String = text.chars().take(120).flat_map(char::escape_debug).collect();
    if text.chars().nth(120).is_some() { format!("{start}…") } else { start }
}

fn check_segment(text: &str) -> Result<(), &'static str> {
    match text {
        "" => Err("it is empty"),
        "." | ".." => Err("it means another directory"),
        _ if text.contains(['/', '\0']) => Err("it contains `/` or NUL"),
        _ if text.len() > SEGMENT_BYTES_MAX => Err("it is longer than 255 bytes"),
        _ => Ok(()),
    }
}

macro_rules! text_type {
    ($name:ident) => {
        impl $name {
            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// A normalised model type: lower-case segments joined by `/`, such as `aws/ec2/vpc` or `@acme/probe`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelType(String);

text_type!(ModelType);

impl ModelType {
    /// Accepts only a type that is spelled as it is stored.
    pub fn from_normalized(text: &str) -> Result<Self, InvalidName> {
        let found: Self = text.parse()?;
        if found.0 == text {
            Ok(found)
        } else {
            Err(InvalidName::new("stored model type", text, "it is not normalised"))
        }
    }

    /// Returns the directories of the type.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> + Clone {
        self.0.split('/')
    }
}

impl FromStr for ModelType {
    type Err = InvalidName;

    /// Normalises as the existing swamp does: `AWS::EC2::VPC` is `aws/ec2/vpc`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = |reason| InvalidName::new("model type", text, reason);
        let lower = text.trim_matches(is_script_whitespace).to_lowercase().replace("::", "/");
        let normalized = lower
            .split(|c: char| c == '/' || c == '.' || is_script_whitespace(c))
            .filter(|segment| !segment.is_empty())
            .collect::<Vec<_>>()
            .join("/");
        if normalized.is_empty() {
            return Err(refused("it is empty"));
        }
        normalized.split('/').try_for_each(check_segment).map_err(refused)?;
        Ok(Self(normalized))
    }
}

/// White space as JavaScript counts it, since that is who normalises on the other side.
fn is_script_whitespace(character: char) -> bool {
    character == '\u{feff}' || (character.is_whitespace() && character != '\u{85}')
}

/// The identity of a model: by convention the UUID of its definition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelId(String);

text_type!(ModelId);

impl FromStr for ModelId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        check_segment(text).map_err(|reason| InvalidName::new("model id", text, reason))?;
        Ok(Self(text.to_owned()))
    }
}

/// The name of one output of a model.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataName(String);

text_type!(DataName);

impl FromStr for DataName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = |reason| InvalidName::new("data name", text, reason);
        check_segment(text).map_err(refused)?;
        if text.contains('\\') || text.contains("..") {
            return Err(refused("it contains `\\` or `..`"));
        }
        if text.eq_ignore_ascii_case("latest") {
            return Err(refused("`latest` is reserved"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The number of a version: 1 or more, written in decimal without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionNumber(u64);

impl VersionNumber {
    /// The first version.
    pub const FIRST: Self = Self(1);

    /// The last one there can be.
    pub const MAX: Self = Self(VERSION_MAX);

    /// Returns the number.
    pub fn get(self) -> u64 {
        self.0
    }

    /// Returns the number after this one, `None` after the last.
    pub fn next(self) -> Option<Self> {
        Self::try_from(self.0 + 1).ok()
    }
}

impl TryFrom<u64> for VersionNumber {
    type Error = InvalidName;

    fn try_from(number: u64) -> Result<Self, Self::Error> {
        let refused = |reason| InvalidName::new("version", &number.to_string(), reason);
        match number {
            0 => Err(refused("versions begin at 1")),
            1..=VERSION_MAX => Ok(Self(number)),
            _ => Err(refused("it is too large")),
        }
    }
}

impl FromStr for VersionNumber {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = |reason| InvalidName::new("version", text, reason);
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) || text.starts_with('0') {
            return Err(refused("use a decimal number from 1, without padding"));
        }
        Self::try_from(text.parse::<u64>().ok().ok_or_else(|| refused("it is too large"))?)
    }
}

impl fmt::Display for VersionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_normalised_as_documented() {
        for (text, normalized) in [
            ("AWS::EC2::VPC", "aws/ec2/vpc"),
            ("Microsoft.Resources/resourceGroup", "microsoft/resources/resourcegroup"),
            ("docker run", "docker/run"),
            (" docker \t\u{a0} run ", "docker/run"),
            ("@acme/probe", "@acme/probe"),
            ("//a::::b../c/", "a/b/c"),
            ("a:b-c_d", "a:b-c_d"),
        ] {
            assert_eq!(text.parse::<ModelType>().expect("a type").as_str(), normalized);
        }
        for text in ["", " ", "::", "...", "/", "a\0b", &"x".repeat(256)] {
            assert!(text.parse::<ModelType>().is_err(), "{text:?} was accepted");
        }
        assert_eq!(ModelType::from_normalized("aws/Ec2").ok(), None);
    }

    #[test]
    fn odd_data_names_are_names() {
        for text in ["a", "7", "a b", "colon:at@hash#q?", "quote'dbl\"", "plus+percent%20", ".hidden", "-x", "raw", "é"]
        {
            assert_eq!(text.parse::<DataName>().expect("a name").as_str(), text);
        }
    }

    #[test]
    fn reserved_and_unusable_data_names_are_refused() {
        for text in ["", ".", "..", "v1..2", "a/b", "a\\b", "a\0b", "latest", "LATEST", "Latest", &"x".repeat(256)] {
            assert!(text.parse::<DataName>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn versions_are_strict() {
        assert_eq!("12".parse::<VersionNumber>().expect("a version").get(), 12);
        for text in
            ["", "0", "01", "12abc", "+1", "-1", "1.0", " 1", "1 ", "９", "9007199254740992", "99999999999999999999"]
        {
            assert!(text.parse::<VersionNumber>().is_err(), "{text:?} was accepted");
        }
    }
}
