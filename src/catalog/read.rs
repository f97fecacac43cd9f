//! What listings ask: which models there are, which artifacts a model has, which versions an artifact has.
//!
//! Artifacts are meant as path-based commands mean them: by their newest version, whichever step wrote it. All of this
//! is answered by indexes.

use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::Catalog;
use super::error::CatalogError;
use super::row::{Name, Record};
use super::schema::columns;
use super::stored::{namespace, record, signed, slug, unsigned};
use crate::namespace::Namespace;

const READ: &str = "read";

/// A model, as its artifacts tell of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The model type as a path.
    pub type_normalized: String,
    /// The model's id.
    pub id: String,
    /// Its name, as the most recent artifact that says one has it; empty where none does (workflow reports).
    pub name: String,
}

/// What a model reference means within a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// No artifact is of such a model.
    Unknown,
    /// One model.
    Model(Model),
    /// Several models, by type and id.
    Ambiguous(Vec<Model>),
}

/// How much of one namespace the catalog holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// Which namespace, `None` in solo mode.
    pub namespace: Option<Namespace>,
    /// Versions.
    pub rows: u64,
    /// Data names.
    pub names: u64,
}

impl Catalog {
    /// Returns what `reference` means: a model of exactly that name, otherwise one of exactly that id.
    pub fn resolve_model(&self, namespace: Option<&Namespace>, reference: &str) -> Result<Resolution, CatalogError> {
        self.read(READ, |connection| {
            let mut found = models_by(connection, BY_MODEL_NAME, namespace, reference)?;
            if found.is_empty() {
                found = models_by(connection, BY_MODEL_ID, namespace, reference)?;
            }
            Ok(match found.pop() {
                None => Resolution::Unknown,
                Some(model) if found.is_empty() => Resolution::Model(model),
                Some(model) => {
                    found.push(model);
                    Resolution::Ambiguous(found)
                }
            })
        })
    }

    /// Returns every model of a namespace, by type and id.
    pub fn models(&self, namespace: Option<&Namespace>) -> Result<Vec<Model>, CatalogError> {
        self.read(READ, |connection| {
            // SQLite takes the other columns from the row that has the maximum.
            let mut statement = connection.prepare_cached(
                "SELECT type_normalized, model_id, model_name,
                    max(CASE model_name WHEN '' THEN '' ELSE created_at END)
                 FROM catalog WHERE namespace = ?1 AND is_newest = 1
                 GROUP BY type_normalized, model_id ORDER BY type_normalized, model_id",
            )?;
            let models = statement.query_map((slug(namespace),), |row| {
                Ok(Model { type_normalized: row.get(0)?, id: row.get(1)?, name: row.get(2)? })
            })?;
            models.collect()
        })
    }

    /// Returns the newest version of every artifact of a model, by name.
    pub fn artifacts(
        &self,
        namespace: Option<&Namespace>,
        type_normalized: &str,
        model_id: &str,
    ) -> Result<Vec<Record>, CatalogError> {
        let key = params![slug(namespace), type_normalized, model_id];
        self.records(ARTIFACTS, key)
    }

    /// Returns every version of an artifact, newest first.
    pub fn versions(&self, namespace: Option<&Namespace>, name: &Name) -> Result<Vec<Record>, CatalogError> {
        let key = params![slug(namespace), name.type_normalized, name.model_id, name.data_name];
        self.records(VERSIONS, key)
    }

    /// Returns one version of an artifact, the newest where `version` is `None`; `None` if there is no such row.
    pub fn find(
        &self,
        namespace: Option<&Namespace>,
        name: &Name,
        version: Option<u64>,
    ) -> Result<Option<Record>, CatalogError> {
        let Name { type_normalized, model_id, data_name } = name;
        let key = params![slug(namespace), type_normalized, model_id, data_name, version.map(signed)];
        self.read(READ, |connection| connection.prepare_cached(FIND)?.query_row(key, record).optional())
    }

