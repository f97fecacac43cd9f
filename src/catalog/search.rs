//! `data search`: artifacts by simple filters, newest first.
//!
//! Like the listings, it looks at the newest version of each name.

use rusqlite::{Connection, params_from_iter};

use super::Catalog;
use super::error::CatalogError;
use super::row::Record;
use super::schema::columns;
use super::stored::{record, slug, unsigned};
use crate::clock::Timestamp;
use crate::namespace::Namespace;

/// Where to search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Every namespace.
    #[default]
    All,
    /// One namespace, or solo.
    One(Option<Namespace>),
}

/// What to search for; all that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Where.
    pub scope: Scope,
    /// A part of the data name, in either case.
    pub query: Option<String>,
    /// The tag `type`.
    pub data_type: Option<String>,
    /// The lifetime.
    pub lifetime: Option<String>,
    /// What kind of thing owns it.
    pub owner_type: Option<String>,
    /// The workflow that made it.
    pub workflow: Option<String>,
    /// The name or id of its model; artifacts that do not say their model's name are found too.
    pub model: Option<String>,
    /// The media type.
    pub content_type: Option<String>,
    /// Not older than this.
    pub since: Option<Timestamp>,
    /// The workflow run that made it.
    pub run: Option<String>,
    /// Tags it has, with these values.
    pub tags: Vec<(String, String)>,
    /// Whether it is streaming, `None` for both.
    pub streaming: Option<bool>,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hits {
    /// The newest of them, newest first.
    pub records: Vec<Record>,
    /// How many there are in all.
    pub total: u64,
}

impl Catalog {
    /// Returns at most `limit` artifacts that match, and how many there are.
    pub fn search(&self, filter: &Filter, limit: u64) -> Result<Hits, CatalogError> {
        let (condition, values) = condition(filter);
        if let Some(part) = filter.query.as_deref().filter(|part| !part.is_ascii()) {
            return self.read("search", |connection| folded(connection, part, (&condition, &values), limit));
        }
        self.read("search", |connection| {
            let sql = format!("SELECT count(*) FROM catalog WHERE {condition}");
            let total =
                connection.prepare_cached(&sql)?.query_row(params_from_iter(&values), |row| unsigned(row, 0))?;
            let list = columns!();
            let limit = limit.min(i64::MAX as u64);
            let sql = format!(
                "SELECT {list} FROM catalog WHERE {condition} ORDER BY created_at DESC, seq DESC LIMIT {limit}"
            );
            let mut statement = connection.prepare(&sql)?;
            let records = statement.query_map(params_from_iter(&values), record)?.collect::<Result<_, _>>()?;
            Ok(Hits { records, total })
        })
    }
}

impl Catalog {
    /// Returns at most `limit` keys of tags, in order; the index is asked once for each.
    pub fn tag_keys(&self, limit: usize) -> Result<Vec<String>, CatalogError> {
        self.read("tag keys", |connection| {
            let mut next: Option<String> =
                connection.query_row("SELECT min(key) FROM catalog_tag", (), |row| row.get(0))?;
            let mut following = connection.prepare_cached("SELECT min(key) FROM catalog_tag WHERE key > ?")?;
            let mut keys = Vec::new();
            while let Some(key) = next.filter(|_| keys.len() < limit) {
                next = following.query_row((&key,), |row| row.get(0))?;
                keys.push(key);
            }
            Ok(keys)
        })
    }
}

/// Returns what matches a condition and has a part in its name, in either case of any letter.
fn folded(
    connection: &Connection,
    part: &str,
    (condition, values): (&str, &[String]),
    limit: u64,
) -> rusqlite::Result<Hits> {
    let part = part.to_lowercase();
    let list = columns!();
    let sql = format!("SELECT {list} FROM catalog WHERE {condition} ORDER BY created_at DESC, seq DESC");
    let mut statement = connection.prepare(&sql)?;
    let mut hits = Hits { records: Vec::new(), total: 0 };
    for record in statement.query_map(params_from_iter(values), record)? {
        let record = record?;
        if record.data_name.to_lowercase().contains(&part) {
            hits.total += 1;
            if hits.total <= limit {
                hits.records.push(record);
            }
        }
    }
    Ok(hits)
}

/// Returns the filter as SQL, values apart.
fn condition(filter: &Filter) -> (String, Vec<String>) {
    let mut sql = "is_newest = 1".to_owned();
    let mut values = Vec::new();
    let mut require = |condition: &str, wanted: &[&str]| {
        sql.push_str(" AND ");
        sql.push_str(condition);
        values.extend(wanted.iter().map(|value| (*value).to_owned()));
    };
    if let Scope::One(namespace) = &filter.scope {
        require("namespace = ?", &[slug(namespace.as_ref())]);
    }
    // SQLite knows the cases of ASCII letters only.
    let ascii = if filter.query.as_ref().is_some_and(|part| !part.is_ascii()) { &None } else { &filter.query };
    let equals = [
        ("data_type = ?", &filter.data_type),
        ("lifetime = ?", &filter.lifetime),
        ("owner_type = ?", &filter.owner_type),
        ("workflow_name = ?", &filter.workflow),
        ("content_type = ?", &filter.content_type),
        ("workflow_run_id = ?", &filter.run),
        ("instr(lower(data_name), lower(?)) > 0", ascii),
    ];
    for (condition, wanted) in equals {
        if let Some(wanted) = wanted {
            require(condition, &[wanted]);
        }
    }
    if let Some(model) = &filter.model {
        require(OF_MODEL, &[model, model]);
    }
    if let Some(since) = filter.since {
        require("created_at >= ?", &[&since.to_string()]);
    }
    for (key, value) in &filter.tags {
        require("EXISTS (SELECT 1 FROM catalog_tag WHERE seq = catalog.seq AND key = ? AND value = ?)", &[key, value]);
    }
    if let Some(streaming) = filter.streaming {
        sql.push_str(if streaming { " AND streaming = 1" } else { " AND streaming = 0" });
    }
    (sql, values)
}

/// Reports and the like do not carry the name of their model, so the name stands for the model's id.
const OF_MODEL: &str = "(model_id = ? OR (namespace, type_normalized, model_id) IN (
    SELECT namespace, type_normalized, model_id FROM catalog WHERE model_name = ? AND is_newest = 1))";
