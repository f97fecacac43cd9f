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
    if number.fract() == 0.0 {
        // The digits of JavaScript, as far as JSON values have integers.
        let text = text(number);
        if let Ok(whole) = text.parse::<i64>() {
            return whole.into();
        }
        if let Ok(whole) = text.parse::<u64>() {
            return whole.into();
        }
    }
    serde_json::Number::from_f64(number).map_or(serde_json::Value::Null, Into::into)
}

#[cfg(test)]
mod tests {
    use super::{json, text};

    #[test]
    fn numbers_read_as_in_javascript() {
        let numbers = [7.0, -0.0, 0.5, 1e21, 1.5e300, 1e-7, 123_456_789.25, 1e20];

        let texts: Vec<_> = numbers.into_iter().map(text).collect();

        assert_eq!(texts, ["7", "0", "0.5", "1e+21", "1.5e+300", "1e-7", "123456789.25", "100000000000000000000"]);
    }

    #[test]
    fn whole_numbers_have_no_fraction_in_json() {
        let numbers =
            [-0.0, 9_007_199_254_740_993.0, -1_152_921_504_606_846_976.0, 12_345_678_901_234_567_890.0, 0.5, 1e21];

        let texts: Vec<_> = numbers.into_iter().map(|number| json(number).to_string()).collect();

        assert_eq!(texts, ["0", "9007199254740992", "-1152921504606847000", "12345678901234567000", "0.5", "1e+21"]);
        assert_eq!(json(f64::INFINITY), serde_json::Value::Null);
    }
}
