//! The own namespace against the directory it shows: the same work on both, by turns.
//!
//! A virtual machine's disk and memory are twice as fast at one moment as at the next, so that two figures of different
//! moments say little about each other. Each operation is therefore done in many small batches, of which the directory
//! and the mount have one each in turn, and it is those pairs that are compared.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use swamp_uat::{Backend, Datastore, Mounted, Scene};

use super::{Compared, Numbers, Ratio, median, rate, timed};

/// Bytes per sequential request.
const CHUNK: usize = 1 << 20;

/// Sequential requests of one batch.
const CHUNKS: u64 = 16;

/// Batches that write and read the large file: it has 256 MiB.
const FILE_BATCHES: u64 = 16;

/// Length of the large file, in bytes.
const FILE_BYTES: u64 = FILE_BATCHES * CHUNKS * CHUNK as u64;

/// Random requests of 4 KiB of one batch.
const RANDOM_REQUESTS: u64 = 5_000;

/// Small files that are made and looked at.
const SMALL_FILES: u64 = 5_000;

/// Batches in which they are made and looked at for the first time.
const SMALL_BATCHES: u64 = 20;

/// Files of the archive and of the repository.
const SOURCE_FILES: u64 = 2_000;

/// Where one side works: the directory or the mount of it, which show the same.
struct Side {
    root: PathBuf,
    /// The directory of what this side makes.
    own: &'static str,
}

impl Side {
    /// Returns where this side makes things.
    fn own(&self) -> PathBuf {
        self.root.join(self.own)
    }

    /// Returns where that is which both sides look at: what the directory's side made.
    fn shared(&self) -> PathBuf {
        self.root.join("native")
    }
}

/// One operation, in batches.
struct Operation {
    name: &'static str,
    unit: &'static str,
    /// Units of one batch.
    units: u64,
    batches: u64,
    /// Does a batch and returns how long that took.
    run: fn(&Side, u64) -> Duration,
}

#[rustfmt::skip]
const OPERATIONS: [Operation; 11] = [
    Operation { name: "sequential write", unit: "MiB/s", units: CHUNKS, batches: FILE_BATCHES, run: write_sequentially },
    Operation { name: "sequential read", unit: "MiB/s", units: CHUNKS, batches: 3 * FILE_BATCHES, run: read_sequentially },
    Operation { name: "random write 4 KiB", unit: "1/s", units: RANDOM_REQUESTS, batches: 40, run: write_randomly },
    Operation { name: "random read 4 KiB", unit: "1/s", units: RANDOM_REQUESTS, batches: 40, run: read_randomly },
    Operation { name: "create, write 1 KiB, close", unit: "1/s", units: SMALL_FILES / SMALL_BATCHES, batches: SMALL_BATCHES, run: create },
    Operation { name: "stat, first", unit: "1/s", units: SMALL_FILES / SMALL_BATCHES, batches: SMALL_BATCHES, run: stat_first },
    Operation { name: "stat again, by name", unit: "1/s", units: SMALL_FILES, batches: 20, run: stat_again },
    Operation { name: "stat again, by path", unit: "1/s", units: SMALL_FILES, batches: 20, run: stat_again_by_path },
    Operation { name: "find", unit: "1/s", units: SMALL_FILES + 1, batches: 10, run: find },
    Operation { name: "tar x", unit: "files/s", units: SOURCE_FILES, batches: 3, run: unpack },
    Operation { name: "git clone", unit: "files/s", units: SOURCE_FILES, batches: 3, run: clone },
];

/// Measures every operation, `repeat` times as many batches of each as there are in one go.
pub(super) fn run(repeat: usize) -> Vec<Compared> {
    let scene = Scene::new(Backend::Directory);
    let repository = scene.repository("own", "own");
    let Datastore::Directory(datastore) = scene.datastore() else { panic!("a directory was asked for") };
    let backing = datastore.join("own/files");
    fs::create_dir_all(&backing).expect("our own");
    sources(&backing);
    let mut pairs = vec![[Vec::new(), Vec::new()]; OPERATIONS.len()];
    for turn in 0..repeat {
        for (column, options) in [&["--no-push"][..], &["--no-push", "--no-passthrough"][..]].iter().enumerate() {
            let mounted = Mounted::new(&repository, options);
            // Nothing is deleted in between: ext4 is ten times as slow to make files where others were deleted lately.
            let work = format!("own/files/work-{turn}-{column}");
            let native = Side { root: datastore.join(&work), own: "native" };
            let mount = Side { root: mounted.path(&work), own: "mounted" };
            for side in [&native, &mount] {
                fs::create_dir_all(side.own().join("small")).expect("our own");
            }
            for (index, operation) in OPERATIONS.iter().enumerate() {
                // What the operation before left to write is not written during this one.
                shell(&backing, "sync");
                for batch in 0..operation.batches {
                    let native = rate(operation.units, (operation.run)(&native, batch));
                    let mounted = rate(operation.units, (operation.run)(&mount, batch));
                    pairs[index][column].push((native, mounted));
                }
            }
            drop(mounted.kill());
        }
    }
    OPERATIONS
        .iter()
        .zip(pairs)
        .map(|(Operation { name, unit, .. }, [passthrough, fallback])| Compared {
            operation: name,
            unit,
            native: median(passthrough.iter().map(|(native, _)| *native).collect()),
            passthrough: ratio(&passthrough),
            fallback: ratio(&fallback),
        })
        .collect()
}

