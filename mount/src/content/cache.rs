//! A least-recently-used list in two segments, so that reading everything once does not evict what is read often.
//!
//! What comes in is on probation; what a second reader asks for is protected, and falls back to probation when the
//! protected are too many. The lists know weights, not budgets: whoever inserts makes room first.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

/// What a kept block costs beside its bytes: its places in the maps.
const OVERHEAD_BYTES: u64 = 256;

/// Protected blocks may take this share of the budget: numerator and denominator.
const PROTECTED_SHARE: (u64, u64) = (4, 5);

/// An object and the number of a block of it.
pub(super) type Key = (u64, u64);

/// Who asks: one number per open.
pub(super) type Reader = u64;

/// Returns what a block of that length costs.
pub(super) fn weight(length: u64) -> u64 {
    length.saturating_add(OVERHEAD_BYTES)
}

/// Blocks, and the order in which they are given up.
#[derive(Debug)]
pub(super) struct Cache {
    entries: HashMap<Key, Entry>,
    probation: BTreeMap<u64, Key>,
    protected: BTreeMap<u64, Key>,
    protected_weight: u64,
    protected_weight_max: u64,
    weight: u64,
    turn: u64,
}

#[derive(Debug)]
struct Entry {
    bytes: Bytes,
    first: Reader,
    segment: Segment,
    turn: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Segment {
    Probation,
    Protected,
}

impl Cache {
    /// Returns an empty cache for a budget of so many bytes.
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            entries: HashMap::new(),
            probation: BTreeMap::new(),
            protected: BTreeMap::new(),
            protected_weight: 0,
            protected_weight_max: bytes_max / PROTECTED_SHARE.1 * PROTECTED_SHARE.0,
            weight: 0,
            turn: 0,
        }
    }

    /// Returns what everything kept costs together.
    pub(super) fn weight(&self) -> u64 {
        self.weight
    }

    /// Says whether a block is kept, without counting as use of it.
    pub(super) fn contains(&self, key: Key) -> bool {
        self.entries.contains_key(&key)
    }

    /// Returns a block, which becomes the last to be given up of its segment.
    pub(super) fn get(&mut self, key: Key, reader: Reader) -> Option<Bytes> {
        let entry = self.entries.get(&key)?;
        let bytes = entry.bytes.clone();
        let segment = if entry.first == reader { entry.segment } else { Segment::Protected };
        self.place(key, segment);
        while self.protected_weight > self.protected_weight_max {
            let (_, &oldest) = self.protected.first_key_value().expect("what has a weight has entries");
            self.place(oldest, Segment::Probation);
        }
        Some(bytes)
    }

    /// Keeps a block; `first` is whom it was fetched for.
    pub(super) fn insert(&mut self, key: Key, bytes: Bytes, first: Reader) {
        self.remove(key);
        self.turn += 1;
        self.weight += weight(bytes.len() as u64);
        self.probation.insert(self.turn, key);
        self.entries.insert(key, Entry { bytes, first, segment: Segment::Probation, turn: self.turn });
    }

    /// Gives up a block; true if it was kept.
    pub(super) fn remove(&mut self, key: Key) -> bool {
        let Some(entry) = self.entries.remove(&key) else { return false };
        self.unlink(entry.segment, entry.turn, weight(entry.bytes.len() as u64));
        self.weight -= weight(entry.bytes.len() as u64);
        true
    }

    /// Gives up the block that is missed least, and returns which that was.
    pub(super) fn evict(&mut self) -> Option<Key> {
        let (_, &key) = self.probation.first_key_value().or_else(|| self.protected.first_key_value())?;
        self.remove(key);
        Some(key)
    }

    /// Returns the blocks that are kept of an object.
    pub(super) fn of(&self, object: u64) -> Vec<Key> {
        self.probation.values().chain(self.protected.values()).copied().filter(|key| key.0 == object).collect()
    }

    fn place(&mut self, key: Key, segment: Segment) {
        self.turn += 1;
        let turn = self.turn;
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let cost = weight(entry.bytes.len() as u64);
        let (old_segment, old_turn) = (entry.segment, entry.turn);
        (entry.segment, entry.turn) = (segment, turn);
        self.unlink(old_segment, old_turn, cost);
        match segment {
            Segment::Probation => self.probation.insert(turn, key),
            Segment::Protected => {
                self.protected_weight += cost;
                self.protected.insert(turn, key)
            }
        };
    }

    fn unlink(&mut self, segment: Segment, turn: u64, cost: u64) {
        match segment {
            Segment::Probation => self.probation.remove(&turn),
            Segment::Protected => {
                self.protected_weight -= cost;
                self.protected.remove(&turn)
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same lists as plain vectors, oldest first.
    #[derive(Default)]
    struct Naive {
        probation: Vec<(Key, usize, Reader)>,
        protected: Vec<(Key, usize, Reader)>,
        protected_max: u64,
    }

    fn cost(list: &[(Key, usize, Reader)]) -> u64 {
        list.iter().map(|entry| weight(entry.1 as u64)).sum()
    }

    impl Naive {
        fn get(&mut self, key: Key, reader: Reader) -> Option<usize> {
            if let Some(at) = self.protected.iter().position(|entry| entry.0 == key) {
                let entry = self.protected.remove(at);
                self.protected.push(entry);
                return Some(entry.1);
            }
            let at = self.probation.iter().position(|entry| entry.0 == key)?;
            let entry = self.probation.remove(at);
            if entry.2 == reader {
                self.probation.push(entry);
                return Some(entry.1);
            }
            self.protected.push(entry);
            while cost(&self.protected) > self.protected_max {
                let demoted = self.protected.remove(0);
                self.probation.push(demoted);
            }
            Some(entry.1)
        }

        fn remove(&mut self, key: Key) {
            self.probation.retain(|entry| entry.0 != key);
            self.protected.retain(|entry| entry.0 != key);
        }

        fn evict(&mut self) -> Option<Key> {
            let list = if self.probation.is_empty() { &mut self.protected } else { &mut self.probation };
            if list.is_empty() { None } else { Some(list.remove(0).0) }
        }
    }

    fn agree(seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut cache = Cache::new(10_000);
        let mut naive = Naive { protected_max: 8_000, ..Naive::default() };
        for step in 0..2_000 {
            let key = (random.u64(0..4), random.u64(0..8));
            match random.u8(0..10) {
                0..5 => {
                    let reader = random.u64(0..3);
                    let (found, wanted) = (cache.get(key, reader), naive.get(key, reader));
                    assert_eq!(found.map(|bytes| bytes.len()), wanted, "seed {seed} step {step}");
                }
                5..8 => {
                    let (length, reader) = (random.usize(0..2_000), random.u64(0..3));
                    cache.insert(key, Bytes::from(vec![0; length]), reader);
                    naive.remove(key);
                    naive.probation.push((key, length, reader));
                }
                8 => {
                    cache.remove(key);
                    naive.remove(key);
                }
                _ => assert_eq!(cache.evict(), naive.evict(), "seed {seed} step {step}"),
            }
            assert_eq!(cache.weight(), cost(&naive.probation) + cost(&naive.protected), "seed {seed} step {step}");
            assert_eq!(cache.protected_weight, cost(&naive.protected), "seed {seed} step {step}");
        }
    }

    #[test]
    fn it_agrees_with_plain_lists() {
        (0..50).for_each(agree);
    }

    #[test]
    fn a_scan_leaves_alone_what_two_readers_wanted() {
        let mut cache = Cache::new(1 << 20);
        cache.insert((0, 0), Bytes::from_static(b"wanted"), 1);
        cache.get((0, 0), 2);

        for object in 1..100 {
            cache.insert((object, 0), Bytes::from_static(b"scanned"), 3);
            cache.get((object, 0), 3);
        }
        let given_up: Vec<Key> = (0..99).filter_map(|_| cache.evict()).collect();

        assert_eq!((given_up.contains(&(0, 0)), cache.contains((0, 0))), (false, true));
    }
}
