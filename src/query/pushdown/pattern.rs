//! What a regular expression says about every text it matches.

/// A part of a text that a pattern demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    /// It contains this, and whatever contains this matches.
    Contains(String),
    /// It starts with this; not whatever does matches.
    StartsWith(String),
}

/// Characters that mean something other than themselves somewhere in a pattern.
const SPECIAL: &[char] = &['\\', '.', '+', '*', '?', '(', ')', '|', '[', ']', '{', '}', '^', '$'];

/// Returns what a pattern demands, `None` if that is nothing that is easily told.
pub(super) fn demand(pattern: &str) -> Option<Demand> {
    if !pattern.contains(SPECIAL) {
        return Some(Demand::Contains(pattern.to_owned()));
    }
    let rest = pattern.strip_prefix('^')?;
    // Another alternative may start otherwise.
    if rest.contains('|') {
        return None;
    }
    let end = rest.find(SPECIAL).unwrap_or(rest.len());
    let (literal, after) = rest.split_at(end);
    let mut literal = literal.to_owned();
    // The last character may be repeated no times.
    if after.starts_with(['*', '?', '{']) {
        literal.pop();
    }
    (!literal.is_empty()).then_some(Demand::StartsWith(literal))
}
