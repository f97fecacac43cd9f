//! What a mount takes it gives back: threads, file descriptors, memory; and nobody waits for ever for a silent store.
#![expect(clippy::disallowed_methods, reason = "stories live outside the program: real time, plain files")]

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use swamp_testbed::counters::Kind;
use swamp_testbed::faults::{Fault, Rule};
use swamp_uat::{Backend, Mounted, Repository, Scene};

/// How often everything is done.
const ROUNDS: u64 = 300;

/// What a process holds.
#[derive(Debug)]
struct Held {
    descriptors: usize,
    threads: usize,
    kibibytes: u64,
}

fn held(mount: &Mounted) -> Held {
    let process = format!("/proc/{}", mount.pid());
    let count = |directory: &str| fs::read_dir(format!("{process}/{directory}")).expect("it runs").count();
    let status = fs::read_to_string(format!("{process}/status")).expect("it runs");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel tells");
    Held {
        descriptors: count("fd"),
        threads: count("task"),
        kibibytes: resident.trim().trim_end_matches(" kB").parse().expect("a number"),
    }
}

/// A mounted reader of a namespace with some artifacts.
fn reader_of_artifacts(scene: &Scene, args: &[&str]) -> (Repository, Mounted) {
    let reader = scene.repository("ana", "infra");
    let owner = scene.repository("ben", "security");
    for number in 0..10 {
        owner.put("vault", &format!("note-{number}"), format!("content {number}").repeat(1000).as_bytes());
    }
    owner.push();
    reader.ok(&["datastore", "catalog", "pull"]);
    let mount = Mounted::new(&reader, args);
    (reader, mount)
}

fn one_round(mount: &Mounted, number: u64) {
    let directory = mount.path(&format!("infra/files/d{}", number % 7));
    fs::create_dir_all(&directory).expect("own");
    let (file, moved) = (directory.join("file"), directory.join("moved"));
    fs::write(&file, number.to_string().repeat(500)).expect("own");
    fs::rename(&file, &moved).expect("own");
    assert_eq!(fs::read_to_string(&moved).expect("own"), number.to_string().repeat(500));
    for name in mount.names("security/models/vault") {
        mount.read(&format!("security/models/vault/{name}"));
    }
    fs::remove_file(moved).expect("own");
}

#[test]
fn a_mount_gives_back_what_it_takes() {
    let scene = Scene::new(Backend::S3);
    let (_reader, mount) =
        reader_of_artifacts(&scene, &["--push-delay", "50ms", "--push-max-delay", "200ms", "--cache-bytes", "1M"]);
    (0..ROUNDS / 10).for_each(|number| one_round(&mount, number));
    let before = held(&mount);

    (0..ROUNDS).for_each(|number| one_round(&mount, number));

    mount.wait_until("descriptors are given back", || held(&mount).descriptors <= before.descriptors + 8);
    mount.wait_until("threads end", || held(&mount).threads <= before.threads + 2);
    let after = held(&mount);
    assert!(after.kibibytes < before.kibibytes + (16 << 10), "{before:?} {after:?}");
    mount.flushed();
}

/// Reads from a store that does not answer, kills one of the readers, and returns how long that one stayed.
fn read_in_silence(scene: &Scene, mount: &Mounted, names: &[String]) -> Duration {
    scene.datastore().server().faults(Rule::new(Fault::Stall).kind(Kind::Get));
    let started = Instant::now();
    let read = |name: &String| {
        let path = mount.path(&format!("security/models/vault/{name}"));
        Command::new("cat").arg(path).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("cat is there")
    };
    let mut readers: Vec<Child> = names.iter().map(read).collect();
    let mut killed = readers.pop().expect("one of them");
    killed.kill().expect("our own child");
    mount.wait_until("the killed reader is gone", || has_ended(killed.id()));
    let gone_after = started.elapsed();
    drop(killed.wait());
    for reader in &readers {
        mount.wait_until("the reader is told", || has_ended(reader.id()));
    }
    for mut reader in readers {
        assert!(!reader.wait().expect("our own child").success(), "nothing was there to be read");
    }
    scene.datastore().server().clear_faults();
    gone_after
}

/// Whether a process has ended, if its parent has not asked yet.
fn has_ended(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("our own child");
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z'))
}

#[test]
fn whoever_reads_from_a_silent_store_gets_an_error_at_the_deadline_or_can_be_killed() {
    let scene = Scene::new(Backend::S3);
    let (_reader, mount) = reader_of_artifacts(&scene, &["--no-push", "--refresh", "1h", "--deadline", "3s"]);
    mount.wait_until("it has settled", || mount.status()["sync"]["lastRefreshed"] != serde_json::Value::Null);
    let names = mount.names("security/models/vault");
    let (some, others) = names.split_at(names.len() / 2);
    read_in_silence(&scene, &mount, some);
    let first = mount.path(&format!("security/models/vault/{}", some[0]));
    mount.wait_until("the store is asked again", || fs::read(&first).is_ok());
    let before = held(&mount);

    let gone_after = read_in_silence(&scene, &mount, others);

    assert!(gone_after < Duration::from_secs(8), "{gone_after:?}");
    let second = mount.path(&format!("security/models/vault/{}", others[0]));
    mount.wait_until("the store is asked again", || fs::read(&second).is_ok());
    // The threads of the first time are used again.
    mount.wait_until("no threads are added", || held(&mount).threads <= before.threads + 2);
    mount.wait_until("descriptors are given back", || held(&mount).descriptors <= before.descriptors + 8);
    mount.flushed();
}
