//! Rewrites of a validated expression: swamp's numbers before the predicate is split, budgets and patterns after.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, ListExpr, LiteralValue, operators};
use regex::{Regex, RegexBuilder};

use super::functions::{self as f, Pattern};
use super::vocabulary::SPACES;

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

/// Makes loops and what copies, reads or builds pay, keeps maps in order, and compiles patterns once.
pub(super) fn guards(expression: IdedExpr) -> (IdedExpr, Vec<Pattern>) {
    let mut patterns = Vec::new();
    let guarded = each_node(expression, &mut |node| match node {
        Expr::Call(call) => guarded_call(call, &mut patterns),
        Expr::Comprehension(comprehension) => Expr::Comprehension(Box::new(guarded_loop(*comprehension))),
        Expr::List(mut list) => {
            let is_long = list.elements.len() > LIST_FREE_MAX;
            list.elements = list.elements.into_iter().map(paid).collect();
            let list = Expr::List(list);
            if is_long { call(f::PAID, vec![IdedExpr { id: 0, expr: list }]).expr } else { list }
        }
        Expr::Map(map) => {
            let triples = map.entries.into_iter().filter_map(|entry| match entry.expr {
                EntryExpr::MapEntry(entry) => {
                    let optional = Expr::Literal(LiteralValue::Boolean(entry.optional.into()));
                    Some([IdedExpr { id: entry.key.id, expr: optional }, paid(entry.key), paid(entry.value)])
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

/// The longest list whose elements are written side by side that costs nothing.
const LIST_FREE_MAX: usize = 16;

/// Makes a loop pay before it starts, and end soon once the budget is spent: `all` and `exists` absorb errors of their
/// steps, but none of their conditions.
fn guarded_loop(mut loops: ComprehensionExpr) -> ComprehensionExpr {
    if loops.iter_var == "#unused" {
        loops.accu_init = paid(loops.accu_init);
        loops.result = paid(loops.result);
        return loops;
    }
    loops.iter_range = call(f::EACH, vec![loops.iter_range]);
    match &mut loops.loop_step.expr {
        // What `filter` and the like keep; the interpreter wants their conditions to be literals.
        Expr::Call(step) if step.func_name == operators::CONDITIONAL => {
            if let Some(kept) = step.args.first_mut() {
                *kept = call(f::GO, vec![std::mem::take(kept)]);
            }
        }
        _ if !matches!(loops.loop_cond.expr, Expr::Literal(_)) => {
            loops.loop_cond = call(f::GO, vec![loops.loop_cond]);
        }
        _ => {}
    }
    loops
}

/// Makes an expression pay for its value, unless that is short or was paid for when it was made.
fn paid(node: IdedExpr) -> IdedExpr {
    let is_free = match &node.expr {
        Expr::Literal(_) | Expr::List(_) => true,
        Expr::Select(select) => select.test,
        Expr::Call(call) => call.func_name.starts_with('@') || FLAGS.contains(&call.func_name.as_str()),
        Expr::Ident(_) | Expr::Map(_) | Expr::Comprehension(_) | Expr::Struct(_) | Expr::Unspecified => false,
    };
    if is_free { node } else { call(f::PAID, vec![node]) }
}

/// Operators whose results are true or false.
const FLAGS: [&str; 9] = [
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::LESS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::GREATER_EQUALS,
];

fn guarded_call(mut original: CallExpr, patterns: &mut Vec<Pattern>) -> Expr {
    let name = original.func_name.as_str();
    match (name, original.target.take(), original.args.len()) {
        ("replace", Some(target), 2 | 3) => free(&mut original, *target, f::REPLACE),
        ("join", Some(target), 0 | 1) => free(&mut original, *target, f::JOIN),
        ("split", Some(target), 1 | 2) => free(&mut original, *target, f::SPLIT),
        ("matches", Some(target), 1) => {
            free(&mut original, *target, f::MATCHES);
            hoist(&mut original, patterns);
        }
        ("matches", None, 2) => {
            f::MATCHES.clone_into(&mut original.func_name);
            hoist(&mut original, patterns);
        }
        ("distinct", Some(target), 0) => original.target = Some(Box::new(call(f::SQUARED, vec![*target]))),
        ("range", Some(target), 1) if is_name(&target, "lists") => {
            original.args = vec![call(f::COUNT, original.args)];
            original.target = Some(target);
        }
        // Comparing with a literal takes no longer than the literal is.
        (operators::EQUALS | operators::NOT_EQUALS, None, 2)
            if !original.args.iter().any(|side| matches!(side.expr, Expr::Literal(_))) =>
        {
            original.args = original.args.into_iter().map(paid).collect();
        }
        (operators::IN, None, 2) => {
            if let Some(range) = original.args.pop() {
                original.args.push(paid(range));
            }
        }
        // They copy what they find.
        (operators::OPT_SELECT | operators::OPT_INDEX, None, 2) => {
            return call(f::PAID, vec![IdedExpr { id: 0, expr: Expr::Call(original) }]).expr;
        }
        (name, target, _) if name.starts_with(|first: char| first.is_ascii_alphabetic()) || target.is_some() => {
            original.args = original.args.into_iter().map(paid).collect();
            let is_space = |target: &IdedExpr| SPACES.iter().any(|space| is_name(target, space));
            original.target = target.map(|target| if is_space(&target) { target } else { Box::new(paid(*target)) });
        }
        (_, target, _) => original.target = target,
    }
    Expr::Call(original)
}

/// Makes `target.function(…)` a call of a function of ours, with the target as its first argument.
fn free(original: &mut CallExpr, target: IdedExpr, name: &str) {
    original.args.insert(0, target);
    name.clone_into(&mut original.func_name);
}

/// Returns whether an expression is a name and nothing else.
pub(super) fn is_name(node: &IdedExpr, wanted: &str) -> bool {
    matches!(&node.expr, Expr::Ident(name) if name == wanted)
}

/// Replaces the literal pattern of `@matches(text, pattern)`; validation has seen that it compiles.
fn hoist(original: &mut CallExpr, patterns: &mut Vec<Pattern>) {
    let Some(argument) = original.args.get_mut(1) else {
        return;
    };
    let Expr::Literal(LiteralValue::String(text)) = &argument.expr else {
        return;
    };
    if let Ok(compiled) = pattern(text.inner()) {
        argument.expr = Expr::Ident(format!("{PATTERN_PREFIX}{}", patterns.len()));
        patterns.push(Pattern(compiled));
    }
}

/// Makes the functions of `data` reach the data: `data.f(x)` becomes `@data[["f", x]]`.
pub(super) fn data_calls(expression: IdedExpr) -> IdedExpr {
    each_node(expression, &mut |node| match node {
        Expr::Call(CallExpr { func_name, target: Some(target), args }) if is_name(&target, "data") => {
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

fn call(name: &str, args: Vec<IdedExpr>) -> IdedExpr {
    let id = args.first().map_or(0, |argument| argument.id);
    IdedExpr { id, expr: Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args }) }
}

/// Applies `change` to every node, children first.
pub(super) fn each_node(node: IdedExpr, change: &mut dyn FnMut(Expr) -> Expr) -> IdedExpr {
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
