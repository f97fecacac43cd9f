//! `swamp eval`: the value of one expression.

use std::sync::Arc;

use clap::Args;
use serde_json::Value;
use swamp::query::{Interrupt, Surroundings, evaluate};

use super::arguments::check;
use super::contents::RepoContents;
use crate::cli::completions::of_data;
use crate::cli::context::Context;
use crate::cli::output::{Format, print};
use crate::cli::report::Outcome;
use crate::cli::runtime;

/// Evaluate a CEL expression that reaches data of every namespace
///
/// A model is one of our own (`vpc-main`), of another namespace (`security:scanner`), or of any (`*:scanner`, an error where
/// several have it). Content of others is fetched when it is named, once, and never kept on disk.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  swamp eval 'data.latest(\"vpc-main\", \"state\").attributes.cidr'
  swamp eval 'data.latest(\"security:scanner\", \"result\").?attributes.?count.orValue(0)'
  swamp eval 'data.version(\"vpc-main\", \"state\", 2).createdAt'
  swamp eval 'data.listVersions(\"vpc-main\", \"state\").size()'
  swamp eval 'data.findByTag(\"env\", \"prod\").map(r, r.name)'
  swamp eval 'data.findBySpec(\"security:fleet\", \"host\").map(h, h.attributes.cpu)' --json
  swamp eval 'data.query(\"tags.env == '\\''prod'\\''\", \"name\").join(\",\")'")]
pub(crate) struct EvalArguments {
    /// The expression
    #[arg(value_name = "EXPRESSION", allow_hyphen_values = true, add = of_data())]
    expression: String,
    /// What an expression without quotes, or a mistyped option, leaves.
    #[arg(hide = true)]
    further: Vec<String>,
}

pub(crate) async fn run(arguments: EvalArguments, context: &Context) -> Outcome {
    check("eval", Some(&arguments.expression), &arguments.further)?;
    let repo = Arc::new(context.repo()?);
    let contents = RepoContents::new(Arc::clone(&repo), context.engine_options());
    let interrupt = Interrupt::default();
    let (output, listened) = (context.output, interrupt.clone());
    let work = move || {
        let catalog = repo.current_catalog()?;
        let around = Surroundings { catalog: &catalog, contents: &contents, own: repo.namespace() };
        let value = evaluate(&arguments.expression, around, &listened)?;
        match (output.format(), value) {
            // A text is printed as it is, for scripts.
            (Format::Human, Value::String(text)) => print(format!("{text}\n").as_bytes()),
            (_, value) => output.emit(&value, |value| serde_json::to_string_pretty(value).unwrap_or_default() + "\n"),
        }
    };
    runtime::blocking(&context.stop, move || interrupt.raise(), work).await
}
