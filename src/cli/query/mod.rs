//! `swamp query` and `swamp eval`: CEL over the catalog and the data of every namespace.

mod arguments;
mod contents;
mod csv;
mod eval;
mod explain;
mod render;
mod vocabulary;

use std::ops::ControlFlow;
use std::sync::Arc;

use clap::Args;
use swamp::catalog::Catalog;
use swamp::query::{
    Answer, Interrupt, Options, Query, QueryError, Report, Shown, UnknownTag, run as run_query, unknown_tags,
};
use tracing::warn;

use super::completions::of_rows;
use super::context::Context;
use super::output::{Format, plain};
use super::report::Outcome;
use super::runtime;
use contents::RepoContents;
use render::{Printer, Shape};

pub(crate) use eval::{EvalArguments, run as eval};

/// Find versions of data in every namespace by a CEL predicate
///
/// The predicate is evaluated on every row of the catalog: the latest versions, or all of them if it names `version` or
/// `isLatest`. Metadata needs no network; content (`attributes`, `content`) is fetched for the rows that metadata leaves
/// open, and never kept on disk. Rows that cannot be evaluated (a key is absent, say) are skipped; they are counted unless
/// SQLite, which answers what it can, left them out before.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  swamp query 'tags.env == \"prod\"'                                  by a tag, in every namespace
  swamp query 'ns == \"security\" && name.contains(\"cve\")'           in one namespace
  swamp query 'modelName == \"vpc-main\" && version > 3'              in history
  swamp query 'attributes.status == \"failed\"' --limit 5             by content, also that of others
  swamp query 'specName == \"host\"' --select attributes.hostname     one value per line
  swamp query 'true' --select '{\"ns\": ns, \"n\": name, \"kb\": size / 1024}'
  swamp query 'attributes.?region.orValue(\"\") == \"eu\"' --jsonl    absent keys are no errors
  swamp query 'timestamp(createdAt) > timestamp(\"2026-01-01T00:00:00Z\")' --csv
  swamp query 'size > 1000' --explain                               what SQLite does, what is evaluated
  swamp query --fields                                              everything a predicate can name")]
#[expect(clippy::struct_excessive_bools, reason = "they are flags")]
pub(crate) struct QueryArguments {
    /// A CEL expression that is true for the rows wanted
    #[arg(value_name = "PREDICATE", required_unless_present = "fields", allow_hyphen_values = true, add = of_rows())]
    predicate: Option<String>,
    /// What a predicate without quotes, or a mistyped option, leaves.
    #[arg(hide = true)]
    further: Vec<String>,
    /// Print what this CEL expression makes of each row: a scalar, a list, or a map whose keys become columns
    #[arg(long, value_name = "EXPRESSION", allow_hyphen_values = true, add = of_rows())]
    select: Option<String>,
    /// Stop after this many results; 0 for none
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Print one JSON value per line
    #[arg(long, conflicts_with_all = ["json", "csv"])]
    jsonl: bool,
    /// Print comma-separated values with a header
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print how the query is run and what it read, instead of its results
    #[arg(long)]
    explain: bool,
    /// Fail at the first row that cannot be evaluated
    #[arg(long)]
    strict: bool,
    /// List the fields, with types and examples, and the functions
    #[arg(long)]
    fields: bool,
}

pub(crate) async fn run(arguments: QueryArguments, context: &Context) -> Outcome {
    if arguments.fields {
        return vocabulary::print(context.output);
    }
    arguments::check("query", arguments.predicate.as_deref(), &arguments.further)?;
    arguments::check("query", arguments.select.as_deref(), &[])?;
    let predicate = arguments.predicate.as_deref().unwrap_or_default();
    let parse = if arguments.strict { Query::parse_strict } else { Query::parse };
    let query = parse(predicate, arguments.select.as_deref())?;
    for suspicion in query.suspicions() {
        let place =
            suspicion.place.as_ref().map_or_else(String::new, |place| format!(" at {}:{}", place.line, place.column));
        warn!("{}{place}", suspicion.message);
    }
    let repo = Arc::new(context.repo()?);
    let shape = shape(&arguments, context);
    let interrupt = Interrupt::default();
    let options = Options {
        limit: arguments.limit,
        shown: if matches!(shape, Shape::Json | Shape::Lines) { Shown::Content } else { Shown::Metadata },
        interrupt: interrupt.clone(),
    };
    let (output, is_explained) = (context.output, arguments.explain);
    let contents = RepoContents::new(Arc::clone(&repo), context.engine_options());
    let work = move || {
        let catalog = repo.current_catalog()?;
        if is_explained {
            let report = run_query(&query, &catalog, &contents, &options, &mut |_| ControlFlow::Continue(()))?;
            explain::print(&swamp::query::explain(&query, &catalog, &options)?, &report, output)?;
            return complete(report);
        }
        let mut printer = Printer::new(shape, repo.namespace().is_some());
        let mut answer = |answer: Answer<'_>| printer.answer(answer);
        let report = run_query(&query, &catalog, &contents, &options, &mut answer)?;
        tell(&report);
        if report.total == 0 {
            tell_unknown_tags(&query, &catalog)?;
        }
        printer.finish(&query, &report, output)?;
        complete(report)
    };
    runtime::blocking(&context.stop, move || interrupt.raise(), work).await
}

fn shape(arguments: &QueryArguments, context: &Context) -> Shape {
    match context.output.format() {
        Format::Json => Shape::Json,
        Format::Human if arguments.jsonl => Shape::Lines,
        Format::Human if arguments.csv => Shape::Csv,
        Format::Human => Shape::Table,
    }
}

/// Warns of keys of tags that are in nothing, which a predicate that SQLite answers says nothing about.
fn tell_unknown_tags(query: &Query, catalog: &Catalog) -> Outcome {
    for UnknownTag { key, nearest } in unknown_tags(query, catalog)? {
        let meant = nearest.map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default();
        warn!("{}", plain(&format!("no version has the tag `{key}`{meant}")));
    }
    Ok(())
}

/// Fails if there may be more answers than were given.
fn complete(report: Report) -> Outcome {
    report.incomplete.map_or(Ok(()), |incomplete| Err(QueryError::Incomplete { incomplete }.into()))
}

fn tell(report: &Report) {
    if let Some(skipped) = &report.skipped {
        warn!("{}", plain(&skipped.to_string()));
        if let Some(hint) = skipped.hint {
            warn!("{hint}");
        }
    }
}
