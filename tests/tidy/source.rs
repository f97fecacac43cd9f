//! A Rust file as the rules see it: its code without comments and literals, and every path that the code names.
//!
//! The scanner knows just enough of the language: nested comments, raw strings, `use` trees, inline modules. Comments
//! and literals become spaces of equal length, so that line numbers stay true.

use std::path::Path;

/// A file of the workspace.
#[derive(Debug)]
pub(crate) struct Source {
    /// The path below the workspace root, with forward slashes.
    pub(crate) path: String,
    /// The text as it is.
    pub(crate) text: String,
}

/// A path such as `crate::bucket::Version`, resolved from `use` trees and from code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// The segments in order, the last one as written.
    pub(crate) segments: Vec<String>,
    /// The line, from 1.
    pub(crate) line: usize,
    /// How many inline modules enclose it.
    pub(crate) inline_depth: usize,
    /// Whether it stands in test code: a file or an inline module named `tests`.
    pub(crate) in_tests: bool,
}

impl Named {
    /// Returns whether `parts` occur in the path, one after the other.
    pub(crate) fn contains(&self, parts: &[&str]) -> bool {
        self.segments.windows(parts.len()).any(|window| window.iter().zip(parts).all(|(have, want)| have == want))
    }
}

impl Source {
    /// Makes a source from its parts.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Returns whether the file holds Rust code.
    pub(crate) fn is_rust(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|extension| extension == "rs")
    }

    /// Returns whether the whole file is test code.
    pub(crate) fn is_tests(&self) -> bool {
        self.path.split('/').any(|part| part == "tests" || part == "tests.rs")
    }

    /// Returns the module of `src/` that the file belongs to; the binary's root belongs to `cli`.
    pub(crate) fn module(&self) -> Option<&str> {
        let rest = self.path.strip_prefix("src/")?;
        let first = rest.split('/').next()?;
        match first.strip_suffix(".rs").unwrap_or(first) {
            "lib" => None,
            "main" => Some("cli"),
            name => Some(name),
        }
    }

    /// Returns how deep the file's module lies below the crate root: 1 for `src/clock.rs` and `src/bucket/mod.rs`.
    pub(crate) fn depth(&self) -> usize {
        let rest = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let parts = rest.split('/').count();
        if rest.ends_with("mod.rs") || rest == "main.rs" || rest == "lib.rs" { parts - 1 } else { parts }
    }

    /// Returns every path of two or more segments in the code, `use` trees expanded.
    pub(crate) fn paths(&self) -> Vec<Named> {
        let code = blank(&self.text);
        Walker { tokens: tokens(&code), at: 0, depth: 0, modules: Vec::new(), test_file: self.is_tests() }.walk()
    }
}

