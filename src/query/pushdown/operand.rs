//! Values that SQLite can compute: fields, tags, literals and a few functions of them.
//!
//! The SQL of an operand is NULL for exactly the rows on which evaluating it is an error.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::{Context, Value};

use super::condition::{Condition, Sql};
use super::predicate::Translation;
use super::{Mutant, tag};
use crate::catalog::{Column, Parameter};
use crate::query::field::{FieldKind, field};

/// The first moment of CEL; a catalog can hold earlier ones, on which `timestamp` is an error.
const FIRST_MOMENT: &str = "0001-01-01T00:00:00.000Z";

/// What values of an operand are; two of one kind compare in SQLite as in CEL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Flag,
    Time,
    Null,
}

/// Where an operand comes from, as far as that opens a faster way.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Origin {
    /// A column, so that an index may answer.
    Column(Column),
    /// A tag with this key.
    Tag(String),
    /// A text of the predicate.
    Text(String),
    /// Another literal.
    Literal,
    /// A function of the above.
    Computed,
}

/// A value SQLite can compute.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Operand {
    pub(super) kind: Kind,
    pub(super) sql: Sql,
    pub(super) origin: Origin,
    /// Whether evaluating it is an error on some rows.
    pub(super) is_fallible: bool,
}

impl Operand {
    fn sound(kind: Kind, sql: Sql, origin: Origin) -> Self {
        Self { kind, sql, origin, is_fallible: false }
    }

    /// Returns a function of this one.
    fn computed(self, kind: Kind, function: &str) -> Self {
        let sql = Sql::default().text(function).text("(").sql(self.sql).text(")");
        Self { kind, sql, origin: Origin::Computed, is_fallible: self.is_fallible }
    }

    /// Whether the value is written in the predicate.
    pub(super) fn is_literal(&self) -> bool {
        matches!(self.origin, Origin::Text(_) | Origin::Literal)
    }

    /// Returns the text that is written in the predicate.
    pub(super) fn as_text(&self) -> Option<String> {
        match &self.origin {
            Origin::Text(text) => Some(text.clone()),
            Origin::Column(_) | Origin::Tag(_) | Origin::Literal | Origin::Computed => None,
        }
    }

    /// Returns for which rows evaluation has a value.
    pub(super) fn defined(&self) -> Condition {
        match &self.origin {
            _ if !self.is_fallible => Condition::ALWAYS,
            Origin::Tag(key) => tag::exists(key),
            Origin::Column(_) | Origin::Text(_) | Origin::Literal | Origin::Computed => {
                Condition::of(self.sql.clone().text(" IS NOT NULL"))
            }
        }
    }
}

/// Returns the column behind a field and what it holds; `None` for content, tags and what is no field.
fn column(name: &str) -> Option<(Column, Kind)> {
    let field = field(name)?;
    let kind = match field.kind {
        FieldKind::Text => Kind::Text,
        FieldKind::Number => Kind::Number,
        FieldKind::Flag => Kind::Flag,
        FieldKind::Tags | FieldKind::Content => return None,
    };
    Some((field.column?, kind))
}

