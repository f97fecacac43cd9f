//! Own rows: what a scan of the data directory or a finished write says about data names.
//!
//! Everything here is one transaction per call; rows that stay the same are not written, so that their `seq`, the
//! generation and the journal stay as they are.

use std::collections::{BTreeMap, HashSet};

use rusqlite::{Connection, params};

use super::Catalog;
use super::error::{CatalogError, failed};
use super::own;
use super::row::{Name, Record, Refusals, Refused};
use super::stored::{self, Change, Marks, slug};
use crate::namespace::Namespace;

/// The operation in messages.
pub(super) const UPDATE: &str = "update";

/// One version of a data name as its metadata file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scanned {
    /// An artifact; its `is_latest` is ignored and computed.
    Live(Box<Record>),
    /// The mark that the name was deleted or renamed.
    Tombstone {
        /// Which version the mark is.
        version: u64,
    },
}

/// All that a scan found of one data name; no versions means that the name is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameScan {
    /// Which name.
    pub name: Name,
    /// Modification time of its directory, recorded for the next scan to compare with; `None` forgets it.
    pub mtime_ns: Option<i64>,
    /// Every readable version, in any order.
    pub versions: Vec<Scanned>,
}

/// What a call changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Rows that are new.
    pub inserted: u64,
    /// Rows of which a column changed.
    pub updated: u64,
    /// Rows that are gone.
    pub removed: u64,
    /// Versions that cannot be rows.
    pub refused: Refusals,
}

impl Applied {
    /// Whether any row differs from before.
    pub fn is_change(&self) -> bool {
        self.inserted + self.updated + self.removed > 0
    }

    /// Adds what another call changed.
    pub fn add(&mut self, other: Self) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.removed += other.removed;
        self.refused.add(other.refused);
    }

    fn count(&mut self, change: Change) {
        match change {
            Change::Inserted => self.inserted += 1,
            Change::Updated => self.updated += 1,
            Change::None => {}
        }
    }
}

impl Catalog {
    /// Replaces all rows of some data names of `namespace` by what a scan found.
    ///
    /// Let `scans` look while it is consumed, as with [`Catalog::replace_all`]: rows of a look before would replace those of
    /// somebody who changed the name since, and told. An error of a scan undoes everything.
    pub fn replace_names<E: From<CatalogError>>(
        &self,
        namespace: Option<&Namespace>,
        scans: impl IntoIterator<Item = Result<NameScan, E>>,
    ) -> Result<Applied, E> {
        self.write(UPDATE, |transaction| {
            own::claim(transaction, namespace)?;
            let mut applied = Applied::default();
            for scan in scans {
                replace_name(transaction, namespace, &scan?, &mut applied)?;
            }
            own::bump_if(transaction, namespace, applied.is_change())?;
            Ok(applied)
        })
    }

    /// Removes all rows of one data name; returns whether there were any.
    pub fn remove_name(&self, namespace: Option<&Namespace>, name: Name) -> Result<bool, CatalogError> {
        let scan = NameScan { name, mtime_ns: None, versions: Vec::new() };
        Ok(self.replace_names(namespace, [Ok::<_, CatalogError>(scan)])?.is_change())
    }

    /// Replaces all rows of `namespace` by what a full scan found and makes the namespace complete.
    ///
    /// Let `scans` walk while it is consumed: a version that another process writes meanwhile then waits for this
    /// transaction and is added to its outcome, whereas a walk done before would miss it and this call would remove its
    /// row. An error of the walk undoes everything.
    pub fn replace_all<E: From<CatalogError>>(
        &self,
        namespace: Option<&Namespace>,
        scans: impl IntoIterator<Item = Result<NameScan, E>>,
    ) -> Result<Applied, E> {
        self.write(UPDATE, |transaction| {
            own::claim(transaction, namespace)?;
            own::forget_scan_marks(transaction, namespace)?;
            let mut applied = Applied::default();
            let mut kept = HashSet::new();
            for scan in scans {
                kept.extend(replace_name(transaction, namespace, &scan?, &mut applied)?);
            }
            applied.removed += remove_others(transaction, namespace, &kept)?;
            own::bump_if(transaction, namespace, applied.is_change())?;
            own::set_complete(transaction, namespace, true)?;
            Ok(applied)
        })
    }
}

