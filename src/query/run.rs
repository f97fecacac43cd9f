//! Runs a query: rows that SQLite filtered, what metadata decides, content for the rest, the predicate, the projection.
//!
//! Rows come out in the order of the catalog. Content is fetched in batches, only for rows that metadata leaves open or
//! whose answer shows it; with a limit the batches start small.

use std::ops::ControlFlow;

use serde_json::Value;

use super::budget::{Interrupt, listen_to};
use super::compile::Query;
use super::content::{Artifact, Contents, Unfetched};
use super::deep::on_big_stack;
use super::error::{Incomplete, QueryError, Skipped};
use super::pipeline::Running;
use super::row::{RECORD, Row};
use crate::catalog::{Catalog, Column, Order, Selection};

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
    /// Stops it.
    pub interrupt: Interrupt,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// A row, and its content if that was asked for.
    Row(Row, Option<Value>),
    /// What the projection makes of a row.
    Value(Value),
    /// The same, where it is nothing but the text of a column: the most common one, and many rows have it.
    Text(&'a str),
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
    /// Content that could not be fetched: then there may be more answers than were given.
    pub incomplete: Option<Incomplete>,
}

/// Runs `query`, and hands every answer to `answer` until it breaks.
pub fn run(
    query: &Query,
    catalog: &Catalog,
    contents: &dyn Contents,
    options: &Options,
    answer: &mut (dyn FnMut(Answer<'_>) -> ControlFlow<()> + Send),
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
    answer: &mut dyn FnMut(Answer<'_>) -> ControlFlow<()>,
) -> Result<Report, QueryError> {
    if options.limit == Some(0) {
        return Ok(Report { is_limited: true, ..Report::default() });
    }
    let columns = columns(query, options);
    let mut running = Running::new(query, contents, options, &columns, answer);
    let selection = selection(query, options, &columns);
    let mut outcome = Ok(ControlFlow::Continue(()));
    catalog.select_tagged(&selection, query.split.tagging(), &mut |row| {
        outcome = running.visit(row);
        match outcome {
            Ok(flow) => flow,
            Err(_) => ControlFlow::Break(()),
        }
    })?;
    let mut report = running.end(outcome?)?;
    report.is_limited = options.limit.is_some_and(|limit| report.total >= limit);
    Ok(report)
}

pub(super) fn columns(query: &Query, options: &Options) -> Vec<Column> {
    let shown: Vec<_> = match (query.is_projected(), options.shown) {
        (true, _) => Vec::new(),
        (false, Shown::Metadata | Shown::Content) => RECORD.iter().map(|(_, column)| *column).collect(),
    };
    query.columns(&shown)
}

pub(super) fn selection<'a>(query: &'a Query, options: &Options, columns: &'a [Column]) -> Selection<'a> {
    Selection {
        columns,
        filter: &query.split.filter,
        parameters: &query.split.parameters,
        order: Order::Stable,
        limit: query.split.limit(options.limit),
    }
}

/// A place without any content: for queries that name none.
#[derive(Clone, Copy, Debug)]
pub struct NoContents;

impl Contents for NoContents {
    fn fetch(&self, wanted: &[Artifact]) -> Vec<Result<Option<Vec<u8>>, Unfetched>> {
        wanted.iter().map(|_| Ok(None)).collect()
    }
}
