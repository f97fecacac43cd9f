//! A stack that is big enough for every expression the limits let through.
//!
//! The parser and the interpreter recurse; an overflowing stack would abort the process.

use std::panic::resume_unwind;
use std::thread;

use super::error::QueryError;

/// The stack expressions are parsed and evaluated on: address space, of which only what is used is memory.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// Runs `work` on a thread of its own with a big stack.
pub(super) fn on_big_stack<T: Send>(work: impl FnOnce() -> Result<T, QueryError> + Send) -> Result<T, QueryError> {
    thread::scope(|scope| {
        let worker = thread::Builder::new()
            .name("query".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, work)
            .map_err(|source| QueryError::Thread { source })?;
        worker.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}
