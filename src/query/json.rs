//! JSON in, as values of expressions, and values of expressions out, as JSON.
//!
//! Every number that comes in is a double: swamp reads JSON with JavaScript.

use cel::ExecutionError;
use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelDuration, CelInt, CelList, CelMapKey, CelNull, CelOptional, CelString,
    CelTimestamp, CelType, CelUInt,
};
use cel::common::value::Val;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::cost::expanded;
use super::map::{Entries, OrderedMap};
use super::number;

/// Returns the value of a JSON text.
pub(super) fn parse(text: &[u8]) -> serde_json::Result<Box<dyn Val>> {
    serde_json::from_slice::<Parsed>(text).map(|parsed| parsed.0)
}

struct Parsed(Box<dyn Val>);

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Parsed;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Parsed, E> {
        Ok(Parsed(Box::new(CelBool::from(v))))
    }

    #[expect(clippy::cast_precision_loss, reason = "as in JavaScript")]
    fn visit_i64<E>(self, v: i64) -> Result<Parsed, E> {
        Ok(Parsed(Box::new(CelDouble::from(v as f64))))
    }

    #[expect(clippy::cast_precision_loss, reason = "as in JavaScript")]
    fn visit_u64<E>(self, v: u64) -> Result<Parsed, E> {
        Ok(Parsed(Box::new(CelDouble::from(v as f64))))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Parsed, E> {
        Ok(Parsed(Box::new(CelDouble::from(v))))
    }

    fn visit_str<E>(self, v: &str) -> Result<Parsed, E> {
        Ok(Parsed(Box::new(CelString::from(v.to_owned()))))
    }

    fn visit_string<E>(self, v: String) -> Result<Parsed, E> {
        Ok(Parsed(Box::new(CelString::from(v))))
    }

    fn visit_unit<E>(self) -> Result<Parsed, E> {
        Ok(Parsed(Box::new(CelNull)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Parsed, A::Error> {
        let mut list = Vec::new();
        while let Some(Parsed(element)) = seq.next_element()? {
            list.push(element);
        }
        Ok(Parsed(Box::new(CelList::from(list))))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parsed, A::Error> {
        let mut entries = Entries::default();
        while let Some((key, Parsed(value))) = map.next_entry::<String, _>()? {
            entries.insert(CelMapKey::String(CelString::from(key)), value);
        }
        Ok(Parsed(Box::new(OrderedMap::from(entries))))
    }
}

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
        from_val(value).ok().and_then(|json| parse(json.to_string().as_bytes()).ok()).unwrap_or(Box::new(CelNull))
    }
}
