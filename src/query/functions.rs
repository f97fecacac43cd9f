//! Functions that the rewritten expressions call: arithmetic of swamp's numbers, and what must pay for its results.

use std::any::Any;

use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMapKey, CelOptional, CelString, DYN_TYPE, LIST_TYPE, STRING_TYPE, Type,
};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError};
use regex::Regex;

use super::budget::pay;
use super::cost::{self, weight};
use super::environment::ENVIRONMENT;
use super::map::{Entries, OrderedMap};
use super::{json, number, rewrite};

pub(super) const ADD: &str = "@add";
pub(super) const SUBTRACT: &str = "@subtract";
pub(super) const MULTIPLY: &str = "@multiply";
pub(super) const DIVIDE: &str = "@divide";
pub(super) const REMAINDER: &str = "@remainder";
pub(super) const TEXT: &str = "@text";
pub(super) const MAP: &str = "@map";
pub(super) const EACH: &str = "@each";
pub(super) const GO: &str = "@go";
pub(super) const PAID: &str = "@paid";
pub(super) const SQUARED: &str = "@squared";
pub(super) const COUNT: &str = "@count";
pub(super) const REPLACE: &str = "@replace";
pub(super) const JOIN: &str = "@join";
pub(super) const SPLIT: &str = "@split";
pub(super) const MATCHES: &str = "@matches";

pub(super) type Outcome<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

type Unary = for<'b, 'v> fn(Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v>;

/// Declares them.
pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    let any = |count: usize| (0..count).map(|_| DYN_TYPE).collect::<Vec<_>>();
    env.add_overload(ADD, ADD, any(2), add)?;
    env.add_overload(SUBTRACT, SUBTRACT, any(2), subtract)?;
    env.add_overload(MULTIPLY, MULTIPLY, any(2), multiply)?;
    env.add_overload(DIVIDE, DIVIDE, any(2), divide)?;
    env.add_overload(REMAINDER, REMAINDER, any(2), remainder)?;
    env.add_overload(TEXT, TEXT, any(1), text)?;
    env.add_overload(MAP, MAP, any(1), map)?;
    for (name, function) in [
        (EACH, cost::each as Unary),
        (GO, cost::go),
        (PAID, cost::paid),
        (SQUARED, cost::squared),
        (COUNT, cost::count),
    ] {
        env.add_overload(name, name, any(1), function)?;
    }
    env.add_overload(REPLACE, "@replace_3", any(3), replace)?;
    env.add_overload(REPLACE, "@replace_4", any(4), replace)?;
    env.add_overload(JOIN, "@join_1", vec![LIST_TYPE], join)?;
    env.add_overload(JOIN, "@join_2", vec![LIST_TYPE, STRING_TYPE], join)?;
    env.add_overload(SPLIT, "@split_2", any(2), cost::split)?;
    env.add_overload(SPLIT, "@split_3", any(3), cost::split)?;
    env.add_overload(MATCHES, MATCHES, any(2), matches)
}

/// What compiling a pattern costs.
const PATTERN_STEPS: usize = 100;

/// A compiled pattern, which only `@matches` can use.
#[derive(Clone, Debug)]
pub(super) struct Pattern(pub(super) Regex);

static PATTERN_TYPE: Type = Type::new_unspecified_type("pattern");

impl Val for Pattern {
    fn get_type(&self) -> &Type {
        &PATTERN_TYPE
    }

