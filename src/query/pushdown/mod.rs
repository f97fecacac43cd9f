//! Push-down: what of a predicate SQLite can answer, and what is left to evaluate.
//!
//! Evaluation has three outcomes: true, false and an error, and a row matches only if the outcome is true. For every
//! part of a predicate and each of the outcomes true and false, a [`Condition`] says in SQL which rows have it: 1 for
//! those, 0 or NULL for the others. `&&`, `||`, `!` and `?:` of conditions then follow CEL without SQL ever having to
//! express an error, because a negation asks its operand for the other outcome.
//!
//! - A condition is *exact*, or it holds for some more rows. What cannot be translated holds for all, so no row is lost.
//! - A conjunct whose condition is exact needs no evaluation; the others are the residual. Where there is none, a limit
//!   may be counted by SQLite.
//! - Every text and number of the predicate is a parameter; SQL is built from constants.
//!
//! What an exact condition relies on is written at `catalog::Selection`: texts without NUL that compare by bytes, flags
//! of 0 and 1, whole numbers that a double holds, times of one form, tags of texts.

mod compare;
mod condition;
mod index;
mod infallible;
mod list;
mod operand;
mod pattern;
mod predicate;
mod tag;
mod text;

use cel::common::ast::{CallExpr, Expr, IdedExpr, operators};

use crate::catalog::{Column, Parameter, Tagged, Tagging};
use condition::{Condition, Test};
use predicate::{Translation, Wanted};

/// Which versions a predicate is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versions {
    /// The latest of each workflow step.
    #[default]
    Latest,
    /// Every version.
    All,
}

/// What a row on which evaluation is an error means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Errors {
    /// It does not match, and nobody needs to see it.
    #[default]
    Skip,
    /// The query fails, so each must be seen: only what cannot fail is left to SQLite.
    Fail,
}

/// What the predicate does not say itself.
#[derive(Clone, Debug, Default)]
pub struct PushdownContext {
    /// Which versions it is about: a further conjunct.
    pub versions: Versions,
    /// What errors mean.
    pub errors: Errors,
}

/// A predicate in two parts, both of which a matching row satisfies.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// SQL over the columns of the catalog, without what the tags say.
    pub filter: String,
    /// The values of its `?`, in order.
    pub parameters: Vec<Parameter>,
    /// Tags that a row must have as well.
    pub tags: Vec<Tagged>,
    /// Whether an index finds the few rows that the filter selects.
    pub is_indexed: bool,
    /// What is to be evaluated on the selected rows, `None` if they all match.
    pub residual: Option<IdedExpr>,
    /// Whether exactly the rows that match are selected, so that a limit may be given to SQLite.
    pub is_exact: bool,
}

impl Split {
    /// Returns the limit that SQLite may count, if any.
    pub fn limit(&self, limit: Option<u64>) -> Option<u64> {
        limit.filter(|_| self.is_exact)
    }

    /// Returns what the catalog is told of the tags.
    pub fn tagging(&self) -> Tagging<'_> {
        Tagging { all: &self.tags, is_indexed: self.is_indexed }
    }
}

/// A way to translate wrongly. Tests show that they notice each of them.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A missing tag is an empty text.
    MissingTagIsEmpty,
    /// Values of different types are compared by SQLite.
    TypesAreNotFolded,
    /// Parts of texts are found by LIKE.
    Like,
    /// The other branch of `?:` is taken whenever the condition is not true.
    ElseOnError,
    /// A negated error is true.
    NotOfError,
}

/// Splits a validated predicate.
pub fn split(predicate: &IdedExpr, context: &PushdownContext) -> Split {
    split_with(predicate, context, Translation::new(None))
}

/// Splits wrongly.
#[doc(hidden)]
pub fn split_mutated(predicate: &IdedExpr, context: &PushdownContext, mutant: Mutant) -> Split {
    split_with(predicate, context, Translation::new(Some(mutant)))
}

fn split_with(predicate: &IdedExpr, context: &PushdownContext, mut translation: Translation) -> Split {
    let mut conjuncts = Vec::new();
    flatten(predicate, &mut conjuncts);

    let mut whole = match context.versions {
        Versions::Latest => Condition::exact(format!("{} = 1", Column::IsLatest.name()), Vec::new()),
        Versions::All => Condition::ALWAYS,
    };
    let (mut residual, mut tags, mut is_indexed) = (None, Vec::new(), false);
    for conjunct in conjuncts {
        // A conjunct that is false hides the errors of the others, as in CEL; SQLite would hide its own as well.
        let condition = match context.errors {
            Errors::Fail if !translation.is_infallible(conjunct) => Condition::UNKNOWN,
            Errors::Fail | Errors::Skip => translation.rows(conjunct, Wanted::True),
        };
        if !condition.is_exact {
            residual = Some(joined(residual, conjunct));
        }
        if let Test::Tagged(tag) = condition.test {
            tags.push(tag);
        } else {
            is_indexed |= condition.is_exact && index::is_indexed(conjunct);
            whole = whole.and(condition);
        }
    }
    if whole == Condition::NEVER {
        (residual, tags) = (None, Vec::new());
    }
    let is_exact = residual.is_none();
    let (filter, parameters) = match whole.test.spelled() {
        Test::Always | Test::Tagged(_) => ("1".to_owned(), Vec::new()),
        Test::Never => ("0".to_owned(), Vec::new()),
        Test::Sql { sql, .. } => (sql.text, sql.parameters),
    };
    Split { filter, parameters, tags, is_indexed, residual, is_exact }
}

/// Collects what is joined by `&&` at the top, in order.
fn flatten<'a>(predicate: &'a IdedExpr, conjuncts: &mut Vec<&'a IdedExpr>) {
    match &predicate.expr {
        Expr::Call(CallExpr { func_name, target: None, args }) if func_name == operators::LOGICAL_AND => {
            for arg in args {
                flatten(arg, conjuncts);
            }
        }
        _ => conjuncts.push(predicate),
    }
}

fn joined(before: Option<IdedExpr>, conjunct: &IdedExpr) -> IdedExpr {
    let Some(before) = before else {
        return conjunct.clone();
    };
    let args = vec![before, conjunct.clone()];
    // The number of the operand that comes last: positions in messages stay within the text of the predicate.
    let call = CallExpr { func_name: operators::LOGICAL_AND.to_owned(), target: None, args };
    IdedExpr { id: conjunct.id, expr: Expr::Call(call) }
}

#[cfg(test)]
mod tests;