/// Returns `text` with comments and the insides of literals replaced by spaces; line breaks stay.
pub(crate) fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = opaque_end(&chars, at);
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(chars[at..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// Returns where the comment or literal that starts at `at` ends, or `at` when none does.
fn opaque_end(chars: &[char], at: usize) -> usize {
    let rest = &chars[at..];
    let word_before = at > 0 && is_word(chars[at - 1]);
    match rest {
        ['/', '/', ..] => at + rest.iter().position(|&c| c == '\n').unwrap_or(rest.len()),
        ['/', '*', ..] => at + block_comment_len(rest),
        ['"', ..] => at + string_len(rest),
        ['r', '#' | '"', ..] if !word_before => at + raw_string_len(rest, 1),
        ['b', 'r', '#' | '"', ..] if !word_before => at + raw_string_len(rest, 2),
        ['\'', '\\', ..] => at + 3 + rest[3..].iter().position(|&c| c == '\'').map_or(0, |n| n + 1),
        ['\'', _, '\'', ..] => at + 3,
        _ => at,
    }
}

fn block_comment_len(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string_len(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// Returns the length of a raw string whose hashes start at `hashes_at`, or 0 for a raw identifier.
fn raw_string_len(rest: &[char], hashes_at: usize) -> usize {
    let hashes = rest[hashes_at..].iter().take_while(|&&c| c == '#').count();
    let open = hashes_at + hashes;
    if rest.get(open) != Some(&'"') {
        return 0;
    }
    let closes =
        |at: &usize| rest[*at] == '"' && rest[at + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes;
    (open + 1..rest.len()).find(closes).map_or(rest.len(), |at| at + 1 + hashes)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A word or one character of punctuation (`::` is one token), with its line.
#[derive(Debug)]
struct Token {
    text: String,
    line: usize,
}

fn tokens(code: &str) -> Vec<Token> {
    let mut found = Vec::new();
    for (index, text) in code.lines().enumerate() {
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let len = if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            found.push(Token { text: rest[..len].to_owned(), line: index + 1 });
            rest = rest[len..].trim_start();
        }
    }
    found
}

struct Walker {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    /// The inline modules around the current token: name and the brace depth of their inside.
    modules: Vec<(String, usize)>,
    test_file: bool,
}

impl Walker {
    fn walk(mut self) -> Vec<Named> {
        let mut found = Vec::new();
        while let Some(token) = self.tokens.get(self.at) {
            match token.text.as_str() {
                "mod" if self.text(2) == "{" => {
                    self.modules.push((self.text(1).to_owned(), self.depth + 1));
                    self.at += 1;
                }
                "{" => self.depth += 1,
                "}" => {
                    self.modules.retain(|(_, inside)| *inside < self.depth);
                    self.depth = self.depth.saturating_sub(1);
                }
                word if word.starts_with(is_word) && self.text(1) == "::" => {
                    self.tree(&mut Vec::new(), &mut found);
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
        found
    }

    fn text(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", |token| token.text.as_str())
    }

    /// Reads one path or `use` tree from the current token on, adding every leaf to `found`.
    fn tree(&mut self, prefix: &mut Vec<String>, found: &mut Vec<Named>) {
        let base = prefix.len();
        let line = self.tokens[self.at].line;
        prefix.push(self.text(0).to_owned());
        self.at += 1;
        let mut is_group = false;
        while self.text(0) == "::" {
            self.at += 1;
            if self.text(0) == "{" {
                self.group(prefix, found);
                is_group = true;
                break;
            }
            if !self.text(0).starts_with(is_word) {
                // A turbofish or a glob: the path up to here is what matters.
                break;
            }
            prefix.push(self.text(0).to_owned());
            self.at += 1;
        }
        if !is_group {
            found.push(self.named(prefix.clone(), line));
        }
        prefix.truncate(base);
    }

    fn group(&mut self, prefix: &mut Vec<String>, found: &mut Vec<Named>) {
        self.at += 1;
        while !matches!(self.text(0), "}" | "") {
            if self.text(0) == "as" {
                self.at += 2;
            } else if self.text(0).starts_with(is_word) {
                self.tree(prefix, found);
            } else {
                self.at += 1;
            }
        }
        self.at += 1;
    }

    fn named(&self, segments: Vec<String>, line: usize) -> Named {
        let in_tests = self.test_file || self.modules.iter().any(|(name, _)| name == "tests");
        Named { segments, line, inline_depth: self.modules.len(), in_tests }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(text: &str) -> Vec<String> {
        Source::new("src/a.rs", text).paths().iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn blanking_keeps_lines_and_drops_comments_and_literals() {
        let text = "a // b\n/* c /* d */ \n e */ f(\"g\\\"h\", 'i', '\\'', r#\"j\"k\"#, br\"l\") r#type 'life";

        let code = blank(text);

        assert_eq!(code.lines().count(), 3);
        let kept: String = code.chars().filter(|c| c.is_alphanumeric()).collect();
        assert_eq!(kept, "afrtypelife");
    }

    #[test]
    fn use_trees_are_expanded() {
        assert_eq!(
            spelled("use crate::{bucket::{Version, s3::Client as C}, path::*};"),
            ["crate::bucket::Version", "crate::bucket::s3::Client", "crate::path"],
        );
    }

    #[test]
    fn paths_in_code_are_found() {
        assert_eq!(spelled("fn f(x: &crate::path::RelPath) { Vec::<u8>::new(); }"), ["crate::path::RelPath", "Vec"]);
    }

    #[test]
    fn inline_modules_are_counted_and_tests_recognised() {
        let source = Source::new("src/a.rs", "use x::a; mod tests { use x::b; fn f() { y::c } } use x::d;");

        let seen: Vec<_> = source.paths().iter().map(|path| (path.inline_depth, path.in_tests)).collect();

        assert_eq!(seen, [(0, false), (1, true), (1, true), (0, false)]);
    }

    #[test]
    fn modules_and_depths_follow_the_file_tree() {
        let of = |path| (Source::new(path, "").module().map(str::to_owned), Source::new(path, "").depth());

        assert_eq!(of("src/clock.rs"), (Some("clock".to_owned()), 1));
        assert_eq!(of("src/bucket/mod.rs"), (Some("bucket".to_owned()), 1));
        assert_eq!(of("src/bucket/s3/client.rs"), (Some("bucket".to_owned()), 3));
        assert_eq!(of("src/main.rs"), (Some("cli".to_owned()), 0));
        assert_eq!(of("src/lib.rs"), (None, 0));
    }
}
