//! What can go wrong with a query.

use std::fmt;
use std::io;

use super::content::Unfetched;
use crate::catalog::CatalogError;
use crate::error::{Failure, Kind};

/// A failed query or expression.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message is the documentation")]
pub enum QueryError {
    #[error("{complaint}")]
    Invalid { complaint: Complaint },
    #[error("{message}")]
    Evaluation { message: String, hint: Option<&'static str> },
    #[error("{message}")]
    Unfetched { message: String, why: Unfetched },
    #[error("{skipped}")]
    Skipped { skipped: Skipped },
    #[error("{incomplete}")]
    Incomplete { incomplete: Incomplete },
    #[error("interrupted")]
    Interrupted,
    #[error("the expression takes more than {limit} steps")]
    Exhausted { limit: u64 },
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error("cannot start a thread to evaluate on")]
    Thread { source: io::Error },
}

impl Failure for QueryError {
    fn kind(&self) -> Kind {
        match self {
            Self::Invalid { .. } | Self::Evaluation { .. } | Self::Skipped { .. } | Self::Exhausted { .. } => {
                Kind::Invalid
            }
            Self::Incomplete { incomplete } => incomplete.first.1.kind,
            Self::Unfetched { why, .. } => why.kind,
            Self::Interrupted | Self::Thread { .. } => Kind::Unavailable,
            Self::Catalog(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Invalid { complaint } => complaint.hint.clone(),
            Self::Skipped { skipped } => {
                let skip = "leave `--strict` out to skip such rows";
                Some(skipped.hint.map_or_else(|| skip.to_owned(), |hint| format!("{hint}, or {skip}")))
            }
            Self::Catalog(error) => error.hint(),
            Self::Incomplete { incomplete } => incomplete.first.1.hint.clone(),
            Self::Unfetched { why, .. } => why.hint.clone(),
            Self::Evaluation { hint, .. } => hint.map(str::to_owned),
            Self::Interrupted | Self::Exhausted { .. } | Self::Thread { .. } => None,
        }
    }
}

impl QueryError {
    pub(super) fn invalid(complaint: Complaint) -> Self {
        Self::Invalid { complaint }
    }
}

/// Something that is wrong, or looks wrong, with the text of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// What it is.
    pub message: String,
    /// Where it is, if that is known.
    pub place: Option<Place>,
    /// What can be done about it.
    pub hint: Option<String>,
}

impl Complaint {
    pub(super) fn new(message: impl Into<String>, place: Option<Place>) -> Self {
        Self { message: message.into(), place, hint: None }
    }

    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.place {
            None => Ok(()),
            Some(Place { line, column, text }) => {
                let indent = column.saturating_sub(1);
                write!(f, " at {line}:{column}\n  {text}\n  {:indent$}^", "")
            }
        }
    }
}

/// A place in the text of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// The line.
    pub text: String,
}

impl Place {
    /// Returns the place of a byte of `source`.
    pub(super) fn of(source: &str, offset: usize) -> Self {
        let before = source.get(..offset).unwrap_or(source);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let text = source.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default().to_owned();
        let column = before.get(start..).map_or(0, |text| text.chars().count()) + 1;
        Self { line: before.matches('\n').count() + 1, column, text }
    }

    /// Returns the place of a line and a character in it, both from 1.
    pub(super) fn at(source: &str, line: usize, column: usize) -> Self {
        let text = source.lines().nth(line.saturating_sub(1)).unwrap_or_default().to_owned();
        Self { line, column, text }
    }
}

/// Rows that were left out, or shown as `null`, because evaluating them failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// How many there are.
    pub rows: u64,
    /// The first of them, as a person would name it.
    pub first: String,
    /// Why it failed.
    pub reason: String,
    /// What can be done about it.
    pub hint: Option<&'static str>,
}

/// Rows whose content could not be fetched: what they would have answered is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incomplete {
    /// How many there are.
    pub rows: u64,
    /// The first of them, as a person would name it, and why.
    pub first: (String, Unfetched),
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, first: (label, why) } = self;
        let plural = if *rows == 1 { "row" } else { "rows" };
        write!(f, "the content of {rows} {plural} could not be fetched, first `{label}`: {}", why.reason)
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, first, reason, hint: _ } = self;
        let plural = if *rows == 1 { "row" } else { "rows" };
        write!(f, "{rows} {plural} could not be evaluated, first `{first}`: {reason}")
    }
}
