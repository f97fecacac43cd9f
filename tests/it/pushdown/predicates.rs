//! Random predicates: right and wrong types, missing keys, hostile texts, parts that SQLite cannot answer.

use fastrand::Rng;

use super::rows::{KEYS, NUMBERS, TEXTS, TIMES};

/// An endless sequence of predicates.
pub(super) struct Predicates {
    random: Rng,
}

const TEXT_FIELDS: [&str; 17] = [
    "name",
    "modelName",
    "modelType",
    "specName",
    "dataType",
    "contentType",
    "lifetime",
    "ownerType",
    "ownerRef",
    "workflowRunId",
    "workflowName",
    "jobName",
    "stepName",
    "source",
    "ns",
    "createdAt",
    "modelName",
];

/// Numbers beyond what rows hold, and beyond what a double holds.
const NUMBER_LITERALS: [&str; 18] = [
    "0",
    "1",
    "2",
    "3",
    "10",
    "-1",
    "1.5",
    "-0.0",
    "1e300",
    "3u",
    "2.0",
    "1024",
    "9007199254740991",
    "9007199254740993",
    "9223372036854775807",
    "18446744073709551615u",
    "2147483648",
    "-9007199254740993",
];

/// What SQLite cannot answer.
const OPAQUE: [&str; 12] = [
    "attributes.status == \"failed\"",
    "attributes.n > 3.0",
    "attributes.missing == 1",
    "attributes.n in [1.0, 2.0]",
    "has(attributes.status)",
    "size + 1.0 > 3.0",
    "tags.exists(k, k == \"env\")",
    "tags.all(k, tags[k] != \"\")",
    "[1, 2].exists(x, double(x) == version)",
    "name.trim() == name",
    "name.matches(\"^[a-c]+$\")",
    "(isLatest ? modelName : specName) == \"a\"",
];

const PATTERNS: [&str; 12] = ["a", "^a", "^ab*", "^a|b", "b$", "^A.", "(?i)a", "^caf\u{e9}", "%", "", "^", "^ab?c"];

const COMPARISONS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];

impl Iterator for Predicates {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let depth = self.random.usize(..4);
        Some(self.predicate(depth))
    }
}

