//! Answers as tables, lines, comma-separated values and JSON.
//!
//! Lines and scalars are printed as they come; the other forms need all answers first, for widths or for one document.

use std::borrow::Cow;
use std::ops::ControlFlow;

use serde::Serialize;
use serde_json::{Value, json};
use swamp::catalog::Column;
use swamp::query::{Answer, Query, Report, Row};

use super::csv;
use crate::cli::output::{Output, columns, counted, human_size, print};
use crate::cli::report::{Failed, Outcome};

/// In which form answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Table,
    Lines,
    Csv,
    Json,
}

/// How many bytes of lines are printed at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// Takes answers and prints them.
pub(super) struct Printer {
    shape: Shape,
    has_namespaces: bool,
    rows: Vec<Row>,
    values: Vec<Value>,
    are_scalars: Option<bool>,
    piece: String,
    failed: Option<Failed>,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    predicate: Option<&'a str>,
    results: &'a [Value],
    total: u64,
    limited: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<Value>,
}

impl Printer {
    pub(super) fn new(shape: Shape, has_namespaces: bool) -> Self {
        let (rows, values) = (Vec::new(), Vec::new());
        Self { shape, has_namespaces, rows, values, are_scalars: None, piece: String::new(), failed: None }
    }

    /// Takes one answer.
    pub(super) fn answer(&mut self, answer: Answer<'_>) -> ControlFlow<()> {
        let value = match (answer, self.shape) {
            (Answer::Text(text), Shape::Table) => return self.line(text),
            (Answer::Row(row, _), Shape::Table | Shape::Csv) => {
                self.rows.push(row);
                return ControlFlow::Continue(());
            }
            (Answer::Row(row, content), Shape::Lines | Shape::Json) => row.to_json(content.unwrap_or_default()),
            (Answer::Value(value), _) => value,
            (Answer::Text(text), _) => text.into(),
        };
        if self.shape == Shape::Lines {
            self.line(&value.to_string())
        } else if self.is_scalar(&value) {
            self.piece.push_str(&"\n".repeat(self.values.drain(..).len()));
            self.line(&cell(&value))
        } else {
            self.values.push(value);
            ControlFlow::Continue(())
        }
    }

    fn line(&mut self, text: &str) -> ControlFlow<()> {
        self.piece.push_str(text);
        self.piece.push('\n');
        if self.piece.len() < PIECE_BYTES { ControlFlow::Continue(()) } else { self.flush() }
    }

    /// Returns whether values are printed one per line as they come, which the first that is not null decides.
    fn is_scalar(&mut self, value: &Value) -> bool {
        if self.shape != Shape::Table {
            return false;
        }
        if self.are_scalars.is_none() && !value.is_null() {
            self.are_scalars = Some(!matches!(value, Value::Object(_) | Value::Array(_)));
        }
        self.are_scalars == Some(true)
    }

    fn flush(&mut self) -> ControlFlow<()> {
        let piece = std::mem::take(&mut self.piece);
        match print(piece.as_bytes()) {
            Ok(()) => ControlFlow::Continue(()),
            Err(failed) => {
                self.failed = Some(failed);
                ControlFlow::Break(())
            }
        }
    }

    /// Prints what is left.
    pub(super) fn finish(mut self, query: &Query, report: &Report, output: Output) -> Outcome {
        if self.failed.is_none() {
            let _is_broken = self.flush();
        }
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let count = usize::try_from(report.total).unwrap_or(usize::MAX);
        let text = match self.shape {
            Shape::Lines => return Ok(()),
            Shape::Json => return self.document(query, report, output),
            Shape::Table if count == 0 => {
                output.status("no matching data");
                return Ok(());
            }
            Shape::Table if query.is_projected() => projected(&self.values),
            Shape::Table => self.table(),
            Shape::Csv => self.csv(query),
        };
        print(text.as_bytes())?;
        if self.shape == Shape::Table && !query.is_projected() {
            let more = if report.is_limited { ", as many as asked for" } else { "" };
            output.status(&format!("{}{more}", counted(count, "result")));
        }
        Ok(())
    }

