//! What a file system asks: the next names of a directory, one row by its `seq`, what is newest.
//!
//! Everything is a handful of index look-ups on one snapshot, whatever the size of the catalog, and pages go on after a
//! name, not a position, so that rows may come and go between two of them.

use rusqlite::{Connection, OptionalExtension as _, Params, Row, params};

use super::Catalog;
use super::error::{CatalogError, failed};
use super::row::Name;
use super::stored::{signed, timestamp, unsigned};
use crate::clock::Timestamp;

const BROWSE: &str = "browse";

/// What a file system shows of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The row's place in the order, which it keeps while it exists.
    pub seq: u64,
    /// The namespace's slug, `""` in solo mode.
    pub namespace: String,
    /// Which artifact.
    pub name: Name,
    /// Which version.
    pub version: u64,
    /// The id in the version's metadata.
    pub id: String,
    /// The tag `modelName`, or empty.
    pub model_name: String,
    /// The media type of the content.
    pub content_type: String,
    /// Whether content is appended to it.
    pub streaming: bool,
    /// Length of the content in bytes, 0 where unknown.
    pub size: u64,
    /// When the version was made.
    pub created_at: Timestamp,
}

/// A data name with its newest version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newest {
    /// The newest version.
    pub leaf: Leaf,
    /// The `seq` of the oldest version: what stays the same while versions are added.
    pub oldest_seq: u64,
}

/// A model as the newest versions of its artifacts name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedModel {
    /// Its name, or empty.
    pub name: String,
    /// The model type as a path.
    pub type_normalized: String,
    /// The model's id.
    pub id: String,
}

/// One snapshot of the catalog.
#[derive(Debug)]
pub struct Browser<'a> {
    connection: &'a Connection,
}

macro_rules! leaf {
    ($($rest:literal),*) => {
        concat!(
            "SELECT seq, namespace, type_normalized, model_id, data_name, version, id, model_name, content_type, \
             streaming, size, created_at",
            $($rest),*
        )
    };
}

/// How many columns a leaf has.
const LEAF_COLUMNS: usize = 12;

/// The oldest version of the artifact of a row of `catalog`.
macro_rules! oldest {
    () => {
        ", (SELECT oldest.seq FROM catalog AS oldest WHERE oldest.namespace = catalog.namespace
            AND oldest.type_normalized = catalog.type_normalized AND oldest.model_id = catalog.model_id
            AND oldest.data_name = catalog.data_name ORDER BY oldest.version LIMIT 1)"
    };
}

const BY_SEQ: &str = leaf!(" FROM catalog WHERE seq = ?1");

const VERSION: &str = leaf!(
    " FROM catalog WHERE namespace = ?1 AND type_normalized = ?2 AND model_id = ?3 AND data_name = ?4
     AND version = ?5"
);

const VERSIONS: &str = leaf!(
    " FROM catalog WHERE namespace = ?1 AND type_normalized = ?2 AND model_id = ?3 AND data_name = ?4
     AND version > ?5 ORDER BY version LIMIT ?6"
);

const NAMES: &str = concat!(
    leaf!(),
    oldest!(),
    " FROM catalog INDEXED BY newest_by_name WHERE namespace = ?1 AND type_normalized = ?2 AND model_id = ?3
     AND is_newest = 1 AND data_name > ?4 ORDER BY data_name LIMIT ?5"
);

const NAME: &str = concat!(
    leaf!(),
    oldest!(),
    " FROM catalog INDEXED BY newest_by_name WHERE namespace = ?1 AND type_normalized = ?2 AND model_id = ?3
     AND data_name = ?4 AND is_newest = 1"
);

const NEXT_TYPE: &str = "SELECT type_normalized FROM catalog INDEXED BY newest_by_name
    WHERE namespace = ?1 AND is_newest = 1 AND type_normalized >= ?2 ORDER BY type_normalized LIMIT 1";

const NEXT_MODEL: &str = "SELECT model_id FROM catalog INDEXED BY newest_by_name
    WHERE namespace = ?1 AND type_normalized = ?2 AND is_newest = 1 AND model_id > ?3 ORDER BY model_id LIMIT 1";

const HAS_MODEL: &str = "SELECT 1 FROM catalog INDEXED BY newest_by_name
    WHERE namespace = ?1 AND type_normalized = ?2 AND model_id = ?3 AND is_newest = 1 LIMIT 1";

