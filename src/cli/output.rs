//! Data on stdout, status on stderr; sizes, tables and lists as people read them.
//!
//! What others wrote is shown to people with its control characters escaped: it does not command their terminals.

use std::borrow::Cow;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use swamp::fsutil::FileError;

use super::report::{Failed, Outcome};

/// How data is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Human,
    /// One JSON document.
    Json,
}

/// Where a command's words go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    format: Format,
    is_quiet: bool,
}

impl Output {
    pub(crate) fn new(format: Format, is_quiet: bool) -> Self {
        Self { format, is_quiet }
    }

    pub(crate) fn format(self) -> Format {
        self.format
    }

    pub(crate) fn is_quiet(self) -> bool {
        self.is_quiet
    }

    /// Prints a result: the document itself, or what `human` makes of it.
    pub(crate) fn emit<T: Serialize>(self, document: &T, human: impl FnOnce(&T) -> String) -> Outcome {
        let text = match self.format {
            Format::Human => human(document),
            Format::Json => serde_json::to_string_pretty(document).unwrap_or_default() + "\n",
        };
        print(text.as_bytes())
    }

    /// Tells a person what happens or what to do next.
    pub(crate) fn status(self, text: &str) {
        if !self.is_quiet {
            // A stderr that nobody reads is no failure.
            drop(writeln!(io::stderr(), "{text}"));
        }
    }
}

/// Prints bytes as they are.
pub(crate) fn print(bytes: &[u8]) -> Outcome {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failed::BrokenPipe),
        Err(error) => Err(FileError::at("write to", Path::new("standard output"))(error).into()),
    }
}

/// Returns a number of bytes as people read it: `30B`, `1.0KB`, `3.3MB`.
pub(crate) fn human_size(bytes: u64) -> String {
    let units = ["KB", "MB", "GB", "TB"];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let mut size = bytes as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < units.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1}{}", units.get(unit).copied().unwrap_or("TB"))
}

/// Returns a span of time as people read it: `12 s`, `5 min`, `3 h`, `2 d`.
pub(crate) fn human_duration(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// Returns `1 item`, `2 items`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Returns a text for a line on a terminal, control characters escaped.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Returns rows as aligned columns, however many there are, under a header if there is one.
pub(crate) fn columns<R: AsRef<[String]>>(header: &[&str], rows: &[R]) -> String {
    let head = Some(header.iter().map(|title| plain(title)).collect::<Vec<_>>()).filter(|head| !head.is_empty());
    let rows = rows.iter().map(|row| row.as_ref().iter().map(|cell| plain(cell)).collect());
    let lines: Vec<Vec<Cow<'_, str>>> = head.into_iter().chain(rows).collect();
    let mut widths = vec![0; lines.iter().map(Vec::len).max().unwrap_or_default()];
    for cells in &lines {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    lines.iter().map(|cells| line(cells, &widths)).collect()
}

/// Returns rows as aligned columns, two spaces apart, under a header.
pub(crate) fn table<const COLUMNS: usize>(header: [&str; COLUMNS], rows: &[[String; COLUMNS]]) -> String {
    columns(&header, rows)
}

fn line(cells: &[Cow<'_, str>], widths: &[usize]) -> String {
    let padded: Vec<String> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
    padded.join("  ").trim_end().to_owned() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_decimal_above_a_kilobyte() {
        assert_eq!([0, 1023, 1024, 4300, 5 << 20].map(human_size), ["0B", "1023B", "1.0KB", "4.2KB", "5.0MB"]);
        assert_eq!(human_size(u64::MAX), "16777216.0TB");
    }

    #[test]
    fn control_characters_are_escaped_in_cells_and_titles() {
        let rows = [["\u{1b}[31mred\r".to_owned(), "a\nb\u{9b}".to_owned()], ["é".to_owned(), "c".to_owned()]];

        let shown = table(["ti\u{7}tle", "x"], &rows);

        assert_eq!(shown, "ti\\u{7}tle       x\n\\u{1b}[31mred\\r  a\\nb\\u{9b}\né                c\n");
        assert_eq!(columns(&["k\u{1b}"], &[vec!["v\t".to_owned()]]), "k\\u{1b}\nv\\t\n");
    }

    #[test]
    fn columns_are_aligned_and_lines_have_no_tail() {
        let rows =
            [["a".to_owned(), "long".to_owned(), String::new()], ["éé".to_owned(), "b".to_owned(), "c".to_owned()]];

        assert_eq!(table(["x", "y", "z"], &rows), "x   y     z\na   long\néé  b     c\n");
    }
}
