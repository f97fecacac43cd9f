//! `swamp query --explain`: how a query is run and what that cost.

use serde::Serialize;
use swamp::query::{Plan, Report};

use crate::cli::output::Output;
use crate::cli::report::Outcome;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Explanation<'a> {
    sql: &'a str,
    parameters: &'a [String],
    residual: Option<&'a str>,
    columns: &'a [&'static str],
    steps: &'a [String],
    read: u64,
    evaluated: u64,
    fetched: u64,
    total: u64,
}

/// Prints it.
pub(super) fn print(plan: &Plan, report: &Report, output: Output) -> Outcome {
    let explanation = Explanation {
        sql: &plan.sql,
        parameters: &plan.parameters,
        residual: plan.residual.as_deref(),
        columns: &plan.columns,
        steps: &plan.steps,
        read: report.read,
        evaluated: report.evaluated,
        fetched: report.fetched,
        total: report.total,
    };
    output.emit(&explanation, text)
}

fn text(explanation: &Explanation<'_>) -> String {
    let parameters = match explanation.parameters {
        [] => String::new(),
        values => format!("  with {}\n", values.join(", ")),
    };
    format!(
        "sql:       {}\n{parameters}residual:  {}\ncolumns:   {}\nplan:      {}\nread:      {} rows\nevaluated: {} \
         times\nfetched:   {} artifacts\nresults:   {}\n",
        explanation.sql,
        explanation.residual.unwrap_or("none"),
        explanation.columns.join(", "),
        explanation.steps.join("\n           "),
        explanation.read,
        explanation.evaluated,
        explanation.fetched,
        explanation.total,
    )
}
