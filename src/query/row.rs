//! Rows, and the variables an expression sees of one: read from borrowed columns, parsed only when named.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use cel::common::types::{CelBool, CelDouble, CelString};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use serde_json::{Map, Value, json};

use super::content::{Decoded, Form, tags};
use super::field::{Field, FieldKind, field};
use crate::catalog::{Column, Selected};

/// The columns of a row.
pub(super) trait Columns: Sync {
    fn text(&self, column: Column) -> &str;
    fn integer(&self, column: Column) -> i64;
}

impl Columns for Selected<'_> {
    fn text(&self, column: Column) -> &str {
        Selected::text(self, column)
    }

    fn integer(&self, column: Column) -> i64 {
        Selected::integer(self, column)
    }
}

/// A row of the catalog that outlives the statement it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    cells: Vec<(Column, Cell)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Cell {
    Text(String),
    Integer(i64),
}

impl Row {
    pub(super) fn copied(selected: &Selected<'_>, columns: &[Column]) -> Self {
        let cells = columns.iter().map(|&column| {
            let cell = match column {
                Column::Version
                | Column::Size
                | Column::IsLatest
                | Column::Streaming
                | Column::IsNewest
                | Column::Seq => Cell::Integer(selected.integer(column)),
                _ => Cell::Text(selected.text(column).to_owned()),
            };
            (column, cell)
        });
        Self { cells: cells.collect() }
    }

    fn cell(&self, wanted: Column) -> Option<&Cell> {
        self.cells.iter().find(|(column, _)| *column == wanted).map(|(_, cell)| cell)
    }

    /// Returns a text; `""` for a column that is none or was not read.
    pub fn text(&self, column: Column) -> &str {
        match self.cell(column) {
            Some(Cell::Text(text)) => text,
            Some(Cell::Integer(_)) | None => "",
        }
    }

    /// Returns a number or a flag; 0 for a column that is neither or was not read.
    pub fn integer(&self, column: Column) -> i64 {
        match self.cell(column) {
            Some(Cell::Integer(number)) => *number,
            Some(Cell::Text(_)) | None => 0,
        }
    }

    /// Returns the keys of a row as swamp prints it, without its content.
    pub fn keys() -> [&'static str; 23] {
        RECORD.map(|(key, _)| key)
    }

    /// Returns the row as swamp prints it (formats.md 8.7), `content` last.
    pub fn to_json(&self, content: Value) -> Value {
        let tags = serde_json::from_str(self.text(Column::Tags)).unwrap_or_else(|_damaged| json!({}));
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
        for (name, column) in RECORD {
            let value = match column {
                Column::Version | Column::Size => self.integer(column).into(),
                Column::IsLatest | Column::Streaming => (self.integer(column) != 0).into(),
                Column::Tags => Value::clone(&tags),
                _ => self.text(column).into(),
            };
            put(name, value);
        }
        put("content", content);
        Value::Object(object)
    }
}

/// The keys of a row as swamp prints it.
pub(super) const RECORD: [(&str, Column); 23] = [
    ("id", Column::Id),
    ("name", Column::DataName),
    ("version", Column::Version),
    ("isLatest", Column::IsLatest),
    ("createdAt", Column::CreatedAt),
    ("namespace", Column::Namespace),
    ("tags", Column::Tags),
    ("modelName", Column::ModelName),
    ("modelId", Column::ModelId),
    ("modelType", Column::Type),
    ("specName", Column::SpecName),
    ("dataType", Column::DataType),
    ("contentType", Column::ContentType),
    ("lifetime", Column::Lifetime),
    ("ownerType", Column::OwnerType),
    ("streaming", Column::Streaming),
    ("size", Column::Size),
    ("ownerRef", Column::OwnerRef),
    ("workflowRunId", Column::WorkflowRunId),
    ("workflowName", Column::WorkflowName),
    ("jobName", Column::JobName),
    ("stepName", Column::StepName),
    ("source", Column::Source),
];

impl Columns for Row {
    fn text(&self, column: Column) -> &str {
        Self::text(self, column)
    }

    fn integer(&self, column: Column) -> i64 {
        Self::integer(self, column)
    }
}

/// Returns the value of a field that is in a column, as JSON.
pub(super) fn field_json(row: &dyn Columns, kind: FieldKind, column: Column) -> Value {
    match kind {
        FieldKind::Text => row.text(column).into(),
        FieldKind::Number => row.integer(column).into(),
        FieldKind::Flag => (row.integer(column) != 0).into(),
        FieldKind::Tags | FieldKind::Content => serde_json::from_str(row.text(column)).unwrap_or_default(),
    }
}

/// What is known of the content while a row is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) enum Known<'a> {
    /// Nothing yet; naming it fails.
    Nothing,
    /// All of it.
    Content(&'a Decoded),
}

/// The variables of one row.
pub(super) struct Variables<'a, C> {
    row: &'a C,
    known: Known<'a>,
    tags: OnceLock<Box<dyn Val>>,
    was_content_asked: AtomicBool,
}

impl<'a, C: Columns> Variables<'a, C> {
    pub(super) fn new(row: &'a C, known: Known<'a>) -> Self {
        Self { row, known, tags: OnceLock::new(), was_content_asked: AtomicBool::new(false) }
    }

    /// Returns whether an evaluation failed for want of the content.
    pub(super) fn was_content_asked(&self) -> bool {
        self.was_content_asked.load(Ordering::Relaxed)
    }

    fn content<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        match self.known {
            Known::Content(decoded) if name == "attributes" => Some(CowVal::Borrowed(decoded.attributes())),
            Known::Content(decoded) => Some(CowVal::Borrowed(decoded.content())),
            Known::Nothing => {
                self.was_content_asked.store(true, Ordering::Relaxed);
                None
            }
        }
    }
}

/// Returns whether the content of a row must be fetched to be known.
pub(super) fn has_content(row: &dyn Columns) -> bool {
    Form::of(row.text(Column::ContentType)) != Form::Opaque
}

impl<C: Columns> VariableResolver for Variables<'_, C> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let Field { name, kind, column, .. } = *field(variable.strip_prefix('.').unwrap_or(variable))?;
        let Some(column) = column else {
            return self.content(name);
        };
        Some(match kind {
            FieldKind::Text => CowVal::owned(CelString::from(self.row.text(column))),
            #[expect(clippy::cast_precision_loss, reason = "the catalog keeps no greater numbers than a double holds")]
            FieldKind::Number => CowVal::owned(CelDouble::from(self.row.integer(column) as f64)),
            FieldKind::Flag => CowVal::owned(CelBool::from(self.row.integer(column) != 0)),
            FieldKind::Tags | FieldKind::Content => {
                CowVal::Borrowed(self.tags.get_or_init(|| tags(self.row.text(column))).as_ref())
            }
        })
    }
}
