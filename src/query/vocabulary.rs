//! The functions a person can call, for validation, help and completion; and the nearest name to a mistake.

use std::ops::RangeInclusive;

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// The name, with what stands before the dot where that is fixed.
    pub name: &'static str,
    /// How it is written.
    pub usage: &'static str,
    /// How many arguments it takes at least and at most.
    takes: (usize, usize),
}

impl Function {
    /// Returns what is wrong with a number of arguments.
    pub(super) fn objection(&self, count: usize) -> Option<String> {
        let (least, most) = self.takes;
        if (least..=most).contains(&count) {
            return None;
        }
        let takes = match (least, most) {
            (0, 0) => "no argument".to_owned(),
            (1, 1) => "1 argument".to_owned(),
            (least, usize::MAX) => format!("at least {least}"),
            (least, most) if least == most => format!("{least} arguments"),
            (least, most) => format!("{least} to {most} arguments"),
        };
        Some(format!("`{}` takes {takes}, not {count}", self.name))
    }
}

const fn function(name: &'static str, takes: RangeInclusive<usize>, usage: &'static str) -> Function {
    Function { name, usage, takes: (*takes.start(), *takes.end()) }
}

/// Functions of a value: `value.function(…)`.
pub const METHODS: [Function; 44] = [
    function("all", 2..=2, "list.all(x, x > 0)"),
    function("charAt", 1..=1, "text.charAt(0)"),
    function("contains", 1..=1, "text.contains(\"part\")"),
    function("distinct", 0..=0, "list.distinct()"),
    function("endsWith", 1..=1, "text.endsWith(\".json\")"),
    function("exists", 2..=2, "list.exists(x, x > 0)"),
    function("existsOne", 2..=2, "list.existsOne(x, x > 0)"),
    function("exists_one", 2..=2, "list.exists_one(x, x > 0)"),
    function("filter", 2..=2, "list.filter(x, x > 0)"),
    function("flatten", 0..=1, "list.flatten()"),
    function("format", 1..=1, "\"%s-%d\".format([name, 3])"),
    function("getDate", 0..=1, "time.getDate()"),
    function("getDayOfMonth", 0..=1, "time.getDayOfMonth()"),
    function("getDayOfWeek", 0..=1, "time.getDayOfWeek()"),
    function("getDayOfYear", 0..=1, "time.getDayOfYear()"),
    function("getFullYear", 0..=1, "timestamp(createdAt).getFullYear()"),
    function("getHours", 0..=1, "time.getHours()"),
    function("getMilliseconds", 0..=1, "time.getMilliseconds()"),
    function("getMinutes", 0..=1, "time.getMinutes()"),
    function("getMonth", 0..=1, "time.getMonth()"),
    function("getSeconds", 0..=1, "time.getSeconds()"),
    function("hasValue", 0..=0, "attributes.?region.hasValue()"),
    function("indexOf", 1..=2, "text.indexOf(\"part\")"),
    function("join", 0..=1, "list.join(\",\")"),
    function("lastIndexOf", 1..=2, "text.lastIndexOf(\"part\")"),
    function("lowerAscii", 0..=0, "text.lowerAscii()"),
    function("map", 2..=3, "list.map(x, x * 2)"),
    function("matches", 1..=1, "text.matches(\"^host-[0-9]+$\")"),
    function("optFlatMap", 2..=2, "optional.optFlatMap(x, x.?y)"),
    function("optMap", 2..=2, "optional.optMap(x, x + 1)"),
    function("or", 1..=1, "optional.or(optional.of(3))"),
    function("orValue", 1..=1, "attributes.?region.orValue(\"none\")"),
    function("replace", 2..=3, "text.replace(\"-\", \"_\")"),
    function("reverse", 0..=0, "text.reverse()"),
    function("size", 0..=0, "text.size()"),
    function("slice", 2..=2, "list.slice(0, 2)"),
    function("sort", 0..=0, "list.sort()"),
    function("sortBy", 2..=2, "list.sortBy(x, x.name)"),
    function("split", 1..=2, "text.split(\",\")"),
    function("startsWith", 1..=1, "text.startsWith(\"host-\")"),
    function("substring", 1..=2, "text.substring(0, 3)"),
    function("trim", 0..=0, "text.trim()"),
    function("upperAscii", 0..=0, "text.upperAscii()"),
    function("value", 0..=0, "optional.value()"),
];

