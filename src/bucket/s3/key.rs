//! Keys on the wire: escaping for copy sources, unescaping of listings, entity tags and ranges.

use std::fmt::Write as _;
use std::ops::Range;

use crate::bucket::Version;

/// Escapes everything but unreserved characters and slashes, as a copy source wants it (trap T29).
pub(super) fn escape(key: &str) -> String {
    let mut escaped = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => escaped.push(byte.into()),
            _ => write!(escaped, "%{byte:02X}").expect("writing to a string does not fail"),
        }
    }
    escaped
}

/// Undoes the escaping of `encoding-type=url`, in which a space is a plus sign.
pub(super) fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        rest = others;
        match (first, others) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, others @ ..]) if let (Some(high), Some(low)) = (nibble(*high), nibble(*low)) => {
                bytes.push(high << 4 | low);
                rest = others;
            }
            _ => bytes.push(*first),
        }
    }
    bytes
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| value.try_into().ok())
}

/// Returns an entity tag as a version, without the quotes.
pub(super) fn version_of(tag: &str) -> Version {
    Version::new(tag.trim_matches('"'))
}

/// Returns a version as the entity tag to send.
pub(super) fn tag_of(version: &Version) -> String {
    format!("\"{version}\"")
}

/// Returns the header that asks for a range, which must not be empty.
pub(super) fn range_header(range: &Range<u64>) -> String {
    format!("bytes={}-{}", range.start, range.end.saturating_sub(1))
}

/// Parses `bytes 0-9/100` into the range and the whole size.
pub(super) fn parse_content_range(header: &str) -> Option<(Range<u64>, u64)> {
    let (range, size) = header.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?, size.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_sources_are_escaped_but_for_slashes() {
        assert_eq!(escape("a/b c+%#?\nü"), "a/b%20c%2B%25%23%3F%0A%C3%BC");
    }

    #[test]
    fn listings_are_unescaped_and_broken_escapes_kept() {
        assert_eq!(unescape("a+b%2Bc%C3%BC/%zz%4"), "a b+cü/%zz%4".as_bytes());
    }

    #[test]
    fn content_ranges_end_behind_their_last_byte() {
        assert_eq!(parse_content_range("bytes 5-9/100"), Some((5..10, 100)));
        assert_eq!(parse_content_range("bytes */100"), None);
    }
}
