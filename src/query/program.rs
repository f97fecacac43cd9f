//! An expression that is ready to be evaluated.

use std::sync::Arc;

use cel::common::ast::IdedExpr;
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use cel::{Context, ExecutionError, Value};

use super::budget;
use super::environment::ENVIRONMENT;
use super::error::QueryError;
use super::functions::Pattern;
use super::map::WHY;
use super::rewrite::{self, PATTERN_PREFIX};

/// A checked expression with its patterns compiled.
#[derive(Debug)]
pub(super) struct Program {
    expression: IdedExpr,
    patterns: Vec<Pattern>,
}

/// Why an evaluation has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) message: String,
    pub(super) cause: Cause,
}

/// What kind of reason it is, as far as something can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    AbsentKey,
    /// A key was asked of null.
    Null,
    Other,
}

impl Cause {
    pub(super) fn hint(self) -> Option<&'static str> {
        match self {
            Self::AbsentKey => Some("where a key may be absent, write `has(a.b)` or `a.?b.orValue(…)`"),
            Self::Null => Some("where a value may be null, write `a.?b`"),
            Self::Other => None,
        }
    }
}

impl From<ExecutionError> for Reason {
    fn from(error: ExecutionError) -> Self {
        let cause = match &error {
            ExecutionError::NoSuchKey(key) if !key.contains(WHY) => Cause::AbsentKey,
            ExecutionError::NoSuchOverload(overload) if is_access(overload.function()) => {
                let operand = overload.argument_types().first();
                if operand.is_some_and(|operand| operand == "null_type") { Cause::Null } else { Cause::Other }
            }
            _ => Cause::Other,
        };
        let message = if cause == Cause::Null { "a key was asked of null".to_owned() } else { message(&error) };
        Self { message, cause }
    }
}

impl Program {
    /// Finishes an expression whose numbers are rewritten.
    pub(super) fn new(expression: IdedExpr) -> Self {
        let (expression, patterns) = rewrite::guards(expression);
        Self { expression, patterns }
    }

    /// Evaluates, and hands the value to `read`.
    pub(super) fn evaluate<T>(
        &self,
        variables: &dyn VariableResolver,
        read: impl FnOnce(&dyn Val) -> Result<T, ExecutionError>,
    ) -> Result<Result<T, Reason>, QueryError> {
        let resolver = Resolver { patterns: &self.patterns, variables };
        budget::limited(|| {
            let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
            context.set_variable_resolver(&resolver);
            let value = Value::resolve_val(&self.expression, &context);
            value.and_then(|value| read(value.as_ref())).map_err(Reason::from)
        })
    }
}

struct Resolver<'a> {
    patterns: &'a [Pattern],
    variables: &'a dyn VariableResolver,
}

impl VariableResolver for Resolver<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        if let Some(number) = variable.strip_prefix(PATTERN_PREFIX) {
            return self
                .patterns
                .get(number.parse::<usize>().ok()?)
                .map(|pattern| CowVal::Borrowed(pattern as &dyn Val));
        }
        self.variables.resolve(variable)
    }
}

fn is_access(function: &str) -> bool {
    matches!(function, "_._" | "_?._" | "_[_]")
}

/// Says an error of the interpreter in words.
fn message(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => match key.split_once(WHY) {
            Some((_, why)) => why.to_owned(),
            None => format!("no such key `{key}`"),
        },
        ExecutionError::NoSuchOverload(overload) => {
            let name = match overload.function() {
                access if is_access(access) => "the `.` or `[…]`",
                name => &format!("`{}`", name.trim_matches('_')),
            };
            format!("{name} cannot be applied to {}", overload.argument_types().join(" and "))
        }
        ExecutionError::UndeclaredReference(name) => format!("`{name}` is not known here"),
        ExecutionError::FunctionError { function, message } => format!("`{function}` failed: {message}"),
        ExecutionError::InternalError(message) => message.clone(),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "division by zero".to_owned(),
        ExecutionError::IndexOutOfBounds(_) => "the index is out of bounds".to_owned(),
        ExecutionError::UnexpectedType { got, want } => format!("{want} is needed, not {got}"),
        other => other.to_string(),
    }
}
