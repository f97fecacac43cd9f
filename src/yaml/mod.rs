//! YAML as text: a small tree whose scalars keep their spelling, because what a scalar *means* differs between readers.
//!
//! The existing swamp reads YAML 1.1, most libraries read 1.2, and a tag such as `0123456789` is a string to one and a
//! number to the other (formats.md 2.6). So nothing is resolved here: a [`Scalar`] is its text and whether it was
//! quoted, and the caller who knows the field decides. Hostile input is an error, never an abort: bytes, depth, nodes
//! and expanded aliases are bounded by [`Limits`].

mod emit;
mod parse;
mod quick;
mod quote;

use std::fmt::Display;

use indexmap::IndexMap;

use crate::error::{Failure, Kind};

pub use emit::emit;
pub use parse::parse;
pub use quote::needs_quotes;

/// Bounds on a document.
#[expect(clippy::struct_field_names, reason = "bounds end in `max` everywhere")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest document, in bytes; expanded aliases may double it.
    pub bytes_max: usize,
    /// Deepest nesting of sequences and mappings.
    pub depth_max: usize,
    /// Most scalars, sequences and mappings, aliases expanded.
    pub nodes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes_max: 1024 * 1024, depth_max: 64, nodes_max: 100_000 }
    }
}

/// A text that is no YAML document, or not one we read.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message is the documentation")]
pub enum YamlError {
    #[error("not YAML at line {line}, column {column}: {reason}")]
    Syntax { line: usize, column: usize, reason: String },
    #[error("line {line}: key `{key}` is repeated")]
    RepeatedKey { line: usize, key: String },
    #[error("line {line}: {feature} are not read")]
    Unsupported { line: usize, feature: &'static str },
    #[error("the document has more than {limit} {unit}")]
    TooLarge { limit: usize, unit: &'static str },
}

impl Failure for YamlError {
    fn kind(&self) -> Kind {
        Kind::Corrupt
    }
}

/// How a scalar was spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes: readers may take it for a number, a boolean, a time or null.
    Plain,
    /// In quotes, or as a block: certainly a string.
    Quoted,
}

/// A text and how it was spelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// The text, quotes and escapes removed, lines folded.
    pub text: String,
    /// How it was spelled.
    pub style: Style,
}

impl Scalar {
    /// Returns a string that is written in double quotes.
    pub fn quoted(text: impl Into<String>) -> Self {
        Self { text: text.into(), style: Style::Quoted }
    }

    /// Returns a string that is written plain where every reader takes it for a string, else in double quotes.
    pub fn string(text: impl Into<String>) -> Self {
        let text = text.into();
        let style = if needs_quotes(&text) { Style::Quoted } else { Style::Plain };
        Self { text, style }
    }

    /// Returns a number or boolean, written without quotes.
    pub fn bare(value: impl Display) -> Self {
        Self { text: value.to_string(), style: Style::Plain }
    }

    /// Whether it is an unquoted null.
    pub fn is_null(&self) -> bool {
        self.style == Style::Plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    /// Returns the value of an unquoted boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match (self.style, self.text.as_str()) {
            (Style::Plain, "true" | "True" | "TRUE") => Some(true),
            (Style::Plain, "false" | "False" | "FALSE") => Some(false),
            _ => None,
        }
    }
}

/// A YAML value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A text, number, boolean or null.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Self>),
    /// Keys and values in the order of the document.
    Mapping(Mapping),
}

impl Node {
    /// Returns the scalar, if it is one.
    pub fn as_scalar(&self) -> Option<&Scalar> {
        match self {
            Self::Scalar(scalar) => Some(scalar),
            Self::Sequence(_) | Self::Mapping(_) => None,
        }
    }

    /// Returns the text of a scalar, whatever it would resolve to.
    pub fn as_text(&self) -> Option<&str> {
        self.as_scalar().map(|scalar| scalar.text.as_str())
    }

    /// Returns the elements, if it is a sequence.
    pub fn as_sequence(&self) -> Option<&[Self]> {
        match self {
            Self::Sequence(elements) => Some(elements),
            Self::Scalar(_) | Self::Mapping(_) => None,
        }
    }

    /// Returns the mapping, if it is one.
    pub fn as_mapping(&self) -> Option<&Mapping> {
        match self {
            Self::Mapping(mapping) => Some(mapping),
            Self::Scalar(_) | Self::Sequence(_) => None,
        }
    }

    /// Returns the mapping to change it, if it is one.
    pub fn as_mapping_mut(&mut self) -> Option<&mut Mapping> {
        match self {
            Self::Mapping(mapping) => Some(mapping),
            Self::Scalar(_) | Self::Sequence(_) => None,
        }
    }

    /// Returns the value below `key`, if it is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_mapping()?.get(key)
    }

    /// Whether it is an unquoted null.
    pub fn is_null(&self) -> bool {
        self.as_scalar().is_some_and(Scalar::is_null)
    }
}

impl From<Scalar> for Node {
    fn from(scalar: Scalar) -> Self {
        Self::Scalar(scalar)
    }
}

impl From<Mapping> for Node {
    fn from(mapping: Mapping) -> Self {
        Self::Mapping(mapping)
    }
}

/// Keys and values in order; keys are texts, whatever they would resolve to.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    entries: IndexMap<String, Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    key_style: Style,
    value: Node,
}

impl PartialEq for Mapping {
    /// Compares in order: two mappings that are written differently are different.
    fn eq(&self, other: &Self) -> bool {
        self.entries.len() == other.entries.len() && self.entries.iter().eq(other.entries.iter())
    }
}

impl Eq for Mapping {}

impl Mapping {
    /// Returns the value below `key`.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// Returns the value below `key` to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entries.get_mut(key).map(|entry| &mut entry.value)
    }

    /// Replaces the value of `key` in its place, or appends it.
    pub fn insert(&mut self, key: &str, value: impl Into<Node>) {
        let value = value.into();
        if let Some(entry) = self.entries.get_mut(key) {
            entry.value = value;
        } else {
            let key_style = Scalar::string(key).style;
            self.entries.insert(key.to_owned(), Entry { key_style, value });
        }
    }

    /// Removes `key` and returns its value; the others keep their order.
    pub fn remove(&mut self, key: &str) -> Option<Node> {
        self.entries.shift_remove(key).map(|entry| entry.value)
    }

    /// Returns keys and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.entries.iter().map(|(key, entry)| (key.as_str(), &entry.value))
    }

    /// Returns how many keys there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<K: AsRef<str>, V: Into<Node>> FromIterator<(K, V)> for Mapping {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(iter: I) -> Self {
        let mut mapping = Self::default();
        for (key, value) in iter {
            mapping.insert(key.as_ref(), value);
        }
        mapping
    }
}

#[cfg(test)]
mod tests;
