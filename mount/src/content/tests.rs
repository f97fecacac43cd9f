//! The contents as a whole, before a tree that counts what it is asked.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::*;
use crate::{Attr, Entry, Opened, Part};

const MIB: u64 = 1 << 20;
const LONG: Duration = Duration::from_secs(20);

/// Files whose bytes follow from their number; how they are fetched can be disturbed.
#[derive(Debug, Default)]
struct Fake {
    sizes: Vec<u64>,
    asked: Mutex<Vec<(NodeId, Part)>>,
    failing: Mutex<Option<TreeError>>,
    version: AtomicU64,
    is_short: AtomicBool,
    is_panicking: AtomicBool,
    is_held: Mutex<bool>,
    released: Condvar,
}

fn byte(node: NodeId, position: u64) -> u8 {
    (position.wrapping_mul(31) ^ (position >> 12) ^ node.0.wrapping_mul(7)).to_le_bytes()[0]
}

fn content(node: NodeId, range: Range<u64>) -> Bytes {
    range.map(|position| byte(node, position)).collect::<Vec<_>>().into()
}

impl Fake {
    fn of(sizes: &[u64]) -> Arc<Self> {
        Arc::new(Self { sizes: sizes.to_vec(), ..Self::default() })
    }

    fn asked(&self) -> Vec<(NodeId, Part)> {
        self.asked.lock().unwrap().clone()
    }

    fn fetches(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn hold(&self, is_held: bool) {
        *self.is_held.lock().unwrap() = is_held;
        self.released.notify_all();
    }
}

impl Tree for Fake {
    fn attr(&self, _: NodeId) -> Result<Attr, TreeError> {
        Err(TreeError::NotFound)
    }

    fn lookup(&self, _: NodeId, _: &str) -> Result<(NodeId, Attr), TreeError> {
        Err(TreeError::NotFound)
    }

    fn entries(&self, _: NodeId, _: Option<&str>, _: usize) -> Result<Vec<Entry>, TreeError> {
        Err(TreeError::NotFound)
    }

    fn open(&self, _: NodeId) -> Result<Opened, TreeError> {
        Ok(Opened::Remote)
    }

