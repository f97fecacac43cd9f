//! For which rows a predicate is true, and for which it is false.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators};

use super::compare::Comparison;
use super::condition::{Condition, Test};
use super::operand::{Kind, Operand};
use super::{Mutant, tag};

/// The most tests of one filter: SQLite refuses expressions deeper than 1,000, and a chain is as deep as it is long.
const TESTS_MAX: usize = 200;

/// The most values of one filter.
const PARAMETERS_MAX: usize = 500;

/// The most visits to nodes: a condition of `?:` is translated twice, and so is what lies in it.
const VISITS_MAX: usize = 10_000;

/// Which outcome is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    True,
    False,
}

impl Wanted {
    fn negated(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
        }
    }
}

/// The translation of one predicate, bounded in size: what does not fit is not translated.
#[derive(Debug)]
pub(super) struct Translation {
    pub(super) mutant: Option<Mutant>,
    tests_left: usize,
    parameters_left: usize,
    visits_left: usize,
}

impl Translation {
    /// Begins; without a mutant, it is right.
    pub(super) fn new(mutant: Option<Mutant>) -> Self {
        Self { mutant, tests_left: TESTS_MAX, parameters_left: PARAMETERS_MAX, visits_left: VISITS_MAX }
    }

    /// Returns for which rows a predicate has the outcome.
    pub(super) fn rows(&mut self, predicate: &IdedExpr, wanted: Wanted) -> Condition {
        let Some(visits_left) = self.visits_left.checked_sub(1) else {
            return Condition::UNKNOWN;
        };
        self.visits_left = visits_left;
        let Expr::Call(CallExpr { func_name, target: None, args }) = &predicate.expr else {
            return self.afforded(predicate, wanted);
        };
        match (func_name.as_str(), &**args) {
            (operators::LOGICAL_AND, [left, right]) => match wanted {
                Wanted::True => self.rows(left, wanted).and(self.rows(right, wanted)),
                Wanted::False => self.rows(left, wanted).or(self.rows(right, wanted)),
            },
            (operators::LOGICAL_OR, [left, right]) => match wanted {
                Wanted::True => self.rows(left, wanted).or(self.rows(right, wanted)),
                Wanted::False => self.rows(left, wanted).and(self.rows(right, wanted)),
            },
            (operators::LOGICAL_NOT, [operand]) if self.mutant == Some(Mutant::NotOfError) => {
                let truth = self.rows(operand, wanted);
                self.not_of(truth, operand, wanted)
            }
            (operators::LOGICAL_NOT, [operand]) => self.rows(operand, wanted.negated()),
            (operators::CONDITIONAL, [condition, first, second]) => {
                let first = self.rows(condition, Wanted::True).and(self.rows(first, wanted));
                let otherwise = match self.mutant {
                    Some(Mutant::ElseOnError) => Condition::ALWAYS,
                    _ => self.rows(condition, Wanted::False),
                };
                first.or(otherwise.and(self.rows(second, wanted)))
            }
            (operators::EQUALS, [truth, literal] | [literal, truth])
                if flag(literal).is_some() && is_boolean(truth) =>
            {
                let is_true = flag(literal) == Some(true);
                self.rows(truth, if is_true { wanted } else { wanted.negated() })
            }
            (operators::NOT_EQUALS, [truth, literal] | [literal, truth])
                if flag(literal).is_some() && is_boolean(truth) =>
            {
                let is_true = flag(literal) == Some(true);
                self.rows(truth, if is_true { wanted.negated() } else { wanted })
            }
            _ => self.afforded(predicate, wanted),
        }
    }

    fn not_of(&mut self, truth: Condition, operand: &IdedExpr, wanted: Wanted) -> Condition {
        match truth.test.spelled() {
            Test::Sql { sql, .. } if truth.is_exact => {
                let sql = super::condition::Sql::default().text("NOT coalesce(").sql(sql).text(", 0)");
                Condition::of(sql)
            }
            _ => self.rows(operand, wanted.negated()),
        }
    }

