//! Write-through: one new version, or one tombstone, without scanning its name.
//!
//! The outcome is the one a rebuild would have, or [`Upserted::RescanName`] says that only a scan can make it so.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::Catalog;
use super::error::{CatalogError, failed};
use super::own;
use super::row::{Name, Record, Refused};
use super::stored::{self, Change, Marks, signed, slug};
use super::write::{UPDATE, refused, remove};
use crate::namespace::Namespace;

/// What became of one new version.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Upserted {
    /// It is a row, and its name is as a rebuild would have it.
    Stored,
    /// It is a row, but earlier versions of its name are not: scan the name and call [`Catalog::replace_names`]. This
    /// happens when somebody writes to a name after its tombstone.
    RescanName,
    /// It cannot be a row.
    Refused(Refused),
}

impl Catalog {
    /// Adds or replaces the row of one version that was just written.
    pub fn upsert_new_version(&self, record: &Record) -> Result<Upserted, CatalogError> {
        if let Err(reason) = record.check() {
            return Ok(Upserted::Refused(refused(record, 0, &reason)));
        }
        let namespace = record.namespace.as_ref();
        self.write(UPDATE, |transaction| {
            own::claim(transaction, namespace)?;
            let (change, is_first) = upsert(transaction, record).map_err(failed(UPDATE))?;
            own::bump_if(transaction, namespace, change != Change::None)?;
            Ok(if is_first && record.version > 1 { Upserted::RescanName } else { Upserted::Stored })
        })
    }

    /// Takes note of a tombstone: the name's rows go, unless one is newer than it. Returns whether any went.
    pub fn bury_name(&self, namespace: Option<&Namespace>, name: &Name, version: u64) -> Result<bool, CatalogError> {
        self.write(UPDATE, |transaction| {
            own::claim(transaction, namespace)?;
            let removed = bury(transaction, namespace, name, version).map_err(failed(UPDATE))?;
            own::bump_if(transaction, namespace, removed > 0)?;
            Ok(removed > 0)
        })
    }
}

const NEWEST: &str = "SELECT seq, version FROM catalog \
    WHERE namespace = ?1 AND type_normalized = ?2 AND model_id = ?3 AND data_name = ?4 AND is_newest = 1";

const LATEST: &str = "SELECT seq, version FROM catalog \
    WHERE namespace = ?1 AND type_normalized = ?2 AND model_id = ?3 AND data_name = ?4 AND step_name = ?5 \
    AND is_latest = 1";

/// A row and its version.
type Marked = Option<(i64, i64)>;

fn upsert(connection: &Connection, record: &Record) -> rusqlite::Result<(Change, bool)> {
    let Record { type_normalized, model_id, data_name, step_name, .. } = record;
    let namespace = slug(record.namespace.as_ref());
    let marked = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let newest: Marked = connection
        .prepare_cached(NEWEST)?
        .query_row(params![namespace, type_normalized, model_id, data_name], marked)
        .optional()?;
    let latest: Marked = connection
        .prepare_cached(LATEST)?
        .query_row(params![namespace, type_normalized, model_id, data_name, step_name], marked)
        .optional()?;

    let is_over = |row: Marked| row.is_none_or(|(_, version)| signed(record.version) >= version);
    let marks = Marks { is_latest: is_over(latest), is_newest: Some(is_over(newest)) };
    let put = stored::put(connection, record, marks)?;
    match put.change {
        Change::Inserted => {
            if let Some((seq, _)) = latest.filter(|_| marks.is_latest) {
                connection.prepare_cached("UPDATE catalog SET is_latest = 0 WHERE seq = ?1")?.execute((seq,))?;
            }
            if let Some((seq, _)) = newest.filter(|_| marks.is_newest == Some(true)) {
                connection.prepare_cached("UPDATE catalog SET is_newest = 0 WHERE seq = ?1")?.execute((seq,))?;
            }
        }
        // The step may have changed, and with it which version is the latest of the old one.
        Change::Updated => mark(connection, namespace, record)?,
        Change::None => {}
    }
    Ok((put.change, newest.is_none()))
}

const MARK_LATEST: &str = "WITH top AS MATERIALIZED (
        SELECT step_name, max(version) AS version FROM catalog
        WHERE namespace = ?1 AND type_normalized = ?2 AND model_id = ?3 AND data_name = ?4 GROUP BY step_name)
    UPDATE catalog SET is_latest = 1 - is_latest
    WHERE namespace = ?1 AND type_normalized = ?2 AND model_id = ?3 AND data_name = ?4 AND is_latest <>
        EXISTS (SELECT 1 FROM top WHERE top.step_name = catalog.step_name AND top.version = catalog.version)";

const MARK_NEWEST: &str = "UPDATE catalog SET is_newest = 1 - is_newest
    WHERE namespace = ?1 AND type_normalized = ?2 AND model_id = ?3 AND data_name = ?4 AND is_newest <>
        (version = (SELECT max(version) FROM catalog
            WHERE namespace = ?1 AND type_normalized = ?2 AND model_id = ?3 AND data_name = ?4))";

fn mark(connection: &Connection, namespace: &str, record: &Record) -> rusqlite::Result<()> {
    let key = params![namespace, record.type_normalized, record.model_id, record.data_name];
    connection.prepare_cached(MARK_LATEST)?.execute(key)?;
    connection.prepare_cached(MARK_NEWEST)?.execute(key)?;
    Ok(())
}

fn bury(connection: &Connection, namespace: Option<&Namespace>, name: &Name, version: u64) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, version FROM catalog \
         WHERE namespace = ?1 AND type_normalized = ?2 AND model_id = ?3 AND data_name = ?4",
    )?;
    let key = params![slug(namespace), name.type_normalized, name.model_id, name.data_name];
    let rows = statement.query_map(key, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let rows = rows.collect::<rusqlite::Result<Vec<(i64, i64)>>>()?;
    if rows.iter().any(|(_, other)| *other > signed(version)) {
        return Ok(0);
    }
    let all: Vec<_> = rows.into_iter().map(|(seq, _)| seq).collect();
    remove(connection, &all)
}
