//! Fetched content in memory: never on disk, never more than its budget, and fetched once however many want it.
//!
//! Small objects are fetched as a whole, large ones in blocks of the version that the first block was of, ahead of
//! whoever reads from front to back. What is served is as long as it must be and of one version per open. Fetching is
//! done by threads of our own, so that everybody can wait with a deadline and nobody's leaving concerns the others.

mod cache;
mod flight;
mod layout;
mod readahead;
mod state;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use self::cache::{Key, Reader};
use self::flight::Flight;
use self::layout::Layout;
use self::readahead::Readahead;
use self::state::{Found, Landed, Purpose, State};
use crate::clock::Clock;
use crate::pool::Pool;
use crate::{Fetched, NodeId, Tree, TreeError};

pub use self::state::Usage;

/// Requests to the tree at the same time.
const FETCHES_MAX: usize = 32;

/// The contents of a tree's remote files.
pub(crate) struct Contents {
    tree: Arc<dyn Tree>,
    bytes_max: u64,
    deadline: Duration,
    clock: Clock,
    pool: Pool,
    state: Mutex<State>,
    room: Condvar,
}

impl Contents {
    /// Returns contents of which at most `bytes_max` bytes are in memory; nobody waits longer than the deadline.
    pub(crate) fn new(tree: Arc<dyn Tree>, bytes_max: u64, deadline: Duration) -> Arc<Self> {
        Self::with_clock(tree, bytes_max, deadline, Clock::system())
    }

    fn with_clock(tree: Arc<dyn Tree>, bytes_max: u64, deadline: Duration, clock: Clock) -> Arc<Self> {
        let state = Mutex::new(State::new(bytes_max));
        let pool = Pool::new("fetch", FETCHES_MAX);
        Arc::new(Self { tree, bytes_max, deadline, clock, pool, state, room: Condvar::new() })
    }

    /// Opens a remote file of the size that is listed, if one is; asks for nothing yet.
    pub(crate) fn open(self: &Arc<Self>, node: NodeId, size: Option<u64>) -> Remote {
        let mut state = self.lock();
        let (object, reader) = (state.open(node, size), state.serial());
        let layout = state.object(object).layout;
        drop(state);
        let readahead = Mutex::new(Readahead::default());
        Remote(Arc::new(Handle { contents: Arc::clone(self), object, reader, layout, readahead }))
    }

    /// Returns how the memory is used.
    pub(crate) fn usage(&self) -> Usage {
        self.lock().usage()
    }

    // Every change of the state is complete before anything in it could panic, so a poisoned lock is as good.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets a flight going on a thread of the pool, or on this one if that has no place for it.
    fn launch(&self, landing: Landing) {
        if let Some(job) = self.pool.take(Box::new(move || landing.fly())) {
            job();
        }
    }

    /// Waits until a block may be on its way, and returns what was reserved for it.
    fn wait_for_room(&self, key: Key, flight: &Flight) -> Result<u64, TreeError> {
        let mut state = self.lock();
        let cost = state.cost(key);
        if state.queue.is_empty() && state.reserve(cost) {
            return Ok(cost);
        }
        if state.abandon(key, flight) {
            return Err(TreeError::Input);
        }
        let ticket = state.serial();
        state.queue.push_back(ticket);
        let (mut state, timeout) = self
            .room
            .wait_timeout_while(state, self.deadline, |state| {
                state.queue.front() != Some(&ticket) || !state.reserve(cost)
            })
            .unwrap_or_else(PoisonError::into_inner);
        state.queue.retain(|waiting| *waiting != ticket);
        drop(state);
        self.room.notify_all();
        if timeout.timed_out() { Err(TreeError::TimedOut) } else { Ok(cost) }
    }
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contents").field("usage", &self.usage()).finish_non_exhaustive()
    }
}

/// A remote file that is open. Clones are the same open.
#[derive(Clone)]
pub(crate) struct Remote(Arc<Handle>);

struct Handle {
    contents: Arc<Contents>,
    object: u64,
    reader: Reader,
    layout: Layout,
    readahead: Mutex<Readahead>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.contents.lock().close(self.object);
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("object", &self.0.object).field("layout", &self.0.layout).finish_non_exhaustive()
    }
}