    /// Returns the latest row that a model reference by name and a data name mean in queries, the most recently
    /// inserted of several steps.
    pub fn find_latest(
        &self,
        namespace: Option<&Namespace>,
        model_name: &str,
        data_name: &str,
    ) -> Result<Option<Record>, CatalogError> {
        let key = params![model_name, data_name, slug(namespace)];
        self.read(READ, |connection| connection.prepare_cached(FIND_LATEST)?.query_row(key, record).optional())
    }

    /// Returns how much of each namespace the catalog holds, by name.
    pub fn counts(&self) -> Result<Vec<Count>, CatalogError> {
        self.read(READ, |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT namespace, count(*), coalesce(names, 0) FROM catalog
                 LEFT JOIN (SELECT namespace, count(*) AS names FROM catalog WHERE is_newest = 1 GROUP BY namespace)
                 USING (namespace) GROUP BY namespace ORDER BY namespace",
            )?;
            statement.query_map((), count)?.collect()
        })
    }

    fn records(&self, sql: &str, key: &[&dyn ToSql]) -> Result<Vec<Record>, CatalogError> {
        self.read(READ, |connection| connection.prepare_cached(sql)?.query_map(key, record)?.collect())
    }
}

// The indexes are named where SQLite, which knows no sizes, would rather read a whole namespace in the wanted order.

const BY_MODEL_NAME: &str = "SELECT DISTINCT type_normalized, model_id FROM catalog INDEXED BY newest_by_model_name
    WHERE namespace = ?1 AND model_name = ?2 AND model_name <> '' AND is_newest = 1
    ORDER BY type_normalized, model_id";

const BY_MODEL_ID: &str = "SELECT DISTINCT type_normalized, model_id FROM catalog INDEXED BY newest_by_model_id
    WHERE namespace = ?1 AND model_id = ?2 AND is_newest = 1 ORDER BY type_normalized";

const NAME_OF_MODEL: &str = "SELECT model_name FROM catalog INDEXED BY newest_by_name
    WHERE namespace = ?1 AND type_normalized = ?2 AND model_id = ?3 AND is_newest = 1 AND model_name <> ''
    ORDER BY created_at DESC, seq DESC LIMIT 1";

const ARTIFACTS: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM catalog INDEXED BY newest_by_name \
     WHERE namespace = ?1 AND type_normalized = ?2 AND model_id = ?3 AND is_newest = 1 ORDER BY data_name"
);

const VERSIONS: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM catalog WHERE namespace = ?1 AND type_normalized = ?2 AND model_id = ?3 AND data_name = ?4 \
     ORDER BY version DESC"
);

const FIND: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM catalog WHERE namespace = ?1 AND type_normalized = ?2 AND model_id = ?3 AND data_name = ?4 \
     AND version = coalesce(?5, (SELECT max(version) FROM catalog \
        WHERE namespace = ?1 AND type_normalized = ?2 AND model_id = ?3 AND data_name = ?4))"
);

const FIND_LATEST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM catalog INDEXED BY catalog_by_artifact \
     WHERE model_name = ?1 AND data_name = ?2 AND namespace = ?3 AND is_latest = 1 \
     ORDER BY seq DESC LIMIT 1"
);

fn models_by(
    connection: &Connection,
    sql: &str,
    namespace: Option<&Namespace>,
    reference: &str,
) -> rusqlite::Result<Vec<Model>> {
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_map((slug(namespace), reference), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let found = found.collect::<rusqlite::Result<Vec<(String, String)>>>()?;
    let mut name_of = connection.prepare_cached(NAME_OF_MODEL)?;
    let models = found.into_iter().map(|(type_normalized, id)| {
        let key = params![slug(namespace), type_normalized, id];
        let name = name_of.query_row(key, |row| row.get(0)).optional()?.unwrap_or_default();
        Ok(Model { type_normalized, id, name })
    });
    models.collect()
}

fn count(row: &Row<'_>) -> rusqlite::Result<Count> {
    Ok(Count { namespace: namespace(row, 0)?, rows: unsigned(row, 1)?, names: unsigned(row, 2)? })
}
