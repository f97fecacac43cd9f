//! The functions a person can call, for validation, help and completion; and the nearest name to a mistake.

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// The name, with what stands before the dot where that is fixed.
    pub name: &'static str,
    /// How it is written.
    pub usage: &'static str,
}

const fn function(name: &'static str, usage: &'static str) -> Function {
    Function { name, usage }
}

/// Functions of a value: `value.function(…)`.
pub const METHODS: [Function; 44] = [
    function("all", "list.all(x, x > 0)"),
    function("charAt", "text.charAt(0)"),
    function("contains", "text.contains(\"part\")"),
    function("distinct", "list.distinct()"),
    function("endsWith", "text.endsWith(\".json\")"),
    function("exists", "list.exists(x, x > 0)"),
    function("existsOne", "list.existsOne(x, x > 0)"),
    function("exists_one", "list.exists_one(x, x > 0)"),
    function("filter", "list.filter(x, x > 0)"),
    function("flatten", "list.flatten()"),
    function("format", "\"%s-%d\".format([name, 3])"),
    function("getDate", "time.getDate()"),
    function("getDayOfMonth", "time.getDayOfMonth()"),
    function("getDayOfWeek", "time.getDayOfWeek()"),
    function("getDayOfYear", "time.getDayOfYear()"),
    function("getFullYear", "timestamp(createdAt).getFullYear()"),
    function("getHours", "time.getHours()"),
    function("getMilliseconds", "time.getMilliseconds()"),
    function("getMinutes", "time.getMinutes()"),
    function("getMonth", "time.getMonth()"),
    function("getSeconds", "time.getSeconds()"),
    function("hasValue", "attributes.?region.hasValue()"),
    function("indexOf", "text.indexOf(\"part\")"),
    function("join", "list.join(\",\")"),
    function("lastIndexOf", "text.lastIndexOf(\"part\")"),
    function("lowerAscii", "text.lowerAscii()"),
    function("map", "list.map(x, x * 2)"),
    function("matches", "text.matches(\"^host-[0-9]+$\")"),
    function("optFlatMap", "optional.optFlatMap(x, x.?y)"),
    function("optMap", "optional.optMap(x, x + 1)"),
    function("or", "optional.or(optional.of(3))"),
    function("orValue", "attributes.?region.orValue(\"none\")"),
    function("replace", "text.replace(\"-\", \"_\")"),
    function("reverse", "text.reverse()"),
    function("size", "text.size()"),
    function("slice", "list.slice(0, 2)"),
    function("sort", "list.sort()"),
    function("sortBy", "list.sortBy(x, x.name)"),
    function("split", "text.split(\",\")"),
    function("startsWith", "text.startsWith(\"host-\")"),
    function("substring", "text.substring(0, 3)"),
    function("trim", "text.trim()"),
    function("upperAscii", "text.upperAscii()"),
    function("value", "optional.value()"),
];

/// Functions on their own: `function(…)`.
pub const FUNCTIONS: [Function; 22] = [
    function("base64.decode", "base64.decode(text)"),
    function("base64.encode", "base64.encode(bytes)"),
    function("bool", "bool(\"true\")"),
    function("bytes", "bytes(text)"),
    function("cel.bind", "cel.bind(x, attributes.count, x * x)"),
    function("double", "double(\"1.5\")"),
    function("duration", "duration(\"90m\")"),
    function("dyn", "dyn(value)"),
    function("has", "has(attributes.region)"),
    function("int", "int(\"7\")"),
    function("lists.range", "lists.range(3)"),
    function("matches", "matches(name, \"^host\")"),
    function("optional.none", "optional.none()"),
    function("optional.of", "optional.of(1)"),
    function("optional.ofNonZeroValue", "optional.ofNonZeroValue(size)"),
    function("size", "size(name)"),
    function("string", "string(version)"),
    function("strings.quote", "strings.quote(name)"),
    function("timestamp", "timestamp(\"2026-01-01T00:00:00Z\")"),
    function("type", "type(attributes.count)"),
    function("uint", "uint(3)"),
    function("math.…", "math.greatest(1, 2)"),
];

/// Functions of the data: only where expressions are evaluated by themselves.
pub const DATA_FUNCTIONS: [Function; 6] = [
    function("data.findBySpec", "data.findBySpec(\"model\", \"spec\")"),
    function("data.findByTag", "data.findByTag(\"key\", \"value\")"),
    function("data.latest", "data.latest(\"namespace:model\", \"name\")"),
    function("data.listVersions", "data.listVersions(\"model\", \"name\")"),
    function("data.query", "data.query(\"tags.env == 'prod'\", \"name\")"),
    function("data.version", "data.version(\"model\", \"name\", 2)"),
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
pub(super) fn nearest<'a>(mistake: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
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