/// Functions on their own: `function(…)`.
pub const FUNCTIONS: [Function; 39] = [
    function("base64.decode", 1..=1, "base64.decode(text)"),
    function("base64.encode", 1..=1, "base64.encode(bytes)"),
    function("bool", 1..=1, "bool(\"true\")"),
    function("bytes", 1..=1, "bytes(text)"),
    function("cel.bind", 3..=3, "cel.bind(x, attributes.count, x * x)"),
    function("double", 1..=1, "double(\"1.5\")"),
    function("duration", 1..=1, "duration(\"90m\")"),
    function("dyn", 1..=1, "dyn(value)"),
    function("has", 1..=1, "has(attributes.region)"),
    function("int", 1..=1, "int(\"7\")"),
    function("lists.range", 1..=1, "lists.range(3)"),
    function("math.abs", 1..=1, "math.abs(-3)"),
    function("math.bitAnd", 2..=2, "math.bitAnd(6, 3)"),
    function("math.bitNot", 1..=1, "math.bitNot(6)"),
    function("math.bitOr", 2..=2, "math.bitOr(6, 3)"),
    function("math.bitShiftLeft", 2..=2, "math.bitShiftLeft(1, 3)"),
    function("math.bitShiftRight", 2..=2, "math.bitShiftRight(8, 3)"),
    function("math.bitXor", 2..=2, "math.bitXor(6, 3)"),
    function("math.ceil", 1..=1, "math.ceil(size / 1024)"),
    function("math.floor", 1..=1, "math.floor(size / 1024)"),
    function("math.greatest", 1..=usize::MAX, "math.greatest(1, 2)"),
    function("math.isFinite", 1..=1, "math.isFinite(1.0 / 0.0)"),
    function("math.isInf", 1..=1, "math.isInf(1.0 / 0.0)"),
    function("math.isNaN", 1..=1, "math.isNaN(0.0 / 0.0)"),
    function("math.least", 1..=usize::MAX, "math.least(1, 2)"),
    function("math.round", 1..=1, "math.round(size / 1024)"),
    function("math.sign", 1..=1, "math.sign(-3)"),
    function("math.sqrt", 1..=1, "math.sqrt(size)"),
    function("math.trunc", 1..=1, "math.trunc(size / 1024)"),
    function("matches", 2..=2, "matches(name, \"^host\")"),
    function("optional.none", 0..=0, "optional.none()"),
    function("optional.of", 1..=1, "optional.of(1)"),
    function("optional.ofNonZeroValue", 1..=1, "optional.ofNonZeroValue(size)"),
    function("size", 1..=1, "size(name)"),
    function("string", 1..=1, "string(version)"),
    function("strings.quote", 1..=1, "strings.quote(name)"),
    function("timestamp", 1..=1, "timestamp(\"2026-01-01T00:00:00Z\")"),
    function("type", 1..=1, "type(attributes.count)"),
    function("uint", 1..=1, "uint(3)"),
];

/// Functions of the data: only where expressions are evaluated by themselves.
pub const DATA_FUNCTIONS: [Function; 6] = [
    function("data.findBySpec", 2..=2, "data.findBySpec(\"model\", \"spec\")"),
    function("data.findByTag", 2..=2, "data.findByTag(\"key\", \"value\")"),
    function("data.latest", 2..=3, "data.latest(\"namespace:model\", \"name\")"),
    function("data.listVersions", 2..=3, "data.listVersions(\"model\", \"name\")"),
    function("data.query", 1..=2, "data.query(\"tags.env == 'prod'\", \"name\")"),
    function("data.version", 3..=4, "data.version(\"model\", \"name\", 2)"),
];

/// Types and namespaces of functions, which may stand where a field does.
pub(super) const TYPES: [&str; 14] = [
    "bool",
    "bytes",
    "double",
    "dyn",
    "google.protobuf.Duration",
    "google.protobuf.Timestamp",
    "int",
    "list",
    "map",
    "null_type",
    "optional_type",
    "string",
    "type",
    "uint",
];

/// Namespaces of functions.
pub(super) const SPACES: [&str; 5] = ["base64", "lists", "math", "optional", "strings"];

/// Returns the name of `names` that was most likely meant.
pub fn nearest<'a>(mistake: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (mistake.chars().count() / 3).clamp(1, 3);
    names
        .into_iter()
        .map(|name| (distance(&mistake.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(far, name)| *far <= allowed || is_part(mistake, name))
        .min()
        .map(|(_, name)| name)
}

/// Returns whether one name starts with the other, as `model` and `modelName`.
fn is_part(mistake: &str, name: &str) -> bool {
    mistake.len() >= 3 && (name.starts_with(mistake) || mistake.starts_with(name))
}

/// Returns how many letters must be changed, added, removed or swapped with the next to get from one name to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<_> = to.chars().collect();
    let mut rows = [Vec::new(), Vec::new(), (0..=to.len()).collect::<Vec<usize>>()];
    let mut before = None;
    for (index, letter) in from.chars().enumerate() {
        rows.rotate_left(1);
        let [older, old, row] = &mut rows;
        row.clear();
        row.push(index + 1);
        for (column, other) in to.iter().enumerate() {
            let change = old[column] + usize::from(letter != *other);
            let mut least = change.min(old[column + 1] + 1).min(row[column] + 1);
            if column > 0 && before == Some(*other) && to[column - 1] == letter {
                least = least.min(older[column - 1] + 1);
            }
            row.push(least);
        }
        before = Some(letter);
    }
    rows[2].last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_name_is_the_one_meant() {
        let names = ["name", "modelName", "modelType", "size", "version"];

        let found = ["nam", "model", "versoin", "sise", "siez", "zzz"].map(|mistake| nearest(mistake, names));

        assert_eq!(found, [Some("name"), Some("modelName"), Some("version"), Some("size"), Some("size"), None]);
    }
}
