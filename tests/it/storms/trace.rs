//! What happened in a run, in order: printed where it failed, and hashed to see that a seed always gives the same run.

use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};

use super::timeline::Timeline;

#[derive(Default)]
struct Lines {
    text: Vec<String>,
    hash: DefaultHasher,
    complaints: Vec<String>,
}

/// The record of one run, shared by all that take part.
#[derive(Clone, Default)]
pub(crate) struct Trace {
    timeline: Arc<Timeline>,
    lines: Arc<Mutex<Lines>>,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").finish_non_exhaustive()
    }
}

impl Trace {
    pub(crate) fn new(timeline: &Arc<Timeline>) -> Self {
        Self { timeline: Arc::clone(timeline), lines: Arc::default() }
    }

    /// Writes down what happened.
    pub(crate) fn note(&self, line: impl fmt::Display) {
        let line = format!("{:>9.3}s  {line}", self.timeline.now().as_secs_f64());
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        line.hash(&mut lines.hash);
        lines.text.push(line);
    }

    /// Writes down what must not happen.
    pub(crate) fn complain(&self, complaint: impl fmt::Display) {
        self.note(format!("!! {complaint}"));
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).complaints.push(complaint.to_string());
    }

    pub(crate) fn complaints(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).complaints.clone()
    }

    pub(crate) fn hash(&self) -> u64 {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).hash.finish()
    }

    pub(crate) fn text(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.text.iter().fold(String::new(), |mut text, line| {
            writeln!(text, "{line}").expect("a text takes everything");
            text
        })
    }
}