impl Predicates {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: Rng::with_seed(seed) }
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.random.usize(..from.len())]
    }

    fn predicate(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.test();
        }
        let mut inner = || self.predicate(depth - 1);
        let (first, second, third) = (inner(), inner(), inner());
        match self.random.u8(..12) {
            0..4 => format!("({first} && {second})"),
            4..7 => format!("({first} || {second})"),
            7..9 => format!("!({first})"),
            9..11 => format!("({first} ? {second} : {third})"),
            _ => {
                let comparison = self.pick(&["==", "!="]);
                let flag = self.pick(&["true", "false"]);
                format!("(({first}) {comparison} {flag})")
            }
        }
    }

    fn test(&mut self) -> String {
        match self.random.u8(..40) {
            0..12 => self.comparison(),
            12..17 => self.function(),
            17..20 => self.membership(),
            20..24 => {
                let key = self.key();
                match self.random.u8(..3) {
                    0 => format!("{key} in tags"),
                    1 => self.pick(&["has(tags.env)", "has(tags.a)", "has(tags.nowhere)"]).to_owned(),
                    _ => format!("!({key} in tags)"),
                }
            }
            24..28 => self.pick(&["isLatest", "streaming", "!isLatest", "isLatest == streaming"]).to_owned(),
            28..31 => self.time_test(),
            31..36 => self.pick(&OPAQUE).to_owned(),
            36 => self.pick(&["true", "false"]).to_owned(),
            37 => self.value(),
            _ => {
                let (value, comparison, other) = (self.value(), self.pick(&COMPARISONS), self.value());
                format!("{value} {comparison} {other}")
            }
        }
    }

    /// A comparison that is usually of one type, written either way round.
    fn comparison(&mut self) -> String {
        let comparison = self.pick(&COMPARISONS);
        let (field, literal) = match self.random.u8(..10) {
            0..6 => (self.text(), self.text_literal()),
            6..8 => (self.number(), self.number_literal()),
            8 => (self.text(), self.text()),
            _ => (self.number(), self.number()),
        };
        if self.random.bool() {
            format!("{field} {comparison} {literal}")
        } else {
            format!("{literal} {comparison} {field}")
        }
    }

    fn function(&mut self) -> String {
        let (text, pattern) = (self.text(), self.pick(&PATTERNS));
        match self.random.u8(..6) {
            0 => format!("{text}.matches({})", quoted(pattern)),
            1 => format!("matches({text}, {})", quoted(pattern)),
            _ => {
                let function = self.pick(&["contains", "startsWith", "endsWith"]);
                let part = if self.random.u8(..6) == 0 { self.text() } else { self.text_literal() };
                format!("{text}.{function}({part})")
            }
        }
    }

    fn membership(&mut self) -> String {
        let element = if self.random.u8(..4) == 0 { self.number() } else { self.text() };
        let count = self.random.usize(..5);
        let candidates: Vec<_> = (0..count)
            .map(|_| match self.random.u8(..8) {
                0 => self.value(),
                1 => self.number_literal(),
                _ => self.text_literal(),
            })
            .collect();
        format!("{element} in [{}]", candidates.join(", "))
    }

    fn time_test(&mut self) -> String {
        let literal = self.pick(&TIMES);
        let literal = match self.random.u8(..6) {
            0 => literal.replace('Z', "+02:00"),
            1 => literal.replace(".000Z", ".000000001Z"),
            2 => literal.replace(".000Z", "Z"),
            3 => literal.replace('T', " "),
            _ => literal.to_owned(),
        };
        let comparison = self.pick(&COMPARISONS);
        let (left, right) = ("timestamp(createdAt)".to_owned(), format!("timestamp({})", quoted(&literal)));
        if self.random.bool() { format!("{left} {comparison} {right}") } else { format!("{right} {comparison} {left}") }
    }

    fn value(&mut self) -> String {
        match self.random.u8(..8) {
            0..2 => self.text(),
            2 => self.number(),
            3 => self.text_literal(),
            4 => self.number_literal(),
            5 => self.pick(&["isLatest", "streaming", "true"]).to_owned(),
            6 => self.pick(&["null", "b\"a\"", "timestamp(createdAt)", "tags", "[\"a\"]"]).to_owned(),
            _ => self.pick(&["attributes.status", "attributes.missing", "attributes.n"]).to_owned(),
        }
    }

    fn text(&mut self) -> String {
        match self.random.u8(..10) {
            0..5 => self.pick(&TEXT_FIELDS).to_owned(),
            5 => self.pick(&["tags.env", "tags.a", "tags.A", "tags.nowhere"]).to_owned(),
            6 | 7 => format!("tags[{}]", self.key()),
            8 => {
                let default = self.text_literal();
                let key = self.key();
                let optional = if self.random.bool() { "tags.?env".to_owned() } else { format!("tags[?{key}]") };
                format!("{optional}.orValue({default})")
            }
            _ => {
                let function = self.pick(&["lowerAscii", "upperAscii"]);
                format!("{}.{function}()", self.pick(&TEXT_FIELDS))
            }
        }
    }

    fn number(&mut self) -> String {
        match self.random.u8(..6) {
            0 => format!("size({})", self.text()),
            1 => format!("{}.size()", self.pick(&TEXT_FIELDS)),
            2..4 => "size".to_owned(),
            _ => "version".to_owned(),
        }
    }

    fn number_literal(&mut self) -> String {
        if self.random.bool() {
            self.pick(&NUMBER_LITERALS).to_owned()
        } else {
            NUMBERS[self.random.usize(..NUMBERS.len())].to_string()
        }
    }

    fn key(&mut self) -> String {
        let key = self.pick(&KEYS);
        quoted(if self.random.u8(..10) == 0 { "nowhere" } else { key })
    }

    fn text_literal(&mut self) -> String {
        let text = self.pick(&TEXTS);
        match self.random.u8(..20) {
            0 => quoted(&text.to_lowercase()),
            1 => quoted(&text.to_uppercase()),
            2 => quoted(&format!("{text}\0")),
            3 => quoted(&text.chars().skip(1).collect::<String>()),
            4 => quoted("2026-01-15"),
            _ => quoted(text),
        }
    }
}

/// Returns a CEL literal of a text.
fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|character| match character {
            '"' | '\\' => format!("\\{character}"),
            control if control.is_control() => format!("\\u{:04x}", u32::from(control)),
            other => other.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}
