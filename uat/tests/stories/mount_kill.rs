//! A mount that is killed at any moment loses nothing that was synced, and forgets nothing that was not pushed.
#![expect(clippy::disallowed_methods, reason = "stories live outside the program: real time, plain files")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use swamp_uat::{Backend, MOUNT_PATIENCE, Mounted, Repository, Scene, scrambled};

/// How often the mount is killed.
const ROUNDS: u64 = 200;

/// Where everything is written, below the namespace.
const DIRECTORY: &str = "infra/files/load";

/// What was acknowledged as durable: path to content.
type Synced = BTreeMap<String, Vec<u8>>;

/// Writes, replaces and removes files until the mount dies; returns what was acknowledged after a sync, and what may or may
/// not have happened because the mount died during it.
fn load(mount: &Path, round: u64, stop: &AtomicBool, synced: &mut Synced) -> Option<String> {
    for step in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        let seed = scrambled(round << 20 | step);
        let path = format!("{DIRECTORY}/d{}/f{}", seed % 5, seed / 5 % 40);
        let content = format!("{round}.{step} ").repeat(usize::try_from(seed % 700).expect("small") + 1).into_bytes();
        if apply(mount, &path, &content, seed).is_err() {
            return Some(path);
        }
        match seed / 7 % 5 {
            0 => synced.remove(&path),
            _ => synced.insert(path, content),
        };
    }
    None
}

/// Does one change and makes it durable.
fn apply(mount: &Path, path: &str, content: &[u8], seed: u64) -> std::io::Result<()> {
    let target = mount.join(path);
    let parent = target.parent().expect("below the mount");
    fs::create_dir_all(parent)?;
    match seed / 7 % 5 {
        0 => {
            if target.exists() {
                fs::remove_file(&target)?;
            }
        }
        1 => {
            let aside = target.with_extension("tmp");
            let mut file = File::create(&aside)?;
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&aside, &target)?;
        }
        _ => {
            let mut file = File::create(&target)?;
            file.write_all(content)?;
            file.sync_all()?;
        }
    }
    File::open(parent)?.sync_all()
}

/// Mounts, loads, kills; returns what was being changed at that moment.
fn round(repository: &Repository, number: u64, synced: &mut Synced) -> Option<String> {
    // Every other mount pushes all the time, so that pushes are killed as well.
    let pushing = ["--push-delay", "10ms", "--push-max-delay", "50ms"];
    let args: &[&str] = if number.is_multiple_of(2) { &pushing } else { &["--no-push"] };
    let mount = Mounted::new(repository, args);
    let stop = AtomicBool::new(false);
    // By its descriptor: once the dead mount is taken away, its path leads to the directory it covered.
    let held = File::open(mount.root()).expect("it is mounted");
    let root = PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd()));
    thread::scope(|scope| {
        let worker = scope.spawn(|| load(&root, number, &stop, synced));
        thread::sleep(Duration::from_millis(scrambled(number) % 150));
        let directory = mount.kill();
        stop.store(true, Ordering::Relaxed);
        let torn = worker.join().expect("the load does not panic");
        assert_detached(directory.path());
        torn
    })
}

/// Waits until the guardian has taken a dead mount away.
fn assert_detached(directory: &Path) {
    let deadline = Instant::now() + MOUNT_PATIENCE;
    while let Err(error) = fs::read_dir(directory) {
        assert!(Instant::now() < deadline, "the dead mount is still there: {error}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn assert_present(root: &Path, synced: &Synced) {
    for (path, content) in synced {
        let found = fs::read(root.join(path)).map_err(|error| error.to_string());
        assert!(
            found.as_ref() == Ok(content),
            "{path} is not what was synced last: {:?}",
            found.map(|bytes| bytes.len())
        );
    }
}

/// Names a content by the round and step that wrote it.
fn shown(content: Option<&Vec<u8>>) -> String {
    let Some(bytes) = content else { return "missing".to_owned() };
    let first = bytes.split(|byte| *byte == b' ').next().unwrap_or_default();
    format!("{} bytes of {}", bytes.len(), String::from_utf8_lossy(first))
}

#[test]
fn a_mount_killed_at_any_moment_keeps_what_was_synced_and_pushes_the_rest() {
    let scene = Scene::new(Backend::S3);
    let repository = scene.repository("ana", "infra");
    let mut synced = Synced::new();
    for number in 0..ROUNDS {
        if let Some(torn) = round(&repository, number, &mut synced) {
            // It may have happened or not: whatever is there now counts.
            synced.remove(&torn);
        }
        if number % 10 == 9 {
            let mount = Mounted::new(&repository, &["--no-push"]);
            assert_present(mount.root(), &synced);
            drop(mount.kill());
        }
    }

    let mount = Mounted::new(&repository, &[]);
    assert_present(mount.root(), &synced);
    let local = swamp_uat::files_below(&mount.path("infra/files"));
    mount.flushed();

    let objects = scene.datastore().objects();
    let remote: BTreeMap<String, Vec<u8>> = objects
        .into_iter()
        .filter_map(|(key, bytes)| Some((key.strip_prefix("infra/files/")?.to_owned(), bytes)))
        .collect();
    let is_pushed = |path: &String| Path::new(path).extension().is_none_or(|extension| extension != "tmp");
    let local: BTreeMap<String, Vec<u8>> = local.into_iter().filter(|(path, _)| is_pushed(path)).collect();
    assert!(local.len() > 50, "the load did little: {}", local.len());
    let behind: Vec<String> = local
        .iter()
        .filter(|(path, bytes)| remote.get(*path) != Some(bytes))
        .map(|(path, bytes)| format!("{path} is {} here, {} there", shown(Some(bytes)), shown(remote.get(path))))
        .collect();
    assert_eq!(behind, [""; 0]);
    let shards = scene.datastore().objects().into_iter().filter(|(key, _)| key.contains("_index/"));
    let index: String = shards.map(|(_, bytes)| String::from_utf8_lossy(&bytes).into_owned()).collect();
    let is_named = |path: &str| index.contains(&format!("files/{path}\""));
    assert!(local.keys().all(|path| is_named(path)), "{index}");
    let left = remote.keys().filter(|path| !local.contains_key(*path));
    let (named, unnamed): (Vec<&String>, Vec<&String>) = left.partition(|path| is_named(path));
    assert_eq!((named, unnamed), (vec![], vec![]));
    let clone = scene.machine("ben").clone_of(&repository);
    clone.pull();
}
