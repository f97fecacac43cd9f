//! A quick reader of the plainest documents: lines of `key: value`, at most one level deep.
//!
//! Nearly every `metadata.yaml` is one, and a catalog is rebuilt from a hundred thousand of them: the full parser takes
//! six times as long. Whatever is not obviously such a document is left to the full parser, errors included.

use indexmap::map::Entry as Slot;

use super::{Entry, Limits, Mapping, Node, Scalar, Style};

/// Returns the document if it is of the plainest kind.
pub(super) fn parse_plainest(text: &str, limits: Limits) -> Option<Node> {
    // Every line is at most two nodes; the bounds are then kept without counting.
    let lines_max = limits.nodes_max / 2;
    if text.len() > limits.bytes_max.min(lines_max) || limits.depth_max < 2 || !text.ends_with('\n') {
        return None;
    }
    let mut root = Mapping::default();
    let mut inner: Option<(&str, Mapping)> = None;
    for line in text.strip_suffix('\n')?.split('\n') {
        let indented = line.strip_prefix("  ");
        let (key, value) = indented.unwrap_or(line).split_once(':').filter(|(key, _)| is_plainest_key(key))?;
        match (indented, &mut inner) {
            (Some(_), Some((_, mapping))) => insert(mapping, key, read_value(value)?)?,
            (Some(_), None) => return None,
            (None, _) => {
                close(&mut root, inner.take())?;
                if value.is_empty() {
                    inner = Some((key, Mapping::default()));
                } else {
                    insert(&mut root, key, read_value(value)?)?;
                }
            }
        }
    }
    close(&mut root, inner)?;
    Some(root.into())
}

fn close(root: &mut Mapping, inner: Option<(&str, Mapping)>) -> Option<()> {
    match inner {
        None => Some(()),
        // A key without a value: null, and not for us.
        Some((_, mapping)) if mapping.is_empty() => None,
        Some((key, mapping)) => insert(root, key, mapping.into()),
    }
}

fn insert(mapping: &mut Mapping, key: &str, value: Node) -> Option<()> {
    match mapping.entries.entry(key.to_owned()) {
        Slot::Occupied(_) => None,
        Slot::Vacant(slot) => {
            slot.insert(Entry { key_style: Style::Plain, value });
            Some(())
        }
    }
}

fn is_plainest_key(key: &str) -> bool {
    key.starts_with(|first: char| first.is_ascii_alphabetic())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn read_value(value: &str) -> Option<Node> {
    let value = value.strip_prefix(' ')?;
    let scalar = match value.as_bytes() {
        [quote @ (b'\'' | b'"'), inside @ .., end] if end == quote => {
            let is_plainest = |byte: &u8| matches!(byte, b' '..=b'~') && byte != quote && *byte != b'\\';
            inside.iter().all(is_plainest).then(|| Scalar::quoted(value.get(1..value.len() - 1).unwrap_or_default()))?
        }
        [first, rest @ ..] if first.is_ascii_alphanumeric() => {
            let is_plainest = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-/+=@".contains(byte);
            rest.iter().all(is_plainest).then(|| Scalar::bare(value))?
        }
        _ => return None,
    };
    Some(scalar.into())
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse_fully;
    use super::*;

    const GOLDEN: &str = include_str!("../../tests/data/golden-metadata.txt");

    fn documents() -> impl Iterator<Item = &'static str> {
        GOLDEN.split("=== ").skip(1).filter_map(|document| Some(document.split_once('\n')?.1))
    }

    #[test]
    fn what_is_read_quickly_is_read_equally() {
        let mut count = 0;
        for document in documents() {
            if let Some(node) = parse_plainest(document, Limits::default()) {
                assert_eq!(node, parse_fully(document, Limits::default()).expect("YAML"), "{document}");
                count += 1;
            }
        }
        assert!(count > 200, "only {count} documents were read quickly");
    }

    #[test]
    fn mutilated_documents_are_read_equally_or_left() {
        let documents: Vec<&str> = documents().collect();
        let alphabet: Vec<char> = "[]{},:-?#&*!|>'\"%@`\\ \n\r\tax0~.<=/+_é\u{feff}\u{85}".chars().collect();
        let mut random = fastrand::Rng::with_seed(11);
        let mut count = 0;
        for _ in 0..20_000 {
            let document = random.choice(&documents).expect("not empty");
            let mut text: Vec<char> = document.chars().take(random.usize(1..120)).chain(['\n']).collect();
            for _ in 0..random.usize(..4) {
                let place = random.usize(..text.len());
                text.insert(place, *random.choice(&alphabet).expect("not empty"));
            }
            let text: String = text.into_iter().collect();

            if let Some(node) = parse_plainest(&text, Limits::default()) {
                let fully = parse_fully(&text, Limits::default());
                assert_eq!(Some(node), fully.ok(), "{text:?}");
                count += 1;
            }
        }
        assert!(count > 1000, "only {count} documents were read quickly");
    }
}
