//! Reading `.catalog-export.json` of a namespace that we do not trust.
//!
//! The file is cut into its elements before any of them is parsed, so that whatever one row holds (deep nesting, half a
//! surrogate, a name of ten megabytes) refuses that row alone. Only a file that is no list at all is refused whole.

use std::io::BufRead;

use serde::Deserialize as _;
use serde_json::Value;

use super::elements::{Broken, Elements};
use super::error::CatalogError;
use super::row::{Record, Refusals, Refused};
use crate::namespace::Namespace;

/// The largest export that is read, in bytes.
pub const EXPORT_BYTES_MAX: usize = 1 << 30;

/// The longest export that is read, in rows.
pub const EXPORT_ROWS_MAX: u64 = 2_000_000;

/// The largest row, in bytes of JSON.
pub const ROW_BYTES_MAX: usize = 1 << 20;

/// One element of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportRow {
    /// A row that may enter the catalog.
    Usable(Box<Record>),
    /// A row that may not.
    Refused(Refused),
}

/// Reads all rows of an export of `namespace` into memory; [`ExportRows`] reads one at a time.
pub fn parse_export(bytes: &[u8], namespace: &Namespace) -> Result<(Vec<Record>, Refusals), CatalogError> {
    let mut records = Vec::new();
    let mut refusals = Refusals::default();
    for row in ExportRows::new(bytes, namespace) {
        match row? {
            ExportRow::Usable(record) => records.push(*record),
            ExportRow::Refused(refused) => refusals.push(refused),
        }
    }
    Ok((records, refusals))
}

/// The rows of an export, parsed one at a time; nothing follows an error.
#[derive(Debug)]
pub struct ExportRows<'a, R> {
    namespace: &'a Namespace,
    elements: Elements<R>,
    index: u64,
    /// [`EXPORT_ROWS_MAX`], less in tests.
    pub(super) rows_max: u64,
}

impl<'a, R: BufRead> ExportRows<'a, R> {
    /// Returns the rows that `source` has, which are to be of `namespace`.
    pub fn new(source: R, namespace: &'a Namespace) -> Self {
        let elements = Elements::new(source, ROW_BYTES_MAX, EXPORT_BYTES_MAX);
        Self { namespace, elements, index: 0, rows_max: EXPORT_ROWS_MAX }
    }

    fn read(&self) -> Result<Record, String> {
        let too_long = |length| format!("the row has {length} bytes, more than {ROW_BYTES_MAX}");
        let element = self.elements.element().map_err(too_long)?;
        let record: Record = serde_json::from_slice(element).map_err(|error| diagnose(element, &error))?;
        match &record.namespace {
            Some(namespace) if namespace == self.namespace => {}
            Some(other) => return Err(format!("`namespace` is `{other}`, not `{}`", self.namespace)),
            None => return Err(format!("`namespace` is empty, not `{}`", self.namespace)),
        }
        record.check()?;
        Ok(record)
    }

    fn fail(&self, broken: Broken) -> CatalogError {
        let namespace = self.namespace.clone();
        match broken {
            Broken::Malformed(reason) => CatalogError::Malformed { namespace, reason },
            Broken::TooLong => too_large(self.namespace, &format!("{EXPORT_BYTES_MAX} bytes")),
            Broken::Unreadable(source) => CatalogError::Read { namespace, source },
        }
    }
}

impl<R: BufRead> Iterator for ExportRows<'_, R> {
    type Item = Result<ExportRow, CatalogError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.elements.advance() {
            Ok(true) => {}
            Ok(false) => return None,
            Err(broken) => return Some(Err(self.fail(broken))),
        }
        if self.index == self.rows_max {
            self.elements.end();
            return Some(Err(too_large(self.namespace, &format!("{} rows", self.rows_max))));
        }
        let index = self.index;
        self.index += 1;
        Some(Ok(match self.read() {
            Ok(record) => ExportRow::Usable(Box::new(record)),
            Err(reason) => ExportRow::Refused(Refused::new(index, &reason)),
        }))
    }
}

fn too_large(namespace: &Namespace, limit: &str) -> CatalogError {
    CatalogError::TooLarge { namespace: namespace.clone(), limit: limit.to_owned() }
}

const WHOLE_COLUMNS: [&str; 4] = ["version", "is_latest", "streaming", "size"];

const TEXT_COLUMNS: [&str; 19] = [
    "namespace",
    "type_normalized",
    "model_id",
    "data_name",
    "id",
    "model_name",
    "spec_name",
    "data_type",
    "content_type",
    "lifetime",
    "owner_type",
    "created_at",
    "tags",
    "owner_ref",
    "workflow_run_id",
    "workflow_name",
    "job_name",
    "step_name",
    "source",
];

/// Returns what does not fit, because the parser's own message names a place but no column.
fn diagnose(element: &[u8], error: &serde_json::Error) -> String {
    let row = match serde_json::from_slice(element) {
        Ok(row @ Value::Object(_)) => row,
        Ok(other) => return format!("the row is {}", kind_of(&other)),
        Err(_) => return format!("the row is not JSON: {error}"),
    };
    let texts = TEXT_COLUMNS.iter().map(|name| (*name, "a text"));
    let numbers = WHOLE_COLUMNS.iter().map(|name| (*name, "a number"));
    for (name, wanted) in texts.chain(numbers) {
        match row.get(name) {
            None => return format!("`{name}` is missing"),
            Some(found) if kind_of(found) != wanted => return format!("`{name}` is {}, not {wanted}", kind_of(found)),
            Some(Value::Number(number)) if super::codec::whole(number).is_err() => {
                return format!("`{name}` is {number}, not a whole number from 0");
            }
            Some(_) => {}
        }
    }
    match Record::deserialize(&row) {
        Ok(_) => "a column is there twice".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
