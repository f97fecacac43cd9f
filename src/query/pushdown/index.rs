//! Which conjuncts an index of the catalog answers with few rows.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};

use crate::catalog::Column;
use crate::query::field::field;

/// Columns of which a value is found through an index and names few rows: those of a run, a model, an artifact.
const INDEXED: [Column; 3] = [Column::WorkflowRunId, Column::ModelName, Column::DataName];

/// Returns whether a conjunct, which SQLite answers, compares an indexed column with texts of the predicate.
pub(super) fn is_indexed(conjunct: &IdedExpr) -> bool {
    let Expr::Call(CallExpr { func_name, target, args }) = &conjunct.expr else {
        return false;
    };
    match (func_name.as_str(), target.as_deref(), &**args) {
        (operators::EQUALS, None, [left, right]) => {
            is_column(left) && is_text(right) || is_text(left) && is_column(right)
        }
        (operators::IN, None, [element, container]) => match &container.expr {
            Expr::List(list) => is_column(element) && list.elements.iter().all(is_text),
            _ => false,
        },
        ("startsWith", Some(text), [prefix]) => is_column(text) && is_text(prefix),
        _ => false,
    }
}

fn is_column(expression: &IdedExpr) -> bool {
    let Expr::Ident(name) = &expression.expr else {
        return false;
    };
    field(name).and_then(|field| field.column).is_some_and(|column| INDEXED.contains(&column))
}

fn is_text(expression: &IdedExpr) -> bool {
    matches!(&expression.expr, Expr::Literal(LiteralValue::String(text)) if !text.inner().is_empty())
}
