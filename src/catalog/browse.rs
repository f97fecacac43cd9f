//! What a file system asks: the next names of a directory, one row by its `seq`, what is newest.
//!
//! Everything is a handful of index look-ups on one snapshot, whatever the size of the catalog, and pages go on after a
//! name, not a position, so that rows may come and go between two of them.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

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
    /// A digest of everything else that the row has from the version's metadata; none in lists, which it would slow.
    pub digest: Option<u64>,
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

macro_rules! whole_leaf {
    ($rest:literal) => {
        leaf!(
            ", spec_name, data_type, lifetime, owner_type, tags, owner_ref, workflow_run_id, workflow_name, job_name, \
             step_name, source",
            $rest
        )
    };
}

/// Where the columns of a whole leaf begin that are not read but digested.
const DIGESTED: usize = 12;

const BY_SEQ: &str = whole_leaf!(" FROM catalog WHERE seq = ?1");

const VERSION: &str = whole_leaf!(
    " FROM catalog WHERE namespace = ?1 AND type_normalized = ?2 AND model_id = ?3 AND data_name = ?4
     AND version = ?5"
);

const VERSIONS: &str = leaf!(
    " FROM catalog WHERE namespace = ?1 AND type_normalized = ?2 AND model_id = ?3 AND data_name = ?4
     AND version > ?5 ORDER BY version LIMIT ?6"
);

const OLDEST: &str = "SELECT seq FROM catalog WHERE namespace = ?1 AND type_normalized = ?2 AND model_id = ?3
    AND data_name = ?4 ORDER BY version LIMIT 1";

const NAMES: &str = leaf!(
    " FROM catalog INDEXED BY newest_by_name WHERE namespace = ?1 AND type_normalized = ?2 AND model_id = ?3
     AND is_newest = 1 AND data_name > ?4 ORDER BY data_name LIMIT ?5"
);

const NAME: &str = leaf!(
    " FROM catalog INDEXED BY newest_by_name WHERE namespace = ?1 AND type_normalized = ?2 AND model_id = ?3
     AND data_name = ?4 AND is_newest = 1"
);

const NEXT_TYPE: &str = "SELECT type_normalized FROM catalog INDEXED BY newest_by_name
    WHERE namespace = ?1 AND is_newest = 1 AND type_normalized >= ?2 ORDER BY type_normalized LIMIT 1";

const NEXT_MODEL: &str = "SELECT model_id FROM catalog INDEXED BY newest_by_name
    WHERE namespace = ?1 AND type_normalized = ?2 AND is_newest = 1 AND model_id > ?3 ORDER BY model_id LIMIT 1";

const HAS_MODEL: &str = "SELECT 1 FROM catalog INDEXED BY newest_by_name
    WHERE namespace = ?1 AND type_normalized = ?2 AND model_id = ?3 AND is_newest = 1 LIMIT 1";

macro_rules! next_named_model {
    ($after:literal) => {
        concat!(
            "SELECT model_name, type_normalized, model_id FROM catalog INDEXED BY newest_by_model_name
             WHERE namespace = ?1 AND is_newest = 1 AND ",
            $after,
            " ORDER BY model_name, type_normalized, model_id LIMIT 1"
        )
    };
}

// A comparison of three columns at once would use the index for the first only, and look at every artifact of a model.
const NEXT_NAMED_MODEL: &str = next_named_model!("model_name > ?2");

const NEXT_OF_NAME: &str = next_named_model!("model_name = ?2 AND type_normalized > ?3");

const NEXT_OF_NAME_AND_TYPE: &str = next_named_model!("model_name = ?2 AND type_normalized = ?3 AND model_id > ?4");

const NAMES_OF_NAMED_MODEL: &str = leaf!(
    " FROM catalog INDEXED BY newest_by_model_name WHERE namespace = ?1 AND model_name = ?2 AND type_normalized = ?3
     AND model_id = ?4 AND is_newest = 1 AND data_name > ?5 ORDER BY data_name LIMIT ?6"
);

const NAME_OF_NAMED_MODEL: &str = leaf!(
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
            // Prepared statements of our own: those of a transaction object are parsed every time.
            let run = |sql| connection.prepare_cached(sql)?.execute(()).map(drop);
            run("BEGIN").map_err(failed(BROWSE))?;
            let outcome = work(&Browser { connection });
            run("COMMIT").map_err(failed(BROWSE))?;
            Ok(outcome)
        })?
    }
}

