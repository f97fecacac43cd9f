//! Reads JSON as JavaScript does, as values of expressions.
//!
//! Every number is a double, also one that no double holds (`1e999` is infinite); the last of equal keys counts; half a
//! surrogate pair is U+FFFD, because texts here are Unicode. Nesting is bounded, so that no content exhausts the stack.

use std::fmt;

use cel::common::types::{CelBool, CelDouble, CelList, CelMapKey, CelNull, CelString};
use cel::common::value::Val;

use super::map::{Entries, OrderedMap};

/// The deepest nesting of lists and maps; what walks a value afterwards needs stack for it too.
pub(super) const NESTING_MAX: usize = 1_000;

/// Why a text is not JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotJson {
    what: String,
    line: usize,
    column: usize,
}

impl fmt::Display for NotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}:{}", self.what, self.line, self.column)
    }
}

/// Returns the value of a JSON text.
pub(super) fn parse(text: &str) -> Result<Box<dyn Val>, NotJson> {
    let mut reader = Reader { text, next: 0, nesting: 0 };
    let value = reader.value().and_then(|value| match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.unexpected()),
    });
    value.map_err(|what| {
        let before = text.get(..reader.next).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        NotJson { what, line: before.matches('\n').count() + 1, column: line.chars().count() + 1 }
    })
}

struct Reader<'a> {
    text: &'a str,
    /// Where the next byte is; always between characters.
    next: usize,
    nesting: usize,
}