/// Makes the rows of one name be those of the scan; returns their places in the order.
fn replace_name(
    connection: &Connection,
    namespace: Option<&Namespace>,
    scan: &NameScan,
    applied: &mut Applied,
) -> Result<Vec<i64>, CatalogError> {
    let rows = rows_of(namespace, scan, &mut applied.refused);
    let newest = rows.keys().next_back().copied();
    let mut latest = BTreeMap::new();
    for record in rows.values() {
        // Ascending versions: the last one of each step stays.
        latest.insert(record.step_name.as_str(), record.version);
    }
    let mut kept = Vec::with_capacity(rows.len());
    for record in rows.values() {
        let is_latest = latest.get(record.step_name.as_str()) == Some(&record.version);
        let marks = Marks { is_latest, is_newest: Some(newest == Some(record.version)) };
        let put = stored::put(connection, record, marks).map_err(failed(UPDATE))?;
        applied.count(put.change);
        kept.push(put.seq);
    }
    applied.removed += remove_old_versions(connection, namespace, &scan.name, &kept).map_err(failed(UPDATE))?;
    own::set_scan_mark(connection, namespace, &scan.name, scan.mtime_ns)?;
    Ok(kept)
}

/// The tombstone rule, and the versions that can be rows by version.
fn rows_of<'a>(
    namespace: Option<&Namespace>,
    scan: &'a NameScan,
    refusals: &mut Refusals,
) -> BTreeMap<u64, &'a Record> {
    let mut rows = BTreeMap::new();
    let mut newest_tombstone = 0;
    for (index, version) in (0..).zip(&scan.versions) {
        match version {
            Scanned::Tombstone { version } => newest_tombstone = newest_tombstone.max(*version),
            Scanned::Live(record) => match check_of(namespace, &scan.name, record) {
                Ok(()) => drop(rows.insert(record.version, record.as_ref())),
                Err(reason) => refusals.push(refused(record, index, &reason)),
            },
        }
    }
    let is_buried = rows.keys().next_back().is_some_and(|newest| *newest < newest_tombstone);
    if is_buried { BTreeMap::new() } else { rows }
}

fn check_of(namespace: Option<&Namespace>, name: &Name, record: &Record) -> Result<(), String> {
    if record.namespace.as_ref() != namespace {
        return Err("it belongs to another namespace".to_owned());
    }
    if !record.is_of(name) {
        return Err("it belongs to another data name".to_owned());
    }
    record.check()
}

/// Returns a refusal that says of which version.
pub(super) fn refused(record: &Record, index: u64, reason: &str) -> Refused {
    let start: String = record.data_name.chars().take(80).collect();
    Refused::new(index, &format!("version {} of `{start}`: {reason}", record.version))
}

const ROWS_OF_NAME: &str = "SELECT seq FROM catalog \
    WHERE namespace = ?1 AND type_normalized = ?2 AND model_id = ?3 AND data_name = ?4";

fn remove_old_versions(
    connection: &Connection,
    namespace: Option<&Namespace>,
    name: &Name,
    kept: &[i64],
) -> rusqlite::Result<u64> {
    let kept: HashSet<_> = kept.iter().collect();
    let mut statement = connection.prepare_cached(ROWS_OF_NAME)?;
    let key = params![slug(namespace), name.type_normalized, name.model_id, name.data_name];
    let all = statement.query_map(key, |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
    let old: Vec<_> = all.into_iter().filter(|seq| !kept.contains(seq)).collect();
    remove(connection, &old)
}

/// Removes the rows of `namespace` that are not in `kept`; returns how many.
pub(super) fn remove_others(
    connection: &Connection,
    namespace: Option<&Namespace>,
    kept: &HashSet<i64>,
) -> Result<u64, CatalogError> {
    let others = || {
        let mut statement = connection.prepare_cached("SELECT seq FROM catalog WHERE namespace = ?1")?;
        let all = statement.query_map((slug(namespace),), |row| row.get::<_, i64>(0))?;
        let others = all.filter(|seq| !seq.as_ref().is_ok_and(|seq| kept.contains(seq)));
        remove(connection, &others.collect::<rusqlite::Result<Vec<i64>>>()?)
    };
    others().map_err(failed(UPDATE))
}

/// Removes rows; returns how many.
pub(super) fn remove(connection: &Connection, rows: &[i64]) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached("DELETE FROM catalog WHERE seq = ?1")?;
    for seq in rows {
        statement.execute((seq,))?;
    }
    Ok(rows.len() as u64)
}