const NEXT_NAMED_MODEL: &str = "SELECT model_name, type_normalized, model_id FROM catalog
    INDEXED BY newest_by_model_name
    WHERE namespace = ?1 AND is_newest = 1 AND (model_name, type_normalized, model_id) > (?2, ?3, ?4)
    ORDER BY model_name, type_normalized, model_id LIMIT 1";

const NAMES_OF_NAMED_MODEL: &str = concat!(
    leaf!(),
    oldest!(),
    " FROM catalog INDEXED BY newest_by_model_name WHERE namespace = ?1 AND model_name = ?2 AND type_normalized = ?3
     AND model_id = ?4 AND is_newest = 1 AND data_name > ?5 ORDER BY data_name LIMIT ?6"
);

const NAME_OF_NAMED_MODEL: &str = concat!(
    leaf!(),
    oldest!(),
    " FROM catalog INDEXED BY newest_by_model_name WHERE namespace = ?1 AND model_name = ?2 AND type_normalized = ?3
     AND model_id = ?4 AND data_name = ?5 AND is_newest = 1"
);

const HAS_NAME_OF_NAMED_MODEL: &str = "SELECT 1 FROM catalog INDEXED BY newest_by_model_name
    WHERE namespace = ?1 AND model_name = ?2 AND type_normalized = ?3 AND model_id = ?4 AND data_name = ?5
    AND is_newest = 1";

const NEWEST_TIME: &str = "SELECT created_at FROM catalog INDEXED BY newest_by_namespace_time
    WHERE namespace = ?1 AND is_newest = 1 ORDER BY created_at DESC LIMIT 1";

const FOREIGN: &str = "SELECT namespace, last_synced FROM foreign_pull WHERE namespace = ?1";

const NEXT_FOREIGN: &str =
    "SELECT namespace, last_synced FROM foreign_pull WHERE namespace > ?1 ORDER BY namespace LIMIT 1";

impl Catalog {
    /// Runs `work` on one snapshot of the catalog, beside any writer.
    pub fn browse<T, E: From<CatalogError>>(&self, work: impl FnOnce(&Browser<'_>) -> Result<T, E>) -> Result<T, E> {
        self.with_reader(|connection| {
            let transaction = connection.unchecked_transaction().map_err(failed(BROWSE))?;
            let outcome = work(&Browser { connection });
            transaction.finish().map_err(failed(BROWSE))?;
            Ok(outcome)
        })?
    }
}

impl Browser<'_> {
    /// Returns the row at a place in the order.
    pub fn row(&self, seq: u64) -> Result<Option<Leaf>, CatalogError> {
        self.one(BY_SEQ, (signed(seq),), leaf)
    }

    /// Returns one version of an artifact.
    pub fn version(&self, namespace: &str, name: &Name, version: u64) -> Result<Option<Leaf>, CatalogError> {
        let Name { type_normalized, model_id, data_name } = name;
        self.one(VERSION, params![namespace, type_normalized, model_id, data_name, signed(version)], leaf)
    }

    /// Returns the versions of an artifact that are higher than `after`, ascending.
    pub fn versions(&self, namespace: &str, name: &Name, after: u64, limit: usize) -> Result<Vec<Leaf>, CatalogError> {
        let Name { type_normalized, model_id, data_name } = name;
        let key = params![namespace, type_normalized, model_id, data_name, signed(after), limit_of(limit)];
        self.all(VERSIONS, key, leaf)
    }

    /// Returns an artifact with its newest version.
    pub fn newest(&self, namespace: &str, name: &Name) -> Result<Option<Newest>, CatalogError> {
        let Name { type_normalized, model_id, data_name } = name;
        self.one(NAME, params![namespace, type_normalized, model_id, data_name], newest)
    }

    /// Returns the artifacts of a model whose names sort after `after`.
    pub fn names(
        &self,
        namespace: &str,
        (type_normalized, model_id): (&str, &str),
        after: &str,
        limit: usize,
    ) -> Result<Vec<Newest>, CatalogError> {
        self.all(NAMES, params![namespace, type_normalized, model_id, after, limit_of(limit)], newest)
    }

    /// Returns the first type that does not sort before `from`.
    pub fn next_type(&self, namespace: &str, from: &str) -> Result<Option<String>, CatalogError> {
        self.one(NEXT_TYPE, params![namespace, from], |row| row.get(0))
    }

