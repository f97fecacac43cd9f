//! Uploads: what a client claims about an object, and those that arrive piece by piece.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use s3s::crypto::{Checksum as _, Crc32c, Md5};
use serde::Deserialize;

use super::answer::Refused;
use super::store::{Conditions, Content, Object};

/// What arrives is kept in multiples of this, unless it is the end.
const QUANTUM: usize = 256 * 1024;

/// What a client says of an object it sends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Claims {
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) crc32c: Option<String>,
    pub(crate) md5_hash: Option<String>,
}

impl Claims {
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Refused> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_slice(text).map_err(|error| Refused::invalid(format!("Parse Error: {error}")))
    }

    /// Takes over what another part of the request says.
    pub(crate) fn extend(&mut self, other: Self) {
        self.crc32c = other.crc32c.or_else(|| self.crc32c.take());
        self.md5_hash = other.md5_hash.or_else(|| self.md5_hash.take());
    }

    /// Takes over the `x-goog-hash` header.
    pub(crate) fn extend_from_header(&mut self, header: &str) {
        for claim in header.split(',') {
            match claim.trim().split_once('=') {
                Some(("crc32c", value)) => self.crc32c = Some(value.to_owned()),
                Some(("md5", value)) => self.md5_hash = Some(value.to_owned()),
                _ => {}
            }
        }
    }

    /// Compares with what arrived.
    pub(crate) fn verify(&self, bytes: &[u8]) -> Result<(), Refused> {
        let encode = |digest: &[u8]| base64_simd::STANDARD.encode_to_string(digest);
        let claims = [
            ("CRC32C", &self.crc32c, encode(Crc32c::checksum(bytes).as_ref())),
            ("MD5 hash", &self.md5_hash, encode(Md5::checksum(bytes).as_ref())),
        ];
        for (name, claimed, found) in claims {
            if claimed.as_ref().is_some_and(|claimed| *claimed != found) {
                let claimed = claimed.as_deref().unwrap_or_default();
                let message = format!("Provided {name} \"{claimed}\" doesn't match calculated {name} \"{found}\".");
                return Err(Refused::invalid(message));
            }
        }
        Ok(())
    }
}

/// An upload that arrives piece by piece.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    pub(crate) key: String,
    pub(crate) conditions: Conditions,
    pub(crate) claims: Claims,
    received: BytesMut,
    /// The object it became.
    pub(crate) finished: Option<Arc<Object>>,
}

impl Upload {
    pub(crate) fn new(key: String, conditions: Conditions, claims: Claims) -> Self {
        Self { key, conditions, claims, ..Self::default() }
    }

    /// Returns how many bytes need not be sent again.
    pub(crate) fn kept(&self) -> usize {
        self.received.len()
    }

    /// Appends a piece that begins at `offset`; of one that is not the last, only whole quanta are kept.
    pub(crate) fn append(&mut self, offset: usize, piece: &Bytes, is_last: bool) -> Result<(), Refused> {
        let known = self.kept().checked_sub(offset);
        let known = known.ok_or_else(|| Refused::invalid("Invalid request: a piece is missing."))?;
        self.received.extend_from_slice(piece.get(known..).unwrap_or_default());
        if !is_last {
            self.received.truncate(self.kept() / QUANTUM * QUANTUM);
        }
        Ok(())
    }

    /// Returns the object's content, if it is what was claimed.
    pub(crate) fn content(&mut self) -> Result<Content, Refused> {
        self.claims.verify(&self.received)?;
        let bytes = self.received.split().freeze();
        Ok(Content { bytes, content_type: self.claims.content_type.clone() })
    }
}

/// The range of a piece, as `Content-Range` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Where it begins; `None` for a piece without bytes.
    pub(crate) offset: Option<usize>,
    /// Where it ends, if that is known.
    end: Option<usize>,
    /// The size of the whole object, if that is known.
    pub(crate) total: Option<usize>,
}

impl Piece {
    /// Parses `bytes 0-9/10`, `bytes 0-9/*`, `bytes 0-*/*`, `bytes */10` and `bytes */*`.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let (range, total) = header.strip_prefix("bytes ")?.split_once('/')?;
        let number = |text: &str| if text == "*" { Some(None) } else { text.parse().ok().map(Some) };
        let total = number(total)?;
        if range == "*" {
            return Some(Self { offset: None, end: None, total });
        }
        let (first, last) = range.split_once('-')?;
        let end = number(last)?.map(|last: usize| last + 1);
        Some(Self { offset: Some(first.parse().ok()?), end, total })
    }

    /// Whether the object ends with it.
    pub(crate) fn is_last(self) -> bool {
        self.total.is_some() && (self.offset.is_none() || self.end == self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_parsed() {
        let piece = |offset, end, total| Some(Piece { offset, end, total });

        assert_eq!(Piece::parse("bytes 0-9/10"), piece(Some(0), Some(10), Some(10)));
        assert_eq!(Piece::parse("bytes 5-9/*"), piece(Some(5), Some(10), None));
        assert_eq!(Piece::parse("bytes 5-*/*"), piece(Some(5), None, None));
        assert_eq!(Piece::parse("bytes */10"), piece(None, None, Some(10)));
        assert_eq!(Piece::parse("bytes */*"), piece(None, None, None));
        assert_eq!(Piece::parse("bytes 1/2"), None);
    }

    #[test]
    fn unfinished_pieces_are_kept_in_quanta() {
        let mut upload = Upload::default();

        upload.append(0, &vec![b'a'; QUANTUM + 10].into(), false).unwrap();
        let kept = upload.kept();
        upload.append(QUANTUM - 5, &vec![b'b'; 10].into(), true).unwrap();

        assert_eq!((kept, upload.kept()), (QUANTUM, QUANTUM + 5));
        assert!(upload.append(QUANTUM * 2, &Bytes::new(), true).is_err());
    }

    #[test]
    fn wrong_claims_are_refused() {
        let claims = |crc32c: Option<&str>, md5_hash: Option<&str>| Claims {
            crc32c: crc32c.map(str::to_owned),
            md5_hash: md5_hash.map(str::to_owned),
            ..Claims::default()
        };

        assert_eq!(claims(Some("yZRlqg=="), Some("XrY7u+Ae7tCTyyK7j1rNww==")).verify(b"hello world"), Ok(()));
        assert!(claims(Some("AAAAAA=="), None).verify(b"hello world").is_err());
        assert!(claims(None, Some("AAAAAAAAAAAAAAAAAAAAAA==")).verify(b"hello world").is_err());
    }
}
