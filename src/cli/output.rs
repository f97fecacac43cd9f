//! Data on stdout, status on stderr; sizes, tables and lists as people read them.

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

/// Returns rows as aligned columns, however many there are, under a header if there is one.
pub(crate) fn columns(header: &[&str], rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).chain([header.len()]).max().unwrap_or_default();
    let mut widths = vec![0; count];
    let header: Vec<String> = header.iter().map(|title| (*title).to_owned()).collect();
    for row in rows.iter().chain([&header]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let head = if header.is_empty() { String::new() } else { line(&header, &widths) };
    rows.iter().fold(head, |text, row| text + &line(row, &widths))
}

/// Returns rows as aligned columns, two spaces apart, under a header.
pub(crate) fn table<const COLUMNS: usize>(header: [&str; COLUMNS], rows: &[[String; COLUMNS]]) -> String {
    let mut widths = header.map(|title| title.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = line(&header.map(str::to_owned), &widths);
    for row in rows {
        text.push_str(&line(row, &widths));
    }
    text
}

fn line(cells: &[String], widths: &[usize]) -> String {
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
    fn columns_are_aligned_and_lines_have_no_tail() {
        let rows =
            [["a".to_owned(), "long".to_owned(), String::new()], ["éé".to_owned(), "b".to_owned(), "c".to_owned()]];

        assert_eq!(table(["x", "y", "z"], &rows), "x   y     z\na   long\néé  b     c\n");
    }
}
