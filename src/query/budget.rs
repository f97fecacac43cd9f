//! What one expression may cost, and how it is stopped.
//!
//! The interpreter has no limits of its own. Its functions are plain `fn` pointers without state, so the budget belongs
//! to the thread that evaluates. Loops pay for each element, what copies, reads or builds texts and lists for their length,
//! each before it starts; a spent budget makes every further payment fail, also those of loops for going on, so that an
//! evaluation ends soon.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cel::ExecutionError;

use super::error::QueryError;

/// The most steps of one evaluation of an expression; tests spend it often.
pub(super) const STEPS_MAX: u64 = if cfg!(test) { 250_000 } else { 5_000_000 };

/// Asks a running query to stop.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Asks it to stop.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns whether it was asked to stop.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

thread_local! {
    static STEPS_LEFT: Cell<u64> = const { Cell::new(STEPS_MAX) };
    static INTERRUPT: RefCell<Interrupt> = RefCell::default();
}

/// Makes `interrupt` stop what this thread evaluates from here on.
pub(super) fn listen_to(interrupt: &Interrupt) {
    INTERRUPT.with_borrow_mut(|current| *current = interrupt.clone());
}

/// Returns what stops this thread.
pub(super) fn interrupt() -> Interrupt {
    INTERRUPT.with_borrow(Clone::clone)
}

/// Runs one evaluation with a budget of its own.
pub(super) fn limited<T>(work: impl FnOnce() -> T) -> Result<T, QueryError> {
    let outer = STEPS_LEFT.replace(STEPS_MAX);
    let outcome = work();
    let left = STEPS_LEFT.replace(outer);
    if INTERRUPT.with_borrow(Interrupt::is_raised) {
        Err(QueryError::Interrupted)
    } else if left == 0 {
        Err(QueryError::Exhausted { limit: STEPS_MAX })
    } else {
        Ok(outcome)
    }
}

/// Pays for steps; it is an error if none are left, also with nothing to pay.
pub(super) fn pay(steps: usize) -> Result<(), ExecutionError> {
    let left = STEPS_LEFT.get().saturating_sub(steps as u64);
    let is_interrupted = INTERRUPT.with_borrow(Interrupt::is_raised);
    STEPS_LEFT.set(if is_interrupted { 0 } else { left });
    if left == 0 || is_interrupted {
        return Err(ExecutionError::InternalError("the expression takes too many steps".to_owned()));
    }
    Ok(())
}
