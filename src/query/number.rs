//! Numbers as JavaScript prints them, which is how swamp prints them.

use std::fmt::Write as _;

/// Returns the shortest text that reads back as `number`, in JavaScript's form.
pub(super) fn text(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let size = number.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    if (1e-6..1e21).contains(&size) || number.is_nan() {
        return number.to_string();
    }
    let mut text = String::new();
    // Writing to a `String` does not fail.
    let _ = write!(text, "{number:e}");
    if text.contains("e-") { text } else { text.replace('e', "e+") }
}

/// Returns the number as JSON: whole numbers without a fraction, `null` for those JSON does not have.
pub(super) fn json(number: f64) -> serde_json::Value {
    let is_whole = number.fract() == 0.0 && number.abs() <= MAX_SAFE;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
    let whole = number as i64;
    if is_whole {
        whole.into()
    } else {
        serde_json::Number::from_f64(number).map_or(serde_json::Value::Null, Into::into)
    }
}

const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn numbers_read_as_in_javascript() {
        let numbers = [7.0, -0.0, 0.5, 1e21, 1.5e300, 1e-7, 123_456_789.25, 1e20];

        let texts: Vec<_> = numbers.into_iter().map(text).collect();

        assert_eq!(texts, ["7", "0", "0.5", "1e+21", "1.5e+300", "1e-7", "123456789.25", "100000000000000000000"]);
    }
}
