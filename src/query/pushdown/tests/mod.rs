//! What each construct becomes in SQL, and what is left of it.

mod logic;
mod values;

use cel::Env;
use cel::common::ast::IdedExpr;

use super::{PushdownContext, Split, Versions, split};
use crate::catalog::{Parameter, TAG_EQUALS, TAG_EXISTS, TAG_VALUE, Tagged};

fn parsed(predicate: &str) -> IdedExpr {
    Env::stdlib().parser().parse(predicate).unwrap()
}

fn split_of(predicate: &str) -> Split {
    split(&parsed(predicate), &PushdownContext { versions: Versions::All, ..PushdownContext::default() })
}

/// Returns the filter and its values of a predicate that needs no evaluation.
fn exact(predicate: &str) -> (String, Vec<Parameter>) {
    let split = split_of(predicate);
    assert_eq!((&split.residual, split.is_exact), (&None, true), "`{predicate}`: {}", split.filter);
    spelled(split)
}

/// Returns the whole filter and its values, tags last.
fn spelled(split: Split) -> (String, Vec<Parameter>) {
    let conditions: Vec<_> = std::iter::once(split.filter)
        .filter(|filter| filter != "1" || split.tags.is_empty())
        .chain(split.tags.iter().map(Tagged::filter))
        .collect();
    let parameters = split.parameters.into_iter().chain(split.tags.iter().flat_map(Tagged::parameters));
    (conditions.join(" AND "), parameters.collect())
}

/// Returns the filter of a predicate that is left whole.
fn left_whole(predicate: &str) -> String {
    let Split { filter, residual, is_exact, .. } = split_of(predicate);
    assert_eq!((residual, is_exact), (Some(parsed(predicate)), false), "{filter}");
    filter
}

fn text(text: &str) -> Parameter {
    Parameter::Text(text.to_owned())
}

fn sql(filter: &str, parameters: &[Parameter]) -> (String, Vec<Parameter>) {
    (filter.to_owned(), parameters.to_vec())
}
