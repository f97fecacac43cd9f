//! The text of a rewritten expression, for people who ask what is evaluated.

use std::fmt::Write as _;

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};

use super::functions as f;
use super::number;

/// Returns the text of an expression; every operation has its brackets.
pub(super) fn spelled(node: &IdedExpr) -> String {
    match &node.expr {
        Expr::Literal(literal) => spelled_literal(literal),
        Expr::Ident(name) => name.clone(),
        Expr::Select(select) => {
            let path = format!("{}.{}", spelled(&select.operand), select.field);
            if select.test { format!("has({path})") } else { path }
        }
        Expr::Call(call) => spelled_call(call),
        Expr::List(list) => format!("[{}]", joined(&list.elements)),
        Expr::Map(map) => {
            let entries = map.entries.iter().filter_map(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    let mark = if entry.optional { "?" } else { "" };
                    Some(format!("{mark}{}: {}", spelled(&entry.key), spelled(&entry.value)))
                }
                EntryExpr::StructField(_) => None,
            });
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        Expr::Comprehension(comprehension) => spelled_loop(comprehension),
        Expr::Struct(_) | Expr::Unspecified => "…".to_owned(),
    }
}

fn joined(nodes: &[IdedExpr]) -> String {
    nodes.iter().map(spelled).collect::<Vec<_>>().join(", ")
}

fn spelled_literal(literal: &LiteralValue) -> String {
    match literal {
        LiteralValue::Boolean(flag) => flag.inner().to_string(),
        LiteralValue::Double(number) => {
            let text = number::text(*number.inner());
            if text.contains(['.', 'e', 'I', 'N']) { text } else { text + ".0" }
        }
        LiteralValue::Int(number) => number.inner().to_string(),
        LiteralValue::UInt(number) => format!("{}u", number.inner()),
        LiteralValue::Null => "null".to_owned(),
        LiteralValue::String(text) => serde_json::Value::from(text.inner()).to_string(),
        LiteralValue::Bytes(bytes) => {
            let mut text = "b\"".to_owned();
            for byte in bytes.inner() {
                // Writing to a `String` does not fail.
                let _ = write!(text, "\\x{byte:02x}");
            }
            text + "\""
        }
    }
}

fn spelled_call(call: &CallExpr) -> String {
    let CallExpr { func_name: name, target, args } = call;
    if let Some(target) = target {
        return format!("{}.{name}({})", spelled(target), joined(args));
    }
    match (name.as_str(), args.as_slice()) {
        (operators::CONDITIONAL, [condition, one, other]) => {
            format!("({} ? {} : {})", spelled(condition), spelled(one), spelled(other))
        }
        (operators::LOGICAL_NOT, [operand]) => format!("!{}", spelled(operand)),
        (operators::NEGATE, [operand]) => format!("-{}", spelled(operand)),
        (operators::INDEX, [value, index]) => format!("{}[{}]", spelled(value), spelled(index)),
        (operators::OPT_INDEX, [value, index]) => format!("{}[?{}]", spelled(value), spelled(index)),
        (operators::OPT_SELECT, [value, field]) => {
            format!("{}.?{}", spelled(value), spelled(field).trim_matches('"'))
        }
        (name, [left, right]) if symbol(name).is_some() => {
            format!("({} {} {})", spelled(left), symbol(name).unwrap_or_default(), spelled(right))
        }
        (f::TEXT, args) => format!("string({})", joined(args)),
        (name, args) => format!("{name}({})", joined(args)),
    }
}

fn symbol(name: &str) -> Option<&'static str> {
    let symbols = [
        (f::ADD, "+"),
        (f::SUBTRACT, "-"),
        (f::MULTIPLY, "*"),
        (f::DIVIDE, "/"),
        (f::REMAINDER, "%"),
        (operators::EQUALS, "=="),
        (operators::NOT_EQUALS, "!="),
        (operators::LESS, "<"),
        (operators::LESS_EQUALS, "<="),
        (operators::GREATER, ">"),
        (operators::GREATER_EQUALS, ">="),
        (operators::LOGICAL_AND, "&&"),
        (operators::LOGICAL_OR, "||"),
        (operators::IN, "in"),
    ];
    symbols.into_iter().find(|(known, _)| *known == name).map(|(_, symbol)| symbol)
}

/// Returns a macro's call from what it was made into.
fn spelled_loop(comprehension: &ComprehensionExpr) -> String {
    let ComprehensionExpr { iter_range, iter_var, accu_var, accu_init, loop_step, result, .. } = comprehension;
    if iter_var == "#unused" {
        return format!("cel.bind({accu_var}, {}, {})", spelled(accu_init), spelled(result));
    }
    let range = spelled(iter_range);
    let Expr::Call(step) = &loop_step.expr else {
        return format!("{range}.…({iter_var}, …)");
    };
    match (step.func_name.as_str(), step.args.as_slice()) {
        (operators::LOGICAL_AND, [_, body]) => format!("{range}.all({iter_var}, {})", spelled(body)),
        (operators::LOGICAL_OR, [_, body]) => format!("{range}.exists({iter_var}, {})", spelled(body)),
        (operators::ADD, [_, list]) => format!("{range}.map({iter_var}, {})", element(list)),
        (operators::CONDITIONAL, [condition, kept, _]) => {
            let condition = spelled(condition);
            match &kept.expr {
                Expr::Call(CallExpr { args, .. }) => match args.as_slice() {
                    [_, IdedExpr { expr: Expr::Literal(_), .. }] => {
                        format!("{range}.exists_one({iter_var}, {condition})")
                    }
                    [_, list] if element(list) == *iter_var => format!("{range}.filter({iter_var}, {condition})"),
                    [_, list] => format!("{range}.map({iter_var}, {condition}, {})", element(list)),
                    _ => format!("{range}.…({iter_var}, {condition})"),
                },
                _ => format!("{range}.…({iter_var}, {condition})"),
            }
        }
        _ => format!("{range}.…({iter_var}, …)"),
    }
}

/// Returns the text of the only element of a list.
fn element(list: &IdedExpr) -> String {
    match &list.expr {
        Expr::List(list) => joined(&list.elements),
        _ => spelled(list),
    }
}

#[cfg(test)]
mod tests {
    use super::spelled;
    use crate::query::compile::checked;
    use crate::query::rewrite::numbers;
    use crate::query::validate::Roots;

    fn respelled(source: &str) -> String {
        let (expression, _, _) = checked(source, Roots::Fields).unwrap();
        spelled(&numbers(expression))
    }

    #[test]
    fn what_is_evaluated_reads_like_what_was_written() {
        let sources = [
            "((size + 1) > 2.0)",
            "(!isLatest || (name in [\"a\", null]))",
            "has(tags.env)",
            "attributes.?a.?b.orValue(-1)",
            "(attributes.a[0] == string(version))",
            "(streaming ? {\"a\": 1u, ?\"b\": tags.?c} : {})",
            "attributes.l.exists(x, (x > 1))",
            "attributes.l.all(x, (x > 1))",
            "attributes.l.exists_one(x, (x > 1))",
            "attributes.l.filter(x, (x > 1))",
            "attributes.l.map(x, (x > 1), (x * 2))",
            "attributes.l.map(x, (x * 2))",
            "cel.bind(x, size, (x * x))",
        ];

        let respelled: Vec<_> = sources.into_iter().map(respelled).collect();

        assert_eq!(respelled, sources);
    }
}
