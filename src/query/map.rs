//! Maps that keep the order in which they were written, in JSON and in expressions, and are cheap to clone.

use std::any::Any;
use std::sync::Arc;

use cel::ExecutionError;
use cel::common::traits::{self, Container, Indexer, Iterable, Sizer, Zeroer};
use cel::common::types::{CelDouble, CelInt, CelMapKey, CelString, MAP_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use indexmap::IndexMap;

use super::budget::pay;

/// The entries of a map.
pub(super) type Entries = IndexMap<CelMapKey<'static>, Box<dyn Val>>;

/// What stands in the error of a missing key between the key and the reason why there is none.
pub(super) const WHY: char = '\0';

/// A map of values that are all owned; and, of an empty one, why it is.
#[derive(Clone, Debug, Default)]
pub(super) struct OrderedMap(Arc<Entries>, Option<Arc<str>>);

impl From<Entries> for OrderedMap {
    fn from(entries: Entries) -> Self {
        Self(Arc::new(entries), None)
    }
}

impl OrderedMap {
    /// Returns an empty map that says why it is.
    pub(super) fn empty(why: &str) -> Self {
        Self(Arc::default(), Some(Arc::from(why)))
    }

    fn find<'b>(&'b self, key: &dyn Val) -> Option<&'b (dyn Val + 'static)> {
        self.at(&key_of(key)?)
    }

    fn at<'b>(&'b self, key: &CelMapKey<'static>) -> Option<&'b (dyn Val + 'static)> {
        self.0.get(key).or_else(|| self.0.get(&twin(key)?)).map(AsRef::as_ref)
    }
}

/// Returns the key of the other type that equals an integer.
fn twin(key: &CelMapKey<'_>) -> Option<CelMapKey<'static>> {
    match key {
        CelMapKey::Int(number) => Some(CelMapKey::UInt(u64::try_from(*number.inner()).ok()?.into())),
        CelMapKey::UInt(number) => Some(CelMapKey::Int(i64::try_from(*number.inner()).ok()?.into())),
        CelMapKey::String(_) | CelMapKey::Bool(_) => None,
    }
}

/// Doubles below are integers without loss.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// Returns a value as the key it is; whole doubles are the integer they equal.
fn key_of(value: &dyn Val) -> Option<CelMapKey<'static>> {
    if let Some(text) = value.downcast_ref::<CelString<'_>>() {
        return Some(CelMapKey::String(CelString::from(text.inner().to_owned())));
    }
    if let Some(number) = value.downcast_ref::<CelDouble>() {
        let number = *number.inner();
        let is_whole = number.fract() == 0.0 && number.abs() < WHOLE_MAX;
        #[expect(clippy::cast_possible_truncation, reason = "whole and small")]
        return is_whole.then(|| CelMapKey::Int((number as i64).into()));
    }
    CelMapKey::try_from(CowVal::Borrowed(value)).ok().map(CelMapKey::into_static)
}

fn is_key(value: &dyn Val) -> bool {
    value.downcast_ref::<CelDouble>().is_some() || key_of(value).is_some()
}

impl Val for OrderedMap {
    fn get_type(&self) -> &Type {
        &MAP_TYPE
    }

    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn as_zeroer(&self) -> Option<&dyn Zeroer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.downcast_ref::<Self>().is_some_and(|other| {
            // With a spent budget it does not matter what comes out.
            pay(self.0.len()).is_ok()
                && self.0.len() == other.0.len()
                && self.0.iter().all(|(key, value)| other.at(key).is_some_and(|there| value.equals(there)))
        })
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

impl StaticVal for OrderedMap {}

impl Container for OrderedMap {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        if is_key(value) { Ok(self.find(value).is_some()) } else { Err(no_key(value)) }
    }
}

impl Indexer for OrderedMap {
    fn get<'b, 'v>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        match self.find(key) {
            Some(value) => Ok(CowVal::Borrowed(value)),
            None if is_key(key) => Err(match &self.1 {
                // Another error would not be a missing key for `has` and the like.
                Some(why) => ExecutionError::no_such_key(&format!("{}{WHY}{why}", shown(key))),
                None => ExecutionError::no_such_key(&shown(key)),
            }),
            None => Err(no_key(key)),
        }
    }

    fn steal<'v>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(key).map(CowVal::into_owned)
    }
}

fn no_key(value: &dyn Val) -> ExecutionError {
    ExecutionError::UnexpectedType { got: value.get_type().name().to_owned(), want: "map key".to_owned() }
}

/// Returns a key as people write it.
pub(super) fn shown(key: &dyn Val) -> String {
    match key_of(key) {
        Some(CelMapKey::String(text)) => text.inner().to_owned(),
        Some(CelMapKey::Int(number)) => number.inner().to_string(),
        Some(CelMapKey::UInt(number)) => number.inner().to_string(),
        Some(CelMapKey::Bool(flag)) => flag.inner().to_string(),
        None => String::new(),
    }
}

impl Iterable for OrderedMap {
    fn iter<'b, 'v>(&'b self) -> Box<dyn traits::Iterator<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        Box::new(Keys(self.0.keys()))
    }
}

struct Keys<'b>(indexmap::map::Keys<'b, CelMapKey<'static>, Box<dyn Val>>);

impl<'b, 'v> traits::Iterator<'b, 'v> for Keys<'b> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'v)> {
        let key: &'b (dyn Val + 'v) = self.0.next()?.inner();
        Some(key)
    }
}

impl Sizer for OrderedMap {
    fn size(&self) -> CelInt {
        i64::try_from(self.0.len()).unwrap_or(i64::MAX).into()
    }
}

impl Zeroer for OrderedMap {
    fn is_zero_value(&self) -> bool {
        self.0.is_empty()
    }
}
