//! The same query written by hand: a process that opens the catalog, runs one statement and prints its first column.

use std::io::{BufWriter, Write as _, stdout};
use std::path::Path;
use std::process::ExitCode;

use rusqlite::{Connection, OpenFlags};

/// The page cache that `swamp` gives connections that only read, in KiB.
const CACHE_KIBIBYTES: i64 = 2 * 1024;

/// Runs it.
pub(crate) fn run(database: &Path, statement: &str) -> ExitCode {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("a catalog");
    connection.pragma_update(None, "cache_size", -CACHE_KIBIBYTES).expect("a size");
    connection.pragma_update(None, "temp_store", "memory").expect("a place");
    let mut statement = connection.prepare(statement).expect("SQL");
    let mut rows = statement.query(()).expect("a query");
    let mut output = BufWriter::new(stdout().lock());
    while let Some(row) = rows.next().expect("a readable catalog") {
        let text = row.get_ref(0).expect("a column").as_str().expect("a text");
        output.write_all(text.as_bytes()).and_then(|()| output.write_all(b"\n")).expect("somebody reads");
    }
    output.flush().expect("somebody reads");
    ExitCode::SUCCESS
}
