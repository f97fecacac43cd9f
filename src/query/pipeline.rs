//! The way of rows: those that metadata leaves open wait for their content, fetched in batches; all keep their order.

use std::ops::ControlFlow;

use serde_json::Value;

use super::compile::{Query, Select};
use super::content::{Contents, Decoded, Form, Unfetched, artifact};
use super::error::{Incomplete, QueryError, Skipped};
use super::field::{Field, FieldKind};
use super::json;
use super::judge::{Verdict, label, projection, verdict};
use super::program::Cause;
use super::pushdown::Errors;
use super::row::{Columns, Row, has_content};
use super::run::{Answer, Options, Report, Shown};
use crate::catalog::{Column, Selected};

/// The most artifacts fetched at a time.
const BATCH_MAX: usize = 64;

/// The most content fetched at a time, in bytes.
const BATCH_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The most rows that wait behind one whose content is being waited for.
const WAITING_MAX: usize = 4_096;

/// The first batch when there is a limit.
const BATCH_FIRST: usize = 8;

struct Waiting {
    row: Row,
    is_open: bool,
    needs_content: bool,
}

/// The content of a row, or why there is none.
type Fetched = Result<Vec<u8>, Trouble>;

/// Why there is no content.
enum Trouble {
    /// There is none to be had.
    Impossible(String),
    /// It could not be fetched now.
    Unfetched(Unfetched),
}

/// A query that runs.
pub(super) struct Running<'a> {
    query: &'a Query,
    contents: &'a dyn Contents,
    options: &'a Options,
    answer: &'a mut dyn FnMut(Answer<'_>) -> ControlFlow<()>,
    columns: &'a [Column],
    waiting: Vec<Waiting>,
    wanted: usize,
    wanted_bytes: u64,
    /// How many of the waiting rows match for sure.
    sure: u64,
    batch: usize,
    report: Report,
}

