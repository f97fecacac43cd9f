//! What is being done at the moment and for how long: so that what never ends is noticed.
//!
//! Time counts only while somebody looks at the table now and then: a process that was stopped or frozen has not been slow.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;

/// What the time between two looks counts at most, however long it was.
const LOOK_MAX: Duration = Duration::from_secs(2);

/// The operations that were begun and have not been answered.
#[derive(Debug)]
pub(crate) struct InFlight {
    clock: Clock,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    slots: Vec<Option<Operation>>,
    free: Vec<usize>,
    /// The time that counts, and what the clock showed when it was taken.
    counted: Duration,
    looked: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Operation {
    name: &'static str,
    /// In time that counts.
    since: Duration,
    is_dispatching: bool,
    is_reported: bool,
}

/// An operation that takes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slow {
    pub(crate) operation: &'static str,
    pub(crate) age: Duration,
}

/// Ends the operation when it is dropped, which is right after the answer.
#[derive(Debug)]
pub(crate) struct Token {
    in_flight: Arc<InFlight>,
    slot: usize,
}

impl InFlight {
    /// Returns an empty table.
    pub(crate) fn new() -> Arc<Self> {
        Self::with_clock(Clock::system())
    }

    pub(super) fn with_clock(clock: Clock) -> Arc<Self> {
        let looked = clock.now();
        Arc::new(Self { clock, table: Mutex::new(Table { looked, ..Table::default() }) })
    }

    /// Begins an operation on a thread that takes the kernel's requests.
    pub(crate) fn begin(self: &Arc<Self>, name: &'static str) -> Token {
        let mut table = self.lock();
        let since = table.counted;
        let operation = Some(Operation { name, since, is_dispatching: true, is_reported: false });
        let slot = if let Some(slot) = table.free.pop() {
            table.slots[slot] = operation;
            slot
        } else {
            table.slots.push(operation);
            table.slots.len() - 1
        };
        drop(table);
        Token { in_flight: Arc::clone(self), slot }
    }

    /// Counts the time since the last look.
    pub(crate) fn look(&self) {
        let now = self.clock.now();
        let mut table = self.lock();
        let passed = now.saturating_sub(table.looked);
        table.counted += passed.min(LOOK_MAX);
        table.looked = now;
    }

    /// Returns the operations older than `age` that were not returned before.
    pub(crate) fn newly_slow(&self, age: Duration) -> Vec<Slow> {
        let mut table = self.lock();
        let counted = table.counted;
        let mut slow = Vec::new();
        for operation in table.slots.iter_mut().flatten() {
            let own_age = counted.saturating_sub(operation.since);
            if own_age > age && !operation.is_reported {
                operation.is_reported = true;
                slow.push(Slow { operation: operation.name, age: own_age });
            }
        }
        slow
    }

    /// Returns the oldest operation older than `age` that keeps a thread from taking the kernel's requests.
    pub(crate) fn stuck(&self, age: Duration) -> Option<Slow> {
        let table = self.lock();
        let dispatching = table.slots.iter().flatten().filter(|operation| operation.is_dispatching);
        dispatching
            .map(|operation| Slow { operation: operation.name, age: table.counted.saturating_sub(operation.since) })
            .filter(|slow| slow.age > age)
            .max_by_key(|slow| slow.age)
    }

    // A slot is one assignment, so a poisoned lock is as good.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Token {
    /// Takes note that another thread does it from now on, where it keeps nobody else waiting.
    pub(crate) fn hand_over(&self) {
        let mut table = self.in_flight.lock();
        if let Some(operation) = &mut table.slots[self.slot] {
            operation.is_dispatching = false;
        }
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        let mut table = self.in_flight.lock();
        table.slots[self.slot] = None;
        table.free.push(self.slot);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn table() -> (Arc<InFlight>, impl Fn(u64)) {
        let seconds = Arc::new(AtomicU64::new(0));
        let shown = Arc::clone(&seconds);
        let clock = Clock::reading(move || Duration::from_secs(shown.load(Ordering::SeqCst)));
        let table = InFlight::with_clock(clock);
        let looked_at = Arc::clone(&table);
        let pass = move |passing: u64| {
            for _ in 0..passing {
                seconds.fetch_add(1, Ordering::SeqCst);
                looked_at.look();
            }
        };
        (table, pass)
    }

    #[test]
    fn what_takes_long_is_told_once() {
        let (table, pass) = table();
        let _slow = table.begin("read");
        pass(10);
        let _young = table.begin("open");
        pass(1);

        let told = [table.newly_slow(Duration::from_secs(5)), table.newly_slow(Duration::from_secs(5))];

        assert_eq!(told, [vec![Slow { operation: "read", age: Duration::from_secs(11) }], vec![]]);
    }

    #[test]
    fn only_what_keeps_others_waiting_is_stuck() {
        let (table, pass) = table();
        let handed_over = table.begin("fsync");
        handed_over.hand_over();
        drop(table.begin("lookup"));
        let dispatching = table.begin("getattr");
        pass(61);

        let stuck = table.stuck(Duration::from_mins(1));
        drop(dispatching);

        assert_eq!(stuck, Some(Slow { operation: "getattr", age: Duration::from_secs(61) }));
        assert_eq!(table.stuck(Duration::from_mins(1)), None);
    }

    #[test]
    fn time_in_which_nobody_looked_makes_nothing_stuck() {
        let seconds = Arc::new(AtomicU64::new(0));
        let shown = Arc::clone(&seconds);
        let table = InFlight::with_clock(Clock::reading(move || Duration::from_secs(shown.load(Ordering::SeqCst))));
        let _waiting = table.begin("lookup");

        seconds.store(3_600, Ordering::SeqCst);
        table.look();

        assert_eq!(table.stuck(Duration::from_mins(1)), None);
        assert_eq!(table.newly_slow(Duration::from_secs(5)), vec![]);
    }

    #[test]
    fn places_are_used_again() {
        let (table, _) = table();
        for _ in 0..1_000 {
            drop((table.begin("read"), table.begin("write")));
        }

        assert_eq!(table.lock().slots.len(), 2);
    }
}
