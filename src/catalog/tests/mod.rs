//! Behaviour of the catalog: what it keeps, refuses, exports and answers.

mod file;
mod foreign;
mod own;
mod read;
mod refusal;
mod tagged;

use std::ops::ControlFlow;
use std::path::PathBuf;

use tempfile::TempDir;

use super::{Catalog, CatalogError, Column, Name, NameScan, Order, Record, Scanned, Selection};
use crate::clock::Timestamp;
use crate::namespace::Namespace;

/// `infra` as upstream exports it after scanning its data directory: names together, versions ascending.
const INFRA_AFTER_REBUILD: &[u8] = include_bytes!("../../../tests/golden/catalog/infra-after-rebuild.json");

/// `infra` as upstream exports it after a while of writing: rows in the order of the writes.
const INFRA_AFTER_WRITES: &[u8] = include_bytes!("../../../tests/golden/catalog/infra-after-writes.json");

/// `security` as upstream exports it.
const SECURITY: &[u8] = include_bytes!("../../../tests/golden/catalog/security.json");

/// A catalog in a directory of its own.
struct Fixture {
    directory: TempDir,
    catalog: Catalog,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let catalog = Catalog::open(&directory.path().join("state/catalog.db")).expect("a new catalog");
        Self { directory, catalog }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("state/catalog.db")
    }

    /// Fills a namespace from records as a full scan would.
    fn rebuild(&self, namespace: Option<&Namespace>, records: &[Record]) -> super::Applied {
        let scans = scans(records).into_iter().map(Ok::<_, CatalogError>);
        self.catalog.replace_all(namespace, scans).expect("rebuilt")
    }

    fn export(&self, namespace: &Namespace) -> String {
        let mut bytes = Vec::new();
        self.catalog.export(namespace, &mut bytes).expect("exported");
        String::from_utf8(bytes).expect("UTF-8")
    }

    /// Returns `namespace name@version step latest newest` of every row, in order.
    fn rows(&self) -> Vec<String> {
        self.select("1", |row| {
            format!(
                "{}/{}@{}{}{}{}",
                row.text(Column::Namespace),
                row.text(Column::DataName),
                row.integer(Column::Version),
                row.text(Column::StepName),
                if row.integer(Column::IsLatest) == 1 { " latest" } else { "" },
                if row.integer(Column::IsNewest) == 1 { " newest" } else { "" },
            )
        })
    }

    fn seqs(&self) -> Vec<i64> {
        self.select("1", |row| row.integer(Column::Seq))
    }

    fn select<T>(&self, filter: &str, show: impl Fn(&super::Selected<'_>) -> T) -> Vec<T> {
        let columns = Column::ALL;
        let selection = Selection { columns: &columns, filter, parameters: &[], order: Order::Stable, limit: None };
        let mut shown = Vec::new();
        let mut visit = |row: &super::Selected<'_>| {
            shown.push(show(row));
            ControlFlow::Continue(())
        };
        self.catalog.select(&selection, &mut visit).expect("selected");
        shown
    }
}

/// Returns the texts of an export's rows, sorted: readers take them in any order.
fn rows_of(export: &[u8]) -> Vec<&str> {
    let text = std::str::from_utf8(export).expect("UTF-8");
    let rows = text.strip_prefix("[\n  {\n").and_then(|text| text.strip_suffix("\n  }\n]\n")).expect("a list of rows");
    let mut rows: Vec<&str> = rows.split("\n  },\n  {\n").collect();
    rows.sort_unstable();
    rows
}

fn namespace(slug: &str) -> Namespace {
    slug.parse().expect("a namespace")
}

fn infra() -> Namespace {
    namespace("infra")
}

fn golden(bytes: &[u8]) -> Vec<Record> {
    serde_json::from_slice(bytes).expect("rows")
}

fn name(data_name: &str) -> Name {
    Name { type_normalized: "aws/ec2/vpc".to_owned(), model_id: "0bc79a8f".to_owned(), data_name: data_name.to_owned() }
}

fn record(namespace: Option<&Namespace>, data_name: &str, version: u64) -> Record {
    let Name { type_normalized, model_id, data_name } = name(data_name);
    Record {
        namespace: namespace.cloned(),
        type_normalized,
        model_id,
        data_name,
        id: format!("id-{version}"),
        version,
        is_latest: false,
        model_name: "vpc-main".to_owned(),
        spec_name: "state".to_owned(),
        data_type: "resource".to_owned(),
        content_type: "application/json".to_owned(),
        lifetime: "infinite".to_owned(),
        owner_type: "model-method".to_owned(),
        streaming: false,
        size: 17,
        created_at: Timestamp::from_milliseconds(1_787_000_000_000 + i64::try_from(version).expect("small")),
        tags: [("type", "resource"), ("env", "prod")].map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        owner_ref: "0bc79a8f".to_owned(),
        workflow_run_id: String::new(),
        workflow_name: String::new(),
        job_name: String::new(),
        step_name: String::new(),
        source: String::new(),
    }
}

fn scan(data_name: &str, versions: Vec<Scanned>) -> NameScan {
    NameScan { name: name(data_name), mtime_ns: Some(1), versions }
}

fn live(record: Record) -> Scanned {
    Scanned::Live(Box::new(record))
}

/// Groups records by name, in order of first appearance.
fn scans(records: &[Record]) -> Vec<NameScan> {
    let mut scans: indexmap::IndexMap<Name, NameScan> = indexmap::IndexMap::new();
    for record in records {
        let empty = NameScan { name: record.name(), mtime_ns: None, versions: Vec::new() };
        scans.entry(record.name()).or_insert(empty).versions.push(live(record.clone()));
    }
    scans.into_values().collect()
}
