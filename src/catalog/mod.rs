//! The catalog: a local SQLite table of the artifact versions of all namespaces, from which queries and listings answer.
//!
//! Rows are the 23 columns of formats.md 6.1. Those of our own namespace come from metadata files, those of others from
//! their pulled exports, so everything here can be made again and a damaged file is.
//!
//! - A version that is a tombstone (renamed or deleted) is never a row, and a name whose newest version is a tombstone
//!   has no rows at all, whether the catalog was written through or rebuilt (trap T26).
//! - `is_latest` of own rows is the highest version per (type, model, name, step); of foreign rows it is what their
//!   export says. `is_newest` is ours alone: the highest version of the name, whichever step wrote it.
//! - Rows are iterated by `seq`, which a row gets when it is first inserted and keeps while it exists.
//! - Only a complete catalog is exported (trap T10); completeness is set by [`Catalog::replace_all`] alone.
//! - Every change of own rows raises the namespace's generation in the same transaction.
//!
//! Several processes and threads may use one file: writers take turns, readers see the last commit and wait for nobody.

mod browse;
mod codec;
mod elements;
mod error;
mod export;
mod foreign;
mod own;
mod parse;
mod read;
mod row;
mod schema;
mod search;
mod select;
mod stored;
mod tagged;
mod upsert;
mod write;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use browse::{Browser, Leaf, NamedModel};
pub use error::{CatalogError, Source};
pub use export::{Exported, Withheld};
pub use foreign::{ForeignState, Pulled};
pub use own::ScanMark;
pub use parse::{EXPORT_BYTES_MAX, EXPORT_ROWS_MAX, ExportRow, ExportRows, ROW_BYTES_MAX, parse_export};
pub use read::{Count, Model, Resolution};
pub use row::{INTEGER_MAX, Name, Record, Refusals, Refused, TAGS_BYTES_MAX, TEXT_BYTES_MAX, Tags};
pub use search::{Filter, Hits, Scope};
pub use select::{Column, Order, Parameter, Selected, Selection, TAG_EQUALS, TAG_EXISTS, TAG_VALUE};
pub use tagged::{Statement, Tagged, Tagging};
pub use upsert::Upserted;
pub use write::{Applied, NameScan, Scanned};

use crate::fsutil::FileError;
use error::failed;

/// How many idle read connections are kept for the next reader.
const READERS_IDLE_MAX: usize = 4;

/// An open catalog file.
#[derive(Debug)]
pub struct Catalog {
    path: PathBuf,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
}

impl Catalog {
    /// Opens the file at `path`, making it and its directory where they are missing.
    ///
    /// A file of another version is emptied, a damaged one moved aside, both with a message in the log; every namespace
    /// is then incomplete.
    pub fn open(path: &Path) -> Result<Self, CatalogError> {
        let writer = schema::open(path).map_err(|error| unwritable(path).map_or(error, CatalogError::File))?;
        Ok(Self { path: path.to_owned(), writer: Mutex::new(writer), readers: Mutex::new(Vec::new()) })
    }

    /// Returns where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` on a connection that cannot write, beside any writer.
    fn read<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, CatalogError> {
        self.with_reader(|connection| work(connection).map_err(failed(operation)))
    }

    fn with_reader<T>(&self, work: impl FnOnce(&Connection) -> Result<T, CatalogError>) -> Result<T, CatalogError> {
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => schema::open_reader(&self.path)?,
        };
        let outcome = work(&connection);
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if outcome.is_ok() && readers.len() < READERS_IDLE_MAX {
            readers.push(connection);
        }
        outcome
    }

    /// Runs `work` in one transaction that waits for other writers; an error undoes all of it.
    fn write<T, E: From<CatalogError>>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed(operation))?;
        let outcome = work(&transaction)?;
        transaction.commit().map_err(failed(operation))?;
        Ok(outcome)
    }
}

/// Returns why a file cannot be opened for writing: SQLite says neither which nor why.
fn unwritable(path: &Path) -> Option<FileError> {
    let opened = File::options().create(true).truncate(false).write(true).open(path);
    opened.err().map(FileError::at("open", path))
}

#[cfg(test)]
mod tests;
