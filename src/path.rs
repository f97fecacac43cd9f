//! The only spelling of a key: a relative path with forward slashes.
//!
//! Names that come from a bucket become paths only through [`RelPath`], which refuses every spelling that could leave
//! the directory it is joined to. Keys of at most 1,024 bytes, the limit of S3 and GCS.

use std::borrow::Borrow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{Failure, Kind};

/// The longest key, in bytes (S3 and GCS object names).
pub const PATH_BYTES_MAX: usize = 1024;

/// A relative path: non-empty segments joined by `/`; none is `.` or `..`, none contains NUL; not absolute, not empty.
/// Clones share the text: one name of a large namespace is in several maps at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelPath(Arc<str>);

/// A text that is not a relative path.
#[derive(Debug, thiserror::Error)]
#[error("`{}` is not a usable path: {reason}", shown(.path))]
pub struct InvalidPath {
    path: String,
    reason: &'static str,
}

impl Failure for InvalidPath {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

/// Returns at most 120 characters of a hostile text, escaped, so that it can stand in a message.
fn shown(text: &str) -> String {
    let start: String = text.chars().take(120).flat_map(char::escape_default).collect();
    if text.chars().nth(120).is_some() { format!("{start}…") } else { start }
}

impl RelPath {
    /// Wraps a text that the caller has proved to be a relative path.
    pub(crate) fn from_trusted(text: String) -> Self {
        debug_assert!(check(&text).is_ok(), "{text:?} is not a relative path");
        Self(text.into())
    }

    /// Returns the path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the segments in order.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> + Clone {
        self.0.split('/')
    }

    /// Returns the last segment.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// Returns all but the last segment, `None` for a single segment.
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.into()))
    }

    /// Appends another path.
    pub fn join(&self, rest: &Self) -> Self {
        Self(format!("{}/{}", self.0, rest.0).into())
    }

    /// Appends one segment or several, checking them.
    pub fn child(&self, rest: &str) -> Result<Self, InvalidPath> {
        format!("{}/{rest}", self.0).parse()
    }

    /// Whether this path is `ancestor` or lies below it.
    pub fn is_within(&self, ancestor: &Self) -> bool {
        self.0.strip_prefix(&*ancestor.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Returns what is left of the path below `ancestor`, `None` if it does not lie strictly below it.
    pub fn strip(&self, ancestor: &Self) -> Option<Self> {
        let rest = self.0.strip_prefix(&*ancestor.0)?.strip_prefix('/')?;
        Some(Self(rest.into()))
    }

    /// Returns the path in the file system below `root`.
    pub fn under(&self, root: &Path) -> PathBuf {
        root.join(&*self.0)
    }

    /// Returns the relative path from `root` to `path`.
    pub fn between(root: &Path, path: &Path) -> Result<Self, InvalidPath> {
        let refused = |reason| InvalidPath { path: path.display().to_string(), reason };
        let rest = path.strip_prefix(root).ok().ok_or_else(|| refused("it is outside its root"))?;
        rest.to_str().ok_or_else(|| refused("it is not UTF-8"))?.parse()
    }
}

fn check(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() > PATH_BYTES_MAX {
        return Err("it is longer than 1,024 bytes");
    }
    if text.contains('\0') {
        return Err("it contains a NUL byte");
    }
    if text.starts_with('/') {
        return Err("it is absolute");
    }
    for segment in text.split('/') {
        match segment {
            "" => return Err("it has an empty segment"),
            "." | ".." => return Err("it has a `.` or `..` segment"),
            _ => {}
        }
    }
    Ok(())
}

impl FromStr for RelPath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match check(text) {
            Ok(()) => Ok(Self(text.into())),
            Err(reason) => Err(InvalidPath { path: text.chars().take(121).collect(), reason }),
        }
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for RelPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl serde::Serialize for RelPath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for RelPath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        text.parse().expect("a relative path")
    }

    #[test]
    fn odd_but_harmless_names_are_paths() {
        for text in ["a", "a b/c+d", "%2e%2e/x", "a..b/c", "...", "#?", "dir\nname", "ü/🦀", "C:\\x"] {
            assert_eq!(path(text).as_str(), text);
        }
    }

    #[test]
    fn spellings_that_could_leave_a_directory_are_refused() {
        for text in ["", "/", "/a", "a/", "a//b", ".", "a/./b", "..", "a/../b", "a/..", "a\0b", &"x".repeat(1025)] {
            assert!(text.parse::<RelPath>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn refusals_show_little_of_a_long_name() {
        let refused = format!("../{}", "x".repeat(10_000_000)).parse::<RelPath>().expect_err("hostile");

        assert!(refused.to_string().len() < 250, "{refused}");
    }

    #[test]
    fn within_respects_segment_borders() {
        assert!(path("a/b").is_within(&path("a")));
        assert!(path("a").is_within(&path("a")));
        assert!(!path("ab").is_within(&path("a")));
        assert_eq!(path("a/b/c").strip(&path("a")), Some(path("b/c")));
        assert_eq!(path("a").strip(&path("a")), None);
    }
}
