//! The same random operations on a plain directory and on a mount: same results, same errors, same tree afterwards.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FallocateFlags, Mode, RenameFlags, SeekFrom, Timespec, Timestamps, mknodat};

use crate::Passthrough;
use crate::trial::Trial;

const STEPS: usize = 4000;

/// Paths that operations choose from: few enough that they meet.
const NAMES: [&str; 12] =
    ["a", "b", "c", "d", "a/x", "a/y", "b/x", "b/y", "a/x/deep", "b/x/deep", "missing/x", "c/\u{e9}"];

/// What an operation gave: an error number, or what could be seen.
type Outcome = Result<String, i32>;

/// One side: a directory and the files that are open in it.
struct Side {
    root: PathBuf,
    open: BTreeMap<usize, File>,
}

fn outcome<T>(result: io::Result<T>, show: impl FnOnce(T) -> String) -> Outcome {
    result.map(show).map_err(|error| error.raw_os_error().unwrap_or(-1))
}

fn done(result: io::Result<()>) -> Outcome {
    outcome(result, |()| String::new())
}

fn shown(metadata: &fs::Metadata) -> String {
    let size = if metadata.is_dir() { 0 } else { metadata.size() };
    let links = if metadata.is_dir() { 0 } else { metadata.nlink() };
    format!("{:o} {}:{} {size} {links}", metadata.mode(), metadata.uid(), metadata.gid())
}

fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..length).map(|_| random.u8(..)).collect()
}

/// Numbers that one operation is made of: drawn once, used on both sides.
#[derive(Clone, Copy, Debug)]
struct Dice {
    operation: u32,
    names: (usize, usize),
    slot: usize,
    offset: u64,
    length: usize,
    bits: u32,
    seed: u64,
}

impl Dice {
    fn roll(random: &mut fastrand::Rng) -> Self {
        Self {
            operation: random.u32(0..29),
            names: (random.usize(..NAMES.len()), random.usize(..NAMES.len())),
            slot: random.usize(..4),
            offset: random.u64(..20_000),
            length: random.usize(..9_000),
            bits: random.u32(..),
            seed: random.u64(..),
        }
    }
}

impl Side {
    fn new(root: PathBuf) -> Self {
        Self { root, open: BTreeMap::new() }
    }

    fn act(&mut self, dice: &Dice) -> Outcome {
        let (path, other) = (self.root.join(NAMES[dice.names.0]), self.root.join(NAMES[dice.names.1]));
        match dice.operation {
            0..=13 => Self::act_on_names(dice, &path, &other),
            _ => self.act_on_files(dice, &path),
        }
    }

    fn act_on_names(dice: &Dice, path: &Path, other: &Path) -> Outcome {
        let mode = dice.bits & 0o777;
        match dice.operation {
            0 => done(fs::create_dir(path)),
            1 => done(fs::remove_dir(path)),
            2 | 3 => done(fs::remove_file(path)),
            4 | 5 => done(fs::rename(path, other)),
            6 => done(rustix::fs::renameat_with(CWD, path, CWD, other, RenameFlags::EXCHANGE).map_err(Into::into)),
            7 => done(rustix::fs::renameat_with(CWD, path, CWD, other, RenameFlags::NOREPLACE).map_err(Into::into)),
            8 => done(fs::hard_link(path, other)),
            9 => done(symlink(NAMES[dice.names.1], path)),
            10 => outcome(fs::read_link(path), |target| target.display().to_string()),
            11 => done(fs::set_permissions(path, fs::Permissions::from_mode(mode | 0o600))),
            12 => {
                let kind = rustix::fs::FileType::Fifo;
                done(mknodat(CWD, path, kind, Mode::from_raw_mode(mode), 0).map_err(Into::into))
            }
            _ => done(std::os::unix::fs::lchown(path, Some(dice.bits % 3), Some(dice.bits % 5))),
        }
    }

