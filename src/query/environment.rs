//! The functions and macros of the one dialect, and the parser for it.

use std::sync::{Arc, LazyLock};

use cel::common::ast::{ComprehensionExpr, Expr, IdedExpr, ListExpr, LiteralValue, SourceInfo};
use cel::parser::Macro;
use cel::{DeclarationError, Env, ParseErrors, extensions};

use super::error::{Complaint, Place};
use super::functions;
use super::limits::{self, NESTING_MAX};

/// The environment every expression is parsed and evaluated in.
pub(super) static ENVIRONMENT: LazyLock<Arc<Env>> =
    LazyLock::new(|| Arc::new(environment().expect("the declarations are constant, and a test builds them")));

fn environment() -> Result<Env, DeclarationError> {
    let mut env = Env::stdlib();
    env.add_extension(extensions::strings)?;
    env.add_extension(extensions::lists)?;
    env.add_extension(extensions::math)?;
    env.add_extension(extensions::encoders)?;
    env.add_macro(bind())?;
    functions::declare(&mut env)?;
    Ok(env)
}

/// `cel.bind(name, value, expression)`: a loop that never runs, whose accumulator is the name.
fn bind() -> Macro {
    Macro::receiver("bind", 3, |helper, target, args| {
        if !target.as_ref().is_some_and(|target| target.expr == Expr::Ident("cel".to_owned())) {
            return Ok(None);
        }
        let Some(Expr::Ident(name)) = args.first().map(|name| &name.expr) else {
            return Ok(None);
        };
        let accu_var = name.clone();
        let (Some(result), Some(accu_init)) = (args.pop(), args.pop()) else {
            return Ok(None);
        };
        args.clear();
        *target = None;
        let never = helper.next_expr(Expr::Literal(LiteralValue::Boolean(false.into())));
        let loop_step = helper.next_expr(Expr::Ident(accu_var.clone()));
        let iter_range = helper.next_expr(Expr::List(ListExpr::new(Vec::new())));
        let comprehension = ComprehensionExpr {
            iter_range,
            iter_var: "#unused".to_owned(),
            iter_var2: None,
            accu_var,
            accu_init,
            loop_cond: never,
            loop_step,
            result,
        };
        Ok(Some(helper.next_expr(Expr::Comprehension(Box::new(comprehension)))))
    })
}

/// The text of an expression and where its parts are in it.
#[derive(Debug)]
pub(super) struct Text {
    source: String,
    places: SourceInfo,
}

impl Text {
    /// Returns where a part of the expression is.
    pub(super) fn place(&self, id: u64) -> Option<Place> {
        let (offset, _) = self.places.offset_for(id)?;
        Some(Place::of(&self.source, usize::try_from(offset).ok()?))
    }
}

/// Parses an expression within the limits.
pub(super) fn parse(source: &str) -> Result<(IdedExpr, Text), Complaint> {
    limits::check(source)?;
    let parser = ENVIRONMENT.parser().max_recursion_depth(NESTING_MAX).enable_ident_escape_syntax(true);
    let (expression, places) = parser.parse_with_source_info(source).map_err(|errors| complaint(source, &errors))?;
    Ok((expression, Text { source: source.to_owned(), places }))
}

fn complaint(source: &str, errors: &ParseErrors) -> Complaint {
    let Some(error) = errors.errors.first() else {
        return Complaint::new("the expression cannot be parsed", None);
    };
    let (line, column) = error.pos;
    let place = match (usize::try_from(line), usize::try_from(column)) {
        (Ok(line), Ok(column)) if line > 0 && column > 0 => Some(Place::at(source, line, column)),
        _ => None,
    };
    let message = error.msg.strip_prefix("Syntax error: ").unwrap_or(&error.msg);
    let complaint = Complaint::new(format!("syntax error: {}", shortened(message)), place);
    match hint(source, message) {
        Some(hint) => complaint.with_hint(hint),
        None => complaint,
    }
}

/// Returns the message without the list of everything the grammar would have taken.
fn shortened(message: &str) -> String {
    let message = message.split(" expecting {").next().unwrap_or(message);
    match message {
        "mismatched input '<EOF>'" => "the expression ends too early".to_owned(),
        _ => message.to_owned(),
    }
}

/// Words of other languages, and what is written here.
const WORDS: [(&str, &str); 6] =
    [("and", "&&"), ("AND", "&&"), ("or", "||"), ("OR", "||"), ("not", "!"), ("like", "name.contains(\"part\")")];

fn hint(source: &str, message: &str) -> Option<String> {
    if source.trim().is_empty() {
        Some("`true` matches everything".to_owned())
    } else if message.contains("token recognition error at: '=") {
        Some("compare with `==`".to_owned())
    } else if let Some((_, written)) = WORDS.iter().find(|(word, _)| message.contains(&format!("input '{word}'"))) {
        Some(format!("write `{written}`"))
    } else if message.contains("reserved identifier: namespace") {
        Some("the namespace is called `ns`".to_owned())
    } else if ["'\"", "''"].iter().any(|quote| message.contains(&format!("token recognition error at: {quote}"))) {
        Some("a text ends with the quote it starts with".to_owned())
    } else {
        None
    }
}
