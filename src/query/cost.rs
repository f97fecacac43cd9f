//! What values cost: functions that pay for what the interpreter copies, reads or builds, before it does.
//!
//! Maps are shared, so copying one costs nothing; what a shared map costs is paid where it is expanded, to be printed or
//! compared.

use cel::ExecutionError;
use cel::common::types::{CelBytes, CelInt, CelList, CelOptional, CelString};
use cel::common::value::{CowVal, Val};

use super::budget::pay;
use super::functions::{Outcome, arguments, as_text, whole};

/// Returns how many steps it takes to copy or read a value: one for each element of a list, or 16 bytes of a text.
pub(super) fn weight(value: &dyn Val) -> usize {
    if let Some(text) = value.downcast_ref::<CelString<'_>>() {
        return text.inner().len() / 16;
    }
    if let Some(list) = value.downcast_ref::<CelList<'_>>() {
        return list.inner().iter().fold(0, |sum: usize, element| sum.saturating_add(weight(element.as_ref()) + 1));
    }
    if let Some(bytes) = value.downcast_ref::<CelBytes<'_>>() {
        return bytes.inner().len() / 16;
    }
    value.downcast_ref::<CelOptional<'_>>().and_then(|optional| optional.inner()).map_or(0, weight)
}

/// Pays for a value that is copied or read, and returns it.
pub(super) fn paid<'b, 'v>(values: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    let [value] = arguments(values)?;
    // What is long is not even measured with a budget that is spent.
    pay(0)?;
    pay(weight(value.as_ref()))?;
    Ok(value)
}

/// Pays for a loop over a value, and returns the value.
pub(super) fn each<'b, 'v>(values: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    let [range] = arguments(values)?;
    pay(0)?;
    let size = range.as_sizer().and_then(|sizer| usize::try_from(*sizer.size().inner()).ok()).unwrap_or_default();
    pay(size.max(weight(range.as_ref())).saturating_add(1))?;
    Ok(range)
}

/// Returns the condition on which a loop goes on; an error, which no loop absorbs here, once the budget is spent.
pub(super) fn go<'b, 'v>(values: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    let [condition] = arguments(values)?;
    pay(0)?;
    Ok(condition)
}

/// Pays for comparing every element with every other one, and returns the value.
pub(super) fn squared<'b, 'v>(values: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    let [range] = arguments(values)?;
    let length = range.downcast_ref::<CelList<'_>>().map_or(0, |list| list.inner().len());
    pay(length.saturating_mul(length).max(weight(range.as_ref())).saturating_add(1))?;
    Ok(range)
}

/// Pays for as many elements as a number says, and returns the number.
pub(super) fn count<'b, 'v>(values: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    let [number] = arguments(values)?;
    let count = number.downcast_ref::<CelInt>().and_then(|number| usize::try_from(*number.inner()).ok());
    pay(count.unwrap_or_default())?;
    Ok(number)
}

/// Splits a text as the interpreter does: into at most as many parts as asked for, between letters without a separator.
#[expect(clippy::needless_pass_by_value, reason = "the type of every function")]
pub(super) fn split<'b, 'v>(values: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    let [text, separator, rest @ ..] = values.as_slice() else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    let (text, separator) = (as_text("split", text.as_ref())?, as_text("split", separator.as_ref())?);
    let limit = rest.first().map_or(Ok(usize::MAX), |limit| whole("split", limit.as_ref()))?;
    pay(text.len() / 16)?;
    let mut parts: Vec<Box<dyn Val>> = Vec::new();
    let mut push = |part: &str| {
        parts.push(Box::new(CelString::from(part.to_owned())));
        pay(part.len() / 16 + 1).map(|()| parts.len())
    };
    if !separator.is_empty() {
        for part in text.splitn(limit, separator) {
            push(part)?;
        }
    } else if limit > 0 {
        let (mut rest, mut count) = (text, 0);
        while let Some(letter) = rest.chars().next().filter(|_| count + 1 < limit) {
            let (head, tail) = rest.split_at(letter.len_utf8());
            count = push(head)?;
            rest = tail;
        }
        if !rest.is_empty() {
            push(rest)?;
        }
    }
    Ok(CowVal::owned(CelList::from(parts)))
}

/// Pays for all that a value is when it is written out, shared parts as often as they occur.
pub(super) fn expanded(value: &dyn Val) -> Result<(), ExecutionError> {
    if let Some(inner) = value.downcast_ref::<CelOptional<'_>>().and_then(|optional| optional.inner()) {
        return expanded(inner);
    }
    let Some(elements) = value.as_iterable() else {
        return pay(weight(value));
    };
    let map = value.as_indexer().filter(|_| value.get_type().name() == "map");
    let mut elements = elements.iter();
    let mut count = 0_usize;
    while let Some(element) = elements.next() {
        // A small part of a step each: the largest contents have several million elements.
        pay(usize::from(count.is_multiple_of(4)))?;
        count += 1;
        match map {
            Some(map) => expanded(map.get(element)?.as_ref())?,
            None => expanded(element)?,
        }
    }
    Ok(())
}
