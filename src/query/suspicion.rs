//! What looks wrong with a valid predicate: comparisons that can never hold, conditions that are none.
//!
//! Such a predicate matches nothing, or everything, in the existing swamp as here; a person is told before rows are read.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::{Context, Value};

use super::environment::Text;
use super::error::Complaint;
use super::field::{FieldKind, field};

/// What is known of a value without any row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Flag,
    Number,
    Text,
    Time,
    Null,
    List,
    Map,
    Unknown,
}

impl Shape {
    fn name(self) -> &'static str {
        match self {
            Self::Flag => "true or false",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::Time => "a time",
            Self::Null => "null",
            Self::List => "a list",
            Self::Map => "a map",
            Self::Unknown => "anything",
        }
    }
}

/// Returns what looks wrong with a predicate over the fields of a row.
pub(super) fn of_predicate(predicate: &IdedExpr, text: &Text) -> Vec<Complaint> {
    let mut search = Search { text, locals: Vec::new(), found: Vec::new() };
    let shape = search.shape(predicate);
    if !matches!(shape, Shape::Flag | Shape::Unknown) {
        let message = format!("the predicate is {}, not true or false, so nothing matches", shape.name());
        search.complain(message, predicate.id);
    }
    search.found
}

struct Search<'a> {
    text: &'a Text,
    locals: Vec<String>,
    found: Vec<Complaint>,
}

impl Search<'_> {
    fn complain(&mut self, message: String, id: u64) {
        self.found.push(Complaint::new(message, self.text.place(id)));
    }

    fn shape(&mut self, node: &IdedExpr) -> Shape {
        match &node.expr {
            Expr::Literal(literal) => match literal {
                LiteralValue::Boolean(_) => Shape::Flag,
                LiteralValue::Double(_) | LiteralValue::Int(_) | LiteralValue::UInt(_) => Shape::Number,
                LiteralValue::String(_) => Shape::Text,
                LiteralValue::Null => Shape::Null,
                LiteralValue::Bytes(_) => Shape::Unknown,
            },
            Expr::Ident(name) if !self.locals.contains(name) => match field(name).map(|field| field.kind) {
                Some(FieldKind::Text) => Shape::Text,
                Some(FieldKind::Number) => Shape::Number,
                Some(FieldKind::Flag) => Shape::Flag,
                Some(FieldKind::Tags) => Shape::Map,
                Some(FieldKind::Content) | None => Shape::Unknown,
            },
            Expr::Select(select) => {
                let is_tags = matches!(&select.operand.expr, Expr::Ident(name) if name == "tags")
                    && !self.locals.iter().any(|local| local == "tags");
                self.shape(&select.operand);
                match (select.test, is_tags) {
                    (true, _) => Shape::Flag,
                    (false, true) => Shape::Text,
                    (false, false) => Shape::Unknown,
                }
            }
            Expr::Call(call) => self.call(call, node.id),
            Expr::List(list) => {
                for element in &list.elements {
                    self.shape(element);
                }
                Shape::List
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.shape(&entry.key);
                        self.shape(&entry.value);
                    }
                }
                Shape::Map
            }
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Ident(_) | Expr::Struct(_) | Expr::Unspecified => Shape::Unknown,
        }
    }

    fn comprehension(&mut self, comprehension: &ComprehensionExpr) -> Shape {
        self.shape(&comprehension.iter_range);
        let start = self.shape(&comprehension.accu_init);
        let outer = self.locals.len();
        self.locals.extend([comprehension.accu_var.clone(), comprehension.iter_var.clone()]);
        self.shape(&comprehension.loop_step);
        self.locals.truncate(outer);
        // `all` and `exists` start with a flag; what another loop makes depends on its steps.
        if start == Shape::Flag && comprehension.iter_var != "#unused" { Shape::Flag } else { Shape::Unknown }
    }

    fn call(&mut self, call: &CallExpr, id: u64) -> Shape {
        if let Some(target) = &call.target {
            self.shape(target);
        }
        let shapes: Vec<_> = call.args.iter().map(|argument| self.shape(argument)).collect();
        match (call.func_name.as_str(), shapes.as_slice()) {
            (operator, [left, right]) if COMPARISONS.contains(&operator) => {
                self.comparison(call, *left, *right, id);
                Shape::Flag
            }
            (operator @ (operators::LOGICAL_AND | operators::LOGICAL_OR), [left, right]) => {
                for shape in [*left, *right] {
                    if !matches!(shape, Shape::Flag | Shape::Unknown) {
                        self.complain(format!("`{}` is given {}", spelled(operator), shape.name()), id);
                    }
                }
                Shape::Flag
            }
            (operators::CONDITIONAL, [_, left, right]) => {
                if left == right {
                    *left
                } else {
                    Shape::Unknown
                }
            }
            (operators::ADD, [left, right]) if left == right => *left,
            (operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE, [Shape::Number, Shape::Number]) => {
                Shape::Number
            }
            ("timestamp" | "duration", [Shape::Text]) => {
                self.moment(call, id);
                if call.func_name == "timestamp" { Shape::Time } else { Shape::Unknown }
            }
            (name, _) if FLAGS.contains(&name) => Shape::Flag,
            ("size" | "int" | "double" | "uint" | "indexOf" | "lastIndexOf", _) => Shape::Number,
            ("string" | "lowerAscii" | "upperAscii" | "trim" | "replace" | "substring" | "join" | "format", _) => {
                Shape::Text
            }
            _ => Shape::Unknown,
        }
    }

    /// Complains of a literal that is no time or duration.
    fn moment(&mut self, call: &CallExpr, id: u64) {
        let [argument] = &*call.args else {
            return;
        };
        let constant = IdedExpr { id, expr: Expr::Call(call.clone()) };
        let is_literal = matches!(argument.expr, Expr::Literal(_));
        if is_literal && Value::resolve(&constant, &Context::default()).is_err() {
            let form = if call.func_name == "timestamp" { "2026-01-31T00:00:00Z" } else { "1h30m" };
            self.complain(format!("`{}` of this text always fails; write it as `{form}`", call.func_name), id);
        }
    }

    fn comparison(&mut self, call: &CallExpr, left: Shape, right: Shape, id: u64) {
        if left == Shape::Unknown || right == Shape::Unknown {
            return;
        }
        let outcome = match call.func_name.as_str() {
            operators::EQUALS if left != right => "is never true",
            operators::NOT_EQUALS if left != right => "is always true",
            operators::EQUALS | operators::NOT_EQUALS => return,
            _ if left == right && matches!(left, Shape::Number | Shape::Text | Shape::Time | Shape::Flag) => return,
            _ => "always fails",
        };
        let spelled = spelled(&call.func_name);
        let remedy = remedy(&call.args, [left, right]).map(|remedy| format!("; {remedy}")).unwrap_or_default();
        self.complain(format!("`{spelled}` of {} and {} {outcome}{remedy}", left.name(), right.name()), id);
    }
}