fn ratio(pairs: &[(f64, f64)]) -> Ratio {
    Ratio {
        value: median(pairs.iter().map(|(_, mounted)| *mounted).collect()),
        ratio: median(pairs.iter().map(|(native, mounted)| mounted / native).collect()),
    }
}

/// Makes the archive and the repository that are unpacked and cloned, beside the places of work.
fn sources(backing: &Path) {
    let source = backing.join("source");
    for number in 0..SOURCE_FILES {
        let directory = source.join(format!("d{:02}", number % 50));
        fs::create_dir_all(&directory).expect("our own");
        fs::write(directory.join(format!("f{number}")), format!("{number}\n").repeat(100)).expect("our own");
    }
    shell(
        backing,
        "tar cf source.tar source && cd source && git init -q . && git config user.email a@b && git config user.name a \
        && git add . && git commit -qm all",
    );
}

fn shell(directory: &Path, script: &str) {
    let status = Command::new("sh").args(["-euc", script]).current_dir(directory).status().expect("sh is there");
    assert!(status.success(), "{script}");
}

/// Writes the next part of the large file.
fn write_sequentially(side: &Side, _batch: u64) -> Duration {
    let chunk = vec![7_u8; CHUNK];
    let mut file = OpenOptions::new().append(true).create(true).open(side.own().join("large")).expect("our own");
    timed(|| (0..CHUNKS).for_each(|_| file.write_all(&chunk).expect("there is room")))
}

/// Reads the next part of the large file, over and over; the page cache of either has it after the first time.
fn read_sequentially(side: &Side, batch: u64) -> Duration {
    let mut chunk = vec![0_u8; CHUNK];
    let mut file = File::open(side.shared().join("large")).expect("it was written");
    file.seek(SeekFrom::Start(batch % FILE_BATCHES * CHUNKS * CHUNK as u64)).expect("a file can be sought in");
    timed(|| (0..CHUNKS).for_each(|_| file.read_exact(&mut chunk).expect("it can be read")))
}

fn write_randomly(side: &Side, batch: u64) -> Duration {
    let file = OpenOptions::new().write(true).open(side.shared().join("large")).expect("it was written");
    let block = [9_u8; 4096];
    let offsets = offsets(batch);
    timed(|| offsets.iter().for_each(|offset| file.write_all_at(&block, *offset).expect("there is room")))
}

fn read_randomly(side: &Side, batch: u64) -> Duration {
    let file = File::open(side.shared().join("large")).expect("it was written");
    let mut block = [0_u8; 4096];
    let offsets = offsets(batch);
    timed(|| offsets.iter().for_each(|offset| file.read_exact_at(&mut block, *offset).expect("it can be read")))
}

fn offsets(batch: u64) -> Vec<u64> {
    let mut numbers = Numbers(batch);
    (0..RANDOM_REQUESTS).map(|_| numbers.below(FILE_BYTES / 4096) * 4096).collect()
}

/// Makes the next of the small files.
fn create(side: &Side, batch: u64) -> Duration {
    let paths = small_files_of(&side.own(), batch);
    timed(|| paths.iter().for_each(|path| fs::write(path, [1_u8; 1024]).expect("there is room")))
}

/// Looks at the next of the small files, which the mount has not been asked for yet.
fn stat_first(side: &Side, batch: u64) -> Duration {
    let paths = small_files_of(&side.shared(), batch);
    timed(|| stat_all(&paths))
}

/// Asks from within the directory, as `ls`, `find` and `git` do.
fn stat_again(side: &Side, _batch: u64) -> Duration {
    let back = env::current_dir().expect("it is there");
    env::set_current_dir(side.shared().join("small")).expect("our own");
    let taken = stat_twice(&(0..SMALL_FILES).map(|number| format!("f{number}").into()).collect::<Vec<_>>());
    env::set_current_dir(back).expect("it is there");
    taken
}

/// Asks by absolute paths: the kernel looks at every directory on the way each time.
fn stat_again_by_path(side: &Side, _batch: u64) -> Duration {
    stat_twice(&(0..SMALL_BATCHES).flat_map(|batch| small_files_of(&side.shared(), batch)).collect::<Vec<_>>())
}

fn stat_twice(paths: &[PathBuf]) -> Duration {
    // Once to have the kernel remember.
    stat_all(paths);
    timed(|| stat_all(paths))
}

fn stat_all(paths: &[PathBuf]) {
    for path in paths {
        fs::metadata(path).expect("it was made");
    }
}

/// Returns the small files of one batch.
fn small_files_of(place: &Path, batch: u64) -> Vec<PathBuf> {
    let count = SMALL_FILES / SMALL_BATCHES;
    (batch * count..(batch + 1) * count).map(|number| place.join(format!("small/f{number}"))).collect()
}

fn find(side: &Side, _batch: u64) -> Duration {
    timed(|| shell(&side.shared(), "find small -size +100000k"))
}

fn unpack(side: &Side, batch: u64) -> Duration {
    timed(|| shell(&side.own(), &format!("mkdir tar{batch} && tar xf ../../source.tar -C tar{batch}")))
}

fn clone(side: &Side, batch: u64) -> Duration {
    timed(|| shell(&side.own(), &format!("git clone -q --no-hardlinks ../../source clone{batch}")))
}
