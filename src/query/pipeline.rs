//! The way of a row: what metadata decides, content for the rest, the predicate, the projection.

use std::ops::ControlFlow;

use cel::ExecutionError;
use cel::common::types::CelBool;
use serde_json::Value;

use super::compile::{Query, Select};
use super::content::{Contents, Decoded, Form, artifact};
use super::error::{QueryError, Skipped};
use super::field::Field;
use super::json;
use super::program::Reason;
use super::row::{Columns, Known, Row, Variables, field_json, has_content};
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

/// What metadata says about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Matches,
    Open,
    Out,
}

struct Waiting {
    row: Row,
    verdict: Verdict,
    needs_content: bool,
}

/// A query that runs.
pub(super) struct Running<'a> {
    query: &'a Query,
    contents: &'a dyn Contents,
    options: &'a Options,
    answer: &'a mut dyn FnMut(Answer) -> ControlFlow<()>,
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
        answer: &'a mut dyn FnMut(Answer) -> ControlFlow<()>,
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
        let verdict = self.judge(row, None)?;
        if verdict == Verdict::Out {
            return Ok(ControlFlow::Continue(()));
        }
        let needs_content = verdict == Verdict::Open || self.shows_content(row);
        if !needs_content && self.waiting.is_empty() {
            let columns = self.columns;
            return self.finish(row, None, || Row::copied(row, columns));
        }
        let row = Row::copied(row, self.columns);
        if needs_content {
            self.wanted += 1;
            self.wanted_bytes += u64::try_from(row.integer(Column::Size)).unwrap_or_default();
        }
        self.sure += u64::from(verdict == Verdict::Matches);
        self.waiting.push(Waiting { row, verdict, needs_content });
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

    /// Evaluates the residual: on metadata alone it may leave the row open.
    fn judge<C: Columns>(&mut self, row: &C, decoded: Option<&Decoded>) -> Result<Verdict, QueryError> {
        let Some(residual) = &self.query.residual else {
            return Ok(Verdict::Matches);
        };
        let opaque;
        let known = match decoded {
            Some(decoded) => Known::Content(decoded),
            None if self.query.names_content() && !has_content(row) => {
                opaque = Decoded::new(Form::Opaque, &[]);
                Known::Content(&opaque)
            }
            None => Known::Nothing,
        };
        self.report.evaluated += 1;
        let variables = Variables::new(row, known);
        let outcome = residual.evaluate(&variables, |value| {
            let flag = value.downcast_ref::<CelBool>().map(|flag| *flag.inner());
            flag.ok_or_else(|| ExecutionError::UnexpectedType {
                got: value.get_type().name().to_owned(),
                want: "true or false".to_owned(),
            })
        })?;
        match outcome {
            Ok(true) => Ok(Verdict::Matches),
            Ok(false) => Ok(Verdict::Out),
            Err(_) if variables.was_content_asked() => Ok(Verdict::Open),
            Err(Reason(reason)) => {
                self.skip(row, &reason)?;
                Ok(Verdict::Out)
            }
        }
    }

    /// Counts a row that could not be evaluated.
    fn skip(&mut self, row: &dyn Columns, reason: &str) -> Result<(), QueryError> {
        let skipped = self.report.skipped.get_or_insert_with(|| Skipped {
            rows: 0,
            first: label(row),
            reason: reason.to_owned(),
        });
        skipped.rows += 1;
        if self.options.is_strict { Err(QueryError::Skipped { skipped: skipped.clone() }) } else { Ok(()) }
    }

    /// Fetches what the waiting rows need and finishes them in order.
    fn flush(&mut self) -> Result<ControlFlow<()>, QueryError> {
        let waiting = std::mem::take(&mut self.waiting);
        (self.wanted, self.wanted_bytes, self.sure) = (0, 0, 0);
        self.batch = (self.batch * 2).min(BATCH_MAX);
        let mut fetched = self.fetch(&waiting).into_iter();
        for Waiting { row, verdict, needs_content } in waiting {
            if self.options.interrupt.is_raised() {
                return Err(QueryError::Interrupted);
            }
            let decoded = match needs_content.then(|| fetched.next()).flatten() {
                None => None,
                Some(Ok(bytes)) => Some(Decoded::new(Form::of(row.text(Column::ContentType)), &bytes)),
                Some(Err(reason)) => {
                    self.skip(&row, &reason)?;
                    if verdict == Verdict::Open {
                        continue;
                    }
                    None
                }
            };
            let verdict = match (verdict, &decoded) {
                (Verdict::Open, Some(decoded)) => self.judge(&row, Some(decoded))?,
                (verdict, _) => verdict,
            };
            if verdict == Verdict::Matches && self.finish(&row, decoded.as_ref(), || row.clone())?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Returns the content of each row that needs it, or why there is none.
    fn fetch(&mut self, waiting: &[Waiting]) -> Vec<Result<Vec<u8>, String>> {
        let artifacts: Vec<_> =
            waiting.iter().filter(|waiting| waiting.needs_content).map(|waiting| artifact(&waiting.row)).collect();
        let wanted: Vec<_> = artifacts.iter().filter_map(|artifact| artifact.as_ref().ok().cloned()).collect();
        if wanted.is_empty() {
            return artifacts.into_iter().map(|artifact| Err(artifact.err().unwrap_or_default())).collect();
        }
        self.report.fetched += wanted.len() as u64;
        let mut fetched = self.contents.fetch(&wanted).into_iter();
        let contents = artifacts.into_iter().map(|artifact| {
            artifact?;
            match fetched.next() {
                Some(Ok(Some(bytes))) => Ok(bytes),
                Some(Ok(None)) | None => Err("its content is missing".to_owned()),
                Some(Err(error)) => Err(format!("its content cannot be fetched: {}", causes(error.as_ref()))),
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
            Some(select) => match select.field {
                Some(&Field { kind, column: Some(column), .. }) => Answer::Value(field_json(row, kind, column)),
                Some(_) | None => Answer::Value(self.project(select, row, decoded)?),
            },
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

    fn project<C: Columns>(
        &mut self,
        select: &Select,
        row: &C,
        decoded: Option<&Decoded>,
    ) -> Result<Value, QueryError> {
        let opaque;
        let known = match decoded {
            Some(decoded) => Known::Content(decoded),
            None if select.names_content() && !has_content(row) => {
                opaque = Decoded::new(Form::Opaque, &[]);
                Known::Content(&opaque)
            }
            None => Known::Nothing,
        };
        let variables = Variables::new(row, known);
        match select.program.evaluate(&variables, json::from_val)? {
            Ok(value) => Ok(value),
            // A failed fetch has been counted.
            Err(_) if variables.was_content_asked() => Ok(Value::Null),
            Err(Reason(reason)) => {
                self.skip(row, &reason)?;
                Ok(Value::Null)
            }
        }
    }
}

/// Returns what a person would call a row.
pub(super) fn label(row: &dyn Columns) -> String {
    let namespace = match row.text(Column::Namespace) {
        "" => String::new(),
        slug => format!("{slug}:"),
    };
    let [model_type, model, name] = [Column::Type, Column::ModelId, Column::DataName].map(|column| row.text(column));
    format!("{namespace}{model_type}/{model}/{name}/{}", row.integer(Column::Version))
}

/// Returns an error and its causes in one line.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