/// Returns how two values that cannot be compared are written so that they can.
fn remedy(operands: &[IdedExpr], shapes: [Shape; 2]) -> Option<String> {
    let [left, right] = operands else { return None };
    match ((left, shapes[0]), (right, shapes[1])) {
        ((text, Shape::Text), (_, Shape::Time)) | ((_, Shape::Time), (text, Shape::Text)) => {
            Some(format!("write the text as `timestamp({})`", written(text)?))
        }
        ((text, Shape::Text), (number, Shape::Number)) | ((number, Shape::Number), (text, Shape::Text)) => {
            match (&text.expr, &number.expr) {
                (Expr::Literal(LiteralValue::String(text)), _) => {
                    text.parse::<i64>().ok().map(|number| format!("write the number as `{number}`, without quotes"))
                }
                (_, Expr::Literal(LiteralValue::Int(number))) => {
                    Some(format!("write the number as `\"{}\"`, a text", **number))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// Returns a field or a tag as it is written, `None` for everything else.
fn written(node: &IdedExpr) -> Option<String> {
    match &node.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => Some(format!("{}.{}", written(&select.operand)?, select.field)),
        _ => None,
    }
}

const COMPARISONS: [&str; 6] = [
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::LESS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::GREATER_EQUALS,
];

/// Functions whose results are true or false.
const FLAGS: [&str; 8] =
    [operators::LOGICAL_NOT, operators::IN, "contains", "startsWith", "endsWith", "matches", "hasValue", "bool"];

fn spelled(operator: &str) -> &str {
    operator.trim_matches('_')
}
