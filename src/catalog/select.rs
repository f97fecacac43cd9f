//! The narrow way for queries to push predicates down: SQL text and values in, borrowed columns out.
//!
//! A filter is an SQL expression over the columns of [`Column`] with a `?` per parameter, in order. What a filter may
//! rely on: every column is NOT NULL and of one type, texts compare by bytes and hold no NUL, flags are 0 or 1, times
//! are `YYYY-MM-DDTHH:MM:SS.mmmZ`, tags are a JSON object of texts without repeated keys. Filters are built from
//! constants of the program; nothing a filter says can write, since readers cannot.

use std::ops::ControlFlow;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, params_from_iter};

use super::Catalog;
use super::error::CatalogError;
use super::tagged::Tagging;

/// Filter: the row has the tag (parameter) with the value (parameter); answered by an index.
pub const TAG_EQUALS: &str = "seq IN (SELECT seq FROM catalog_tag WHERE key = ? AND value = ?)";

/// Filter: the row has the tag (parameter).
pub const TAG_EXISTS: &str = "seq IN (SELECT seq FROM catalog_tag WHERE key = ?)";

/// Value: the text of the tag (parameter), NULL for a row without it.
pub const TAG_VALUE: &str = "(SELECT tag.value FROM catalog_tag AS tag WHERE tag.seq = catalog.seq AND tag.key = ?)";

pub(super) const SELECT: &str = "select from";

macro_rules! define_columns {
    ($($variant:ident = $name:literal: $doc:literal,)*) => {
        /// A column that can be filtered by and read.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Column {
            $(#[doc = $doc] $variant,)*
        }

        impl Column {
            /// Every column: those of the export in their order, then our own.
            pub const ALL: [Self; COUNT] = [$(Self::$variant,)*];

            /// Returns the name in SQL.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }

        const COUNT: usize = [$($name,)*].len();
    };
}

define_columns! {
    Namespace = "namespace": "Text; `\"\"` in solo mode.",
    Type = "type_normalized": "Text.",
    ModelId = "model_id": "Text.",
    DataName = "data_name": "Text.",
    Id = "id": "Text.",
    Version = "version": "Number from 1.",
    IsLatest = "is_latest": "Flag.",
    ModelName = "model_name": "Text.",
    SpecName = "spec_name": "Text.",
    DataType = "data_type": "Text.",
    ContentType = "content_type": "Text.",
    Lifetime = "lifetime": "Text.",
    OwnerType = "owner_type": "Text.",
    Streaming = "streaming": "Flag.",
    Size = "size": "Number from 0.",
    CreatedAt = "created_at": "Text: a time.",
    Tags = "tags": "Text: a JSON object of texts.",
    OwnerRef = "owner_ref": "Text.",
    WorkflowRunId = "workflow_run_id": "Text.",
    WorkflowName = "workflow_name": "Text.",
    JobName = "job_name": "Text.",
    StepName = "step_name": "Text.",
    Source = "source": "Text.",
    IsNewest = "is_newest": "Flag: the highest version of the name, whichever step wrote it.",
    Seq = "seq": "Number: the place in the order.",
}

/// The value of a `?`.
#[derive(Clone, Debug, PartialEq)]
pub enum Parameter {
    /// A text without NUL.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number.
    Real(f64),
}

/// In which order rows come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By `seq`.
    #[default]
    Stable,
    /// Newest first.
    Time,
}

/// What to select.
#[derive(Clone, Copy, Debug)]
pub struct Selection<'a> {
    /// Which columns are read; the fewer, the faster.
    pub columns: &'a [Column],
    /// Which rows; `1` for all.
    pub filter: &'a str,
    /// The values of the filter.
    pub parameters: &'a [Parameter],
    /// In which order.
    pub order: Order,
    /// At most how many.
    pub limit: Option<u64>,
}

