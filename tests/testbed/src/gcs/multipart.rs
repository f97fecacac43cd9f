//! `multipart/related` bodies: metadata, content, and perhaps checksums behind it.

use bytes::Bytes;
use memchr::memmem;

use super::answer::Refused;
use super::upload::Claims;

/// Returns what is claimed of the content, and the content.
pub(crate) fn parse(content_type: &str, body: &Bytes) -> Result<(Claims, Bytes), Refused> {
    let boundary = content_type.split(';').find_map(|part| part.trim().strip_prefix("boundary="));
    let boundary = boundary.ok_or_else(|| Refused::invalid("Missing multipart boundary."))?.trim_matches('"');
    let parts = parts(boundary, body).ok_or_else(|| Refused::invalid("Malformed multipart body."))?;
    let [metadata, content, others @ ..] = parts.as_slice() else {
        return Err(Refused::invalid("Multipart bodies have metadata and content."));
    };
    let mut claims = Claims::parse(metadata)?;
    for other in others {
        claims.extend(Claims::parse(other)?);
    }
    Ok((claims, content.clone()))
}

/// Returns the contents of the parts.
fn parts(boundary: &str, body: &Bytes) -> Option<Vec<Bytes>> {
    let delimiter = format!("\r\n--{boundary}");
    let first = format!("--{boundary}");
    let mut rest = body.strip_prefix(first.as_bytes()).map(|rest| body.slice_ref(rest))?;
    let mut parts = Vec::new();
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let begin = if part.starts_with(b"\r\n") { 2 } else { memmem::find(part, b"\r\n\r\n")? + 4 };
        let end = begin + memmem::find(part.get(begin..)?, delimiter.as_bytes())?;
        parts.push(body.slice_ref(part.get(begin..end)?));
        rest = body.slice_ref(part.get(end + delimiter.len()..)?);
    }
    rest.starts_with(b"--").then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/related; boundary=b-1";

    fn parsed(body: &'static str) -> Option<(Claims, Bytes)> {
        parse(TYPE, &Bytes::from_static(body.as_bytes())).ok()
    }

    #[test]
    fn checksums_may_come_behind_the_content() {
        let body = "--b-1\r\nContent-Type: application/json\r\n\r\n{\"contentType\":\"a/b\"}\r\n--b-1\r\n\
                    Content-Disposition: form-data; name=\"media\"\r\n\r\none\r\n--b-2\r\n\r\n--b-1\r\n\r\n\
                    {\"crc32c\":\"AAAAAA==\"}\r\n--b-1--\r\n";

        let (claims, content) = parsed(body).unwrap();

        assert_eq!(content, "one\r\n--b-2\r\n");
        assert_eq!((claims.content_type.as_str(), claims.crc32c.as_deref()), ("a/b", Some("AAAAAA==")));
    }

    #[test]
    fn broken_bodies_are_refused() {
        assert_eq!(parsed(""), None);
        assert_eq!(parsed("--b-1\r\n\r\n{}\r\n--b-1--"), None);
        assert_eq!(parsed("--b-1\r\n\r\n{}\r\n--b-1\r\n\r\nx"), None);
        assert_eq!(parsed("--b-1\r\n\r\nno JSON\r\n--b-1\r\n\r\nx\r\n--b-1--"), None);
    }
}
