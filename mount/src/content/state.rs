//! Everything that is known and kept of contents, under one lock: objects, blocks, flights, failures and the budget.
//!
//! What is kept and what is on its way never cost more than the budget together. One flight at a time carries a block.
//! An object is known as long as something of it is open, kept or on its way, and everything of it is of one version.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::cache::{Cache, Key, Reader, weight};
use super::flight::Flight;
use super::layout::{Facts, Layout};
use crate::{Fetched, NodeId, TreeError};

/// How long a failure answers for the same block: a crowd that wants it asks the datastore once.
const FAILURE_AGE_MAX: Duration = Duration::from_secs(1);

/// Blocks on their way that nobody had asked for; the other threads are for those who wait.
const AHEAD_MAX: usize = 16;

/// How the memory for fetched content is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes kept or on their way.
    pub bytes: u64,
    /// What that never exceeds.
    pub bytes_max: u64,
    /// Pieces that were answered from memory.
    pub hits: u64,
    /// Pieces that were waited for.
    pub misses: u64,
    /// Requests to the tree.
    pub fetches: u64,
    /// Bytes that came of them.
    pub fetched_bytes: u64,
}

/// Why a block is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Somebody waits for it.
    Demand,
    /// Somebody may want it next.
    Ahead,
}

/// Where a block is.
#[derive(Debug)]
pub(super) enum Found {
    Kept(Bytes),
    /// Somebody has asked for it already.
    Joined(Arc<Flight>),
    /// The caller has to get it.
    Begun(Arc<Flight>),
    Failed(TreeError),
    /// It is only wanted ahead, and others come first.
    Skipped,
}

/// How a flight ended.
#[derive(Debug)]
pub(super) struct Landed<'a> {
    pub(super) flight: &'a Arc<Flight>,
    pub(super) purpose: Purpose,
    pub(super) reserved: u64,
    pub(super) result: Result<Fetched, TreeError>,
}

#[derive(Debug)]
pub(super) struct Object {
    pub(super) node: NodeId,
    pub(super) layout: Layout,
    pub(super) facts: Option<Facts>,
    hint: Option<u64>,
    opens: usize,
    kept: usize,
    flights: usize,
}

#[derive(Debug)]
pub(super) struct State {
    bytes_max: u64,
    reserved: u64,
    cache: Cache,
    objects: HashMap<u64, Object>,
    current: HashMap<NodeId, u64>,
    flights: HashMap<Key, Arc<Flight>>,
    failures: HashMap<(NodeId, u64), (TreeError, Duration)>,
    /// Those who wait for room, first come first served: else large blocks would wait for ever.
    pub(super) queue: VecDeque<u64>,
    /// Flights that were begun ahead.
    ahead: usize,
    serial: u64,
    pub(super) counts: Usage,
}

