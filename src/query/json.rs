//! Values of expressions as JSON, and as values that borrow nothing.

use cel::ExecutionError;
use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelDuration, CelInt, CelList, CelNull, CelOptional, CelString, CelTimestamp, CelType,
    CelUInt,
};
use cel::common::value::Val;
use serde_json::Value;

use super::cost::expanded;
use super::json_text::parse;
use super::map::OrderedMap;
use super::number;

/// As [`from_val`], paid for out of the budget of an evaluation.
pub(super) fn produced(value: &dyn Val) -> Result<Value, ExecutionError> {
    expanded(value)?;
    from_val(value)
}

/// Returns a value as JSON: an empty optional is `null`, a full one its value.
pub(super) fn from_val(value: &dyn Val) -> Result<Value, ExecutionError> {
    if let Some(text) = value.downcast_ref::<CelString<'_>>() {
        Ok(text.inner().into())
    } else if let Some(flag) = value.downcast_ref::<CelBool>() {
        Ok((*flag.inner()).into())
    } else if let Some(number) = value.downcast_ref::<CelDouble>() {
        Ok(number::json(*number.inner()))
    } else if let Some(number) = value.downcast_ref::<CelInt>() {
        Ok((*number.inner()).into())
    } else if let Some(number) = value.downcast_ref::<CelUInt>() {
        Ok((*number.inner()).into())
    } else if value.downcast_ref::<CelNull>().is_some() {
        Ok(Value::Null)
    } else if let Some(optional) = value.downcast_ref::<CelOptional<'_>>() {
        optional.inner().map_or(Ok(Value::Null), from_val)
    } else if let Some(bytes) = value.downcast_ref::<CelBytes<'_>>() {
        Ok(base64(bytes.inner()).into())
    } else if let Some(time) = value.downcast_ref::<CelTimestamp>() {
        Ok(time.inner().to_rfc3339().replace("+00:00", "Z").into())
    } else if let Some(duration) = value.downcast_ref::<CelDuration>() {
        Ok(seconds(duration).into())
    } else if let Some(kind) = value.downcast_ref::<CelType>() {
        Ok(kind.name().into())
    } else {
        from_container(value)
    }
}

fn from_container(value: &dyn Val) -> Result<Value, ExecutionError> {
    let Some(elements) = value.as_iterable() else {
        let got = value.get_type().name().to_owned();
        return Err(ExecutionError::UnexpectedType { got, want: "something JSON can say".to_owned() });
    };
    let mut elements = elements.iter();
    if let Some(map) = value.as_indexer().filter(|_| value.get_type().name() == "map") {
        let mut object = serde_json::Map::new();
        while let Some(key) = elements.next() {
            let name = match from_val(key)? {
                Value::String(text) => text,
                other => other.to_string(),
            };
            object.insert(name, from_val(map.get(key)?.as_ref())?);
        }
        return Ok(Value::Object(object));
    }
    let mut list = Vec::new();
    while let Some(element) = elements.next() {
        list.push(from_val(element)?);
    }
    Ok(Value::Array(list))
}

fn seconds(duration: &CelDuration) -> String {
    let nanoseconds = duration.inner().num_nanoseconds().unwrap_or(i64::MAX);
    #[expect(clippy::cast_precision_loss, reason = "a duration for people")]
    let seconds = nanoseconds as f64 / 1e9;
    format!("{seconds}s")
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = (0..3).fold(0_usize, |group, index| group << 8 | usize::from(*chunk.get(index).unwrap_or(&0)));
        for place in 0..4 {
            let letter = ALPHABET.get(group >> (18 - 6 * place) & 63).copied().unwrap_or(b'=');
            text.push(if place <= chunk.len() { letter.into() } else { '=' });
        }
    }
    text
}

/// Returns a copy that borrows nothing.
pub(super) fn owned(value: &dyn Val) -> Box<dyn Val> {
    if let Some(text) = value.downcast_ref::<CelString<'_>>() {
        Box::new(text.clone().into_static())
    } else if let Some(bytes) = value.downcast_ref::<CelBytes<'_>>() {
        Box::new(bytes.clone().into_static())
    } else if let Some(list) = value.downcast_ref::<CelList<'_>>() {
        Box::new(CelList::from(list.inner().iter().map(|element| owned(element.as_ref())).collect::<Vec<_>>()))
    } else if let Some(optional) = value.downcast_ref::<CelOptional<'_>>() {
        Box::new(optional.inner().map_or_else(CelOptional::none, |value| CelOptional::of(owned(value))))
    } else if let Some(map) = value.downcast_ref::<OrderedMap>() {
        Box::new(map.clone())
    } else if let Some(number) = value.downcast_ref::<CelDouble>() {
        Box::new(*number)
    } else if let Some(number) = value.downcast_ref::<CelInt>() {
        Box::new(*number)
    } else if let Some(number) = value.downcast_ref::<CelUInt>() {
        Box::new(*number)
    } else if let Some(flag) = value.downcast_ref::<CelBool>() {
        Box::new(*flag)
    } else if let Some(time) = value.downcast_ref::<CelTimestamp>() {
        Box::new(time.clone())
    } else if let Some(duration) = value.downcast_ref::<CelDuration>() {
        Box::new(*duration)
    } else if let Some(kind) = value.downcast_ref::<CelType>() {
        Box::new(kind.clone())
    } else {
        // A record of `data.…`: its content may not be had, and an absent value is `null`.
        from_val(value).ok().and_then(|json| parse(&json.to_string()).ok()).unwrap_or(Box::new(CelNull))
    }
}