    fn fetch(&self, file: NodeId, part: &Part) -> Result<Fetched, TreeError> {
        self.asked.lock().unwrap().push((file, part.clone()));
        let held = self.is_held.lock().unwrap();
        let (held, timeout) = self.released.wait_timeout_while(held, LONG, |held| *held).unwrap();
        drop(held);
        assert!(!timeout.timed_out());
        assert!(!self.is_panicking.load(Ordering::SeqCst), "on purpose");
        let failing = *self.failing.lock().unwrap();
        failing.map_or(Ok(()), Err)?;
        let size = self.sizes[usize::try_from(file.0).unwrap()];
        let range = match part {
            Part::Whole => 0..size,
            Part::Range { bytes, .. } => bytes.start.min(size)..bytes.end.min(size),
        };
        let mut bytes = content(file, range);
        if self.is_short.load(Ordering::SeqCst) {
            bytes.truncate(bytes.len() - 1);
        }
        Ok(Fetched { bytes, version: Some(format!("v{}", self.version.load(Ordering::SeqCst))), size })
    }
}

fn contents(fake: &Arc<Fake>, bytes_max: u64) -> Arc<Contents> {
    let tree: Arc<dyn Tree> = Arc::<Fake>::clone(fake);
    Contents::new(tree, bytes_max, LONG)
}

fn eventually(condition: impl Fn() -> bool) -> bool {
    (0..10_000).any(|_| {
        thread::park_timeout(Duration::from_millis(1));
        condition()
    })
}

#[test]
fn a_small_file_costs_one_request() {
    let fake = Fake::of(&[0, 100_000]);
    let remote = contents(&fake, 256 * MIB).open(NodeId(1), Some(100_000));

    assert_eq!((remote.is_ready(), remote.read_now(0, 10)), (false, None));
    assert_eq!(remote.prepare(), Ok(100_000));
    assert_eq!(remote.read(99_000, 5_000), Ok(content(NodeId(1), 99_000..100_000)));
    assert_eq!(remote.read_now(0, 131_072), Some(content(NodeId(1), 0..100_000)));
    assert_eq!(remote.read_now(100_000, 10), Some(Bytes::new()));
    assert_eq!((remote.is_ready(), fake.asked()), (true, vec![(NodeId(1), Part::Whole)]));
}

#[test]
fn an_empty_file_costs_none() {
    let fake = Fake::of(&[0]);
    let remote = contents(&fake, 256 * MIB).open(NodeId(0), Some(0));

    assert_eq!((remote.prepare(), remote.read(0, 10), remote.is_ready()), (Ok(0), Ok(Bytes::new()), true));
    assert_eq!(fake.fetches(), 0);
}

#[test]
fn a_file_of_unknown_size_is_begun_with_a_block_that_tells() {
    let fake = Fake::of(&[0, 5 * MIB, 10]);
    let contents = contents(&fake, 256 * MIB);
    let (large, small) = (contents.open(NodeId(1), None), contents.open(NodeId(2), None));

    assert_eq!((large.prepare(), small.prepare()), (Ok(5 * MIB), Ok(10)));
    assert_eq!(large.read(5 * MIB - 3, 10), Ok(content(NodeId(1), 5 * MIB - 3..5 * MIB)));
    let range = |bytes, version: Option<&str>| Part::Range { bytes, version: version.map(str::to_owned) };
    assert_eq!(
        fake.asked(),
        [
            (NodeId(1), range(0..4 * MIB, None)),
            (NodeId(2), range(0..4 * MIB, None)),
            (NodeId(1), range(4 * MIB..8 * MIB, Some("v0"))),
        ]
    );
}

#[test]
fn a_read_across_blocks_is_answered() {
    let fake = Fake::of(&[0, 20 * MIB]);
    let remote = contents(&fake, 256 * MIB).open(NodeId(1), Some(20 * MIB));

    let wanted = content(NodeId(1), 4 * MIB - 7..12 * MIB + 7);
    let length = wanted.len();

    assert_eq!(remote.read(4 * MIB - 7, length), Ok(wanted.clone()));
    assert_eq!(remote.read_now(4 * MIB - 7, length), Some(wanted));
}

#[test]
fn many_readers_of_a_cold_file_make_one_request() {
    let fake = Fake::of(&[0, 100]);
    let contents = contents(&fake, 256 * MIB);
    fake.hold(true);

    let mut readers = Vec::new();
    for _ in 0..16 {
        let remote = contents.open(NodeId(1), Some(100));
        readers.push(thread::spawn(move || remote.read(0, 100)));
    }
    assert!(eventually(|| contents.usage().misses == 16));
    fake.hold(false);

    let answers: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
    assert_eq!(answers, vec![Ok(content(NodeId(1), 0..100)); 16]);
    assert_eq!(fake.fetches(), 1);
}

#[test]
fn a_reader_that_gives_up_leaves_the_others_waiting() {
    let fake = Fake::of(&[0, 100]);
    let tree: Arc<dyn Tree> = Arc::<Fake>::clone(&fake);
    let impatient = Contents::new(tree, 256 * MIB, Duration::from_millis(20));
    fake.hold(true);

    let first = impatient.open(NodeId(1), Some(100));
    assert_eq!(first.prepare(), Err(TreeError::TimedOut));
    drop(first);
    let second = impatient.open(NodeId(1), Some(100));
    fake.hold(false);

    assert!(eventually(|| second.is_ready()));
    assert_eq!((second.read_now(0, 3), fake.fetches()), (Some(content(NodeId(1), 0..3)), 1));
}

#[test]
fn a_failure_answers_for_a_second_and_no_longer() {
    let fake = Fake::of(&[0, 100]);
    let time = Arc::new(AtomicU64::new(0));
    let shown = Arc::clone(&time);
    let clock = Clock::reading(move || Duration::from_millis(shown.load(Ordering::SeqCst)));
    let tree: Arc<dyn Tree> = Arc::<Fake>::clone(&fake);
    let contents = Contents::with_clock(tree, 256 * MIB, LONG, clock);
    *fake.failing.lock().unwrap() = Some(TreeError::Unreachable);

    let failed: Vec<_> = (0..3).map(|_| contents.open(NodeId(1), Some(100)).prepare()).collect();
    *fake.failing.lock().unwrap() = None;
    time.store(999, Ordering::SeqCst);
    let still = contents.open(NodeId(1), Some(100)).prepare();
    time.store(1000, Ordering::SeqCst);
    let again = contents.open(NodeId(1), Some(100)).prepare();

    assert_eq!((failed, still), (vec![Err(TreeError::Unreachable); 3], Err(TreeError::Unreachable)));
    assert_eq!((again, fake.fetches()), (Ok(100), 2));
}

#[test]
fn what_has_the_wrong_length_is_not_served() {
    let fake = Fake::of(&[0, 100, 9 * MIB]);
    fake.is_short.store(true, Ordering::SeqCst);
    let contents = contents(&fake, 256 * MIB);

    let served = [contents.open(NodeId(1), Some(100)), contents.open(NodeId(2), Some(9 * MIB))]
        .map(|remote| (remote.prepare(), remote.read(0, 1), remote.read_now(0, 1)));

    assert_eq!(served, [(); 2].map(|()| (Err(TreeError::Input), Err(TreeError::Input), None)));
    assert_eq!(contents.usage().bytes, 0);
}

#[test]
fn an_open_never_mixes_versions_and_the_next_begins_anew() {
    let fake = Fake::of(&[0, 20 * MIB]);
    let contents = contents(&fake, 256 * MIB);
    let old = contents.open(NodeId(1), Some(20 * MIB));
    assert_eq!(old.prepare(), Ok(20 * MIB));
    fake.version.store(1, Ordering::SeqCst);

    assert_eq!(old.read(8 * MIB, 10), Err(TreeError::Stale));
    assert_eq!(old.read(0, 10), Ok(content(NodeId(1), 0..10)));
    let new = contents.open(NodeId(1), Some(20 * MIB));
    assert_eq!(new.read(8 * MIB, 10), Ok(content(NodeId(1), 8 * MIB..8 * MIB + 10)));
    assert_eq!(old.read(8 * MIB, 10), Err(TreeError::Stale));
    drop((old, new));
    assert!(contents.lock().usage().bytes < 9 * MIB, "blocks of a version that nobody can ask for are kept");
}

#[test]
fn an_evicted_file_that_is_open_is_fetched_again_and_only_its_version() {
    let fake = Fake::of(&[0, 300_000, 300_000, 300_000, 300_000]);
    let contents = contents(&fake, MIB);
    let first = contents.open(NodeId(1), Some(300_000));
    assert_eq!(first.prepare(), Ok(300_000));
    for node in 2..5 {
        assert_eq!(contents.open(NodeId(node), Some(300_000)).prepare(), Ok(300_000));
    }

    assert_eq!((first.is_ready(), first.read(5, 5)), (false, Ok(content(NodeId(1), 5..10))));
    for node in 2..5 {
        assert_eq!(contents.open(NodeId(node), Some(300_000)).prepare(), Ok(300_000));
    }
    fake.version.store(1, Ordering::SeqCst);
    assert_eq!(first.read(5, 5), Err(TreeError::Stale));
}

#[test]
fn what_is_larger_than_the_budget_is_served_and_not_kept() {
    let fake = Fake::of(&[0, 100_000]);
    let contents = contents(&fake, 1_000);
    let remote = contents.open(NodeId(1), Some(100_000));

    assert_eq!((remote.prepare(), remote.read(7, 2)), (Ok(100_000), Ok(content(NodeId(1), 7..9))));
    assert_eq!((fake.fetches(), contents.usage().bytes, remote.is_ready()), (2, 0, false));
}

#[test]
fn a_panicking_tree_fails_the_read_and_nothing_else() {
    let fake = Fake::of(&[0, 100, 100]);
    let contents = contents(&fake, 256 * MIB);
    fake.is_panicking.store(true, Ordering::SeqCst);
    assert_eq!(contents.open(NodeId(1), Some(100)).prepare(), Err(TreeError::Input));
    fake.is_panicking.store(false, Ordering::SeqCst);

    assert_eq!(contents.open(NodeId(2), Some(100)).prepare(), Ok(100));
    assert_eq!(contents.lock().usage().bytes, cache::weight(100));
}

#[test]
fn reading_front_to_back_fetches_ahead_and_each_block_once() {
    let fake = Fake::of(&[0, 50 * MIB]);
    let contents = contents(&fake, 256 * MIB);
    let remote = contents.open(NodeId(1), Some(50 * MIB));

    for offset in (0..50 * MIB).step_by(128 << 10) {
        let read = remote.read_now(offset, 128 << 10).map_or_else(|| remote.read(offset, 128 << 10), Ok).unwrap();
        assert_eq!((read.len(), read[77]), (128 << 10, byte(NodeId(1), offset + 77)));
    }

    assert_eq!(fake.fetches(), 13);
    assert!(contents.usage().hits > 370, "{:?}", contents.usage());
}

#[test]
fn a_crowd_reads_right_bytes_within_the_budget() {
    let sizes: Vec<u64> = (0..40).map(|at| at * at * 200).collect();
    let fake = Fake::of(&sizes);
    let contents = contents(&fake, MIB / 2);

    thread::scope(|scope| {
        for seed in 0..48 {
            let (contents, sizes) = (&contents, &sizes);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                for _ in 0..25 {
                    let (node, is_listed) = (random.u64(0..40), random.bool());
                    let size = sizes[usize::try_from(node).unwrap()];
                    let remote = contents.open(NodeId(node), is_listed.then_some(size));
                    for _ in 0..random.usize(1..4) {
                        let (offset, length) = (random.u64(0..=size), random.usize(0..200_000));
                        let end = size.min(offset + length as u64);
                        assert!(remote.read(offset, length).unwrap() == content(NodeId(node), offset..end));
                        let usage = contents.usage();
                        assert!(usage.bytes <= usage.bytes_max, "{usage:?}");
                    }
                }
            });
        }
    });

    assert!(eventually(|| contents.lock().reserved() == 0));
}
