//! What the catalog knows about a namespace of this repository besides its rows: whether it knows all of it, how often
//! it changed, what was exported, and when each data name was scanned.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::Catalog;
use super::error::{CatalogError, failed};
use super::row::Name;
use super::stored::{name, signed, slug, unsigned};
use crate::namespace::Namespace;

const READ: &str = "read";
const UPDATE: &str = "update";

/// When a data name was last scanned, as its directory said then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanMark {
    /// Which name.
    pub name: Name,
    /// Modification time of its directory.
    pub mtime_ns: i64,
}

impl Catalog {
    /// Whether the catalog holds every version of `namespace`, so that it may be exported.
    pub fn is_complete(&self, namespace: Option<&Namespace>) -> Result<bool, CatalogError> {
        self.read(READ, |connection| is_complete(connection, namespace))
    }

    /// Takes note that versions may be missing or too many until the next [`Catalog::replace_all`].
    pub fn mark_incomplete(&self, namespace: Option<&Namespace>) -> Result<(), CatalogError> {
        self.write(UPDATE, |transaction| set_complete(transaction, namespace, false))
    }

    /// Returns a number that grows with every change of the rows of `namespace`.
    pub fn generation(&self, namespace: Option<&Namespace>) -> Result<u64, CatalogError> {
        self.read(READ, |connection| generation(connection, namespace))
    }

    /// Returns the generation that was last published, `None` if none was.
    pub fn exported_generation(&self, namespace: Option<&Namespace>) -> Result<Option<u64>, CatalogError> {
        self.read(READ, |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT exported_generation FROM own WHERE namespace = ?1 AND exported_generation IS NOT NULL",
            )?;
            statement.query_row((slug(namespace),), |row| unsigned(row, 0)).optional()
        })
    }

    /// Records that the export of `generation` was published.
    pub fn set_exported_generation(&self, namespace: Option<&Namespace>, generation: u64) -> Result<(), CatalogError> {
        self.write(UPDATE, |transaction| {
            let sql = "UPDATE own SET exported_generation = ?2 WHERE namespace = ?1";
            execute(transaction, sql, params![slug(namespace), signed(generation)])
        })
    }

    /// Returns when each data name of `namespace` was scanned.
    pub fn scan_marks(&self, namespace: Option<&Namespace>) -> Result<Vec<ScanMark>, CatalogError> {
        self.read(READ, |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT type_normalized, model_id, data_name, mtime_ns FROM scan WHERE namespace = ?1",
            )?;
            let marks = statement
                .query_map((slug(namespace),), |row| Ok(ScanMark { name: name(row, 0)?, mtime_ns: row.get(3)? }))?;
            marks.collect()
        })
    }

    /// Removes everything about a namespace, own or foreign.
    pub fn forget(&self, namespace: Option<&Namespace>) -> Result<(), CatalogError> {
        self.write(UPDATE, |transaction| {
            for sql in [
                "DELETE FROM catalog WHERE namespace = ?1",
                "DELETE FROM scan WHERE namespace = ?1",
                "DELETE FROM own WHERE namespace = ?1",
                "DELETE FROM foreign_pull WHERE namespace = ?1",
            ] {
                execute(transaction, sql, params![slug(namespace)])?;
            }
            Ok(())
        })
    }
}

/// Takes note that a namespace is our own; if it was a foreign one, its pull is forgotten.
pub(super) fn claim(connection: &Connection, namespace: Option<&Namespace>) -> Result<(), CatalogError> {
    let key = params![slug(namespace)];
    execute(connection, "INSERT INTO own VALUES (?1, 0, 0, NULL) ON CONFLICT DO NOTHING", key)?;
    execute(connection, "DELETE FROM foreign_pull WHERE namespace = ?1", key)
}

/// Raises the generation if `is_change`.
pub(super) fn bump_if(
    connection: &Connection,
    namespace: Option<&Namespace>,
    is_change: bool,
) -> Result<(), CatalogError> {
    if !is_change {
        return Ok(());
    }
    execute(connection, "UPDATE own SET generation = generation + 1 WHERE namespace = ?1", params![slug(namespace)])
}

/// Records whether the catalog holds every version.
pub(super) fn set_complete(
    connection: &Connection,
    namespace: Option<&Namespace>,
    is_complete: bool,
) -> Result<(), CatalogError> {
    let key = params![slug(namespace), is_complete];
    execute(connection, "UPDATE own SET complete = ?2 WHERE namespace = ?1 AND complete <> ?2", key)
}

/// Records when a name was scanned, or that it was not.
pub(super) fn set_scan_mark(
    connection: &Connection,
    namespace: Option<&Namespace>,
    name: &Name,
    mtime_ns: Option<i64>,
) -> Result<(), CatalogError> {
    let Name { type_normalized, model_id, data_name } = name;
    match mtime_ns {
        Some(mtime_ns) => execute(
            connection,
            "INSERT INTO scan VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET mtime_ns = excluded.mtime_ns",
            params![slug(namespace), type_normalized, model_id, data_name, mtime_ns],
        ),
        None => execute(
            connection,
            "DELETE FROM scan WHERE namespace = ?1 AND type_normalized = ?2 AND model_id = ?3 AND data_name = ?4",
            params![slug(namespace), type_normalized, model_id, data_name],
        ),
    }
}

/// Forgets when the names of a namespace were scanned.
pub(super) fn forget_scan_marks(connection: &Connection, namespace: Option<&Namespace>) -> Result<(), CatalogError> {
    execute(connection, "DELETE FROM scan WHERE namespace = ?1", params![slug(namespace)])
}

/// Whether the namespace is complete, within a transaction of the caller.
pub(super) fn is_complete(connection: &Connection, namespace: Option<&Namespace>) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM own WHERE namespace = ?1 AND complete = 1")?;
    statement.exists((slug(namespace),))
}

/// The generation, within a transaction of the caller.
pub(super) fn generation(connection: &Connection, namespace: Option<&Namespace>) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached("SELECT generation FROM own WHERE namespace = ?1")?;
    let found = statement.query_row((slug(namespace),), |row| unsigned(row, 0)).optional()?;
    Ok(found.unwrap_or(0))
}

fn execute(connection: &Connection, sql: &str, parameters: impl rusqlite::Params) -> Result<(), CatalogError> {
    let run = || connection.prepare_cached(sql)?.execute(parameters);
    run().map(drop).map_err(failed(UPDATE))
}
