//! Runs a query: rows that SQLite filtered, what metadata decides, content for the rest, the predicate, the projection.
//!
//! Rows come out in the order of the catalog. Content is fetched in batches, only for rows that metadata leaves open or
//! whose answer shows it; with a limit the batches start small.

use std::ops::ControlFlow;

use serde_json::Value;

use super::budget::{Interrupt, listen_to};
use super::compile::Query;
use super::content::{Contents, Decoded, Form, Source, artifact};
use super::deep::on_big_stack;
use super::error::{QueryError, Skipped};
use super::json;
use super::program::Reason;
use super::row::{Columns, Known, RECORD, Row, Variables, has_content};
use crate::catalog::{Catalog, Column, Order, Selected, Selection};

/// The most artifacts fetched at a time.
const BATCH_MAX: usize = 64;

/// The first batch when there is a limit.
const BATCH_FIRST: usize = 8;

/// The most content fetched at a time, in bytes.
const BATCH_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The most rows that wait behind one whose content is being waited for.
const WAITING_MAX: usize = 4_096;

/// What an answer without a projection shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// Metadata.
    #[default]
    Metadata,
    /// Metadata and content.
    Content,
}

/// How to run a query.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// At most how many answers.
    pub limit: Option<u64>,
    /// What an answer without a projection shows.
    pub shown: Shown,
    /// Whether a row that cannot be evaluated is an error.
    pub is_strict: bool,
    /// Stops it.
    pub interrupt: Interrupt,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A row, and its content if that was asked for.
    Row(Row, Option<Value>),
    /// What the projection makes of a row.
    Value(Value),
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many answers there are.
    pub total: u64,
    /// Whether there are as many as the limit allows.
    pub is_limited: bool,
    /// How many rows SQLite returned.
    pub read: u64,
    /// How many rows the residual was evaluated on.
    pub evaluated: u64,
    /// How many artifacts were fetched.
    pub fetched: u64,
    /// What was left out.
    pub skipped: Option<Skipped>,
}

/// Runs `query`, and hands every answer to `answer` until it breaks.
pub fn run(
    query: &Query,
    catalog: &Catalog,
    contents: &dyn Contents,
    options: &Options,
    answer: &mut (dyn FnMut(Answer) -> ControlFlow<()> + Send),
) -> Result<Report, QueryError> {
    on_big_stack(|| {
        listen_to(&options.interrupt);
        run_here(query, catalog, contents, options, answer)
    })
}

/// Runs `query` on this thread, whose stack is big enough.
pub(super) fn run_here(
    query: &Query,
    catalog: &Catalog,
    contents: &dyn Contents,
    options: &Options,
    answer: &mut dyn FnMut(Answer) -> ControlFlow<()>,
) -> Result<Report, QueryError> {
    if options.limit == Some(0) {
        return Ok(Report { is_limited: true, ..Report::default() });
    }
    let columns = columns(query, options);
    let mut running = Running {
        query,
        contents,
        options,
        answer,
        columns: &columns,
        waiting: Vec::new(),
        wanted: 0,
        wanted_bytes: 0,
        batch: options.limit.map_or(BATCH_MAX, |_| BATCH_FIRST),
        report: Report::default(),
    };
    let selection = selection(query, options, &columns);
    let mut outcome = Ok(ControlFlow::Continue(()));
    catalog.select(&selection, &mut |row| {
        outcome = running.visit(row);
        match outcome {
            Ok(flow) => flow,
            Err(_) => ControlFlow::Break(()),
        }
    })?;
    if outcome?.is_continue() {
        let _is_broken = running.flush()?;
    }
    let mut report = running.report;
    report.is_limited = options.limit.is_some_and(|limit| report.total >= limit);
    Ok(report)
}

/// Returns how the catalog would run the statement, and what it is.
pub fn explain(query: &Query, catalog: &Catalog, options: &Options) -> Result<Plan, QueryError> {
    let columns = columns(query, options);
    let steps = catalog.explain(&selection(query, options, &columns))?;
    Ok(Plan {
        filter: query.split.filter.clone(),
        parameters: query.split.parameters.iter().map(|parameter| format!("{parameter:?}")).collect(),
        residual: query.residual.as_ref().map(|_| query.predicate().to_owned()),
        columns: columns.iter().map(|column| column.name()).collect(),
        steps,
    })
}

/// How a query is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The SQL that filters.
    pub filter: String,
    /// Its values.
    pub parameters: Vec<String>,
    /// What is evaluated on the rows it returns.
    pub residual: Option<String>,
    /// The columns that are read.
    pub columns: Vec<&'static str>,
    /// What SQLite does.
    pub steps: Vec<String>,
}