    fn document(&self, query: &Query, report: &Report, output: Output) -> Outcome {
        let skipped = report
            .skipped
            .as_ref()
            .map(|skipped| json!({"rows": skipped.rows, "first": skipped.first, "reason": skipped.reason}));
        let document = Document {
            predicate: (!query.is_projected()).then(|| query.predicate()),
            results: &self.values,
            total: report.total,
            limited: report.is_limited,
            skipped,
        };
        output.emit(&document, |_| String::new())
    }

    fn table(&self) -> String {
        let first = self.rows.first().map(|row| row.text(Column::Namespace));
        let has_several = self.rows.iter().any(|row| Some(row.text(Column::Namespace)) != first);
        let shows_namespace = self.has_namespaces || has_several;
        let mut header = vec!["name", "model", "spec", "type", "version", "size"];
        if shows_namespace {
            header.insert(0, "namespace");
        }
        let rows = self.rows.iter().map(|row| {
            let size = human_size(u64::try_from(row.integer(Column::Size)).unwrap_or_default());
            let mut cells = [Column::DataName, Column::ModelName, Column::SpecName, Column::DataType]
                .map(|column| row.text(column).to_owned())
                .to_vec();
            cells.extend([row.integer(Column::Version).to_string(), size]);
            if shows_namespace {
                cells.insert(0, row.text(Column::Namespace).to_owned());
            }
            cells
        });
        columns(&header, &rows.collect::<Vec<_>>())
    }

    fn csv(&self, query: &Query) -> String {
        if query.is_projected() {
            return csv::of_values(query.header(), &self.values);
        }
        let keys = Row::keys();
        let rows = self.rows.iter().map(|row| {
            let object = row.to_json(Value::Null);
            csv::line(&keys.map(|key| cell(&object[key])))
        });
        std::iter::once(csv::line(&keys.map(Cow::Borrowed))).chain(rows).collect()
    }
}

/// Returns what projections made: scalars one per line, maps with their keys as a header, lists as rows.
fn projected(values: &[Value]) -> String {
    let (header, rows) = grid(values);
    let first = values.iter().find(|value| !value.is_null());
    match first {
        Some(Value::Object(_)) => columns(&header.iter().map(String::as_str).collect::<Vec<_>>(), &rows),
        Some(Value::Array(_)) => columns(&[], &rows),
        _ => rows.into_iter().map(|row| row.join("") + "\n").collect(),
    }
}

/// Returns values as rows of cells; the first value that is not null says what they are.
fn grid(values: &[Value]) -> (Vec<String>, Vec<Vec<String>>) {
    match values.iter().find(|value| !value.is_null()) {
        Some(Value::Object(first)) => {
            let header: Vec<String> = first.keys().cloned().collect();
            let row = |value: &Value| header.iter().map(|key| value.get(key).map_or_else(String::new, owned)).collect();
            let rows = values.iter().map(row).collect();
            (header, rows)
        }
        Some(Value::Array(_)) => {
            let row = |value: &Value| match value {
                Value::Array(cells) => cells.iter().map(owned).collect(),
                other => vec![owned(other)],
            };
            (Vec::new(), values.iter().map(row).collect())
        }
        _ => (Vec::new(), values.iter().map(|value| vec![owned(value)]).collect()),
    }
}

pub(super) fn cell(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

fn owned(value: &Value) -> String {
    cell(value).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_says_what_projections_are() {
        let maps = [json!(null), json!({"n": "a", "v": 1}), json!({"v": 2, "n": "bc"})];

        assert_eq!(projected(&maps), "n   v\n\na   1\nbc  2\n");
        assert_eq!(projected(&[json!("a"), json!(null), json!(1.5), json!({"x": 1})]), "a\n\n1.5\n{\"x\":1}\n");
        assert_eq!(projected(&[json!(["a", 1]), json!(["bcd", true])]), "a    1\nbcd  true\n");
    }
}
