//! The own namespace against the directory it shows: the same work on both, in turns.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use swamp_uat::{Backend, Datastore, Mounted, Scene};

use super::{Compared, Numbers, median, rate, timed};

/// Length of the file that is read and written, in bytes.
const FILE_BYTES: u64 = 256 << 20;

/// Bytes per sequential request.
const CHUNK: usize = 1 << 20;

/// Random requests of 4 KiB.
const RANDOM_REQUESTS: u64 = 100_000;

/// Small files that are made, looked at, packed.
const SMALL_FILES: u64 = 5_000;

/// An operation: does it in a directory and returns units per second.
type Operation = fn(&Path) -> f64;

const OPERATIONS: [(&str, &str, Operation); 11] = [
    ("sequential write", "MiB/s", write_sequentially),
    ("sequential read", "MiB/s", read_sequentially),
    ("random write 4 KiB", "1/s", write_randomly),
    ("random read 4 KiB", "1/s", read_randomly),
    ("create, write 1 KiB, close", "1/s", create),
    ("stat, first", "1/s", stat_first),
    ("stat again, by name", "1/s", stat_again),
    ("stat again, by path", "1/s", stat_again_by_path),
    ("find", "1/s", find),
    ("tar x", "files/s", unpack),
    ("git clone", "files/s", clone),
];

/// Measures every operation.
pub(super) fn run(repeat: usize) -> Vec<Compared> {
    let scene = Scene::new(Backend::Directory);
    let repository = scene.repository("own", "own");
    let Datastore::Directory(datastore) = scene.datastore() else { panic!("a directory was asked for") };
    let backing = datastore.join("own/files");
    fs::create_dir_all(&backing).expect("our own");
    sources(&backing);
    let mut rates = vec![[Vec::new(), Vec::new(), Vec::new()]; OPERATIONS.len()];
    for _ in 0..repeat {
        for (column, options) in
            [None, Some(&["--no-push"][..]), Some(&["--no-push", "--no-passthrough"][..])].iter().enumerate()
        {
            let mounted = options.map(|options| Mounted::new(&repository, options));
            let root = mounted.as_ref().map_or(backing.clone(), |mounted| mounted.path("own/files"));
            let place = root.join("work");
            fs::create_dir(&place).expect("our own");
            for (index, (_, _, operation)) in OPERATIONS.iter().enumerate() {
                rates[index][column].push(operation(&place));
            }
            fs::remove_dir_all(&place).expect("our own");
            if let Some(mounted) = mounted {
                drop(mounted.kill());
            }
        }
    }
    let medians =
        |[native, passthrough, fallback]: [Vec<f64>; 3]| (median(native), median(passthrough), median(fallback));
    OPERATIONS
        .iter()
        .zip(rates)
        .map(|((operation, unit, _), rates)| {
            let (native, passthrough, fallback) = medians(rates);
            Compared { operation, unit, native, passthrough, fallback }
        })
        .collect()
}

/// Makes the archive and the repository that are unpacked and cloned, beside the places of work.
fn sources(backing: &Path) {
    let source = backing.join("source");
    for number in 0..SMALL_FILES {
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

fn write_sequentially(place: &Path) -> f64 {
    let chunk = vec![7_u8; CHUNK];
    let taken = timed(|| {
        let mut file = File::create(place.join("large")).expect("our own");
        for _ in 0..FILE_BYTES / CHUNK as u64 {
            file.write_all(&chunk).expect("there is room");
        }
    });
    rate(FILE_BYTES >> 20, taken)
}

fn read_sequentially(place: &Path) -> f64 {
    let mut chunk = vec![0_u8; CHUNK];
    let mut read = || {
        let mut file = File::open(place.join("large")).expect("it was written");
        while file.read(&mut chunk).expect("it can be read") > 0 {}
    };
    // Once to warm the page cache, whichever of the two it is.
    read();
    rate(FILE_BYTES >> 20, timed(read))
}

fn write_randomly(place: &Path) -> f64 {
    let file = OpenOptions::new().write(true).open(place.join("large")).expect("it was written");
    let mut numbers = Numbers(1);
    let block = [9_u8; 4096];
    rate(
        RANDOM_REQUESTS,
        timed(|| {
            for _ in 0..RANDOM_REQUESTS {
                file.write_all_at(&block, numbers.below(FILE_BYTES / 4096) * 4096).expect("there is room");
            }
        }),
    )
}

fn read_randomly(place: &Path) -> f64 {
    let file = File::open(place.join("large")).expect("it was written");
    let mut numbers = Numbers(2);
    let mut block = [0_u8; 4096];
    rate(
        RANDOM_REQUESTS,
        timed(|| {
            for _ in 0..RANDOM_REQUESTS {
                file.read_exact_at(&mut block, numbers.below(FILE_BYTES / 4096) * 4096).expect("it can be read");
            }
        }),
    )
}

fn create(place: &Path) -> f64 {
    let directory = place.join("small");
    fs::create_dir(&directory).expect("our own");
    rate(
        SMALL_FILES,
        timed(|| {
            for number in 0..SMALL_FILES {
                fs::write(directory.join(format!("f{number}")), [1_u8; 1024]).expect("there is room");
            }
        }),
    )
}

fn stat_first(place: &Path) -> f64 {
    // Longer than a mount has the kernel remember what it was told while the files were made.
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let paths = small_files(place);
    rate(SMALL_FILES, timed(|| stat_all(&paths)))
}

/// Asks from within the directory, as `ls`, `find` and `git` do.
fn stat_again(place: &Path) -> f64 {
    let back = std::env::current_dir().expect("it is there");
    std::env::set_current_dir(place.join("small")).expect("our own");
    let names: Vec<PathBuf> = (0..SMALL_FILES).map(|number| format!("f{number}").into()).collect();
    let rate = stat_repeatedly(&names);
    std::env::set_current_dir(back).expect("it is there");
    rate
}

/// Asks by absolute paths: the kernel looks at every directory on the way each time.
fn stat_again_by_path(place: &Path) -> f64 {
    stat_repeatedly(&small_files(place))
}

fn stat_repeatedly(paths: &[PathBuf]) -> f64 {
    const ROUNDS: u64 = 20;
    // Once to have the kernel remember.
    stat_all(paths);
    rate(SMALL_FILES * ROUNDS, timed(|| (0..ROUNDS).for_each(|_| stat_all(paths))))
}

fn small_files(place: &Path) -> Vec<PathBuf> {
    (0..SMALL_FILES).map(|number| place.join(format!("small/f{number}"))).collect()
}

fn stat_all(paths: &[PathBuf]) {
    for path in paths {
        fs::metadata(path).expect("it was made");
    }
}

fn find(place: &Path) -> f64 {
    const ROUNDS: u64 = 5;
    rate(
        (SMALL_FILES + 1) * ROUNDS,
        timed(|| {
            for _ in 0..ROUNDS {
                shell(place, "find small -size +100000k");
            }
        }),
    )
}

fn unpack(place: &Path) -> f64 {
    rate(SMALL_FILES, timed(|| shell(place, "tar xf ../source.tar")))
}

fn clone(place: &Path) -> f64 {
    rate(SMALL_FILES, timed(|| shell(place, "git clone -q --no-hardlinks ../source clone")))
}