fn columns(query: &Query, options: &Options) -> Vec<Column> {
    let shown: Vec<_> = match (query.is_projected(), options.shown) {
        (true, _) => Vec::new(),
        (false, Shown::Metadata | Shown::Content) => RECORD.iter().map(|(_, column)| *column).collect(),
    };
    query.columns(&shown)
}

fn selection<'a>(query: &'a Query, options: &Options, columns: &'a [Column]) -> Selection<'a> {
    Selection {
        columns,
        filter: &query.split.filter,
        parameters: &query.split.parameters,
        order: Order::Stable,
        limit: query.split.limit(options.limit),
    }
}

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

struct Running<'a> {
    query: &'a Query,
    contents: &'a dyn Contents,
    options: &'a Options,
    answer: &'a mut dyn FnMut(Answer) -> ControlFlow<()>,
    columns: &'a [Column],
    waiting: Vec<Waiting>,
    wanted: usize,
    wanted_bytes: u64,
    batch: usize,
    report: Report,
}

impl Running<'_> {
    fn visit(&mut self, row: &Selected<'_>) -> Result<ControlFlow<()>, QueryError> {
        if self.options.interrupt.is_raised() {
            return Err(QueryError::Interrupted);
        }
        self.report.read += 1;
        let verdict = self.judge(row, None)?;
        if verdict == Verdict::Out {
            return Ok(ControlFlow::Continue(()));
        }
        let needs_content = verdict == Verdict::Open || self.shows_content(row);
        let row = Row::copied(row, self.columns);
        if !needs_content && self.waiting.is_empty() {
            return self.finish(row, None);
        }
        if needs_content {
            self.wanted += 1;
            self.wanted_bytes += u64::try_from(row.integer(Column::Size)).unwrap_or_default();
        }
        self.waiting.push(Waiting { row, verdict, needs_content });
        if self.is_full() { self.flush() } else { Ok(ControlFlow::Continue(())) }
    }

    fn is_full(&self) -> bool {
        let sure = self.waiting.iter().filter(|waiting| waiting.verdict == Verdict::Matches).count() as u64;
        self.wanted >= self.batch
            || self.wanted_bytes >= BATCH_BYTES_MAX
            || self.waiting.len() >= WAITING_MAX
            || self.options.limit.is_some_and(|limit| self.report.total + sure >= limit)
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
            let flag = value.downcast_ref::<cel::common::types::CelBool>().map(|flag| *flag.inner());
            flag.ok_or_else(|| cel::ExecutionError::UnexpectedType {
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
        (self.wanted, self.wanted_bytes) = (0, 0);
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
            if verdict == Verdict::Matches && self.finish(row, decoded.as_ref())?.is_break() {
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

    fn finish(&mut self, row: Row, decoded: Option<&Decoded>) -> Result<ControlFlow<()>, QueryError> {
        let answer = match &self.query.select {
            None => {
                let content = (self.options.shown == Shown::Content).then(|| {
                    let is_json = Form::of(row.text(Column::ContentType)) == Form::Json;
                    match decoded.filter(|_| is_json) {
                        Some(decoded) => json::from_val(decoded.attributes()).unwrap_or(Value::Null),
                        None if is_json => Value::Null,
                        None => "".into(),
                    }
                });
                Answer::Row(row, content)
            }
            Some(select) => {
                let opaque = Decoded::new(Form::Opaque, &[]);
                let known = match decoded {
                    Some(decoded) => Known::Content(decoded),
                    None if has_content(&row) => Known::Nothing,
                    None => Known::Content(&opaque),
                };
                let variables = Variables::new(&row, known);
                let value = select.program.evaluate(&variables, json::from_val)?;
                Answer::Value(match value {
                    Ok(value) => value,
                    // A failed fetch has been counted.
                    Err(_) if variables.was_content_asked() => Value::Null,
                    Err(Reason(reason)) => {
                        self.skip(&row, &reason)?;
                        Value::Null
                    }
                })
            }
        };
        self.report.total += 1;
        if (self.answer)(answer).is_break() || self.options.limit.is_some_and(|limit| self.report.total >= limit) {
            return Ok(ControlFlow::Break(()));
        }
        Ok(ControlFlow::Continue(()))
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

/// A place without any content: for queries that name none.
#[derive(Clone, Copy, Debug)]
pub struct NoContents;

impl Contents for NoContents {
    fn fetch(&self, wanted: &[super::Artifact]) -> Vec<Result<Option<Vec<u8>>, Source>> {
        wanted.iter().map(|_| Ok(None)).collect()
    }
}