impl Remote {
    /// Waits for all of a small file, for the beginning of a large one, and returns the true size.
    pub(crate) fn prepare(&self) -> Result<u64, TreeError> {
        if let Some(0) = self.size() {
            return Ok(0);
        }
        let deadline = self.0.deadline();
        self.0.block(0, deadline)?;
        self.size().ok_or(TreeError::Input)
    }

    /// Says whether [`Remote::prepare`] would not wait.
    pub(crate) fn is_ready(&self) -> bool {
        let state = self.0.contents.lock();
        let facts = state.object(self.0.object).facts.as_ref();
        facts.is_some_and(|facts| facts.size == 0 || state.keeps((self.0.object, 0)))
    }

    /// Returns the true size, once anything of the file has been fetched.
    pub(crate) fn size(&self) -> Option<u64> {
        self.0.contents.lock().object(self.0.object).facts.as_ref().map(|facts| facts.size)
    }

    /// Returns bytes if all of them are in memory; fewer than asked for only at the end of the file. Never waits.
    pub(crate) fn read_now(&self, offset: u64, length: usize) -> Option<Bytes> {
        let handle = &*self.0;
        let mut state = handle.contents.lock();
        let size = state.object(handle.object).facts.as_ref()?.size;
        let Some(wanted) = clamp(offset, length, size) else { return Some(Bytes::new()) };
        let blocks = handle.layout.blocks_of(&wanted);
        if !blocks.clone().all(|block| state.keeps((handle.object, block))) {
            return None;
        }
        let pieces: Vec<Bytes> = blocks.filter_map(|block| state.kept((handle.object, block), handle.reader)).collect();
        state.counts.hits += pieces.len() as u64;
        drop(state);
        handle.read_ahead(&wanted, size);
        Some(handle.join(&wanted, &pieces))
    }

    /// Returns bytes, fewer than asked for only at the end of the file; waits for those that are not in memory.
    pub(crate) fn read(&self, offset: u64, length: usize) -> Result<Bytes, TreeError> {
        let handle = &*self.0;
        let deadline = handle.deadline();
        // Until something has come nothing says how long the file is and of which version, so the first comes alone.
        let first = match self.size() {
            Some(_) => None,
            None => Some((0, handle.block(0, deadline)?)),
        };
        let size = self.size().ok_or(TreeError::Input)?;
        let Some(wanted) = clamp(offset, length, size) else { return Ok(Bytes::new()) };
        let blocks = handle.layout.blocks_of(&wanted);
        let found: Vec<Waiting> = blocks
            .map(|block| match &first {
                Some((number, bytes)) if *number == block => Waiting::Here(bytes.clone()),
                _ => handle.want(block),
            })
            .collect();
        handle.read_ahead(&wanted, size);
        let pieces = found.into_iter().map(|piece| handle.wait(piece, deadline)).collect::<Result<Vec<_>, _>>()?;
        Ok(handle.join(&wanted, &pieces))
    }
}

/// A block that is there, or on its way, or not to be had.
enum Waiting {
    Here(Bytes),
    Flying(Arc<Flight>),
    Failed(TreeError),
}

impl Handle {
    fn deadline(&self) -> Duration {
        self.contents.clock.now().saturating_add(self.contents.deadline)
    }

    fn block(&self, block: u64, deadline: Duration) -> Result<Bytes, TreeError> {
        self.wait(self.want(block), deadline)
    }

    fn wait(&self, waiting: Waiting, deadline: Duration) -> Result<Bytes, TreeError> {
        match waiting {
            Waiting::Here(bytes) => Ok(bytes),
            Waiting::Failed(error) => Err(error),
            Waiting::Flying(flight) => flight.wait(deadline.saturating_sub(self.contents.clock.now())),
        }
    }

    /// Sees to it that a block is there or comes.
    fn want(&self, block: u64) -> Waiting {
        let key = (self.object, block);
        let now = self.contents.clock.now();
        let mut state = self.contents.lock();
        let found = state.find(key, self.reader, Purpose::Demand, now);
        match found {
            Found::Kept(_) => state.counts.hits += 1,
            Found::Joined(_) | Found::Begun(_) | Found::Failed(_) | Found::Skipped => state.counts.misses += 1,
        }
        drop(state);
        match found {
            Found::Kept(bytes) => Waiting::Here(bytes),
            Found::Joined(flight) => Waiting::Flying(flight),
            Found::Failed(error) => Waiting::Failed(error),
            Found::Begun(flight) => {
                self.contents.launch(self.landing(key, Purpose::Demand, &flight));
                Waiting::Flying(flight)
            }
            Found::Skipped => Waiting::Failed(TreeError::Input),
        }
    }

