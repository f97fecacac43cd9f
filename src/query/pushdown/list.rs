//! `x in [a, b]`.

use cel::common::ast::{Expr, IdedExpr, ListExpr};

use super::condition::Condition;
use super::operand::{Kind, Operand, Origin};
use super::predicate::{Translation, Wanted};
use super::{Mutant, tag};

impl Translation {
    /// Returns for which rows the membership has the outcome.
    pub(super) fn contained(&mut self, element: &IdedExpr, container: &IdedExpr, wanted: Wanted) -> Condition {
        if tag::is_tags(container) {
            return match self.operand(element).map(|element| element.origin) {
                Some(Origin::Text(key)) => tag::presence(&key, wanted),
                _ => Condition::UNKNOWN,
            };
        }
        let Expr::List(ListExpr { elements, optional_indices }) = &container.expr else {
            return Condition::UNKNOWN;
        };
        let Some(element) = self.operand(element) else {
            return Condition::UNKNOWN;
        };
        if element.kind == Kind::Null || element.is_literal() || !optional_indices.is_empty() {
            return Condition::UNKNOWN;
        }
        let mut candidates = Vec::new();
        for candidate in elements {
            match self.operand(candidate) {
                Some(candidate) if !candidate.is_fallible => candidates.push(candidate),
                _ => return Condition::UNKNOWN,
            }
        }
        // What is of another type is not equal.
        candidates.retain(|candidate| candidate.kind == element.kind);
        self.one_of(element, candidates, wanted)
    }

    fn one_of(&self, element: Operand, candidates: Vec<Operand>, wanted: Wanted) -> Condition {
        if candidates.is_empty() {
            return match wanted {
                Wanted::True => Condition::NEVER,
                Wanted::False => element.defined(),
            };
        }
        if let (Origin::Tag(key), Wanted::True) = (&element.origin, wanted)
            && self.mutant != Some(Mutant::MissingTagIsEmpty)
            && let Some(values) = candidates.iter().map(Operand::as_text).collect()
        {
            return tag::is_one_of(key, values);
        }
        let mut sql = element.sql.text(match wanted {
            Wanted::True => " IN (",
            Wanted::False => " NOT IN (",
        });
        for (index, candidate) in candidates.into_iter().enumerate() {
            sql = if index == 0 { sql } else { sql.text(", ") }.sql(candidate.sql);
        }
        Condition::of(sql.text(")"))
    }
}
