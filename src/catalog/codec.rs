//! How the columns that are not plain text are written in `.catalog-export.json`.
//!
//! Whole numbers are JSON numbers and may be spelled `2.0`; booleans are `0` and `1`; tags are JSON inside a text; no
//! namespace is `""`.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserializer, Serializer};

/// 2⁵³: every float below it that has no fraction is one whole number.
const FLOAT_WHOLE_LIMIT: f64 = 9_007_199_254_740_992.0;

/// Reads a whole number that is not negative.
pub(super) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    deserializer.deserialize_any(Whole)
}

struct Whole;

impl Visitor<'_> for Whole {
    type Value = u64;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a whole number that is not negative")
    }

    fn visit_u64<E: Error>(self, v: u64) -> Result<u64, E> {
        Ok(v)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked just before")]
    fn visit_f64<E: Error>(self, v: f64) -> Result<u64, E> {
        if v.fract() == 0.0 && (0.0..FLOAT_WHOLE_LIMIT).contains(&v) {
            Ok(v as u64)
        } else {
            Err(E::invalid_value(Unexpected::Float(v), &self))
        }
    }
}

pub(super) mod flag {
    //! `true` as `1`, `false` as `0`.

    use super::{Deserializer, Error as _, Serializer, Unexpected, whole};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
    pub(in super::super) fn serialize<S: Serializer>(value: &bool, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(u8::from(*value))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
        match whole(deserializer)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(D::Error::invalid_value(Unexpected::Unsigned(other), &"0 or 1")),
        }
    }
}

pub(super) mod namespace {
    //! No namespace as `""`.

    use std::borrow::Cow;

    use serde::Deserialize as _;

    use super::{Deserializer, Error as _, Serializer};
    use crate::namespace::Namespace;

    #[expect(clippy::ref_option, reason = "the signature is serde's")]
    pub(in super::super) fn serialize<S: Serializer>(
        value: &Option<Namespace>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(value.as_ref().map_or("", Namespace::as_str))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Namespace>, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(D::Error::custom) }
    }
}

pub(super) mod tags {
    //! Tags as compact JSON inside a text.

    use std::borrow::Cow;

    use serde::Deserialize as _;
    use serde::ser::Error as _;

    use super::super::row::Tags;
    use super::{Deserializer, Error as _, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(value: &Tags, serializer: S) -> Result<S::Ok, S::Error> {
        let text = serde_json::to_string(value).map_err(S::Error::custom)?;
        serializer.serialize_str(&text)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tags, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        serde_json::from_str(&text).map_err(|error| D::Error::custom(format_args!("`tags`: {error}")))
    }
}
