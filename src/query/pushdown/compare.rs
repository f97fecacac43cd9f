//! Comparisons.

use cel::common::ast::operators;

use super::condition::{Condition, Sql};
use super::operand::{Kind, Operand, Origin};
use super::predicate::{Translation, Wanted};
use super::{Mutant, tag};

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// Returns the comparison an operator makes.
    pub(super) fn of(operator: &str) -> Option<Self> {
        Some(match operator {
            operators::EQUALS => Self::Equal,
            operators::NOT_EQUALS => Self::NotEqual,
            operators::LESS => Self::Less,
            operators::LESS_EQUALS => Self::LessOrEqual,
            operators::GREATER => Self::Greater,
            operators::GREATER_EQUALS => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    fn sql(self) -> &'static str {
        match self {
            Self::Equal => " = ",
            Self::NotEqual => " <> ",
            Self::Less => " < ",
            Self::LessOrEqual => " <= ",
            Self::Greater => " > ",
            Self::GreaterOrEqual => " >= ",
        }
    }

    /// Returns the one that holds between comparable values when this does not.
    fn negated(self) -> Self {
        match self {
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::Less => Self::GreaterOrEqual,
            Self::LessOrEqual => Self::Greater,
            Self::Greater => Self::LessOrEqual,
            Self::GreaterOrEqual => Self::Less,
        }
    }

    /// Returns the one with its sides exchanged.
    fn mirrored(self) -> Self {
        match self {
            Self::Equal => Self::Equal,
            Self::NotEqual => Self::NotEqual,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }
}

impl Translation {
    /// Returns for which rows a comparison has the outcome.
    pub(super) fn compared(
        &self,
        comparison: Comparison,
        (left, right): (Operand, Operand),
        wanted: Wanted,
    ) -> Condition {
        // Both are constants: CEL compares whole numbers exactly then, and no null is less than another.
        if left.is_literal() && right.is_literal() && left.kind != Kind::Text {
            return Condition::UNKNOWN;
        }
        let is_equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        let holding = match wanted {
            Wanted::True => comparison,
            Wanted::False => comparison.negated(),
        };
        if left.kind != right.kind && self.mutant != Some(Mutant::TypesAreNotFolded) {
            return match holding {
                // Values of different types are different, and cannot be ordered.
                Comparison::NotEqual if is_equality => left.defined().and(right.defined()),
                _ => Condition::NEVER,
            };
        }
        if left.is_literal() {
            return self.ordered(holding.mirrored(), right, left);
        }
        self.ordered(holding, left, right)
    }

    fn ordered(&self, holding: Comparison, left: Operand, right: Operand) -> Condition {
        if let (Origin::Tag(key), Origin::Text(value), Comparison::Equal) = (&left.origin, &right.origin, holding)
            && self.mutant != Some(Mutant::MissingTagIsEmpty)
        {
            return tag::is_one_of(key, vec![value.clone()]);
        }
        let is_after = matches!(holding, Comparison::Greater | Comparison::GreaterOrEqual | Comparison::Equal);
        if let (Kind::Time, Origin::Column(column), true, true) =
            (left.kind, &left.origin, is_after, right.is_literal())
        {
            // No moment of CEL is before its first one, and the bare column is cheaper.
            return Condition::of(Sql::new(column.name(), Vec::new()).text(holding.sql()).sql(right.sql));
        }
        Condition::of(left.sql.text(holding.sql()).sql(right.sql))
    }
}
