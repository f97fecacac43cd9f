//! Which predicates have a value on every row, so that SQLite can answer them without hiding an error.

use cel::common::ast::{CallExpr, Expr, IdedExpr, ListExpr, LiteralValue, operators};

use super::compare::Comparison;
use super::operand::{Kind, Operand};
use super::predicate::Translation;
use super::tag;

impl Translation {
    /// Returns whether a predicate is true or false on every row; `false` also where that is hard to tell.
    pub(super) fn is_infallible(&mut self, predicate: &IdedExpr) -> bool {
        match &predicate.expr {
            Expr::Literal(LiteralValue::Boolean(_)) => true,
            Expr::Select(select) if select.test => tag::is_tags(&select.operand),
            Expr::Call(call) => self.is_infallible_call(call) || self.is_sound_flag(predicate),
            _ => self.is_sound_flag(predicate),
        }
    }

    fn is_infallible_call(&mut self, CallExpr { func_name, target, args }: &CallExpr) -> bool {
        match (func_name.as_str(), target.as_deref(), &**args) {
            (
                operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT | operators::CONDITIONAL,
                _,
                parts,
            ) => parts.iter().all(|part| self.is_infallible(part)),
            (operators::IN, _, [element, container]) => self.is_infallible_membership(element, container),
            ("contains" | "startsWith" | "endsWith" | "matches", Some(text), [part])
            | ("matches", None, [text, part]) => {
                [text, part].map(|text| self.sound(text)).iter().all(|text| *text == Some(Kind::Text))
            }
            (operator, None, [left, right]) => match (Comparison::of(operator), self.sound(left), self.sound(right)) {
                (Some(Comparison::Equal | Comparison::NotEqual), Some(_), Some(_)) => true,
                (Some(_), Some(left), Some(right)) => left == right && left != Kind::Null,
                _ => false,
            },
            _ => false,
        }
    }

    fn is_infallible_membership(&mut self, element: &IdedExpr, container: &IdedExpr) -> bool {
        match &container.expr {
            Expr::List(ListExpr { elements, optional_indices }) => {
                optional_indices.is_empty()
                    && self.sound(element).is_some()
                    && elements.iter().all(|candidate| self.sound(candidate).is_some())
            }
            _ => tag::is_tags(container) && self.sound(element) == Some(Kind::Text),
        }
    }

    fn is_sound_flag(&mut self, predicate: &IdedExpr) -> bool {
        self.sound(predicate) == Some(Kind::Flag)
    }

    /// Returns what kind of value an expression has on every row, `None` if it has none on some or that is unknown.
    fn sound(&mut self, expression: &IdedExpr) -> Option<Kind> {
        self.operand(expression).filter(|operand| !operand.is_fallible).map(|Operand { kind, .. }| kind)
    }
}
