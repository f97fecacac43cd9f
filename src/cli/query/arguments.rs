//! Arguments that are no expression: mistyped options, and words of an expression without quotes.
//!
//! An expression may begin with a hyphen, so what looks like an option and is none becomes the expression.

use clap::CommandFactory as _;
use swamp::error::{Failure, Kind};
use swamp::query::nearest;

use crate::cli::args::Cli;

/// What is wrong with the arguments of a command that takes an expression.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ArgumentError {
    #[error("unknown option `{option}`")]
    Option { option: String, nearest: Option<String> },
    #[error("unexpected argument `{argument}`")]
    Further { argument: String },
}

impl Failure for ArgumentError {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Option { nearest, .. } => nearest.as_ref().map(|nearest| format!("did you mean `--{nearest}`?")),
            Self::Further { .. } => Some("an expression is one argument; put it in quotes".to_owned()),
        }
    }
}

/// Refuses an expression of `command` that is a mistyped option, and what follows an expression.
pub(super) fn check(command: &str, expression: Option<&str>, further: &[String]) -> Result<(), ArgumentError> {
    if let Some(option) = expression.and_then(option) {
        return Err(ArgumentError::Option { option: format!("--{option}"), nearest: nearest_option(command, option) });
    }
    match further.first() {
        None => Ok(()),
        Some(argument) => Err(ArgumentError::Further { argument: argument.clone() }),
    }
}

/// Returns the name of the option that a text looks like: `--name` or `--name=value`, where the name has small letters.
fn option(text: &str) -> Option<&str> {
    let name = text.strip_prefix("--")?.split('=').next()?;
    let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    is_name.then_some(name)
}

fn nearest_option(command: &str, option: &str) -> Option<String> {
    let cli = Cli::command();
    let of_command = cli.find_subcommand(command).into_iter().flat_map(clap::Command::get_arguments);
    let options = cli.get_arguments().chain(of_command).filter_map(clap::Arg::get_long);
    nearest(option, options).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{ArgumentError, check};

    #[test]
    fn mistyped_options_are_no_expressions() {
        let wrong = |command: &str, expression: &str| match check(command, Some(expression), &["5".to_owned()]) {
            Err(ArgumentError::Option { option, nearest }) => (option, nearest),
            other => panic!("{expression}: {other:?}"),
        };

        assert_eq!(wrong("query", "--limt"), ("--limt".to_owned(), Some("limit".to_owned())));
        assert_eq!(wrong("query", "--limt=5"), ("--limt".to_owned(), Some("limit".to_owned())));
        assert_eq!(wrong("eval", "--jso"), ("--jso".to_owned(), Some("json".to_owned())));
        assert_eq!(wrong("query", "--wibble").1, None);
    }

    #[test]
    fn expressions_may_begin_with_hyphens_and_are_one_argument() {
        for expression in ["-1 < size", "--1 < size", "--size > 0", "- size", "true"] {
            assert_eq!(check("query", Some(expression), &[]), Ok(()), "{expression}");
        }
        let further = ["==".to_owned(), "prod".to_owned()];

        let wrong = check("query", Some("tags.env"), &further);

        assert_eq!(wrong, Err(ArgumentError::Further { argument: "==".to_owned() }));
    }
}
