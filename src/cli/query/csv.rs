//! Answers as comma-separated values.

use std::borrow::Cow;

use indexmap::IndexSet;
use serde_json::Value;

use super::render::cell;

/// The title of what is neither in a map nor in a list.
const VALUE: &str = "value";

/// Returns values as comma-separated ones: nothing that one of them has is left out.
pub(super) fn of_values(header: Option<&[String]>, values: &[Value]) -> String {
    let first = values.iter().find(|value| !value.is_null());
    let titles: Vec<_> = titles(header, first, values).into_iter().collect();
    let row = |value: &Value| {
        let mut cells: Vec<Cow<'_, str>> = match (first, value) {
            (Some(Value::Object(_)), Value::Object(object)) => {
                titles.iter().map(|title| cell(object.get(title.as_ref()).unwrap_or(&Value::Null))).collect()
            }
            (Some(Value::Object(_)), other) => {
                titles.iter().map(|title| cell(if title == VALUE { other } else { &Value::Null })).collect()
            }
            (Some(Value::Array(_)), Value::Array(elements)) => elements.iter().map(cell).collect(),
            (_, other) => vec![cell(other)],
        };
        cells.resize(titles.len(), Cow::Borrowed(""));
        line(&cells)
    };
    std::iter::once(line(&titles)).chain(values.iter().map(row)).collect()
}

/// Returns the titles of values: every key of a map, the numbers of a list's elements; the first says which.
fn titles<'a>(header: Option<&'a [String]>, first: Option<&Value>, values: &'a [Value]) -> IndexSet<Cow<'a, str>> {
    let written = || header.unwrap_or_default().iter().map(Cow::from);
    match first {
        Some(Value::Object(_)) => {
            let mut titles: IndexSet<_> = written().collect();
            for value in values.iter().filter(|value| !value.is_null()) {
                match value {
                    Value::Object(object) => titles.extend(object.keys().map(Cow::from)),
                    _ => drop(titles.insert(Cow::Borrowed(VALUE))),
                }
            }
            titles
        }
        Some(Value::Array(_)) => {
            let count = values.iter().map(|value| value.as_array().map_or(1, Vec::len)).max().unwrap_or_default();
            (1..=count).map(|number| Cow::Owned(number.to_string())).collect()
        }
        None if header.is_some() => written().collect(),
        Some(_) | None => IndexSet::from([Cow::Borrowed(VALUE)]),
    }
}

pub(super) fn line(cells: &[Cow<'_, str>]) -> String {
    let quoted = cells.iter().map(|cell| {
        if cell.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell.to_string()
        }
    });
    quoted.collect::<Vec<_>>().join(",") + "\n"
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use swamp::query::Query;

    use super::*;

    #[test]
    fn cells_with_commas_quotes_and_newlines_are_quoted() {
        let cells = ["a", "b,c", "d\"e", "f\ng"].map(Cow::Borrowed);

        assert_eq!(line(&cells), "a,\"b,c\",\"d\"\"e\",\"f\ng\"\n");
    }

    #[test]
    fn csv_has_a_column_for_everything() {
        let written = ["n".to_owned(), "z".to_owned()];
        let maps = [json!(null), json!({"n": "a", "v": 1}), json!({"w": 2, "n": "b"}), json!("x")];
        let lists = [json!(["a", 1]), json!("b"), json!(null), json!(["c", 2, 3])];

        assert_eq!(of_values(None, &maps), "n,v,w,value\n,,,\na,1,,\nb,,2,\n,,,x\n");
        assert_eq!(of_values(Some(&written), &maps[1..2]), "n,z,v\na,,1\n");
        assert_eq!(of_values(None, &lists), "1,2,3\na,1,\nb,,\n,,\nc,2,3\n");
        assert_eq!(of_values(None, &[json!(1), json!([2, 3])]), "value\n1\n\"[2,3]\"\n");
        assert_eq!(of_values(None, &[json!(null)]), "value\n\n");
    }

    #[test]
    fn csv_of_nothing_has_its_header() {
        let header = |select: &str| {
            let query = Query::parse("true", Some(select)).unwrap();
            of_values(query.header(), &[])
        };

        assert_eq!(header("{\"n\": name, ?\"t\": tags.?t}"), "n,t\n");
        assert_eq!(header("[ns, name]"), "1,2\n");
        assert_eq!(header("name"), "value\n");
    }
}
