//! Rewrites of a validated expression: swamp's numbers before the predicate is split, budgets and patterns after.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, ListExpr, LiteralValue, operators};
use regex::{Regex, RegexBuilder};

use super::functions::{self as f, Pattern};

/// The most memory of a compiled pattern.
const PATTERN_BYTES_MAX: usize = 1024 * 1024;

/// What the interpreter calls the accumulator of its own loops.
const ACCUMULATOR: &str = "@result";

/// The name that a resolver gives the pattern of a number.
pub(super) const PATTERN_PREFIX: &str = "@pattern";

/// Compiles a pattern within the limits.
pub(super) fn pattern(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).size_limit(PATTERN_BYTES_MAX).build()
}

/// Makes arithmetic and texts of numbers those of swamp, where every number of a row is a double.
pub(super) fn numbers(expression: IdedExpr) -> IdedExpr {
    each_node(expression, &mut |node| match node {
        Expr::Call(mut call) if call.target.is_none() && !folds(&call) => {
            let name = match (call.func_name.as_str(), call.args.len()) {
                (operators::ADD, 2) => f::ADD,
                (operators::SUBSTRACT, 2) => f::SUBTRACT,
                (operators::MULTIPLY, 2) => f::MULTIPLY,
                (operators::DIVIDE, 2) => f::DIVIDE,
                (operators::MODULO, 2) => f::REMAINDER,
                ("string", 1) => f::TEXT,
                _ => return Expr::Call(call),
            };
            name.clone_into(&mut call.func_name);
            Expr::Call(call)
        }
        other => other,
    })
}

/// Returns whether a call is a step of the interpreter's own loops, which it recognises by their shape.
fn folds(call: &CallExpr) -> bool {
    matches!(call.args.first().map(|first| &first.expr), Some(Expr::Ident(name)) if name == ACCUMULATOR)
}

/// Makes loops and what builds texts pay, keeps maps in order, and compiles patterns once.
pub(super) fn guards(expression: IdedExpr) -> (IdedExpr, Vec<Pattern>) {
    let mut patterns = Vec::new();
    let guarded = each_node(expression, &mut |node| match node {
        Expr::Call(call) => guarded_call(call, &mut patterns),
        Expr::Comprehension(mut comprehension) => {
            if comprehension.iter_var != "#unused" {
                comprehension.iter_range = call(f::EACH, vec![std::mem::take(&mut comprehension.iter_range)]);
            }
            Expr::Comprehension(comprehension)
        }
        Expr::Map(map) => {
            let triples = map.entries.into_iter().filter_map(|entry| match entry.expr {
                EntryExpr::MapEntry(entry) => {
                    let optional = Expr::Literal(LiteralValue::Boolean(entry.optional.into()));
                    Some([IdedExpr { id: entry.key.id, expr: optional }, entry.key, entry.value])
                }
                EntryExpr::StructField(_) => None,
            });
            let list = Expr::List(ListExpr::new(triples.flatten().collect()));
            call(f::MAP, vec![IdedExpr { id: 0, expr: list }]).expr
        }
        other => other,
    });
    (guarded, patterns)
}

fn guarded_call(mut original: CallExpr, patterns: &mut Vec<Pattern>) -> Expr {
    match (original.func_name.as_str(), original.target.take(), original.args.len()) {
        ("replace", Some(target), 2 | 3) => {
            original.args.insert(0, *target);
            f::REPLACE.clone_into(&mut original.func_name);
        }
        ("join", Some(target), 0 | 1) => {
            original.args.insert(0, *target);
            f::JOIN.clone_into(&mut original.func_name);
        }
        ("distinct", Some(target), 0) => original.target = Some(Box::new(call(f::SQUARED, vec![*target]))),
        ("sort", Some(target), 0) => original.target = Some(Box::new(call(f::EACH, vec![*target]))),
        ("matches", Some(target), 1) => {
            original.args.insert(0, *target);
            if !hoist(&mut original, patterns) {
                original.target = Some(Box::new(original.args.remove(0)));
            }
        }
        ("matches", None, 2) => {
            let _is_hoisted = hoist(&mut original, patterns);
        }
        (operators::IN, None, 2) => {
            if let Some(range) = original.args.pop() {
                let is_literal = matches!(range.expr, Expr::List(_));
                original.args.push(if is_literal { range } else { call(f::EACH, vec![range]) });
            }
        }
        (_, target, _) => original.target = target,
    }
    Expr::Call(original)
}