    fn act_on_files(&mut self, dice: &Dice, path: &Path) -> Outcome {
        let file = self.open.get(&dice.slot).ok_or(-2);
        match dice.operation {
            14..=17 => {
                // A pipe would wait for its other end.
                if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
                    return Err(-3);
                }
                let opened = options(dice.bits).open(path);
                outcome(opened, |file| {
                    self.open.insert(dice.slot, file);
                    String::new()
                })
            }
            18 => Ok(self.open.remove(&dice.slot).is_some().to_string()),
            19 | 20 => outcome(file?.write_at(&bytes(dice.seed, dice.length), dice.offset), |n| n.to_string()),
            21 => {
                let mut buffer = vec![0; dice.length];
                outcome(file?.read_at(&mut buffer, dice.offset), |n| format!("{:?}", &buffer[..n]))
            }
            22 => done(file?.set_len(dice.offset)),
            23 => outcome(file?.metadata(), |metadata| shown(&metadata)),
            24 => {
                let mode = [FallocateFlags::empty(), FallocateFlags::KEEP_SIZE][dice.bits as usize % 2];
                done(rustix::fs::fallocate(file?, mode, dice.offset, 1 + dice.length as u64).map_err(Into::into))
            }
            25 => {
                // In a directory it is the file system's own affair.
                if file?.metadata().is_ok_and(|metadata| metadata.is_dir()) {
                    return Err(-4);
                }
                // Where a hole begins, and whether reserved space is data, is up to the page cache.
                outcome(rustix::fs::seek(file?, SeekFrom::Hole(dice.offset)).map_err(Into::into), |_| String::new())
            }
            26 => done(file?.sync_all()),
            27 => done(set_times(path, dice)),
            _ => outcome(fs::symlink_metadata(path), |metadata| {
                let times = if metadata.is_file() && dice.bits & 1 == 0 { metadata.mtime() } else { 0 };
                // Only times that were set are the same on both sides.
                format!("{} {}", shown(&metadata), if times < 1_000_000_000 { times } else { 0 })
            }),
        }
    }
}

fn options(bits: u32) -> OpenOptions {
    let mut options = OpenOptions::new();
    match bits % 5 {
        0 => options.read(true),
        1 => options.write(true).create(true),
        2 => options.read(true).write(true).create(true).truncate(true),
        3 => options.append(true).create(true),
        _ => options.read(true).write(true).create_new(true),
    };
    options.mode(0o600 | ((bits >> 8) & 0o177));
    options
}

fn set_times(path: &Path, dice: &Dice) -> io::Result<()> {
    let seconds = i64::from(dice.bits % 2_000) - 1_000;
    let time = |nanoseconds| Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let times = Timestamps { last_access: time(1), last_modification: time(999_999_999) };
    Ok(rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Returns everything below a directory: names, what `stat` says, contents.
fn picture(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let content = match metadata.file_type() {
                kind if kind.is_file() => format!("{:?}", fs::read(&path).unwrap()),
                kind if kind.is_symlink() => format!("{:?}", fs::read_link(&path).unwrap()),
                _ => String::new(),
            };
            if metadata.is_dir() {
                waiting.push(path.clone());
            }
            let relative = path.strip_prefix(root).unwrap().to_owned();
            found.insert(relative, format!("{} {content}", shown(&metadata)));
        }
    }
    found
}

fn compare(passthrough: Passthrough, seed: u64) {
    let trial = Trial::with(passthrough, |options| {
        if let Some(writable) = &mut options.writable {
            writable.overlay.clear();
        }
    });
    let plain = tempfile::tempdir().unwrap();
    let (mut expected, mut actual) = (Side::new(plain.path().to_owned()), Side::new(trial.own()));
    let mut random = fastrand::Rng::with_seed(seed);

    for step in 0..STEPS {
        let dice = Dice::roll(&mut random);
        let (wanted, given) = (expected.act(&dice), actual.act(&dice));
        assert!(wanted == given, "seed {seed}, step {step}, {dice:?}:\n{wanted:?}\n{given:?}");
    }

    assert_eq!(picture(&actual.root), picture(plain.path()));
    assert_eq!(picture(trial.behind()), picture(plain.path()));
}

#[test]
fn a_mount_with_passthrough_does_what_a_directory_does() {
    compare(Passthrough::Auto, 1);
    compare(Passthrough::Auto, 2);
}

#[test]
fn a_mount_without_passthrough_does_what_a_directory_does() {
    compare(Passthrough::Off, 1);
    compare(Passthrough::Off, 3);
}