impl Selection<'_> {
    pub(super) fn columns_text(&self) -> String {
        let columns: Vec<_> = self.columns.iter().map(|column| column.name()).collect();
        if columns.is_empty() { "1".to_owned() } else { columns.join(", ") }
    }

    pub(super) fn order_by(&self) -> &'static str {
        match self.order {
            Order::Stable => "seq",
            Order::Time => "created_at DESC, seq DESC",
        }
    }

    pub(super) fn limit_text(&self) -> String {
        self.limit.map_or_else(String::new, |limit| format!(" LIMIT {}", limit.min(i64::MAX as u64)))
    }
}

/// One selected row; its texts live until the visitor returns.
#[derive(Debug)]
pub struct Selected<'a>([Cell<'a>; COUNT]);

#[derive(Clone, Copy, Debug)]
enum Cell<'a> {
    Absent,
    Text(&'a str),
    Integer(i64),
}

impl<'a> Selected<'a> {
    /// Returns a text; `""` for a column that is none or was not selected.
    pub fn text(&self, column: Column) -> &'a str {
        match self.cell(column) {
            Cell::Text(text) => text,
            Cell::Integer(_) | Cell::Absent => "",
        }
    }

    /// Returns a number, or a flag as 0 or 1; 0 for a column that is neither or was not selected.
    pub fn integer(&self, column: Column) -> i64 {
        match self.cell(column) {
            Cell::Integer(number) => number,
            Cell::Text(_) | Cell::Absent => 0,
        }
    }

    fn cell(&self, column: Column) -> Cell<'a> {
        let cell = self.0.get(column as usize).copied().unwrap_or(Cell::Absent);
        debug_assert!(!matches!(cell, Cell::Absent), "{column:?} was not selected");
        cell
    }
}

impl Catalog {
    /// Calls `visit` for every selected row, in order, until it breaks; returns how many it saw.
    ///
    /// One statement on one snapshot: writers are neither waited for nor seen. `visit` may use the catalog.
    pub fn select(
        &self,
        selection: &Selection<'_>,
        visit: &mut dyn FnMut(&Selected<'_>) -> ControlFlow<()>,
    ) -> Result<u64, CatalogError> {
        self.select_tagged(selection, Tagging::default(), visit)
    }

    /// Returns how many rows a filter matches.
    pub fn count(&self, filter: &str, parameters: &[Parameter]) -> Result<u64, CatalogError> {
        self.read(SELECT, |connection| {
            let mut statement = connection.prepare(&format!("SELECT count(*) FROM catalog WHERE {filter}"))?;
            statement.query_row(params_from_iter(bound(parameters)), |row| super::stored::unsigned(row, 0))
        })
    }
}

pub(super) fn bound(parameters: &[Parameter]) -> impl Iterator<Item = ToSqlOutput<'_>> {
    parameters.iter().map(|parameter| {
        ToSqlOutput::Borrowed(match parameter {
            Parameter::Text(text) => ValueRef::from(text.as_str()),
            Parameter::Integer(number) => ValueRef::Integer(*number),
            Parameter::Real(number) => ValueRef::Real(*number),
        })
    })
}

pub(super) fn run(
    connection: &Connection,
    (sql, parameters): (&str, &[Parameter]),
    columns: &[Column],
    visit: &mut dyn FnMut(&Selected<'_>) -> ControlFlow<()>,
) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query(params_from_iter(bound(parameters)))?;
    let mut seen = 0;
    while let Some(row) = rows.next()? {
        let mut cells = [Cell::Absent; COUNT];
        for (index, column) in columns.iter().enumerate() {
            let value = row.get_ref(index)?;
            let cell = match value {
                ValueRef::Text(_) => Cell::Text(value.as_str()?),
                ValueRef::Integer(number) => Cell::Integer(number),
                other @ (ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_)) => {
                    let name = column.name().to_owned();
                    return Err(rusqlite::Error::InvalidColumnType(index, name, other.data_type()));
                }
            };
            if let Some(slot) = cells.get_mut(*column as usize) {
                *slot = cell;
            }
        }
        seen += 1;
        if visit(&Selected(cells)).is_break() {
            break;
        }
    }
    Ok(seen)
}