/// Replaces the literal pattern of `matches(text, pattern)`; validation has seen that it compiles.
fn hoist(original: &mut CallExpr, patterns: &mut Vec<Pattern>) -> bool {
    let Some(IdedExpr { expr: Expr::Literal(LiteralValue::String(text)), .. }) = original.args.get(1) else {
        return false;
    };
    let Ok(compiled) = pattern(text.inner()) else {
        return false;
    };
    if let Some(argument) = original.args.get_mut(1) {
        argument.expr = Expr::Ident(format!("{PATTERN_PREFIX}{}", patterns.len()));
    }
    patterns.push(Pattern(compiled));
    f::MATCHES.clone_into(&mut original.func_name);
    true
}

/// Makes the functions of `data` reach the data: `data.f(x)` becomes `@data[["f", x]]`.
pub(super) fn data_calls(expression: IdedExpr) -> IdedExpr {
    each_node(expression, &mut |node| match node {
        Expr::Call(CallExpr { func_name, target: Some(target), args }) if is_data(&target) => {
            let name = IdedExpr { id: target.id, expr: Expr::Literal(LiteralValue::String(func_name.into())) };
            let elements = std::iter::once(name).chain(args).collect();
            let data = IdedExpr { id: target.id, expr: Expr::Ident(DATA.to_owned()) };
            let request = IdedExpr { id: target.id, expr: Expr::List(ListExpr::new(elements)) };
            call(operators::INDEX, vec![data, request]).expr
        }
        other => other,
    })
}

/// The name that a resolver gives the data.
pub(super) const DATA: &str = "@data";

fn is_data(target: &IdedExpr) -> bool {
    matches!(&target.expr, Expr::Ident(name) if name == "data")
}

fn call(name: &str, args: Vec<IdedExpr>) -> IdedExpr {
    let id = args.first().map_or(0, |argument| argument.id);
    IdedExpr { id, expr: Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args }) }
}

/// Applies `change` to every node, children first.
fn each_node(node: IdedExpr, change: &mut dyn FnMut(Expr) -> Expr) -> IdedExpr {
    let IdedExpr { id, expr } = node;
    let expr = match expr {
        Expr::Call(CallExpr { func_name, target, args }) => {
            let target = target.map(|target| Box::new(each_node(*target, change)));
            let args = args.into_iter().map(|argument| each_node(argument, change)).collect();
            Expr::Call(CallExpr { func_name, target, args })
        }
        Expr::Select(mut select) => {
            *select.operand = each_node(*select.operand, change);
            Expr::Select(select)
        }
        Expr::List(mut list) => {
            list.elements = list.elements.into_iter().map(|element| each_node(element, change)).collect();
            Expr::List(list)
        }
        Expr::Map(mut map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    entry.key = each_node(std::mem::take(&mut entry.key), change);
                    entry.value = each_node(std::mem::take(&mut entry.value), change);
                }
            }
            Expr::Map(map)
        }
        Expr::Comprehension(loops) => Expr::Comprehension(Box::new(each_part(*loops, change))),
        other @ (Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified) => other,
    };
    IdedExpr { id, expr: change(expr) }
}

fn each_part(loops: ComprehensionExpr, change: &mut dyn FnMut(Expr) -> Expr) -> ComprehensionExpr {
    ComprehensionExpr {
        iter_range: each_node(loops.iter_range, change),
        iter_var: loops.iter_var,
        iter_var2: loops.iter_var2,
        accu_var: loops.accu_var,
        accu_init: each_node(loops.accu_init, change),
        loop_cond: each_node(loops.loop_cond, change),
        loop_step: each_node(loops.loop_step, change),
        result: each_node(loops.result, change),
    }
}
