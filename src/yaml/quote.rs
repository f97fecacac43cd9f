//! Which texts may stand unquoted: conservative for YAML 1.1 and 1.2 at once.

/// Whether `text` must be quoted for every reader, of YAML 1.1 or 1.2, to see this very string.
///
/// In doubt the answer is yes: quotes never harm.
pub fn needs_quotes(text: &str) -> bool {
    !may_stand_plain(text)
        || text.starts_with(['-', '?', ':', '=', '<', '.', '+'])
        || text.contains([',', '[', ']', '{', '}', '"', '\''])
        || is_word_with_a_meaning(text)
        || is_number(text)
        || is_time(text)
}

/// Whether `text` can be written without quotes in a block and read back with the same characters.
///
/// It may then still be taken for a number or a boolean: right for a scalar that was read unquoted.
pub(super) fn may_stand_plain(text: &str) -> bool {
    let mut characters = text.chars();
    let (Some(first), second) = (characters.next(), characters.next()) else { return false };
    let begins_well = match first {
        ',' | '[' | ']' | '{' | '}' | '#' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => false,
        '-' | '?' | ':' => second.is_some_and(|second| second != ' '),
        _ => true,
    };
    let is_marker =
        |marker| text.strip_prefix(marker).is_some_and(|rest: &str| rest.is_empty() || rest.starts_with(' '));
    begins_well
        && !text.starts_with(' ')
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !is_marker("---")
        && !is_marker("...")
        && text.chars().all(is_printable)
}

/// Whether a character may stand in a document without an escape; line breaks and tabs may not.
pub(super) fn is_printable(character: char) -> bool {
    match character {
        ' '..='~' => true,
        '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => false,
        _ => character >= '\u{a0}',
    }
}

fn is_word_with_a_meaning(text: &str) -> bool {
    const WORDS: [&str; 10] = ["~", "null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether some reader takes `text` for an integer or a float, in any base, with `_` or `:` between the digits.
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let bytes = unsigned.as_bytes();
    match bytes {
        [b'.', ..] => true,
        [b'0', b'x' | b'X', rest @ ..] => all(rest, |byte| byte.is_ascii_hexdigit() || byte == b'_'),
        [b'0', b'o' | b'O' | b'b' | b'B', rest @ ..] => all(rest, |byte| byte.is_ascii_digit() || byte == b'_'),
        [b'0'..=b'9', ..] => {
            let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
                Some((mantissa, exponent)) => (mantissa, exponent.strip_prefix(['-', '+']).unwrap_or(exponent)),
                None => (unsigned, ""),
            };
            let points = mantissa.bytes().filter(|byte| *byte == b'.').count();
            points <= 1
                && all(mantissa.as_bytes(), |byte| byte.is_ascii_digit() || matches!(byte, b'_' | b',' | b':' | b'.'))
                && all(exponent.as_bytes(), |byte| byte.is_ascii_digit() || byte == b'_')
        }
        _ => false,
    }
}

fn all(bytes: &[u8], holds: impl Fn(u8) -> bool) -> bool {
    bytes.iter().all(|byte| holds(*byte))
}

/// Whether `text` begins with a date, the mark of the YAML 1.1 timestamp.
fn is_time(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let (Some(year), Some(month), Some(rest)) = (parts.next(), parts.next(), parts.next()) else { return false };
    year.len() == 4
        && all(year.as_bytes(), |byte| byte.is_ascii_digit())
        && matches!(month.len(), 1 | 2)
        && all(month.as_bytes(), |byte| byte.is_ascii_digit())
        && rest.starts_with(|first: char| first.is_ascii_digit())
}
