//! From tree to text, in block style with two spaces: what was plain stays plain, all else is double-quoted.
//!
//! Long texts are never folded, so that one value is one line.

use std::fmt::Write as _;

use super::quote::{is_printable, may_stand_plain};
use super::{Mapping, Node, Scalar, Style};

/// The longest key that may stand before a `:` on its own, in bytes; YAML limits it to 1,024 characters.
const IMPLICIT_KEY_BYTES_MAX: usize = 1000;

/// Returns the document as text that ends with a line break.
pub fn emit(node: &Node) -> String {
    let mut text = String::new();
    match node {
        Node::Mapping(mapping) if !mapping.is_empty() => emit_mapping(&mut text, mapping, 0),
        Node::Sequence(elements) if !elements.is_empty() => emit_sequence(&mut text, elements, 0),
        Node::Scalar(_) | Node::Sequence(_) | Node::Mapping(_) => {
            emit_inline(&mut text, node);
            text.push('\n');
        }
    }
    text
}

/// Writes the entries; the first stands where the text ends, the others are indented.
fn emit_mapping(text: &mut String, mapping: &Mapping, indent: usize) {
    for (index, (key, entry)) in mapping.entries.iter().enumerate() {
        if index > 0 {
            pad(text, indent);
        }
        let start = text.len();
        emit_scalar(text, key, entry.key_style);
        if text.len() - start > IMPLICIT_KEY_BYTES_MAX || text.len() == start {
            text.insert_str(start, "? ");
            text.push('\n');
            pad(text, indent);
        }
        text.push(':');
        match &entry.value {
            Node::Mapping(inner) if !inner.is_empty() => {
                text.push('\n');
                pad(text, indent + 2);
                emit_mapping(text, inner, indent + 2);
            }
            Node::Sequence(elements) if !elements.is_empty() => {
                text.push('\n');
                pad(text, indent + 2);
                emit_sequence(text, elements, indent + 2);
            }
            value => emit_value(text, value),
        }
    }
}

fn emit_sequence(text: &mut String, elements: &[Node], indent: usize) {
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            pad(text, indent);
        }
        text.push('-');
        match element {
            Node::Mapping(inner) if !inner.is_empty() => {
                text.push(' ');
                emit_mapping(text, inner, indent + 2);
            }
            Node::Sequence(inner) if !inner.is_empty() => {
                text.push(' ');
                emit_sequence(text, inner, indent + 2);
            }
            value => emit_value(text, value),
        }
    }
}

/// Writes a value that fits on the line after `:` or `-`.
fn emit_value(text: &mut String, value: &Node) {
    let start = text.len();
    emit_inline(text, value);
    if text.len() > start {
        text.insert(start, ' ');
    }
    text.push('\n');
}

fn emit_inline(text: &mut String, node: &Node) {
    match node {
        Node::Scalar(Scalar { text: value, style }) => emit_scalar(text, value, *style),
        Node::Sequence(_) => text.push_str("[]"),
        Node::Mapping(_) => text.push_str("{}"),
    }
}

fn emit_scalar(text: &mut String, value: &str, style: Style) {
    match style {
        Style::Plain if value.is_empty() || may_stand_plain(value) => text.push_str(value),
        Style::Plain | Style::Quoted => emit_quoted(text, value),
    }
}

fn emit_quoted(text: &mut String, value: &str) {
    text.push('"');
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            _ if is_printable(character) => text.push(character),
            _ => {
                // Everything that is not printable lies below U+10000; writing to a `String` cannot fail.
                let _written = write!(text, "\\u{:04X}", u32::from(character));
            }
        }
    }
    text.push('"');
}

fn pad(text: &mut String, indent: usize) {
    text.extend(std::iter::repeat_n(' ', indent));
}