    fn landing(&self, key: Key, purpose: Purpose, flight: &Arc<Flight>) -> Landing {
        Landing {
            contents: Arc::clone(&self.contents),
            key,
            reader: self.reader,
            purpose,
            flight: Arc::clone(flight),
            reserved: 0,
            result: Some(Err(TreeError::Input)),
        }
    }

    fn read_ahead(&self, read: &Range<u64>, size: u64) {
        let Layout::Blocks(block_bytes) = self.layout else { return };
        let mut readahead = self.readahead.lock().unwrap_or_else(PoisonError::into_inner);
        let next = readahead.next(read, block_bytes, self.contents.bytes_max);
        drop(readahead);
        let now = self.contents.clock.now();
        for block in next.start..next.end.min(size.div_ceil(block_bytes)) {
            let key = (self.object, block);
            let mut state = self.contents.lock();
            if state.keeps(key) {
                continue;
            }
            let found = state.find(key, self.reader, Purpose::Ahead, now);
            drop(state);
            match found {
                Found::Begun(flight) => {
                    let landing = self.landing(key, Purpose::Ahead, &flight);
                    self.contents.pool.run(Box::new(move || landing.fly()));
                }
                Found::Kept(_) | Found::Joined(_) | Found::Failed(_) => {}
                Found::Skipped => return,
            }
        }
    }

    /// Cuts the wanted bytes out of the pieces that hold them.
    fn join(&self, wanted: &Range<u64>, pieces: &[Bytes]) -> Bytes {
        let start = self.layout.start_of(self.layout.block_of(wanted.start));
        let within = |position: u64| usize::try_from(position - start).unwrap_or(usize::MAX);
        let (from, to) = (within(wanted.start), within(wanted.end));
        if let [piece] = pieces {
            return piece.slice(from.min(piece.len())..to.min(piece.len()));
        }
        let mut joined = BytesMut::with_capacity(to - from);
        let mut position = 0;
        for piece in pieces {
            let end = position + piece.len();
            let (from, to) = (from.clamp(position, end), to.clamp(position, end));
            joined.extend_from_slice(&piece[from - position..to - position]);
            position = end;
        }
        joined.freeze()
    }
}

/// Returns the part of a read that lies within a file, `None` if nothing does.
fn clamp(offset: u64, length: usize, size: u64) -> Option<Range<u64>> {
    let end = offset.saturating_add(length as u64).min(size);
    (offset < end).then_some(offset..end)
}

/// A flight that lands whatever happens: even if the tree panics, nobody waits for ever and no room is lost.
struct Landing {
    contents: Arc<Contents>,
    key: Key,
    reader: Reader,
    purpose: Purpose,
    flight: Arc<Flight>,
    reserved: u64,
    result: Option<Result<Fetched, TreeError>>,
}

impl Landing {
    fn fly(mut self) {
        let result = self.fetch();
        self.result = Some(result);
    }

    fn fetch(&mut self) -> Result<Fetched, TreeError> {
        self.reserved = self.contents.wait_for_room(self.key, &self.flight)?;
        let mut state = self.contents.lock();
        let object = state.object(self.key.0);
        let (node, part) = (object.node, object.layout.part(self.key.1, object.facts.as_ref()));
        state.counts.fetches += 1;
        drop(state);
        self.contents.tree.fetch(node, &part)
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let now = self.contents.clock.now();
        let mut state = self.contents.lock();
        let node = state.object(self.key.0).node;
        let result = self.result.take().unwrap_or(Err(TreeError::Input));
        let landed = Landed { flight: &self.flight, purpose: self.purpose, reserved: self.reserved, result };
        let result = state.land(self.key, self.reader, landed);
        if let (Err(error), Purpose::Demand) = (&result, self.purpose) {
            state.remember(node, self.key.1, *error, now);
        }
        drop(state);
        self.flight.land(result);
        self.contents.room.notify_all();
    }
}
