//! Tags in SQL, through their own table.

use cel::common::ast::{Expr, IdedExpr};

use super::condition::{Condition, Sql, Test};
use super::predicate::Wanted;
use crate::catalog::{Parameter, TAG_EXISTS, TAG_VALUE, Tagged};

/// Whether an expression is the map of all tags.
pub(super) fn is_tags(expression: &IdedExpr) -> bool {
    matches!(&expression.expr, Expr::Ident(name) if name == "tags")
}

/// Returns the value of a tag, NULL where the row does not have it.
pub(super) fn value(key: &str) -> Sql {
    Sql::new(TAG_VALUE, vec![text(key)])
}

/// Returns which rows have the tag.
pub(super) fn exists(key: &str) -> Condition {
    is_one_of(key, Vec::new())
}

/// Returns which rows have the tag, or have it not.
pub(super) fn presence(key: &str, wanted: Wanted) -> Condition {
    match wanted {
        Wanted::True => exists(key),
        Wanted::False => Condition::exact(format!("NOT {TAG_EXISTS}"), vec![text(key)]),
    }
}

/// Returns which rows have the tag with one of the values, or with any if there are none.
pub(super) fn is_one_of(key: &str, values: Vec<String>) -> Condition {
    Condition { test: Test::Tagged(Tagged { key: key.to_owned(), values }), is_exact: true }
}

fn text(key: &str) -> Parameter {
    Parameter::Text(key.to_owned())
}
