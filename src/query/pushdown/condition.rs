//! Which rows have an outcome, in SQL.

use crate::catalog::{Parameter, Tagged};

/// SQL text with the values of its `?`, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sql {
    pub(super) text: String,
    pub(super) parameters: Vec<Parameter>,
}

impl Sql {
    /// Returns a text of the program with its values.
    pub(super) fn new(text: impl Into<String>, parameters: Vec<Parameter>) -> Self {
        Self { text: text.into(), parameters }
    }

    /// Appends a text of the program.
    pub(super) fn text(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    /// Appends another.
    pub(super) fn sql(mut self, other: Self) -> Self {
        self.text.push_str(&other.text);
        self.parameters.extend(other.parameters);
        self
    }
}

/// An SQL condition that holds for every row with a certain outcome.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Condition {
    pub(super) test: Test,
    /// Whether it holds for no other row.
    pub(super) is_exact: bool,
}

/// What is tested.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    /// Nothing: it does not hold.
    Never,
    /// Nothing: it holds.
    Always,
    /// Whether the row has this tag, which a catalog knows more than one way to answer.
    Tagged(Tagged),
    /// Whether this is 1.
    Sql { sql: Sql, join: Join },
}

impl Test {
    /// Returns a tag as SQL, for what is joined with others.
    pub(super) fn spelled(self) -> Self {
        match self {
            Self::Tagged(tag) => Self::Sql { sql: Sql::new(tag.filter(), tag.parameters()), join: Join::Atom },
            other @ (Self::Never | Self::Always | Self::Sql { .. }) => other,
        }
    }
}

/// What holds an SQL text together at its top, and so where it needs parentheses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    /// Nothing that binds less than `AND`.
    Atom,
    /// `AND`.
    And,
    /// `OR`.
    Or,
}

impl Condition {
    /// For no row.
    pub(super) const NEVER: Self = Self { test: Test::Never, is_exact: true };

    /// For all rows.
    pub(super) const ALWAYS: Self = Self { test: Test::Always, is_exact: true };

    /// For rows SQLite cannot tell.
    pub(super) const UNKNOWN: Self = Self { test: Test::Always, is_exact: false };

    /// For exactly the rows for which `text`, an atom, is 1.
    pub(super) fn exact(text: impl Into<String>, parameters: Vec<Parameter>) -> Self {
        Self::of(Sql::new(text, parameters))
    }

    /// For exactly the rows for which `sql`, an atom, is 1.
    pub(super) fn of(sql: Sql) -> Self {
        Self { test: Test::Sql { sql, join: Join::Atom }, is_exact: true }
    }

    /// The same rows, and perhaps more.
    pub(super) fn widened(self) -> Self {
        Self { is_exact: self.test == Test::Never, ..self }
    }

    /// For the rows of both.
    pub(super) fn and(self, other: Self) -> Self {
        if self == Self::NEVER || other == Self::NEVER {
            return Self::NEVER;
        }
        let is_exact = self.is_exact && other.is_exact;
        let test = match (self.test, other.test) {
            (Test::Never, _) | (_, Test::Never) => Test::Never,
            (Test::Always, test) | (test, Test::Always) => test,
            (left, right) => joined(left, right, Join::And),
        };
        Self { test, is_exact }
    }

    /// For the rows of either.
    pub(super) fn or(self, other: Self) -> Self {
        if self == Self::ALWAYS || other == Self::ALWAYS {
            return Self::ALWAYS;
        }
        let is_exact = self.is_exact && other.is_exact;
        let test = match (self.test, other.test) {
            (Test::Always, _) | (_, Test::Always) => Test::Always,
            (Test::Never, test) | (test, Test::Never) => test,
            (left, right) => joined(left, right, Join::Or),
        };
        Self { test, is_exact }
    }
}

fn joined(left: Test, right: Test, join: Join) -> Test {
    let (Test::Sql { sql: left, join: left_join }, Test::Sql { sql: right, join: right_join }) =
        (left.spelled(), right.spelled())
    else {
        return Test::Always;
    };
    let word = match join {
        Join::Or => " OR ",
        Join::And | Join::Atom => " AND ",
    };
    let sql = within(left, left_join, join).text(word).sql(within(right, right_join, join));
    Test::Sql { sql, join }
}

fn within(sql: Sql, inner: Join, outer: Join) -> Sql {
    if inner == Join::Atom || inner == outer { sql } else { Sql::default().text("(").sql(sql).text(")") }
}