    /// Returns the first model of a type whose id sorts after `after`.
    pub fn next_model(
        &self,
        namespace: &str,
        type_normalized: &str,
        after: &str,
    ) -> Result<Option<String>, CatalogError> {
        self.one(NEXT_MODEL, params![namespace, type_normalized, after], |row| row.get(0))
    }

    /// Whether a model has artifacts.
    pub fn has_model(&self, namespace: &str, type_normalized: &str, model_id: &str) -> Result<bool, CatalogError> {
        let found = self.one(HAS_MODEL, params![namespace, type_normalized, model_id], |_| Ok(()))?;
        Ok(found.is_some())
    }

    /// Returns the first named model that sorts after another.
    pub fn next_named_model(&self, namespace: &str, after: &NamedModel) -> Result<Option<NamedModel>, CatalogError> {
        let key = params![namespace, after.name, after.type_normalized, after.id];
        self.one(NEXT_NAMED_MODEL, key, |row| {
            Ok(NamedModel { name: row.get(0)?, type_normalized: row.get(1)?, id: row.get(2)? })
        })
    }

    /// Returns the artifacts of a named model whose names sort after `after`.
    pub fn names_of(
        &self,
        namespace: &str,
        model: &NamedModel,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Newest>, CatalogError> {
        let NamedModel { name, type_normalized, id } = model;
        let key = params![namespace, name, type_normalized, id, after, limit_of(limit)];
        self.all(NAMES_OF_NAMED_MODEL, key, newest)
    }

    /// Returns one artifact of a named model.
    pub fn name_of(
        &self,
        namespace: &str,
        model: &NamedModel,
        data_name: &str,
    ) -> Result<Option<Newest>, CatalogError> {
        let NamedModel { name, type_normalized, id } = model;
        self.one(NAME_OF_NAMED_MODEL, params![namespace, name, type_normalized, id, data_name], newest)
    }

    /// Whether a named model has an artifact.
    pub fn has_name_of(&self, namespace: &str, model: &NamedModel, data_name: &str) -> Result<bool, CatalogError> {
        let NamedModel { name, type_normalized, id } = model;
        let key = params![namespace, name, type_normalized, id, data_name];
        Ok(self.one(HAS_NAME_OF_NAMED_MODEL, key, |_| Ok(()))?.is_some())
    }

    /// Returns when the most recent artifact of a namespace was made.
    pub fn newest_time(&self, namespace: &str) -> Result<Option<Timestamp>, CatalogError> {
        self.one(NEWEST_TIME, (namespace,), |row| timestamp(row, 0))
    }

    /// Returns when a foreign namespace was last asked for, `None` if it never was.
    pub fn foreign(&self, namespace: &str) -> Result<Option<Timestamp>, CatalogError> {
        self.one(FOREIGN, (namespace,), |row| timestamp(row, 1))
    }

    /// Returns the first foreign namespace that sorts after another, and when it was last asked for.
    pub fn next_foreign(&self, after: &str) -> Result<Option<(String, Timestamp)>, CatalogError> {
        self.one(NEXT_FOREIGN, (after,), |row| Ok((row.get(0)?, timestamp(row, 1)?)))
    }

    fn one<T>(
        &self,
        sql: &str,
        key: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, CatalogError> {
        let run = || self.connection.prepare_cached(sql)?.query_row(key, read).optional();
        run().map_err(failed(BROWSE))
    }

    fn all<T>(
        &self,
        sql: &str,
        key: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, CatalogError> {
        let run = || self.connection.prepare_cached(sql)?.query_map(key, read)?.collect::<rusqlite::Result<Vec<T>>>();
        run().map_err(failed(BROWSE))
    }
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn leaf(row: &Row<'_>) -> rusqlite::Result<Leaf> {
    Ok(Leaf {
        seq: unsigned(row, 0)?,
        namespace: row.get(1)?,
        name: super::stored::name(row, 2)?,
        version: unsigned(row, 5)?,
        id: row.get(6)?,
        model_name: row.get(7)?,
        content_type: row.get(8)?,
        streaming: row.get(9)?,
        size: unsigned(row, 10)?,
        created_at: timestamp(row, 11)?,
    })
}

fn newest(row: &Row<'_>) -> rusqlite::Result<Newest> {
    Ok(Newest { leaf: leaf(row)?, oldest_seq: unsigned(row, LEAF_COLUMNS)? })
}