impl<'a> Running<'a> {
    pub(super) fn new(
        query: &'a Query,
        contents: &'a dyn Contents,
        options: &'a Options,
        columns: &'a [Column],
        answer: &'a mut dyn FnMut(Answer<'_>) -> ControlFlow<()>,
    ) -> Self {
        Self {
            query,
            contents,
            options,
            answer,
            columns,
            waiting: Vec::new(),
            wanted: 0,
            wanted_bytes: 0,
            sure: 0,
            batch: options.limit.map_or(BATCH_MAX, |_| BATCH_FIRST),
            report: Report::default(),
        }
    }

    /// Finishes what waits, unless enough was seen.
    pub(super) fn end(mut self, flow: ControlFlow<()>) -> Result<Report, QueryError> {
        if flow.is_continue() {
            let _is_broken = self.flush()?;
        }
        Ok(self.report)
    }

    /// Looks at the next row.
    pub(super) fn visit(&mut self, row: &Selected<'_>) -> Result<ControlFlow<()>, QueryError> {
        if self.options.interrupt.is_raised() {
            return Err(QueryError::Interrupted);
        }
        self.report.read += 1;
        let is_open = match self.judge(row, None)? {
            Verdict::Matches => false,
            Verdict::Open => true,
            Verdict::Out => return Ok(ControlFlow::Continue(())),
            Verdict::Failed(reason) => return self.skip(row, &reason.message, reason.cause),
        };
        let needs_content = is_open || self.shows_content(row);
        if !needs_content && self.waiting.is_empty() {
            let columns = self.columns;
            return self.finish(row, None, || Row::copied(row, columns));
        }
        let row = Row::copied(row, self.columns);
        if needs_content {
            self.wanted += 1;
            self.wanted_bytes += u64::try_from(row.integer(Column::Size)).unwrap_or_default();
        }
        self.sure += u64::from(!is_open);
        self.waiting.push(Waiting { row, is_open, needs_content });
        if self.is_full() { self.flush() } else { Ok(ControlFlow::Continue(())) }
    }

    fn is_full(&self) -> bool {
        self.wanted >= self.batch
            || self.wanted_bytes >= BATCH_BYTES_MAX
            || self.waiting.len() >= WAITING_MAX
            || self.options.limit.is_some_and(|limit| self.report.total + self.sure >= limit)
    }

    /// Returns whether the answer made of a row says what its content is.
    fn shows_content(&self, row: &dyn Columns) -> bool {
        match &self.query.select {
            Some(select) => select.names_content() && has_content(row),
            None => self.options.shown == Shown::Content && Form::of(row.text(Column::ContentType)) == Form::Json,
        }
    }

    fn judge<C: Columns>(&mut self, row: &C, decoded: Option<&Decoded>) -> Result<Verdict, QueryError> {
        self.report.evaluated += u64::from(self.query.residual.is_some());
        verdict(self.query, row, decoded)
    }

    /// Counts a row that could not be evaluated.
    fn skip(&mut self, row: &dyn Columns, reason: &str, cause: Cause) -> Result<ControlFlow<()>, QueryError> {
        let skipped = self.report.skipped.get_or_insert_with(|| Skipped {
            rows: 0,
            first: label(row),
            reason: reason.to_owned(),
            hint: cause.hint(),
        });
        skipped.rows += 1;
        match self.query.errors {
            Errors::Skip => Ok(ControlFlow::Continue(())),
            Errors::Fail => Err(QueryError::Skipped { skipped: skipped.clone() }),
        }
    }

    /// Counts a row whose content could not be fetched.
    fn leave_open(&mut self, row: &dyn Columns, why: Unfetched) -> Result<ControlFlow<()>, QueryError> {
        let incomplete = self.report.incomplete.get_or_insert_with(|| Incomplete { rows: 0, first: (label(row), why) });
        incomplete.rows += 1;
        match self.query.errors {
            Errors::Skip => Ok(ControlFlow::Continue(())),
            Errors::Fail => Err(QueryError::Incomplete { incomplete: incomplete.clone() }),
        }
    }

    /// Fetches what the waiting rows need and finishes them in order.
    fn flush(&mut self) -> Result<ControlFlow<()>, QueryError> {
        let waiting = std::mem::take(&mut self.waiting);
        (self.wanted, self.wanted_bytes, self.sure) = (0, 0, 0);
        self.batch = (self.batch * 2).min(BATCH_MAX);
        let mut fetched = self.fetch(&waiting).into_iter();
        for Waiting { row, is_open, needs_content } in waiting {
            if self.options.interrupt.is_raised() {
                return Err(QueryError::Interrupted);
            }
            let content = needs_content.then(|| fetched.next()).flatten();
            if self.finish_waiting(&row, is_open, content)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn finish_waiting(
        &mut self,
        row: &Row,
        is_open: bool,
        content: Option<Fetched>,
    ) -> Result<ControlFlow<()>, QueryError> {
        let decoded = match content {
            None => None,
            Some(Ok(bytes)) => Some(Decoded::new(Form::of(row.text(Column::ContentType)), &bytes)),
            Some(Err(trouble)) => {
                let flow = match trouble {
                    Trouble::Impossible(reason) => self.skip(row, &reason, Cause::Other)?,
                    Trouble::Unfetched(why) => self.leave_open(row, why)?,
                };
                if is_open {
                    return Ok(flow);
                }
                None
            }
        };
        if is_open {
            match self.judge(row, decoded.as_ref())? {
                Verdict::Matches => {}
                Verdict::Open | Verdict::Out => return Ok(ControlFlow::Continue(())),
                Verdict::Failed(reason) => return self.skip(row, &reason.message, reason.cause),
            }
        }
        self.finish(row, decoded.as_ref(), || row.clone())
    }

    /// Returns the content of each row that needs it, or why there is none.
    fn fetch(&mut self, waiting: &[Waiting]) -> Vec<Fetched> {
        let artifacts: Vec<_> =
            waiting.iter().filter(|waiting| waiting.needs_content).map(|waiting| artifact(&waiting.row)).collect();
        let wanted: Vec<_> = artifacts.iter().filter_map(|artifact| artifact.as_ref().ok().cloned()).collect();
        if wanted.is_empty() {
            let impossible = |reason: Option<String>| Err(Trouble::Impossible(reason.unwrap_or_default()));
            return artifacts.into_iter().map(|artifact| impossible(artifact.err())).collect();
        }
        self.report.fetched += wanted.len() as u64;
        let mut fetched = self.contents.fetch(&wanted).into_iter();
        let contents = artifacts.into_iter().map(|artifact| {
            artifact.map_err(Trouble::Impossible)?;
            match fetched.next() {
                Some(Ok(Some(bytes))) => Ok(bytes),
                Some(Ok(None)) | None => Err(Trouble::Impossible("its content is missing".to_owned())),
                Some(Err(why)) => Err(Trouble::Unfetched(why)),
            }
        });
        contents.collect()
    }

    /// Makes the answer of a row that matches.
    fn finish<C: Columns>(
        &mut self,
        row: &C,
        decoded: Option<&Decoded>,
        owned: impl FnOnce() -> Row,
    ) -> Result<ControlFlow<()>, QueryError> {
        let answer = match &self.query.select {
            None => Answer::Row(owned(), self.content_shown(row, decoded)),
            Some(Select { field: Some(Field { kind: FieldKind::Text, column: Some(column), .. }), .. }) => {
                Answer::Text(row.text(*column))
            }
            Some(select) => Answer::Value(match projection(select, row, decoded)? {
                Ok(value) => value,
                Err(reason) => {
                    // A failed fetch has been counted.
                    if let Some(reason) = reason {
                        let _goes_on = self.skip(row, &reason.message, reason.cause)?;
                    }
                    Value::Null
                }
            }),
        };
        self.report.total += 1;
        if (self.answer)(answer).is_break() || self.options.limit.is_some_and(|limit| self.report.total >= limit) {
            return Ok(ControlFlow::Break(()));
        }
        Ok(ControlFlow::Continue(()))
    }

    fn content_shown(&self, row: &dyn Columns, decoded: Option<&Decoded>) -> Option<Value> {
        if self.options.shown == Shown::Metadata {
            return None;
        }
        let is_json = Form::of(row.text(Column::ContentType)) == Form::Json;
        Some(match decoded.filter(|_| is_json) {
            Some(decoded) => json::from_val(decoded.attributes()).unwrap_or(Value::Null),
            None if is_json => Value::Null,
            None => "".into(),
        })
    }
}
