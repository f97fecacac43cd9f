//! The file: opening, pragmas, tables and indexes.
//!
//! The catalog is derived from metadata files and exports. A file of another version is therefore emptied and a damaged
//! one moved aside; nothing is ever converted.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};
use tracing::{info, warn};

use super::error::{CatalogError, failed};
use crate::error::{Failure as _, Kind};
use crate::fsutil;

/// The version of the tables below; any other in a file means that it is made again.
const SCHEMA_VERSION: i64 = 2;

/// How long a process waits while another one writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The page cache of one connection, in KiB: a rebuild of a million rows spills into the journal with much less.
const CACHE_KIBIBYTES: i64 = 64 * 1024;

/// The page cache of a connection that only reads, in KiB: enough for models that were filled side by side and share pages
/// to be listed one after the other. A scan would fill a greater one with pages it never sees again.
const READER_CACHE_KIBIBYTES: i64 = 4 * 1024;

/// The size to which the journal shrinks after a large transaction, in bytes.
const JOURNAL_BYTES: i64 = 64 * 1024 * 1024;

/// How often opening is tried while other processes are opening the same new file.
const OPEN_ATTEMPTS_MAX: u32 = 5;

/// Room for every statement of this module, so that none is parsed twice.
const STATEMENTS_MAX: usize = 64;

/// The 23 columns in the order of the export; a macro, so that statements are constants.
macro_rules! columns {
    () => {
        "namespace, type_normalized, model_id, data_name, id, version, is_latest, model_name, spec_name, data_type, \
         content_type, lifetime, owner_type, streaming, size, created_at, tags, owner_ref, workflow_run_id, \
         workflow_name, job_name, step_name, source"
    };
}
pub(super) use columns;

/// `is_newest`: 1 for the highest version of a data name, whichever step wrote it. Path-based commands mean that one.
///
/// `seq` is given at the first insert and kept by every update: the order of all iteration. STRICT and NOT NULL
/// throughout, because pushed-down predicates rely on it.
const TABLES: &str = "
CREATE TABLE catalog (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    namespace TEXT NOT NULL,
    type_normalized TEXT NOT NULL,
    model_id TEXT NOT NULL,
    data_name TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1),
    is_latest INTEGER NOT NULL CHECK (is_latest IN (0, 1)),
    model_name TEXT NOT NULL,
    spec_name TEXT NOT NULL,
    data_type TEXT NOT NULL,
    content_type TEXT NOT NULL,
    lifetime TEXT NOT NULL,
    owner_type TEXT NOT NULL,
    streaming INTEGER NOT NULL CHECK (streaming IN (0, 1)),
    size INTEGER NOT NULL CHECK (size >= 0),
    created_at TEXT NOT NULL,
    tags TEXT NOT NULL,
    owner_ref TEXT NOT NULL,
    workflow_run_id TEXT NOT NULL,
    workflow_name TEXT NOT NULL,
    job_name TEXT NOT NULL,
    step_name TEXT NOT NULL,
    source TEXT NOT NULL,
    is_newest INTEGER NOT NULL CHECK (is_newest IN (0, 1)),
    UNIQUE (namespace, type_normalized, model_id, data_name, version)
) STRICT;
CREATE INDEX catalog_by_namespace ON catalog (namespace);
CREATE INDEX catalog_by_model_name ON catalog (model_name);
CREATE INDEX catalog_by_data_name ON catalog (data_name);
CREATE INDEX catalog_by_artifact ON catalog (model_name, data_name);
CREATE INDEX catalog_by_run ON catalog (workflow_run_id);
CREATE INDEX latest_by_step ON catalog (namespace, type_normalized, model_id, data_name, step_name) WHERE is_latest = 1;
CREATE INDEX newest_by_name ON catalog (namespace, type_normalized, model_id, data_name) WHERE is_newest = 1;
CREATE INDEX newest_by_model_name ON catalog (namespace, model_name, type_normalized, model_id, data_name)
    WHERE is_newest = 1;