impl Translation {
    /// Returns the value as SQLite computes it, `None` where it cannot.
    pub(super) fn operand(&mut self, expression: &IdedExpr) -> Option<Operand> {
        match &expression.expr {
            Expr::Literal(literal) => literal_operand(literal),
            Expr::Ident(name) => {
                let (column, kind) = column(name)?;
                Some(Operand::sound(kind, Sql::new(column.name(), Vec::new()), Origin::Column(column)))
            }
            Expr::Select(select) if !select.test => self.tag(&select.operand, &select.field),
            Expr::Call(CallExpr { func_name, target, args }) => {
                match (func_name.as_str(), target.as_deref(), &**args) {
                    (operators::INDEX, None, [map, key]) => self.tag(map, text_of(key)?),
                    (operators::NEGATE, None, [number]) => negated(number),
                    ("size", None, [of]) | ("size", Some(of), []) => {
                        self.operand(of).filter(is_text).map(|of| of.computed(Kind::Number, "length"))
                    }
                    ("lowerAscii", Some(of), []) => {
                        self.operand(of).filter(is_text).map(|of| of.computed(Kind::Text, "lower"))
                    }
                    ("upperAscii", Some(of), []) => {
                        self.operand(of).filter(is_text).map(|of| of.computed(Kind::Text, "upper"))
                    }
                    ("orValue", Some(optional), [default]) => self.tag_or(optional, default),
                    ("timestamp", None, [of]) => time(expression, of),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Returns a tag, an error where the row has none.
    fn tag(&self, map: &IdedExpr, key: &str) -> Option<Operand> {
        if !tag::is_tags(map) || key.contains('\0') {
            return None;
        }
        let mut sql = tag::value(key);
        if self.mutant == Some(Mutant::MissingTagIsEmpty) {
            sql = Sql::default().text("coalesce(").sql(sql).text(", '')");
        }
        Some(Operand { kind: Kind::Text, sql, origin: Origin::Tag(key.to_owned()), is_fallible: true })
    }

    /// Returns a tag in the way that cannot fail: `tags.?key.orValue(default)`.
    fn tag_or(&mut self, optional: &IdedExpr, default: &IdedExpr) -> Option<Operand> {
        let Expr::Call(CallExpr { func_name, target: None, args }) = &optional.expr else {
            return None;
        };
        let (operators::OPT_SELECT | operators::OPT_INDEX, [map, key]) = (func_name.as_str(), &**args) else {
            return None;
        };
        let value = self.tag(map, text_of(key)?)?;
        let default = self.operand(default).filter(is_text).filter(Operand::is_literal)?;
        let sql = Sql::default().text("coalesce(").sql(value.sql).text(", ").sql(default.sql).text(")");
        Some(Operand::sound(Kind::Text, sql, Origin::Computed))
    }
}

fn is_text(operand: &Operand) -> bool {
    operand.kind == Kind::Text
}

/// Returns the text of a literal.
fn text_of(expression: &IdedExpr) -> Option<&str> {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

fn literal_operand(literal: &LiteralValue) -> Option<Operand> {
    let bound = |kind, parameter| Some(Operand::sound(kind, Sql::new("?", vec![parameter]), Origin::Literal));
    match literal {
        LiteralValue::Boolean(flag) => bound(Kind::Flag, Parameter::Integer(i64::from(*flag.inner()))),
        LiteralValue::Int(number) => bound(Kind::Number, Parameter::Real(rounded(*number.inner()))),
        #[expect(clippy::cast_precision_loss, reason = "numbers of rows are doubles, and CEL compares as such")]
        LiteralValue::UInt(number) => bound(Kind::Number, Parameter::Real(*number.inner() as f64)),
        LiteralValue::Double(number) => number_operand(*number.inner()),
        // SQLite's functions end a text at its first NUL.
        LiteralValue::String(text) if text.inner().contains('\0') => None,
        LiteralValue::String(text) => {
            let text = text.inner().to_owned();
            let sql = Sql::new("?", vec![Parameter::Text(text.clone())]);
            Some(Operand::sound(Kind::Text, sql, Origin::Text(text)))
        }
        LiteralValue::Null => Some(Operand::sound(Kind::Null, Sql::new("NULL", Vec::new()), Origin::Literal)),
        LiteralValue::Bytes(_) => None,
    }
}

fn number_operand(number: f64) -> Option<Operand> {
    // SQLite has no NaN and would bind NULL.
    let sql = Sql::new("?", vec![Parameter::Real(number)]);
    (!number.is_nan()).then(|| Operand::sound(Kind::Number, sql, Origin::Literal))
}

#[expect(clippy::cast_precision_loss, reason = "numbers of rows are doubles, and CEL compares as such")]
fn rounded(number: i64) -> f64 {
    number as f64
}

fn negated(expression: &IdedExpr) -> Option<Operand> {
    match &expression.expr {
        Expr::Literal(LiteralValue::Int(number)) => number_operand(rounded(number.inner().checked_neg()?)),
        Expr::Literal(LiteralValue::Double(number)) => number_operand(-*number.inner()),
        _ => None,
    }
}

/// Returns `timestamp(createdAt)` or `timestamp("…")`.
fn time(call: &IdedExpr, of: &IdedExpr) -> Option<Operand> {
    if matches!(&of.expr, Expr::Ident(name) if name == "createdAt") {
        let column = Column::CreatedAt.name();
        let text = format!("CASE WHEN {column} >= ? THEN {column} END");
        let sql = Sql::new(text, vec![Parameter::Text(FIRST_MOMENT.to_owned())]);
        return Some(Operand { kind: Kind::Time, sql, origin: Origin::Column(Column::CreatedAt), is_fallible: true });
    }
    text_of(of)?;
    // What a text means as a time is for the evaluator to say.
    let Ok(Value::Timestamp(moment)) = Value::resolve(call, &Context::default()) else {
        return None;
    };
    let is_whole = moment.timestamp_subsec_nanos() % 1_000_000 == 0;
    let text = crate::clock::Timestamp::from_milliseconds(moment.timestamp_millis()).to_string();
    let sql = Sql::new("?", vec![Parameter::Text(text)]);
    is_whole.then(|| Operand::sound(Kind::Time, sql, Origin::Literal))
}