impl Browser<'_> {
    /// Returns the row at a place in the order.
    pub fn row(&self, seq: u64) -> Result<Option<Leaf>, CatalogError> {
        self.one(BY_SEQ, (signed(seq),), whole_leaf)
    }

    /// Returns one version of an artifact.
    pub fn version(&self, namespace: &str, name: &Name, version: u64) -> Result<Option<Leaf>, CatalogError> {
        let Name { type_normalized, model_id, data_name } = name;
        self.one(VERSION, params![namespace, type_normalized, model_id, data_name, signed(version)], whole_leaf)
    }

    /// Returns the versions of an artifact that are higher than `after`, ascending.
    pub fn versions(&self, namespace: &str, name: &Name, after: u64, limit: usize) -> Result<Vec<Leaf>, CatalogError> {
        let Name { type_normalized, model_id, data_name } = name;
        let key = params![namespace, type_normalized, model_id, data_name, signed(after), limit_of(limit)];
        self.all(VERSIONS, key, leaf)
    }

    /// Returns the newest version of an artifact.
    pub fn newest(&self, namespace: &str, name: &Name) -> Result<Option<Leaf>, CatalogError> {
        let Name { type_normalized, model_id, data_name } = name;
        self.one(NAME, params![namespace, type_normalized, model_id, data_name], leaf)
    }

    /// Returns the `seq` of the oldest version of an artifact: it stays the same while versions are added.
    pub fn oldest_seq(&self, namespace: &str, name: &Name) -> Result<Option<u64>, CatalogError> {
        let Name { type_normalized, model_id, data_name } = name;
        let key = params![namespace, type_normalized, model_id, data_name];
        self.one(OLDEST, key, |row| unsigned(row, 0))
    }

    /// Returns the newest versions of the artifacts of a model whose names sort after `after`.
    pub fn names(
        &self,
        namespace: &str,
        (type_normalized, model_id): (&str, &str),
        after: &str,
        limit: usize,
    ) -> Result<Vec<Leaf>, CatalogError> {
        self.all(NAMES, params![namespace, type_normalized, model_id, after, limit_of(limit)], leaf)
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
        let NamedModel { name, type_normalized, id } = after;
        let found = self.one(NEXT_OF_NAME_AND_TYPE, params![namespace, name, type_normalized, id], named_model)?;
        if found.is_some() {
            return Ok(found);
        }
        let found = self.one(NEXT_OF_NAME, params![namespace, name, type_normalized], named_model)?;
        if found.is_some() {
            return Ok(found);
        }
        self.one(NEXT_NAMED_MODEL, params![namespace, name], named_model)
    }

    /// Returns the newest versions of the artifacts of a named model whose names sort after `after`.
    pub fn names_of(
        &self,
        namespace: &str,
        model: &NamedModel,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Leaf>, CatalogError> {
        let NamedModel { name, type_normalized, id } = model;
        let key = params![namespace, name, type_normalized, id, after, limit_of(limit)];
        self.all(NAMES_OF_NAMED_MODEL, key, leaf)
    }

    /// Returns the newest version of one artifact of a named model.
    pub fn name_of(&self, namespace: &str, model: &NamedModel, data_name: &str) -> Result<Option<Leaf>, CatalogError> {
        let NamedModel { name, type_normalized, id } = model;
        self.one(NAME_OF_NAMED_MODEL, params![namespace, name, type_normalized, id, data_name], leaf)
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

fn named_model(row: &Row<'_>) -> rusqlite::Result<NamedModel> {
    Ok(NamedModel { name: row.get(0)?, type_normalized: row.get(1)?, id: row.get(2)? })
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
        digest: None,
    })
}

fn whole_leaf(row: &Row<'_>) -> rusqlite::Result<Leaf> {
    // Without a random key: the digest is the same in the next process.
    let mut hasher = DefaultHasher::new();
    for index in DIGESTED..row.as_ref().column_count() {
        row.get_ref(index)?.as_bytes()?.hash(&mut hasher);
    }
    Ok(Leaf { digest: Some(hasher.finish()), ..leaf(row)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_is_answered_by_an_index_in_the_wanted_order() {
        let directory = tempfile::tempdir().expect("a directory");
        let catalog = Catalog::open(&directory.path().join("catalog.db")).expect("a catalog");

        for sql in [
            BY_SEQ,
            VERSION,
            VERSIONS,
            NAMES,
            NAME,
            OLDEST,
            NEXT_TYPE,
            NEXT_MODEL,
            HAS_MODEL,
            NEXT_NAMED_MODEL,
            NEXT_OF_NAME,
            NEXT_OF_NAME_AND_TYPE,
            NAMES_OF_NAMED_MODEL,
            NAME_OF_NAMED_MODEL,
            HAS_NAME_OF_NAMED_MODEL,
            NEWEST_TIME,
            FOREIGN,
            NEXT_FOREIGN,
        ] {
            let plan = catalog.read(BROWSE, |connection| {
                let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
                let parameters = vec![1; statement.parameter_count()];
                let steps = statement.query_map(rusqlite::params_from_iter(parameters), |row| row.get(3))?;
                steps.collect::<rusqlite::Result<Vec<String>>>()
            });
            let plan = plan.expect("a plan").join("; ");
            assert!(
                plan.contains("SEARCH") && !plan.contains("SCAN") && !plan.contains("TEMP B-TREE"),
                "{sql}: {plan}"
            );
        }
    }
}
