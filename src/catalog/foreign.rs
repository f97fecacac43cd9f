//! Rows of other namespaces, as their pulled exports say.
//!
//! A pull replaces all rows of one namespace in one transaction: rows that vanished from the export vanish here, and
//! neither our own rows nor those of third namespaces are touched.

use std::collections::HashSet;
use std::io::BufRead;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::Catalog;
use super::error::{CatalogError, failed};
use super::parse::{ExportRow, ExportRows};
use super::row::Refusals;
use super::stored::{self, Change, Marks, signed, undecodable, unsigned};
use super::write::remove_others;
use crate::clock::Timestamp;
use crate::namespace::Namespace;

const REPLACE: &str = "replace foreign rows in";

/// What a pull brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// How many rows the namespace has now.
    pub rows: u64,
    /// Whether any row differs from before.
    pub is_change: bool,
    /// The rows that were not taken.
    pub refused: Refusals,
}

/// What is known of a foreign namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignState {
    /// Which namespace.
    pub namespace: Namespace,
    /// The version of the export that the rows are from, where the datastore told one.
    pub etag: Option<String>,
    /// When the datastore was last asked.
    pub last_synced: Timestamp,
    /// How many rows the namespace has.
    pub rows: u64,
    /// How many rows of its export were not taken.
    pub refused: u64,
}

impl Catalog {
    /// Replaces the rows of `namespace` by those of its export. Where two rows are of one version, the later one counts.
    ///
    /// A malformed export changes nothing.
    pub fn replace_foreign(
        &self,
        namespace: &Namespace,
        export: impl BufRead,
        etag: Option<&str>,
        now: Timestamp,
    ) -> Result<Pulled, CatalogError> {
        self.write(REPLACE, |transaction| {
            if is_own(transaction, namespace).map_err(failed(REPLACE))? {
                return Err(CatalogError::Own { namespace: namespace.clone() });
            }
            let mut pulled = Pulled { rows: 0, is_change: false, refused: Refusals::default() };
            let mut kept = HashSet::new();
            for row in ExportRows::new(export, namespace) {
                match row? {
                    ExportRow::Usable(record) => {
                        let marks = Marks { is_latest: record.is_latest, is_newest: None };
                        let put = stored::put(transaction, &record, marks).map_err(failed(REPLACE))?;
                        pulled.is_change |= put.change != Change::None;
                        kept.insert(put.seq);
                    }
                    ExportRow::Refused(refused) => pulled.refused.push(refused),
                }
            }
            pulled.is_change |= remove_others(transaction, Some(namespace), &kept)? > 0;
            pulled.rows = kept.len() as u64;
            if pulled.is_change {
                mark_newest(transaction, namespace).map_err(failed(REPLACE))?;
            }
            record_pull(transaction, namespace, etag, now, &pulled).map_err(failed(REPLACE))?;
            Ok(pulled)
        })
    }

    /// Records that the rows of `namespace` were found to be current; returns `false` if there are none to be current.
    pub fn confirm_foreign(&self, namespace: &Namespace, now: Timestamp) -> Result<bool, CatalogError> {
        self.write(REPLACE, |transaction| {
            let sql = "UPDATE foreign_pull SET last_synced = ?2 WHERE namespace = ?1";
            let run = || transaction.prepare_cached(sql)?.execute(params![namespace.as_str(), now.to_string()]);
            Ok(run().map_err(failed(REPLACE))? > 0)
        })
    }

    /// Returns what is known of a foreign namespace, `None` if it was never pulled.
    pub fn foreign_state(&self, namespace: &Namespace) -> Result<Option<ForeignState>, CatalogError> {
        self.read("read", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT namespace, etag, last_synced, row_count, refused_count FROM foreign_pull WHERE namespace = ?1",
            )?;
            statement.query_row((namespace.as_str(),), state).optional()
        })
    }

    /// Returns what is known of every foreign namespace, by name.
    pub fn foreign_states(&self) -> Result<Vec<ForeignState>, CatalogError> {
        self.read("read", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT namespace, etag, last_synced, row_count, refused_count FROM foreign_pull ORDER BY namespace",
            )?;
            statement.query_map((), state)?.collect()
        })
    }

    /// Removes a foreign namespace; our own is left alone. Returns whether it was there.
    pub fn drop_foreign(&self, namespace: &Namespace) -> Result<bool, CatalogError> {
        self.write("remove foreign rows from", |transaction| {
            let run = || {
                let sql = "DELETE FROM foreign_pull WHERE namespace = ?1";
                let was_there = transaction.prepare_cached(sql)?.execute((namespace.as_str(),))? > 0;
                if was_there {
                    let sql = "DELETE FROM catalog WHERE namespace = ?1";
                    transaction.prepare_cached(sql)?.execute((namespace.as_str(),))?;
                }
                Ok(was_there)
            };
            run().map_err(failed("remove foreign rows from"))
        })
    }
}

fn is_own(connection: &Connection, namespace: &Namespace) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM own WHERE namespace = ?1")?.exists((namespace.as_str(),))
}

/// An export does not say which version of a name is the newest of all steps.
///
/// `OR FAIL`: what this statement did is not undone without the whole transaction. Else SQLite keeps a copy of every page
/// that it changes, which is most of the file, in memory.
fn mark_newest(connection: &Connection, namespace: &Namespace) -> rusqlite::Result<()> {
    let sql = "UPDATE OR FAIL catalog SET is_newest = 1 - is_newest
        WHERE namespace = ?1 AND is_newest <> (version = (
            SELECT max(other.version) FROM catalog AS other
            WHERE other.namespace = catalog.namespace AND other.type_normalized = catalog.type_normalized
            AND other.model_id = catalog.model_id AND other.data_name = catalog.data_name))";
    connection.prepare_cached(sql)?.execute((namespace.as_str(),)).map(drop)
}

fn record_pull(
    connection: &Connection,
    namespace: &Namespace,
    etag: Option<&str>,
    now: Timestamp,
    pulled: &Pulled,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO foreign_pull VALUES (?1, ?2, ?3, ?4, ?5)";
    let (rows, refused) = (signed(pulled.rows), signed(pulled.refused.count));
    let values = params![namespace.as_str(), etag, now.to_string(), rows, refused];
    connection.prepare_cached(sql)?.execute(values).map(drop)
}

fn state(row: &Row<'_>) -> rusqlite::Result<ForeignState> {
    Ok(ForeignState {
        namespace: row.get_ref(0)?.as_str()?.parse().map_err(undecodable(0))?,
        etag: row.get(1)?,
        last_synced: stored::timestamp(row, 2)?,
        rows: unsigned(row, 3)?,
        refused: unsigned(row, 4)?,
    })
}
