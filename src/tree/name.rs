//! How names are spelled where any text may be a name: reversibly, and always as one file name. Pure.
//!
//! - `%`, `/` and control characters are written as `%` and two upper-case hexadecimal digits per byte of UTF-8, and so
//!   are the names `.` and `..`. Everything else stays as it is, so that ordinary names are shown unchanged.
//! - `%@` separates parts, `%#` introduces a digest: no escaped text contains either.
//! - What would be longer than 255 bytes is cut and ends in `%#` and 32 digits of the SHA-256 of the whole spelling; the
//!   catalog says what it stands for.

use crate::data::name::SEGMENT_BYTES_MAX;
use crate::fsutil;

/// What separates the parts of a spelling.
const SEPARATOR: &str = "%@";

/// What introduces the digest of a spelling that was cut.
const CUT: &str = "%#";

/// How many digits of the digest are shown.
const DIGEST_DIGITS: usize = 32;

/// Returns a text as part of a file name.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let is_directory = matches!(text, "." | "..");
    for character in text.chars() {
        if is_directory || character == '%' || character == '/' || character.is_control() {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                escaped.push('%');
                escaped.push_str(&hex::encode_upper([byte]));
            }
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// Returns the text that is spelled so, `None` if none is.
pub(super) fn unescape(spelled: &str) -> Option<String> {
    let text = decoded(spelled)?;
    (escape(&text) == spelled).then_some(text)
}

/// Replaces every `%XX`.
fn decoded(spelled: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(spelled.len());
    let mut rest = spelled.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.extend(hex::decode(digits).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Returns `spelled` with `ending`, cut if that is too long for a file name.
pub(super) fn fitted(spelled: &str, ending: &str) -> String {
    if spelled.len() + ending.len() <= SEGMENT_BYTES_MAX {
        return format!("{spelled}{ending}");
    }
    let room = SEGMENT_BYTES_MAX.saturating_sub(ending.len() + CUT.len() + DIGEST_DIGITS);
    let mut end = spelled.floor_char_boundary(room);
    // No half of an escape is left.
    let begins_escape = |back: &usize| spelled.as_bytes().get(end.wrapping_sub(*back)) == Some(&b'%');
    end -= [1, 2].into_iter().find(begins_escape).unwrap_or(0);
    let start = spelled.get(..end).unwrap_or_default();
    let digest = fsutil::digest_bytes(spelled.as_bytes()).sha256;
    format!("{start}{CUT}{}{ending}", digest.get(..DIGEST_DIGITS).unwrap_or(&digest))
}

/// Returns what is left of a spelling that was cut, `None` if it was not.
pub(super) fn cut_start(name: &str) -> Option<&str> {
    name.split_once(CUT).map(|(start, _)| start)
}

/// What the directory of a model is called in a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ModelName {
    /// As the one model of that name.
    Plain(String),
    /// As a model without a name: type and id.
    Unnamed(String, String),
    /// As one of several models of one name: name, type and id.
    Qualified(String, String, String),
}

impl ModelName {
    /// Returns the whole spelling, however long.
    fn spelled(&self) -> String {
        match self {
            Self::Plain(name) => escape(name),
            Self::Unnamed(model_type, id) => format!("{}{SEPARATOR}{}", dotted(model_type), escape(id)),
            Self::Qualified(name, model_type, id) => {
                format!("{}{SEPARATOR}{}{SEPARATOR}{}", escape(name), dotted(model_type), escape(id))
            }
        }
    }

    /// Returns the file name.
    pub(super) fn file_name(&self) -> String {
        fitted(&self.spelled(), "")
    }

    /// Returns what a file name means that was not cut.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let parts: Vec<&str> = name.split(SEPARATOR).collect();
        let parsed = match parts.as_slice() {
            // A model without a name is called by its type and id.
            ["", ..] => return None,
            [name] => Self::Plain(unescape(name)?),
            [model_type, id] => Self::Unnamed(undotted(model_type)?, unescape(id)?),
            [name, model_type, id] => Self::Qualified(unescape(name)?, undotted(model_type)?, unescape(id)?),
            _ => return None,
        };
        (parsed.file_name() == name).then_some(parsed)
    }
}

/// Returns the beginning of all texts whose spelling begins so.
pub(super) fn unescape_start(start: &str) -> Option<String> {
    decoded(start.split(SEPARATOR).next().unwrap_or_default())
}

/// `aws/ec2/vpc` as `aws.ec2.vpc`.
fn dotted(model_type: &str) -> String {
    let segments = model_type.split('/').map(|segment| escape(segment).replace('.', "%2E"));
    segments.collect::<Vec<_>>().join(".")
}

fn undotted(spelled: &str) -> Option<String> {
    let segments = spelled.split('.').map(decoded).collect::<Option<Vec<_>>>()?;
    let model_type = segments.join("/");
    (dotted(&model_type) == spelled).then_some(model_type)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Texts made of what is special, so that near misses are frequent.
    fn texts() -> impl Iterator<Item = String> {
        const PIECES: [&str; 18] = [
            "a", "b", "%", "/", ".", "..", "%25", "%2F", "%@", "%#", "\0", "\n", "\u{85}", "é", "🦀", ".json", "@",
            "2E",
        ];
        let mut random = fastrand::Rng::with_seed(3);
        (0..20_000).map(move |_| {
            let mut text: String = (0..random.usize(1..5)).map(|_| PIECES[random.usize(..PIECES.len())]).collect();
            if random.u8(..8) == 0 {
                text = text.repeat(random.usize(20..150));
            }
            text
        })
    }

    fn is_file_name(name: &str) -> bool {
        (1..=255).contains(&name.len()) && !matches!(name, "." | "..") && !name.contains(['/', '\0', '\n'])
    }

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for name in ["vpc-main", "state.json", ".hidden", "...", "a b", "ü🦀", "@acme", "a:b\\c", "latest"] {
            assert_eq!(fitted(&escape(name), ""), name);
        }
    }

    #[test]
    fn what_no_file_can_be_called_is_escaped() {
        assert_eq!(escape("."), "%2E");
        assert_eq!(escape(".."), "%2E%2E");
        assert_eq!(escape("a/b\n100%"), "a%2Fb%0A100%25");
        assert_eq!(escape("\u{85}"), "%C2%85");
    }

    #[test]
    fn escaping_is_reversible_and_gives_file_names() {
        for text in texts() {
            let escaped = escape(&text);
            assert_eq!(unescape(&escaped), Some(text));
            assert!(is_file_name(&fitted(&escaped, ".json")), "{escaped:?}");
            assert!(!escaped.contains(CUT) && !escaped.contains(SEPARATOR), "{escaped:?}");
        }
    }

    #[test]
    fn only_the_one_spelling_of_a_name_is_understood() {
        for other in ["%2f", "%41", "%", "%2", "a/b", "%FF", "a%@"] {
            assert_eq!(unescape(other), None, "{other:?}");
        }
    }

    #[test]
    fn no_two_models_share_a_file_name() {
        let mut seen: HashMap<String, ModelName> = HashMap::new();
        let all: Vec<String> = texts().filter(|text| !text.contains('\0')).collect();
        for three in all.windows(3) {
            let [name, model_type, id] = [0, 1, 2].map(|index| three[index].clone());
            let unnamed = ModelName::Unnamed(model_type.clone(), id.clone());
            for model in [ModelName::Plain(name.clone()), unnamed, ModelName::Qualified(name, model_type, id)] {
                let shown = model.file_name();
                assert!(is_file_name(&shown), "{shown:?}");
                if cut_start(&shown).is_none() && !shown.starts_with(SEPARATOR) {
                    assert_eq!(ModelName::parse(&shown), Some(model.clone()));
                }
                let other = seen.insert(shown, model.clone());
                assert!(other.as_ref().is_none_or(|other| *other == model), "{other:?} and {model:?}");
            }
        }
    }

    #[test]
    fn long_names_are_cut_between_characters_and_escapes() {
        for text in ["🦀", "/", "a/", "ab/", "é%"] {
            let shown = fitted(&escape(&text.repeat(200)), ".json");
            let start = cut_start(&shown).expect("cut");

            assert!((250..=255).contains(&shown.len()) || text.len() > 2, "{shown}");
            assert!(decoded(start).is_some_and(|start| text.repeat(200).starts_with(&start)), "{shown}");
        }
    }
}
