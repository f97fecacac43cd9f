//! Writing `.catalog-export.json` of our own namespace.
//!
//! The form is the one upstream writes: an array of rows, two spaces of indentation, tags as JSON inside a text, a newline at
//! the end. Rows are in the order of their keys, so that all machines that have the same rows write the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde::Serializer as _;
use serde::ser::{Error as _, SerializeSeq as _};
use serde_json::ser::PrettyFormatter;

use super::Catalog;
use super::error::{CatalogError, failed};
use super::own;
use super::row::Name;
use super::schema::columns;
use super::stored;
use crate::namespace::Namespace;

const EXPORT: &str = "export";

const ROWS: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM catalog WHERE namespace = ?1 ORDER BY type_normalized, model_id, data_name, version"
);

const STEPS: &str = "SELECT step_name, version FROM catalog \
     WHERE namespace = ?1 AND type_normalized = ?2 AND model_id = ?3 AND data_name = ?4";

/// Versions that an export does not show, by name.
pub type Withheld = BTreeMap<Name, BTreeSet<u64>>;

/// An export that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The generation it shows, for [`Catalog::set_exported_generation`] once it is published.
    pub generation: u64,
    /// How many rows it has.
    pub rows: u64,
}

impl Catalog {
    /// Writes the export of `namespace` to `sink`; refuses while the catalog does not hold all of it (trap T10).
    pub fn export(&self, namespace: &Namespace, sink: &mut dyn io::Write) -> Result<Exported, CatalogError> {
        self.export_without(namespace, &Withheld::new(), sink)
    }

    /// Writes the export of `namespace` as it would be without some versions, which nobody could fetch yet.
    pub fn export_without(
        &self,
        namespace: &Namespace,
        withheld: &Withheld,
        sink: &mut dyn io::Write,
    ) -> Result<Exported, CatalogError> {
        self.with_reader(|connection| {
            // One snapshot: rows, completeness and generation belong together.
            let snapshot = connection.unchecked_transaction().map_err(failed(EXPORT))?;
            if !own::is_complete(&snapshot, Some(namespace)).map_err(failed(EXPORT))? {
                return Err(CatalogError::Incomplete { namespace: Some(namespace.clone()) });
            }
            let generation = own::generation(&snapshot, Some(namespace)).map_err(failed(EXPORT))?;
            let rows = write_rows(&snapshot, namespace, withheld, sink)?;
            Ok(Exported { generation, rows })
        })
    }
}

fn write_rows(
    connection: &rusqlite::Connection,
    namespace: &Namespace,
    withheld: &Withheld,
    sink: &mut dyn io::Write,
) -> Result<u64, CatalogError> {
    let unwritten =
        |error: serde_json::Error| CatalogError::Write { namespace: namespace.clone(), source: error.into() };
    let latest = latest_without(connection, namespace, withheld).map_err(failed(EXPORT))?;
    let mut statement = connection.prepare_cached(ROWS).map_err(failed(EXPORT))?;
    let records = statement.query_map((namespace.as_str(),), stored::record).map_err(failed(EXPORT))?;

    let mut written = 0;
    let mut serializer = serde_json::Serializer::with_formatter(&mut *sink, PrettyFormatter::with_indent(b"  "));
    let mut list = serializer.serialize_seq(None).map_err(unwritten)?;
    for record in records {
        let mut record = record.map_err(failed(EXPORT))?;
        if !withheld.is_empty()
            && let Some(versions) = withheld.get(&record.name())
        {
            if versions.contains(&record.version) {
                continue;
            }
            record.is_latest = latest.get(&(record.name(), record.step_name.clone())) == Some(&record.version);
        }
        list.serialize_element(&record).map_err(unwritten)?;
        written += 1;
    }
    list.end().map_err(unwritten)?;
    sink.write_all(b"\n").map_err(|error| unwritten(serde_json::Error::custom(error)))?;
    Ok(written)
}

/// Returns the newest version of each step of the names that withhold some (formats.md 6.2).
fn latest_without(
    connection: &rusqlite::Connection,
    namespace: &Namespace,
    withheld: &Withheld,
) -> rusqlite::Result<BTreeMap<(Name, String), u64>> {
    let mut latest = BTreeMap::new();
    for (name, versions) in withheld {
        let Name { type_normalized, model_id, data_name } = name;
        let mut statement = connection.prepare_cached(STEPS)?;
        let key = (namespace.as_str(), type_normalized, model_id, data_name);
        let steps = statement.query_map(key, |row| Ok((row.get(0)?, stored::unsigned(row, 1)?)))?;
        for step in steps {
            let (step, version) = step?;
            if !versions.contains(&version) {
                let slot = latest.entry((name.clone(), step)).or_insert(version);
                *slot = version.max(*slot);
            }
        }
    }
    Ok(latest)
}
