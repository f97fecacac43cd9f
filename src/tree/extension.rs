//! Which ending a file gets so that programs know what is in it. Pure.

/// The longest ending that is taken for one, in bytes without the dot.
const EXTENSION_BYTES_MAX: usize = 8;

/// Media types and the endings that programs know them by.
const EXTENSIONS: &[(&str, &str)] = &[
    ("application/gzip", ".gz"),
    ("application/javascript", ".js"),
    ("application/json", ".json"),
    ("application/jsonl", ".jsonl"),
    ("application/ld+json", ".jsonld"),
    ("application/pdf", ".pdf"),
    ("application/sql", ".sql"),
    ("application/toml", ".toml"),
    ("application/wasm", ".wasm"),
    ("application/x-gzip", ".gz"),
    ("application/x-ndjson", ".ndjson"),
    ("application/x-pem-file", ".pem"),
    ("application/x-sh", ".sh"),
    ("application/x-tar", ".tar"),
    ("application/x-yaml", ".yaml"),
    ("application/xml", ".xml"),
    ("application/yaml", ".yaml"),
    ("application/zip", ".zip"),
    ("application/zstd", ".zst"),
    ("image/gif", ".gif"),
    ("image/jpeg", ".jpg"),
    ("image/png", ".png"),
    ("image/svg+xml", ".svg"),
    ("image/webp", ".webp"),
    ("text/css", ".css"),
    ("text/csv", ".csv"),
    ("text/html", ".html"),
    ("text/javascript", ".js"),
    ("text/markdown", ".md"),
    ("text/plain", ".txt"),
    ("text/tab-separated-values", ".tsv"),
    ("text/x-log", ".log"),
    ("text/x-python", ".py"),
    ("text/x-shellscript", ".sh"),
    ("text/xml", ".xml"),
    ("text/yaml", ".yaml"),
];

/// Returns the ending a name has, with its dot: short, of letters and digits, not digits alone.
pub(super) fn of_name(name: &str) -> Option<&str> {
    let dot = name.rfind('.').filter(|dot| *dot > 0)?;
    let ending = name.get(dot + 1..)?;
    let is_ending = (1..=EXTENSION_BYTES_MAX).contains(&ending.len())
        && ending.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && !ending.bytes().all(|byte| byte.is_ascii_digit());
    if is_ending { name.get(dot..) } else { None }
}

/// Returns the ending of a media type, with its dot; parameters such as `charset` do not matter.
pub(super) fn of_type(content_type: &str) -> Option<&'static str> {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let found = EXTENSIONS.iter().find(|(known, _)| known.eq_ignore_ascii_case(essence))?;
    Some(found.1)
}

/// Returns `name` without the ending `of_type` may have given it.
pub(super) fn without(name: &str) -> Option<&str> {
    let dot = name.rfind('.')?;
    let ending = name.get(dot..)?;
    EXTENSIONS.iter().any(|(_, known)| *known == ending).then(|| name.get(..dot))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_an_ending_or_not() {
        let table = [
            ("state", None),
            ("state.json", Some(".json")),
            (".hidden", None),
            ("v1.2", None),
            ("a.tar.gz", Some(".gz")),
            ("a.b c", None),
            ("a.", None),
            ("a.mp3", Some(".mp3")),
            ("a.muchtoolong", None),
        ];
        for (name, expected) in table {
            assert_eq!(of_name(name), expected, "{name}");
        }
    }

    #[test]
    fn types_are_compared_without_parameters() {
        assert_eq!(of_type("Text/HTML; charset=utf-8"), Some(".html"));
        assert_eq!(of_type("application/octet-stream"), None);
    }

    #[test]
    fn every_ending_is_one_and_can_be_taken_off() {
        for (_, ending) in EXTENSIONS {
            let name = format!("a{ending}");
            assert_eq!((of_name(&name), without(&name)), (Some(*ending), Some("a")));
        }
    }
}