type Read<T> = Result<T, String>;

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.next..).unwrap_or_default()
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.next).copied()
    }

    /// Returns the next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        while matches!(self.byte(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.next += 1;
        }
        self.byte()
    }

    fn unexpected(&self) -> String {
        match self.rest().chars().next() {
            Some(found) => format!("unexpected `{}`", found.escape_debug()),
            None => "unexpected end".to_owned(),
        }
    }

    fn take(&mut self, wanted: u8) -> Read<()> {
        if self.peek() == Some(wanted) {
            self.next += 1;
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn value(&mut self) -> Read<Box<dyn Val>> {
        match self.peek() {
            Some(b'{') => self.nested(Self::map),
            Some(b'[') => self.nested(Self::list),
            Some(b'"') => Ok(Box::new(CelString::from(self.string()?))),
            Some(b'-' | b'0'..=b'9') => Ok(Box::new(CelDouble::from(self.number()?))),
            _ => self.word(),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Read<Box<dyn Val>>) -> Read<Box<dyn Val>> {
        if self.nesting == NESTING_MAX {
            return Err(format!("nesting deeper than {NESTING_MAX}"));
        }
        self.nesting += 1;
        self.next += 1;
        let value = read(self)?;
        self.nesting -= 1;
        Ok(value)
    }

    fn word(&mut self) -> Read<Box<dyn Val>> {
        let (word, value): (_, Box<dyn Val>) = match self.byte() {
            Some(b't') => ("true", Box::new(CelBool::from(true))),
            Some(b'f') => ("false", Box::new(CelBool::from(false))),
            _ => ("null", Box::new(CelNull)),
        };
        if !self.rest().starts_with(word) {
            return Err(self.unexpected());
        }
        self.next += word.len();
        Ok(value)
    }

    fn list(&mut self) -> Read<Box<dyn Val>> {
        let mut list = Vec::new();
        while self.goes_on(b']', list.is_empty())? {
            list.push(self.value()?);
        }
        Ok(Box::new(CelList::from(list)))
    }

    fn map(&mut self) -> Read<Box<dyn Val>> {
        let mut entries = Entries::default();
        while self.goes_on(b'}', entries.is_empty())? {
            if self.peek() != Some(b'"') {
                return Err(self.unexpected());
            }
            let key = CelMapKey::String(CelString::from(self.string()?));
            self.take(b':')?;
            let value = self.value()?;
            entries.insert(key, value);
        }
        Ok(Box::new(OrderedMap::from(entries)))
    }

    /// Returns whether there is another element before the closing bracket.
    fn goes_on(&mut self, closing: u8, is_first: bool) -> Read<bool> {
        if self.peek() == Some(closing) {
            self.next += 1;
            return Ok(false);
        }
        if !is_first {
            self.take(b',')?;
        }
        Ok(true)
    }

    fn number(&mut self) -> Read<f64> {
        let start = self.next;
        self.next += usize::from(self.byte() == Some(b'-'));
        if self.byte() == Some(b'0') {
            self.next += 1;
        } else {
            self.digits()?;
        }
        if self.byte() == Some(b'.') {
            self.next += 1;
            self.digits()?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.next += 1;
            self.next += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
            self.digits()?;
        }
        let number = self.text.get(start..self.next).unwrap_or_default();
        number.parse().map_err(|error| format!("{error}"))
    }

    fn digits(&mut self) -> Read<()> {
        let count = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        self.next += count;
        if count == 0 { Err(self.unexpected()) } else { Ok(()) }
    }

    fn string(&mut self) -> Read<String> {
        self.next += 1;
        let mut string = String::new();
        loop {
            let rest = self.rest();
            let plain = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(rest.len());
            string.push_str(rest.get(..plain).unwrap_or_default());
            self.next += plain;
            match self.byte() {
                Some(b'"') => {
                    self.next += 1;
                    return Ok(string);
                }
                Some(b'\\') => string.push(self.escape()?),
                _ => return Err(self.unexpected()),
            }
        }
    }

    fn escape(&mut self) -> Read<char> {
        self.next += 1;
        let character = match self.byte() {
            Some(plain @ (b'"' | b'\\' | b'/')) => char::from(plain),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return Err(self.unexpected()),
        };
        self.next += 1;
        Ok(character)
    }

    /// Returns the character of `uXXXX`, or of the two that a surrogate pair takes.
    fn unicode(&mut self) -> Read<char> {
        let unit = self.unit()?;
        let here = self.next;
        if (0xd800..0xdc00).contains(&unit) && self.rest().starts_with("\\u") {
            self.next += 1;
            let low = self.unit()?;
            if (0xdc00..0xe000).contains(&low) {
                let code = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            // The first half is alone; the second is read again, as what it is.
            self.next = here;
        }
        Ok(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn unit(&mut self) -> Read<u32> {
        self.next += 1;
        let digits = self.rest().get(..4).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or("`\\u` takes four hexadecimal digits")?;
        self.next += 4;
        Ok(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::{NESTING_MAX, parse};
    use crate::query::json::from_val;

    fn read(text: &str) -> Result<serde_json::Value, String> {
        let value = parse(text).map_err(|error| error.to_string())?;
        Ok(from_val(value.as_ref()).unwrap())
    }

    #[test]
    fn json_is_read_as_other_readers_do() {
        let texts = [
            "null",
            " [ ] ",
            "{}",
            "[true,false,null,-0.5,12,2.5e+3,2E-2]",
            r#"{"b":{"a":[1,[2,{"c":""}]]},"a":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00é😀"}"#,
            "\r\n\t{\"a\" : 1 , \"a\" : 2}",
        ];

        for text in texts {
            let expected = serde_json::from_str::<serde_json::Value>(&text.replace("2.5e+3", "2500")).unwrap();
            assert_eq!(read(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused_with_the_place() {
        let refused = |text: &str| read(text).unwrap_err();

        assert_eq!(refused(""), "unexpected end at 1:1");
        assert_eq!(refused("{\n \"é\": nope}"), "unexpected `n` at 2:7");
        assert_eq!(refused("{nope"), "unexpected `n` at 1:2");
        assert_eq!(refused("[1,]"), "unexpected `]` at 1:4");
        assert_eq!(refused("[1 2]"), "unexpected `2` at 1:4");
        assert_eq!(refused("01"), "unexpected `1` at 1:2");
        assert_eq!(refused("1."), "unexpected end at 1:3");
        assert_eq!(refused("\"a\nb\""), "unexpected `\\n` at 1:3");
        assert_eq!(refused("\"\\u12é\""), "`\\u` takes four hexadecimal digits at 1:4");
        for text in
            ["+1", ".5", "-", "1e", "tru", "[", "[1", "{\"a\"", "{\"a\":", "{a:1}", "\"\\x\"", "\"", "1 2", "{,}"]
        {
            refused(text);
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_replaced() {
        assert_eq!(read(r#""\ud800x\udc00\ud800\ud83d\ude00""#).unwrap(), "\u{fffd}x\u{fffd}\u{fffd}😀");
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));

        parse(&nested(NESTING_MAX)).unwrap();
        let error = parse(&nested(NESTING_MAX + 1)).unwrap_err();
        assert_eq!(error.to_string(), "nesting deeper than 1000 at 1:1001");
        parse(&"{\"a\":[".repeat(1_000_000)).unwrap_err();
    }
}
