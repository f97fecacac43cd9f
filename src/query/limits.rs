//! Limits of the text of an expression, checked before the parser sees it.

use super::error::Complaint;

/// The longest expression, in bytes.
pub(super) const SOURCE_BYTES_MAX: usize = 8 * 1024;

/// The most operators, dots and brackets: what makes trees deep.
const OPERATORS_MAX: usize = 1_000;

/// The deepest nesting of brackets.
pub(super) const NESTING_MAX: u16 = 64;

/// Returns what is wrong with the size of an expression.
pub(super) fn check(source: &str) -> Result<(), Complaint> {
    if source.len() > SOURCE_BYTES_MAX {
        let message = format!("the expression has {} bytes, more than {SOURCE_BYTES_MAX}", source.len());
        return Err(Complaint::new(message, None));
    }
    let mut operators = 0;
    let mut nesting = 0_u16;
    for operator in Operators::of(source) {
        operators += 1;
        match operator {
            b'(' | b'[' | b'{' => nesting = nesting.saturating_add(1),
            b')' | b']' | b'}' => nesting = nesting.saturating_sub(1),
            _ => {}
        }
        let message = if nesting > NESTING_MAX {
            format!("the expression nests deeper than {NESTING_MAX}")
        } else if operators > OPERATORS_MAX {
            format!("the expression has more than {OPERATORS_MAX} operators")
        } else {
            continue;
        };
        // No place: such a text is of no help on a terminal.
        return Err(Complaint::new(message, None));
    }
    Ok(())
}

/// The operator characters outside texts and comments.
struct Operators<'a> {
    bytes: &'a [u8],
    next: usize,
}

impl<'a> Operators<'a> {
    fn of(source: &'a str) -> Self {
        Self { bytes: source.as_bytes(), next: 0 }
    }

    fn at(&self, index: usize) -> Option<u8> {
        self.bytes.get(index).copied()
    }

    /// Moves behind a text that starts at the current quote.
    fn skip_text(&mut self, quote: u8, is_raw: bool) {
        let is_long = self.at(self.next + 1) == Some(quote) && self.at(self.next + 2) == Some(quote);
        let length = if is_long { 3 } else { 1 };
        self.next += length;
        while let Some(byte) = self.at(self.next) {
            if byte == b'\\' && !is_raw {
                self.next += 2;
            } else if (0..length).all(|ahead| self.at(self.next + ahead) == Some(quote)) {
                self.next += length;
                return;
            } else {
                self.next += 1;
            }
        }
    }
}

impl Iterator for Operators<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(byte) = self.at(self.next) {
            let here = self.next;
            match byte {
                b'"' | b'\'' => {
                    let is_raw = here > 0 && matches!(self.at(here - 1), Some(b'r' | b'R'));
                    self.skip_text(byte, is_raw);
                }
                b'/' if self.at(here + 1) == Some(b'/') => {
                    while self.at(self.next).is_some_and(|byte| byte != b'\n') {
                        self.next += 1;
                    }
                }
                _ => {
                    self.next += 1;
                    if matches!(byte, b'&' | b'|' | b'=' | b'!' | b'<' | b'>')
                        && matches!(self.at(self.next), Some(b'&' | b'|' | b'='))
                    {
                        self.next += 1;
                    }
                    // Elements of a list lie side by side.
                    if byte.is_ascii_punctuation() && !matches!(byte, b'_' | b',') {
                        return Some(byte);
                    }
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn texts_and_comments_do_not_count() {
        let text = format!("name == \"{}\" // {}", "(".repeat(2_000), "[".repeat(2_000));

        assert_eq!(check(&text), Ok(()));
    }

    #[test]
    fn long_chains_are_refused() {
        let chain = format!("1{}", "+1".repeat(1_001));

        let complaint = check(&chain).unwrap_err();

        assert_eq!(complaint.message, "the expression has more than 1000 operators");
    }

    #[test]
    fn deep_nesting_is_refused() {
        let nest = format!("{}1", "(".repeat(65));

        let complaint = check(&nest).unwrap_err();

        assert_eq!(complaint.message, "the expression nests deeper than 64");
    }
}