    /// Translates a test if the filter has room for it.
    fn afforded(&mut self, predicate: &IdedExpr, wanted: Wanted) -> Condition {
        let condition = self.test(predicate, wanted);
        let parameters = match &condition.test {
            Test::Never | Test::Always => return condition,
            Test::Tagged(tag) => 1 + tag.values.len(),
            Test::Sql { sql, .. } => sql.parameters.len(),
        };
        let parameters_left = self.parameters_left.checked_sub(parameters);
        let (Some(parameters_left), Some(tests_left)) = (parameters_left, self.tests_left.checked_sub(1)) else {
            return Condition::UNKNOWN;
        };
        self.parameters_left = parameters_left;
        self.tests_left = tests_left;
        condition
    }

    fn test(&mut self, predicate: &IdedExpr, wanted: Wanted) -> Condition {
        match &predicate.expr {
            Expr::Literal(LiteralValue::Boolean(flag)) if *flag.inner() == (wanted == Wanted::True) => {
                Condition::ALWAYS
            }
            Expr::Literal(_) => Condition::NEVER,
            Expr::Select(SelectExpr { operand, field, test: true })
                if tag::is_tags(operand) && !field.contains('\0') =>
            {
                tag::presence(field, wanted)
            }
            Expr::Call(call) => match self.call(call, wanted) {
                Some(condition) => condition,
                None => self.bare(predicate, wanted),
            },
            _ => self.bare(predicate, wanted),
        }
    }

    /// Returns `None` for what is no test of operands.
    fn call(&mut self, call: &CallExpr, wanted: Wanted) -> Option<Condition> {
        let function = call.func_name.as_str();
        let (left, right) = match (call.target.as_deref(), &*call.args) {
            (None, [left, right]) => (left, right),
            (Some(left), [right]) if matches!(function, "contains" | "startsWith" | "endsWith" | "matches") => {
                (left, right)
            }
            _ => return None,
        };
        if function == operators::IN {
            return Some(self.contained(left, right, wanted));
        }
        let comparison = Comparison::of(function);
        if comparison.is_none() && call.target.is_none() && function != "matches" {
            return None;
        }
        let operands = self.operand(left).zip(self.operand(right));
        Some(match (operands, comparison) {
            (None, _) => Condition::UNKNOWN,
            (Some(operands), Some(comparison)) => self.compared(comparison, operands, wanted),
            (Some(operands), None) => self.tested(function, operands, wanted),
        })
    }

    /// Returns for which rows a value by itself is the outcome.
    fn bare(&mut self, predicate: &IdedExpr, wanted: Wanted) -> Condition {
        match self.operand(predicate) {
            Some(Operand { kind: Kind::Flag, sql, .. }) => Condition::of(sql.text(match wanted {
                Wanted::True => " = 1",
                Wanted::False => " = 0",
            })),
            // Whatever is no truth value is neither.
            Some(_) => Condition::NEVER,
            None => Condition::UNKNOWN,
        }
    }
}

/// Returns the value of a literal `true` or `false`.
fn flag(expression: &IdedExpr) -> Option<bool> {
    match &expression.expr {
        Expr::Literal(LiteralValue::Boolean(flag)) => Some(*flag.inner()),
        _ => None,
    }
}

/// Whether an expression has no other values than true and false.
fn is_boolean(expression: &IdedExpr) -> bool {
    match &expression.expr {
        Expr::Call(CallExpr { func_name, target: None, .. }) => {
            Comparison::of(func_name).is_some()
                || matches!(
                    func_name.as_str(),
                    operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT | operators::IN
                )
        }
        Expr::Call(CallExpr { func_name, target: Some(_), .. }) => {
            matches!(func_name.as_str(), "contains" | "startsWith" | "endsWith" | "matches")
        }
        Expr::Select(SelectExpr { test, .. }) => *test,
        _ => false,
    }
}
