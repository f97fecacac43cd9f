//! `swamp data`: reading and writing artifact versions.

mod change;
mod get;
mod list;
mod model;
mod put;
mod search;
mod shape;
mod versions;

use clap::Subcommand;

use super::context::Context;
use super::query::{self, QueryArguments};
use super::report::Outcome;

#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    Put(Box<put::PutArguments>),
    Get(get::GetArguments),
    List(list::ListArguments),
    Versions(versions::VersionsArguments),
    Search(Box<search::SearchArguments>),
    Query(Box<QueryArguments>),
    Delete(change::DeleteArguments),
    Rename(change::RenameArguments),
    Gc(change::GcArguments),
}

impl DataCommand {
    /// Whether the command changes neither data nor files of anybody.
    pub(crate) const fn only_reads(&self) -> bool {
        match self {
            Self::Get(_) | Self::List(_) | Self::Versions(_) | Self::Search(_) | Self::Query(_) => true,
            Self::Put(_) | Self::Delete(_) | Self::Rename(_) | Self::Gc(_) => false,
        }
    }
}

pub(crate) async fn run(command: DataCommand, context: &Context) -> Outcome {
    match command {
        DataCommand::Put(arguments) => put::run(&arguments, context).await,
        DataCommand::Get(arguments) => get::run(arguments, context).await,
        DataCommand::List(arguments) => list::run(&arguments, context),
        DataCommand::Versions(arguments) => versions::run(&arguments, context),
        DataCommand::Search(arguments) => search::run(*arguments, context),
        DataCommand::Query(arguments) => query::run(*arguments, context).await,
        DataCommand::Delete(arguments) => change::delete(arguments, context).await,
        DataCommand::Rename(arguments) => change::rename(arguments, context).await,
        DataCommand::Gc(arguments) => change::gc(&arguments, context).await,
    }
}

/// Splits `KEY=VALUE`.
fn parse_tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("use KEY=VALUE".to_owned()),
    }
}
