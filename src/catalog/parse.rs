//! Reading `.catalog-export.json` of a namespace that we do not trust.
//!
//! The file is cut into its elements before any of them is parsed, so that whatever one row holds (deep nesting, half a
//! surrogate, a name of ten megabytes) refuses that row alone. Only a file that is no list at all is refused whole.

use serde::Deserialize as _;
use serde_json::Value;

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
    for row in ExportRows::new(bytes, namespace)? {
        match row? {
            ExportRow::Usable(record) => records.push(*record),
            ExportRow::Refused(refused) => refusals.push(refused),
        }
    }
    Ok((records, refusals))
}

/// The rows of an export, parsed one at a time; nothing follows an error.
#[derive(Debug)]
pub struct ExportRows<'a> {
    namespace: &'a Namespace,
    elements: Elements<'a>,
    index: u64,
    /// [`EXPORT_ROWS_MAX`], less in tests.
    pub(super) rows_max: u64,
}

impl<'a> ExportRows<'a> {
    /// Returns the rows of `bytes`, which are to be of `namespace`.
    pub fn new(bytes: &'a [u8], namespace: &'a Namespace) -> Result<Self, CatalogError> {
        if bytes.len() > EXPORT_BYTES_MAX {
            return Err(too_large(namespace, &format!("{EXPORT_BYTES_MAX} bytes")));
        }
        Ok(Self {
            namespace,
            elements: Elements { rest: bytes, state: State::Before },
            index: 0,
            rows_max: EXPORT_ROWS_MAX,
        })
    }

    fn read(&self, element: &[u8]) -> Result<Record, String> {
        if element.len() > ROW_BYTES_MAX {
            return Err(format!("the row has {} bytes, more than {ROW_BYTES_MAX}", element.len()));
        }
        let record: Record = serde_json::from_slice(element).map_err(|error| diagnose(element, &error))?;
        match &record.namespace {
            Some(namespace) if namespace == self.namespace => {}
            Some(other) => return Err(format!("`namespace` is `{other}`, not `{}`", self.namespace)),
            None => return Err(format!("`namespace` is empty, not `{}`", self.namespace)),
        }
        record.check()?;
        Ok(record)
    }
}

impl Iterator for ExportRows<'_> {
    type Item = Result<ExportRow, CatalogError>;

    fn next(&mut self) -> Option<Self::Item> {
        let element = match self.elements.next()? {
            Ok(element) => element,
            Err(reason) => return Some(Err(CatalogError::Malformed { namespace: self.namespace.clone(), reason })),
        };
        if self.index == self.rows_max {
            self.elements.state = State::After;
            return Some(Err(too_large(self.namespace, &format!("{} rows", self.rows_max))));
        }
        let index = self.index;
        self.index += 1;
        Some(Ok(match self.read(element) {
            Ok(record) => ExportRow::Usable(Box::new(record)),
            Err(reason) => ExportRow::Refused(Refused::new(index, &reason)),
        }))
    }
}

fn too_large(namespace: &Namespace, limit: &str) -> CatalogError {
    CatalogError::TooLarge { namespace: namespace.clone(), limit: limit.to_owned() }
}

/// The elements of a JSON list as bytes, found by brackets and quotes alone.
#[derive(Debug)]
struct Elements<'a> {
    rest: &'a [u8],
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Before,
    First,
    Further,
    After,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<&'a [u8], &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Before {
            let Some(rest) = self.rest.trim_ascii_start().strip_prefix(b"[") else {
                return Some(self.fail("it does not begin with `[`"));
            };
            (self.rest, self.state) = (rest, State::First);
        }
        if self.state == State::After {
            return None;
        }
        let Some((length, end)) = element_length(self.rest) else {
            return Some(self.fail("it ends too early"));
        };
        let (element, rest) = self.rest.split_at_checked(length)?;
        let element = element.trim_ascii();
        self.rest = rest.get(1..).unwrap_or_default();
        let is_empty_list = self.state == State::First && end == b']' && element.is_empty();
        self.state = if end == b']' { State::After } else { State::Further };
        if end == b']' && !self.rest.trim_ascii().is_empty() {
            return Some(self.fail("something follows the list"));
        }
        if is_empty_list { None } else { Some(Ok(element)) }
    }
}

impl Elements<'_> {
    fn fail<T>(&mut self, reason: &'static str) -> Result<T, &'static str> {
        self.state = State::After;
        Err(reason)
    }
}

/// Returns where the element at the start of `bytes` ends and by which byte, `None` if it does not.
fn element_length(bytes: &[u8]) -> Option<(usize, u8)> {
    let mut depth = 0_u64;
    let mut is_text = false;
    let mut is_escaped = false;
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            _ if is_text => {}
            b',' | b']' if depth == 0 => return Some((index, *byte)),
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
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
