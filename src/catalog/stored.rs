//! A record as a row of the table: binding, reading, and the one way to put it.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};

use super::row::{Name, Record, Tags};
use super::schema::columns;
use crate::clock::Timestamp;
use crate::namespace::Namespace;

/// How many columns an export has.
pub(super) const COLUMN_COUNT: usize = 23;

/// The place of `tags` among them.
const TAGS: usize = 16;

/// A row after its `seq` and `is_newest`, by its key.
const BY_KEY: &str = concat!(
    "SELECT seq, is_newest, ",
    columns!(),
    " FROM catalog \
     WHERE namespace = ?1 AND type_normalized = ?2 AND model_id = ?3 AND data_name = ?4 AND version = ?5"
);

const INSERT: &str = concat!(
    "INSERT INTO catalog (",
    columns!(),
    ", is_newest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
);

const UPDATE: &str = concat!(
    "UPDATE catalog SET (",
    columns!(),
    ", is_newest) = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE seq = ?"
);

/// What [`put`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Put {
    /// The row's place in the order.
    pub(super) seq: i64,
    /// What happened to it.
    pub(super) change: Change,
}

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Inserted,
    Updated,
    None,
}

/// What the catalog, not the record, says about a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    /// Whether it is the newest version of its step.
    pub(super) is_latest: bool,
    /// Whether it is the newest version of all, `None` to leave that as it is.
    pub(super) is_newest: Option<bool>,
}

/// Returns the slug, `""` in solo mode: what the column `namespace` holds.
pub(super) fn slug(namespace: Option<&Namespace>) -> &str {
    namespace.map_or("", Namespace::as_str)
}

/// Returns a checked number of a record as SQLite holds it.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Makes the row of `record` be what the record says; a row that is the same is left alone, an old one keeps its `seq`.
pub(super) fn put(connection: &Connection, record: &Record, marks: Marks) -> rusqlite::Result<Put> {
    let created_at = record.created_at.to_string();
    let tags = tags_text(&record.tags)?;
    let values = values(record, marks, &created_at, &tags);
    let key = values.iter().take(4).chain(values.get(5));

    let mut statement = connection.prepare_cached(BY_KEY)?;
    let found = statement
        .query_row(params_from_iter(key.map(|value| ToSqlOutput::Borrowed(*value))), |row| {
            let is_newest: bool = row.get(1)?;
            let wanted = marks.is_newest.unwrap_or(is_newest);
            let mut same = is_newest == wanted;
            for (index, value) in values.iter().enumerate() {
                same = same && row.get_ref(index + 2)? == *value;
            }
            let same_tags = row.get_ref(TAGS + 2)? == ValueRef::from(tags.as_str());
            Ok(Found { seq: row.get(0)?, is_newest: wanted, same, same_tags })
        })
        .optional()?;

    let bound = |is_newest: bool, seq: Option<i64>| {
        let last = [ValueRef::Integer(i64::from(is_newest))].into_iter().chain(seq.map(ValueRef::Integer));
        params_from_iter(values.into_iter().chain(last).map(ToSqlOutput::Borrowed))
    };
    match found {
        Some(Found { seq, same: true, .. }) => Ok(Put { seq, change: Change::None }),
        Some(Found { seq, is_newest, same_tags, .. }) => {
            connection.prepare_cached(UPDATE)?.execute(bound(is_newest, Some(seq)))?;
            if !same_tags {
                connection.prepare_cached("DELETE FROM catalog_tag WHERE seq = ?1")?.execute((seq,))?;
                put_tags(connection, seq, &record.tags)?;
            }
            Ok(Put { seq, change: Change::Updated })
        }
        None => {
            let is_newest = marks.is_newest.unwrap_or(false);
            let seq = connection.prepare_cached(INSERT)?.insert(bound(is_newest, None))?;
            put_tags(connection, seq, &record.tags)?;
            Ok(Put { seq, change: Change::Inserted })
        }
    }
}

struct Found {
    seq: i64,
    is_newest: bool,
    same: bool,
    same_tags: bool,
}

fn put_tags(connection: &Connection, seq: i64, tags: &Tags) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("INSERT INTO catalog_tag (seq, key, value) VALUES (?1, ?2, ?3)")?;
    for (key, value) in tags {
        statement.execute(params![seq, key, value])?;
    }
    Ok(())
}

fn tags_text(tags: &Tags) -> rusqlite::Result<String> {
    serde_json::to_string(tags).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn values<'a>(record: &'a Record, marks: Marks, created_at: &'a str, tags: &'a str) -> [ValueRef<'a>; COLUMN_COUNT] {
    let text = |text: &'a str| ValueRef::from(text);
    [
        text(slug(record.namespace.as_ref())),
        text(&record.type_normalized),
        text(&record.model_id),
        text(&record.data_name),
        text(&record.id),
        ValueRef::Integer(signed(record.version)),
        ValueRef::Integer(i64::from(marks.is_latest)),
        text(&record.model_name),
        text(&record.spec_name),
        text(&record.data_type),
        text(&record.content_type),
        text(&record.lifetime),
        text(&record.owner_type),
        ValueRef::Integer(i64::from(record.streaming)),
        ValueRef::Integer(signed(record.size)),
        text(created_at),
        text(tags),
        text(&record.owner_ref),
        text(&record.workflow_run_id),
        text(&record.workflow_name),
        text(&record.job_name),
        text(&record.step_name),
        text(&record.source),
    ]
}

/// Reads a record from a row whose columns are exactly those of `columns!`.
pub(super) fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        namespace: namespace(row, 0)?,
        type_normalized: row.get(1)?,
        model_id: row.get(2)?,
        data_name: row.get(3)?,
        id: row.get(4)?,
        version: unsigned(row, 5)?,
        is_latest: row.get(6)?,
        model_name: row.get(7)?,
        spec_name: row.get(8)?,
        data_type: row.get(9)?,
        content_type: row.get(10)?,
        lifetime: row.get(11)?,
        owner_type: row.get(12)?,
        streaming: row.get(13)?,
        size: unsigned(row, 14)?,
        created_at: timestamp(row, 15)?,
        tags: serde_json::from_str(row.get_ref(16)?.as_str()?).map_err(undecodable(16))?,
        owner_ref: row.get(17)?,
        workflow_run_id: row.get(18)?,
        workflow_name: row.get(19)?,
        job_name: row.get(20)?,
        step_name: row.get(21)?,
        source: row.get(22)?,
    })
}

/// Reads a data name from three columns, the first of which is `index`.
pub(super) fn name(row: &Row<'_>, index: usize) -> rusqlite::Result<Name> {
    Ok(Name { type_normalized: row.get(index)?, model_id: row.get(index + 1)?, data_name: row.get(index + 2)? })
}

/// Reads a namespace, `None` for `""`.
pub(super) fn namespace(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Namespace>> {
    match row.get_ref(index)?.as_str()? {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(undecodable(index)),
    }
}

/// Reads a number that is not negative.
pub(super) fn unsigned(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(index)?;
    u64::try_from(number).map_err(undecodable(index))
}

/// Reads a time.
pub(super) fn timestamp(row: &Row<'_>, index: usize) -> rusqlite::Result<Timestamp> {
    row.get_ref(index)?.as_str()?.parse().map_err(undecodable(index))
}

/// Returns a function that says which column does not decode.
pub(super) fn undecodable<E: std::error::Error + Send + Sync + 'static>(
    index: usize,
) -> impl FnOnce(E) -> rusqlite::Error {
    move |error| rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, Box::new(error))
}
