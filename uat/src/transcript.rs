//! Every command of a story and what it answered, for the reader of a failure.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of one stream shown per command.
const SHOWN_BYTES_MAX: usize = 4096;

/// A shared, growing account of a story.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transcript(Arc<Mutex<String>>);

impl Transcript {
    /// Adds a command: where it ran, what it was, how it ended and what it said.
    pub(crate) fn command(&self, place: &str, line: &str, ending: &str, streams: [(&str, &[u8]); 2]) {
        let mut text = format!("{place}$ {line}\n");
        for (name, bytes) in streams {
            for line in shown(bytes).lines() {
                text.push_str("    ");
                text.push_str(name);
                text.push_str(" | ");
                text.push_str(line);
                text.push('\n');
            }
        }
        writeln!(text, "    => {ending}").expect("writing to a string works");
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
    }

    /// Returns the account so far.
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn shown(bytes: &[u8]) -> String {
    let end = bytes.len().min(SHOWN_BYTES_MAX);
    let mut text = String::from_utf8_lossy(&bytes[..end]).into_owned();
    if end < bytes.len() {
        write!(text, "\n… {} bytes more", bytes.len() - end).expect("writing to a string works");
    }
    text
}