CREATE INDEX newest_by_model_id ON catalog (namespace, model_id, type_normalized) WHERE is_newest = 1;
CREATE INDEX newest_by_time ON catalog (created_at) WHERE is_newest = 1;
CREATE INDEX newest_by_namespace_time ON catalog (namespace, created_at) WHERE is_newest = 1;

CREATE TABLE catalog_tag (
    seq INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (seq, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX catalog_tag_by_value ON catalog_tag (key, value, seq);
CREATE TRIGGER catalog_tag_follows AFTER DELETE ON catalog BEGIN
    DELETE FROM catalog_tag WHERE seq = OLD.seq;
END;

CREATE TABLE own (
    namespace TEXT NOT NULL PRIMARY KEY,
    complete INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    exported_generation INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE scan (
    namespace TEXT NOT NULL,
    type_normalized TEXT NOT NULL,
    model_id TEXT NOT NULL,
    data_name TEXT NOT NULL,
    mtime_ns INTEGER NOT NULL,
    PRIMARY KEY (namespace, type_normalized, model_id, data_name)
) STRICT, WITHOUT ROWID;

CREATE TABLE foreign_pull (
    namespace TEXT NOT NULL PRIMARY KEY,
    etag TEXT,
    last_synced TEXT NOT NULL,
    row_count INTEGER NOT NULL,
    refused_count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Opens the file at `path` for writing, making or remaking it as needed.
pub(super) fn open(path: &Path) -> Result<Connection, CatalogError> {
    if let Some(parent) = path.parent() {
        fsutil::create_directory(parent)?;
    }
    match open_migrated(path) {
        Err(error) if error.kind() == Kind::Corrupt => {}
        other => return other,
    }
    // Another process may have replaced the file since: a second look keeps us from moving its new one aside.
    match open_migrated(path) {
        Err(error) if error.kind() == Kind::Corrupt => {
            warn!(path = %path.display(), error = %error, cause = ?error, "catalog is damaged and made again");
            set_aside(path)?;
            open_migrated(path)
        }
        other => other,
    }
}

/// Opens one more connection to a file that [`open`] has prepared, on which nothing can be written.
pub(super) fn open_reader(path: &Path) -> Result<Connection, CatalogError> {
    let connection = connect(path).map_err(failed("open"))?;
    connection.pragma_update(None, "query_only", true).map_err(failed("open"))?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIBIBYTES).map_err(failed("open"))?;
    Ok(connection)
}

fn open_migrated(path: &Path) -> Result<Connection, CatalogError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        match connect(path).and_then(migrate) {
            Ok(connection) => return Ok(connection),
            // Switching a new file to WAL does not wait for locks; a transaction in `migrate` does, so no sleep is due.
            Err(error) if is_busy(&error) && attempts < OPEN_ATTEMPTS_MAX => {}
            Err(error) => return Err(failed("open")(error)),
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    matches!(error.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked))
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Otherwise a statement over a partial index is parsed again whenever its values change, which they always do.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // In WAL mode a power cut may lose the last commits but never damages the file, and lost rows are scanned again.
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "journal_size_limit", JOURNAL_BYTES)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIBIBYTES)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

fn migrate(mut connection: Connection) -> rusqlite::Result<Connection> {
    if version_of(&connection)? == SCHEMA_VERSION {
        return Ok(connection);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version_of(&transaction)?;
    // Another process may have been faster.
    if found != SCHEMA_VERSION {
        let old = tables_of(&transaction)?;
        if !old.is_empty() {
            info!(found, wanted = SCHEMA_VERSION, "catalog has another version and is made again");
        }
        for table in old {
            transaction.execute_batch(&format!("DROP TABLE \"{}\"", table.replace('"', "\"\"")))?;
        }
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    }
    transaction.commit()?;
    Ok(connection)
}

fn version_of(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn tables_of(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")?;
    let names = statement.query_map((), |row| row.get(0))?;
    names.collect()
}

/// Moves a damaged file to `….damaged`, for whoever wants to look, and deletes its journal.
fn set_aside(path: &Path) -> Result<(), CatalogError> {
    for suffix in ["-wal", "-shm"] {
        fsutil::remove_file(&with_suffix(path, suffix))?;
    }
    fsutil::rename(path, &with_suffix(path, ".damaged"))?;
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
