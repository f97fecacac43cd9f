//! Waiting until everything is remote.
//!
//! A directory that is in use stays dirty after every push. It does not keep a flush waiting: what was in it when the
//! push began has been sent, and more changes are more work for the next one.

use std::time::Duration;

use super::state::{State, answer};
use super::{Answer, Reply};
use crate::error::{Failure as _, Kind};
use crate::mounting::relayed::Relayed;
use crate::mounting::summary::{Flushed, Pushed};
use crate::sync::DirtySet;

/// Why something is left if no push has failed.
const LATE: &str = "it did not end in time";

/// Why something is left if nobody wanted it to be pushed.
const UNWANTED: &str = "it was not to be waited for (`--no-push`, or `--timeout 0`)";

/// Somebody who waits until everything is remote.
pub(super) struct Flush {
    pub(super) deadline: Duration,
    reply: Reply,
}

impl State {
    pub(super) fn begin_flush(&mut self, timeout: Duration, reply: Reply) {
        self.catch_up();
        if self.is_clean() && !self.schedule.is_pushing() {
            return answer(reply, Answer::Flushed(Flushed::default()));
        }
        if timeout.is_zero() {
            // Nobody waits for a push, which may not even be wanted.
            return answer(reply, Answer::Flushed(self.left(Some(UNWANTED.to_owned()))));
        }
        self.flushes.push(Flush { deadline: self.now().saturating_add(timeout), reply });
        // A push that is running may have begun too early.
        self.schedule.ask();
    }

    /// Hears what a push came to.
    pub(super) fn continue_flushes(&mut self, outcome: &Result<Pushed, Relayed>) {
        if self.flushes.is_empty() {
            return;
        }
        self.catch_up();
        let left = self.left(None);
        if left.is_done() {
            return self.answer_flushes(&left);
        }
        match outcome {
            // Something changed meanwhile.
            Ok(_) => self.schedule.ask(),
            // Waiting does not help; the schedule tries again after any other failure.
            Err(error) if error.kind() == Kind::Denied => self.answer_flushes(&self.left(Some(error.to_line()))),
            Err(_) => self.schedule.ask_again(),
        }
    }

    /// Answers whoever has waited long enough.
    pub(super) fn end_late_flushes(&mut self) {
        let now = self.now();
        let (late, waiting) = std::mem::take(&mut self.flushes).into_iter().partition(|flush| flush.deadline <= now);
        self.flushes = waiting;
        let late: Vec<Flush> = late;
        if late.is_empty() {
            return;
        }
        let left = self.left(Some(LATE.to_owned()));
        for flush in late {
            answer(flush.reply, Answer::Flushed(left.clone()));
        }
    }

    fn answer_flushes(&mut self, left: &Flushed) {
        for flush in std::mem::take(&mut self.flushes) {
            answer(flush.reply, Answer::Flushed(left.clone()));
        }
    }

    /// Whether nothing is dirty.
    pub(super) fn is_clean(&self) -> bool {
        self.parts.watermark.peek().is_ok_and(|dirty| dirty.is_empty())
    }

    fn left(&self, reason: Option<String>) -> Flushed {
        match self.parts.watermark.peek() {
            Ok(DirtySet { is_everything, paths }) => {
                let failed = self.doing.push_error.as_ref().map(|error| error.message.clone());
                let reason = failed.or(reason);
                let held = self.parts.watermark.held();
                let left = paths.iter().filter(|path| held.binary_search(path).is_err());
                let left = Flushed { left: left.map(ToString::to_string).collect(), is_everything, reason };
                if left.is_done() { Flushed::default() } else { left }
            }
            Err(error) => Flushed { is_everything: true, reason: Some(error.to_string()), ..Flushed::default() },
        }
    }
}
