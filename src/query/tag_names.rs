//! Keys of tags that a predicate names and no version has: most likely they are misspelled.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};

use super::compile::Query;
use super::error::QueryError;
use super::rewrite::{each_node, is_name};
use super::vocabulary::nearest;
use crate::catalog::Catalog;

/// The most keys of tags that are looked at; where there are more, nothing is known about those that are missing.
const KEYS_MAX: usize = 10_000;

/// A key of tags that a predicate names and no version has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownTag {
    /// The key.
    pub key: String,
    /// The one that was probably meant.
    pub nearest: Option<String>,
}

/// Returns the keys of tags that the predicate of a query names and no version in the catalog has.
pub fn unknown_tags(query: &Query, catalog: &Catalog) -> Result<Vec<UnknownTag>, QueryError> {
    if query.tags.is_empty() {
        return Ok(Vec::new());
    }
    let known = catalog.tag_keys(KEYS_MAX)?;
    if known.len() == KEYS_MAX {
        return Ok(Vec::new());
    }
    let unknown = query.tags.iter().filter(|key| !known.contains(key)).map(|key| UnknownTag {
        key: key.clone(),
        nearest: nearest(key, known.iter().map(String::as_str)).map(str::to_owned),
    });
    Ok(unknown.collect())
}

/// Returns the keys of tags that an expression names, in order.
pub(super) fn named(expression: &IdedExpr) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    let _unchanged = each_node(expression.clone(), &mut |node| {
        if let Some(key) = key(&node).filter(|key| !keys.iter().any(|known| known == key)) {
            keys.push(key.to_owned());
        }
        node
    });
    keys
}

fn key(node: &Expr) -> Option<&str> {
    let is_tags = |node: &IdedExpr| is_name(node, "tags");
    match node {
        Expr::Select(select) => is_tags(&select.operand).then_some(select.field.as_str()),
        Expr::Call(CallExpr { func_name, target: None, args }) => {
            let [left, right] = args.as_slice() else {
                return None;
            };
            let key = match func_name.as_str() {
                operators::INDEX | operators::OPT_INDEX | operators::OPT_SELECT if is_tags(left) => right,
                operators::IN if is_tags(right) => left,
                _ => return None,
            };
            match &key.expr {
                Expr::Literal(LiteralValue::String(key)) => Some(key.inner()),
                _ => None,
            }
        }
        _ => None,
    }
}