impl State {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            reserved: 0,
            cache: Cache::new(bytes_max),
            objects: HashMap::new(),
            current: HashMap::new(),
            flights: HashMap::new(),
            failures: HashMap::new(),
            queue: VecDeque::new(),
            ahead: 0,
            serial: 0,
            counts: Usage::default(),
        }
    }

    pub(super) fn usage(&self) -> Usage {
        Usage { bytes: self.cache.weight() + self.reserved, bytes_max: self.bytes_max, ..self.counts }
    }

    /// Returns what is on its way.
    #[cfg(test)]
    pub(super) fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Returns a number that was not given before.
    pub(super) fn serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// Returns the object of a node, which one more reader has open from now on.
    pub(super) fn open(&mut self, node: NodeId, size: Option<u64>) -> u64 {
        let known = self.current.get(&node).copied();
        let id = known.unwrap_or_else(|| self.serial());
        let bytes_max = self.bytes_max;
        let object = self.objects.entry(id).or_insert_with(|| Object {
            node,
            layout: Layout::choose(size, bytes_max),
            // What is listed as empty needs no request.
            facts: (size == Some(0)).then_some(Facts { size: 0, version: None }),
            hint: size,
            opens: 0,
            kept: 0,
            flights: 0,
        });
        object.opens += 1;
        self.current.insert(node, id);
        id
    }

    /// Takes note that a reader has closed an object.
    pub(super) fn close(&mut self, id: u64) {
        self.object_mut(id).opens -= 1;
        self.sweep(id);
    }

    /// Returns an object that is open or has a flight.
    pub(super) fn object(&self, id: u64) -> &Object {
        self.objects.get(&id).expect("open objects are known")
    }

    fn object_mut(&mut self, id: u64) -> &mut Object {
        self.objects.get_mut(&id).expect("open objects are known")
    }

    /// Says whether a block is kept.
    pub(super) fn keeps(&self, key: Key) -> bool {
        self.cache.contains(key)
    }

    /// Returns a block if it is kept.
    pub(super) fn kept(&mut self, key: Key, reader: Reader) -> Option<Bytes> {
        self.cache.get(key, reader)
    }

    /// Looks for a block, and begins a flight if nobody has.
    pub(super) fn find(&mut self, key: Key, reader: Reader, purpose: Purpose, now: Duration) -> Found {
        if let Some(bytes) = self.cache.get(key, reader) {
            return Found::Kept(bytes);
        }
        if let Some(flight) = self.flights.get(&key) {
            if purpose == Purpose::Demand {
                flight.await_it();
            }
            return Found::Joined(Arc::clone(flight));
        }
        if let Some(&(error, at)) = self.failures.get(&(self.object(key.0).node, key.1))
            && now.saturating_sub(at) < FAILURE_AGE_MAX
        {
            return Found::Failed(error);
        }
        let flight = Arc::new(Flight::default());
        match purpose {
            Purpose::Demand => flight.await_it(),
            Purpose::Ahead if self.ahead >= AHEAD_MAX || !self.queue.is_empty() => return Found::Skipped,
            Purpose::Ahead => self.ahead += 1,
        }
        self.flights.insert(key, Arc::clone(&flight));
        self.object_mut(key.0).flights += 1;
        Found::Begun(flight)
    }

    /// Gives a flight up that found no room, unless somebody waits for it; from then on nobody can join it.
    pub(super) fn abandon(&mut self, key: Key, flight: &Flight) -> bool {
        let is_unwanted = !flight.is_awaited();
        if is_unwanted {
            self.flights.remove(&key);
        }
        is_unwanted
    }

    /// Returns what to reserve for a block: at most everything, so that what is larger than the budget comes alone.
    pub(super) fn cost(&self, key: Key) -> u64 {
        let object = self.object(key.0);
        let size = object.facts.as_ref().map(|facts| facts.size).or(object.hint);
        weight(object.layout.length_of(key.1, size)).min(self.bytes_max)
    }

    /// Makes room for a block on its way, giving up kept ones; false if others on their way take it.
    ///
    /// Only a thread that fetches at once may hold a reservation: if jobs in the queue of the pool had some, all threads
    /// could wait for them.
    pub(super) fn reserve(&mut self, cost: u64) -> bool {
        if self.reserved + cost > self.bytes_max {
            return false;
        }
        self.make_room(cost);
        self.reserved += cost;
        true
    }

    /// Takes in what came of a flight and gives its reservation back; returns what to tell those who wait.
    pub(super) fn land(&mut self, key: Key, reader: Reader, landed: Landed<'_>) -> Result<Bytes, TreeError> {
        let Landed { flight, purpose, reserved, result } = landed;
        self.reserved -= reserved;
        if purpose == Purpose::Ahead {
            self.ahead -= 1;
        }
        if self.flights.get(&key).is_some_and(|current| Arc::ptr_eq(current, flight)) {
            self.flights.remove(&key);
        }
        let result = result.and_then(|fetched| self.accept(key, reader, fetched));
        if result == Err(TreeError::Stale) {
            // Who opens it from now on begins with whatever version there is then.
            let node = self.object(key.0).node;
            if self.current.get(&node) == Some(&key.0) {
                self.current.remove(&node);
            }
        }
        self.object_mut(key.0).flights -= 1;
        self.sweep(key.0);
        result
    }

    /// Remembers a failure for a moment. What is stale is not remembered: the next open is of something else.
    pub(super) fn remember(&mut self, node: NodeId, block: u64, error: TreeError, now: Duration) {
        self.failures.retain(|_, (_, at)| now.saturating_sub(*at) < FAILURE_AGE_MAX);
        if error != TreeError::Stale {
            self.failures.insert((node, block), (error, now));
        }
    }

    fn accept(&mut self, key: Key, reader: Reader, fetched: Fetched) -> Result<Bytes, TreeError> {
        let object = self.object_mut(key.0);
        object.layout.check(key.1, object.facts.as_ref(), &fetched)?;
        self.counts.fetched_bytes += fetched.bytes.len() as u64;
        let object = self.object_mut(key.0);
        object.facts = Some(Facts { size: fetched.size, version: fetched.version });
        let cost = weight(fetched.bytes.len() as u64);
        if self.reserved + cost <= self.bytes_max {
            self.make_room(cost);
            self.cache.insert(key, fetched.bytes.clone(), reader);
            self.object_mut(key.0).kept += 1;
        }
        Ok(fetched.bytes)
    }

    fn make_room(&mut self, cost: u64) {
        while self.cache.weight() + self.reserved + cost > self.bytes_max {
            let Some(key) = self.cache.evict() else { return };
            self.object_mut(key.0).kept -= 1;
            self.sweep(key.0);
        }
    }

    /// Forgets an object that nothing is left of, and blocks that nobody can ask for any more.
    fn sweep(&mut self, id: u64) {
        let Some(object) = self.objects.get(&id) else { return };
        if object.opens > 0 || object.flights > 0 {
            return;
        }
        let node = object.node;
        let is_current = self.current.get(&node) == Some(&id);
        if object.kept > 0 && is_current {
            return;
        }
        for key in self.cache.of(id) {
            self.cache.remove(key);
        }
        self.objects.remove(&id);
        if is_current {
            self.current.remove(&node);
        }
    }
}