    fn cel_type() -> &'static Type {
        &PATTERN_TYPE
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Pattern {}

pub(super) fn arguments<'b, 'v, const N: usize>(
    arguments: Vec<CowVal<'b, 'v>>,
) -> Result<[CowVal<'b, 'v>; N], ExecutionError> {
    arguments.try_into().map_err(|rest: Vec<_>| ExecutionError::invalid_argument_count(N, rest.len()))
}

/// Returns the arguments as doubles, if one is a double and the other an integer.
fn mixed(left: &dyn Val, right: &dyn Val) -> Option<(f64, f64)> {
    let double = |value: &dyn Val| value.downcast_ref::<CelDouble>().map(|number| *number.inner());
    #[expect(clippy::cast_precision_loss, reason = "as in JavaScript")]
    let whole = |value: &dyn Val| value.downcast_ref::<CelInt>().map(|number| *number.inner() as f64);
    match (double(left), double(right)) {
        (Some(left), None) => Some((left, whole(right)?)),
        (None, Some(right)) => Some((whole(left)?, right)),
        (Some(_), Some(_)) | (None, None) => None,
    }
}

fn unsupported(operator: &str, left: &dyn Val, right: &dyn Val) -> ExecutionError {
    let types = [left, right].map(|value| value.get_type().name().to_owned());
    ExecutionError::no_such_overload(operator, types.into())
}

macro_rules! arithmetic {
    ($name:ident, $operator:literal, $accessor:ident, $method:ident, $mixed:expr) => {
        fn $name<'b, 'v>(values: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
            let [left, right] = arguments(values)?;
            let (left, right) = (left.as_ref(), right.as_ref());
            if let Some((left, right)) = mixed(left, right) {
                let operate: fn(f64, f64) -> f64 = $mixed;
                return Ok(CowVal::owned(CelDouble::from(operate(left, right))));
            }
            pay(weight(left).saturating_add(weight(right)).saturating_add(1))?;
            let operand = left.$accessor().ok_or_else(|| unsupported($operator, left, right))?;
            match operand.$method(right) {
                Ok(result) => Ok(CowVal::Owned(result.into_owned())),
                Err(ExecutionError::UnsupportedBinaryOperator(..)) => Err(unsupported($operator, left, right)),
                Err(error) => Err(error),
            }
        }
    };
}

arithmetic!(add, "_+_", as_adder, add, |left, right| left + right);
arithmetic!(subtract, "_-_", as_subtractor, sub, |left, right| left - right);
arithmetic!(multiply, "_*_", as_multiplier, mul, |left, right| left * right);
arithmetic!(divide, "_/_", as_divider, div, |left, right| left / right);
arithmetic!(remainder, "_%_", as_modder, modulo, |left, right| left % right);

fn text<'b, 'v>(values: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    if let Some(double) = values.first().and_then(|value| value.downcast_ref::<CelDouble>()) {
        return Ok(CowVal::owned(CelString::from(number::text(*double.inner()))));
    }
    call("string", values)
}

fn call<'b, 'v>(name: &str, values: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    let Some(function) = ENVIRONMENT.find_overload(name, &values) else {
        let types = values.iter().map(|value| value.get_type().name().to_owned()).collect();
        return Err(ExecutionError::no_such_overload(name, types));
    };
    function(values)
}

/// Makes a map of a list of triples, laid flat: whether an absent value leaves the key out, key, value.
fn map<'b, 'v>(values: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    let [triples] = arguments(values)?;
    let triples = triples.downcast_ref::<CelList<'_>>().ok_or_else(ExecutionError::missing_argument_or_target)?;
    pay(triples.inner().len())?;
    let mut entries = Entries::default();
    for triple in triples.inner().chunks_exact(3) {
        let [is_optional, key, value] = triple else {
            continue;
        };
        let is_optional = is_optional.downcast_ref::<CelBool>().is_some_and(|flag| *flag.inner());
        let value: &dyn Val = value.as_ref();
        let value = match value.downcast_ref::<CelOptional<'_>>() {
            Some(optional) if is_optional => match optional.inner() {
                Some(value) => value,
                None => continue,
            },
            Some(_) | None => value,
        };
        let key: CelMapKey<'_> = CowVal::Borrowed(key.as_ref()).try_into()?;
        entries.insert(key.into_static(), json::owned(value));
    }
    Ok(CowVal::owned(OrderedMap::from(entries)))
}

pub(super) fn as_text<'a>(function: &str, value: &'a dyn Val) -> Result<&'a str, ExecutionError> {
    match value.downcast_ref::<CelString<'_>>() {
        Some(text) => Ok(text.inner()),
        None => Err(ExecutionError::no_such_overload(function, vec![value.get_type().name().to_owned()])),
    }
}

/// Returns how often something is done at most; a negative number means always.
pub(super) fn whole(function: &str, value: &dyn Val) -> Result<usize, ExecutionError> {
    match value.downcast_ref::<CelInt>() {
        Some(limit) => Ok(usize::try_from(*limit.inner()).unwrap_or(usize::MAX)),
        None => Err(ExecutionError::no_such_overload(function, vec![value.get_type().name().to_owned()])),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the type of every function")]
fn replace<'b, 'v>(values: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    let [text, from, to, rest @ ..] = values.as_slice() else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    let (text, from, to) =
        (as_text("replace", text.as_ref())?, as_text("replace", from.as_ref())?, as_text("replace", to.as_ref())?);
    let limit = rest.first().map_or(Ok(usize::MAX), |limit| whole("replace", limit.as_ref()))?;
    let found = text.matches(from).count().min(limit);
    pay((text.len() + found.saturating_mul(to.len())) / 16)?;
    Ok(CowVal::owned(CelString::from(text.replacen(from, to, limit))))
}

fn join<'b, 'v>(values: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    let mut values = values.into_iter();
    let (list, separator) = (values.next(), values.next());
    let separator = separator.as_ref().map_or(Ok(""), |separator| as_text("join", separator.as_ref()))?;
    let Some(list) = list.as_ref().and_then(|list| list.as_iterable()) else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    let mut joined = String::new();
    let mut elements = list.iter();
    let mut is_first = true;
    while let Some(element) = elements.next() {
        let element = as_text("join", element)?;
        pay((element.len() + separator.len()) / 16 + 1)?;
        if !std::mem::take(&mut is_first) {
            joined.push_str(separator);
        }
        joined.push_str(element);
    }
    Ok(CowVal::owned(CelString::from(joined)))
}

fn matches<'b, 'v>(values: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    let [text, pattern] = arguments(values)?;
    let text = as_text("matches", text.as_ref())?;
    pay(text.len() / 16)?;
    let is_match = if let Some(pattern) = pattern.downcast_ref::<Pattern>() {
        pattern.0.is_match(text)
    } else {
        pay(PATTERN_STEPS)?;
        let pattern = rewrite::pattern(as_text("matches", pattern.as_ref())?);
        pattern.map_err(|error| ExecutionError::function_error("matches", error))?.is_match(text)
    };
    Ok(CowVal::owned(CelBool::from(is_match)))
}
