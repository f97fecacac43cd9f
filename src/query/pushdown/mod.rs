//! Push-down: what of a predicate SQLite can answer, and what is left to evaluate.
//!
//! For now only the choice between the latest and all versions is answered by SQLite.

use cel::common::ast::IdedExpr;

use crate::catalog::{Column, Parameter};

/// Which versions a predicate is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versions {
    /// The latest of each workflow step.
    #[default]
    Latest,
    /// Every version.
    All,
}

/// What the predicate does not say itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct PushdownContext {
    /// Which versions it is about: a further conjunct.
    pub versions: Versions,
}

/// A predicate in two parts, both of which a matching row satisfies.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// SQL over the columns of the catalog.
    pub filter: String,
    /// The values of its `?`, in order.
    pub parameters: Vec<Parameter>,
    /// What is to be evaluated on the rows the filter selects, `None` if they all match.
    pub residual: Option<IdedExpr>,
    /// Whether the filter selects exactly the rows that match, so that a limit may be given to SQLite.
    pub is_exact: bool,
}

impl Split {
    /// Returns the limit that SQLite may count, if any.
    pub fn limit(&self, limit: Option<u64>) -> Option<u64> {
        limit.filter(|_| self.is_exact)
    }
}

/// Splits a validated predicate.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "it will hold more")]
pub fn split(predicate: &IdedExpr, context: &PushdownContext) -> Split {
    let filter = match context.versions {
        Versions::Latest => format!("{} = 1", Column::IsLatest.name()),
        Versions::All => "1".to_owned(),
    };
    Split { filter, parameters: Vec::new(), residual: Some(predicate.clone()), is_exact: false }
}
