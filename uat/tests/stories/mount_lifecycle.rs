//! Mounts begin, end and die without leaving anything behind that has to be repaired by hand.
#![expect(clippy::disallowed_methods, reason = "stories live outside the program: real time, plain files")]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use swamp_uat::{MOUNT_PATIENCE, Mounted, Scene, on_every_server};

on_every_server!(
    a_killed_mount_leaves_nothing_behind_and_the_next_one_resumes,
    a_terminated_mount_flushes_first,
    a_mount_whose_terminal_is_closed_flushes_first,
    a_paused_mount_is_never_taken_for_a_dead_one,
    the_queue_of_a_dead_mount_is_not_called_empty,
    unmounting_from_outside_ends_the_mount_after_a_flush,
    a_second_mount_of_one_cache_is_refused_and_names_the_first,
    another_file_systems_mount_is_never_touched,
    a_daemon_answers_when_the_command_returns,
    a_busy_mount_is_unmounted_all_the_same,
    what_is_still_being_written_when_a_mount_ends_is_sent_by_the_next,
    what_was_made_just_before_a_mount_was_killed_is_listed,
    what_was_edited_just_before_a_mount_was_killed_has_its_size,
    mounting_needs_no_datastore,
    an_ordinary_user_mounts_through_fusermount,
);

const SOON: [&str; 4] = ["--push-delay", "100ms", "--push-max-delay", "500ms"];

fn is_mounted(directory: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("it is Linux");
    mounts.lines().any(|line| line.split(' ').nth(4) == directory.to_str())
}

fn wait(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + MOUNT_PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn a_killed_mount_leaves_nothing_behind_and_the_next_one_resumes(scene: &Scene) {
    let repository = scene.repository("ana", "infra");
    let mount = Mounted::new(&repository, &["--no-push"]);
    fs::create_dir_all(mount.path("infra/files")).expect("own");
    fs::write(mount.path("infra/files/report.txt"), b"written").expect("own");

    let directory = mount.kill();
    wait("the guardian detaches", || !is_mounted(directory.path()));
    let again = Mounted::new(&repository, &SOON);
    again.flushed();

    assert_eq!(scene.datastore().objects().get("infra/files/report.txt").map(Vec::as_slice), Some(&b"written"[..]));
}

fn what_is_still_being_written_when_a_mount_ends_is_sent_by_the_next(scene: &Scene) {
    let repository = scene.repository("ana", "infra");
    let mount = Mounted::new(&repository, &SOON);
    fs::create_dir_all(mount.path("infra/files")).expect("own");
    let mut log = fs::File::create(mount.path("infra/files/log")).expect("own");
    log.write_all(b"one ").expect("it is mounted");
    let is_sent = |content: &str| {
        scene.datastore().objects().get("infra/files/log").is_some_and(|bytes| bytes == content.as_bytes())
    };

    let (unmounted, _) = mount.unmount(&[]);
    log.write_all(b"two ").expect("the kernel goes on by itself");

    assert_eq!(unmounted.code, Some(75), "{}", unmounted.stderr);
    assert!(unmounted.stderr.contains("files"), "{}", unmounted.stderr);
    let again = Mounted::new(&repository, &SOON);
    again.wait_until("what was written in between is sent", || is_sent("one two "));
    again.wait_until("the queue is empty", || !again.report("queue").contains("dirty"));
    log.write_all(b"three").expect("the kernel goes on by itself");
    again.wait_until("what is written now is sent", || is_sent("one two three"));
    drop(log);
    again.flushed();
}

fn what_was_made_just_before_a_mount_was_killed_is_listed(scene: &Scene) {
    let repository = scene.repository("ana", "infra");
    let reader = scene.repository("ben", "security");
    repository.put("vault", "motd", b"first");
    repository.push();
    let mount = Mounted::new(&repository, &["--no-push"]);

    // Nobody had the time to tell the catalog.
    let script = "cd \"$(dirname \"$(find data -name latest)\")\"; cp -r 1 2; \
        sed -i 's/^version: .*/version: 2/' 2/metadata.yaml; printf 2 > latest";
    let made = Command::new("sh").args(["-euc", script]).current_dir(mount.path("infra")).status();
    let directory = mount.kill();
    assert!(made.expect("sh is there").success());
    wait("the guardian detaches", || !is_mounted(directory.path()));
    Mounted::new(&repository, &SOON).flushed();

    assert_eq!(repository.versions("vault", "motd"), [2, 1]);
    reader.ok(&["datastore", "catalog", "pull"]);
    assert_eq!(reader.versions("infra:vault", "motd"), [2, 1]);
}

fn what_was_edited_just_before_a_mount_was_killed_has_its_size(scene: &Scene) {
    let repository = scene.repository("ana", "infra");
    let reader = scene.repository("ben", "security");
    repository.put("vault", "motd", b"first");
    repository.push();
    let mount = Mounted::new(&repository, &["--no-push"]);

    // Killed before the metadata follow, which they do not as long as somebody writes.
    let raw = swamp_uat::files_below(&mount.path("infra/data")).into_keys().find(|path| path.ends_with("1/raw"));
    let path = mount.path("infra/data").join(raw.expect("a content"));
    let mut file = fs::OpenOptions::new().write(true).truncate(true).open(path).expect("it opens");
    file.write_all(b"another, and longer").expect("there is room");
    let directory = mount.kill();
    drop(file);
    wait("the guardian detaches", || !is_mounted(directory.path()));
    Mounted::new(&repository, &SOON).flushed();
    reader.ok(&["datastore", "catalog", "pull"]);

    assert_eq!(reader.get("infra:vault", "motd"), b"another, and longer");
    let sizes = reader.ok(&["query", "name == \"motd\"", "--select", "size"]).text();
    assert_eq!(sizes.trim(), "19");
}

fn a_terminated_mount_flushes_first(scene: &Scene) {
    let repository = scene.repository("ana", "infra");
    let mount = Mounted::new(&repository, &["--push-delay", "1h", "--push-max-delay", "1h"]);
    fs::create_dir_all(mount.path("infra/files")).expect("own");
    fs::write(mount.path("infra/files/report.txt"), b"written").expect("own");
    let root = mount.root().to_owned();

    mount.signal("TERM");
    let ended = mount.ended();

    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!is_mounted(&root));
    assert!(scene.datastore().objects().contains_key("infra/files/report.txt"));
}

fn a_mount_whose_terminal_is_closed_flushes_first(scene: &Scene) {
    // Whoever runs the stories may ignore the signal, as under `nohup`.
    let wrapper = ["env", "--default-signal=HUP"].map(str::to_owned);
    let repository = scene.repository("ana", "infra").through(&wrapper);
    let mount = Mounted::new(&repository, &["--push-delay", "1h", "--push-max-delay", "1h"]);
    fs::create_dir_all(mount.path("infra/files")).expect("own");
    fs::write(mount.path("infra/files/report.txt"), b"written").expect("own");
    let root = mount.root().to_owned();

    // From the kernel, and from the shell.
    mount.signal("HUP");
    mount.signal("HUP");
    let ended = mount.ended();

    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!is_mounted(&root));
    assert!(scene.datastore().objects().contains_key("infra/files/report.txt"));
}

fn a_paused_mount_is_never_taken_for_a_dead_one(scene: &Scene) {
    let repository = scene.repository("ana", "infra");
    let elsewhere = repository.machine().plain_directory("elsewhere");
    let mount = Mounted::new(&repository, &["--no-push"]);
    fs::create_dir_all(mount.path("infra/files")).expect("own");
    fs::write(mount.path("infra/files/report.txt"), b"written").expect("own");
    let root = mount.root().to_owned();
    let path = root.to_str().expect("plain");

    mount.signal("STOP");
    let refused = elsewhere.run(&["unmount", path]);
    let survived = is_mounted(&root);
    mount.signal("CONT");
    elsewhere.ok(&["unmount", path]);
    let ended = mount.ended();

    assert!(survived, "{}", refused.stderr);
    assert_eq!(refused.code, Some(75), "{}", refused.stderr);
    assert!(refused.stderr.contains("is not dead"), "{}", refused.stderr);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(scene.datastore().objects().contains_key("infra/files/report.txt"));
}

fn the_queue_of_a_dead_mount_is_not_called_empty(scene: &Scene) {
    let repository = scene.repository("ana", "infra");
    let elsewhere = repository.machine().plain_directory("elsewhere");
    let mount = Mounted::new(&repository, &["--no-push"]);
    fs::create_dir_all(mount.path("infra/files")).expect("own");
    fs::write(mount.path("infra/files/report.txt"), b"written").expect("own");

    kill_children(mount.pid());
    let directory = mount.kill();
    let unmount = elsewhere.run(&["unmount", directory.path().to_str().expect("plain")]);

    assert_eq!(unmount.code, Some(75), "{}", unmount.stderr);
    assert!(unmount.stderr.contains("not everything is in the datastore yet"), "{}", unmount.stderr);
    assert!(!is_mounted(directory.path()));
}

/// Kills the guardian, which would take a dead mount away at once.
fn kill_children(pid: u32) {
    for task in fs::read_dir(format!("/proc/{pid}/task")).expect("it runs") {
        // A thread that has ended meanwhile has no children.
        let children = fs::read_to_string(task.expect("a thread").path().join("children")).unwrap_or_default();
        for child in children.split_whitespace() {
            assert!(Command::new("kill").args(["-KILL", child]).status().expect("kill runs").success());
        }
    }
}

fn unmounting_from_outside_ends_the_mount_after_a_flush(scene: &Scene) {
    let repository = scene.repository("ana", "infra");
    let mount = Mounted::new(&repository, &["--push-delay", "1h", "--push-max-delay", "1h"]);
    fs::create_dir_all(mount.path("infra/files")).expect("own");
    fs::write(mount.path("infra/files/report.txt"), b"written").expect("own");

    let umount = Command::new("umount").arg(mount.root()).output().expect("umount is there");
    assert!(umount.status.success(), "{}", String::from_utf8_lossy(&umount.stderr));
    let ended = mount.ended();

    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(scene.datastore().objects().contains_key("infra/files/report.txt"));
}

fn a_second_mount_of_one_cache_is_refused_and_names_the_first(scene: &Scene) {
    let repository = scene.repository("ana", "infra");
    let mount = Mounted::new(&repository, &[]);
    let elsewhere = tempfile::tempdir().expect("a directory");

    let second = repository.run(&["mount", elsewhere.path().to_str().expect("plain")]);

    assert_eq!(second.code, Some(1), "{}", second.stderr);
    assert!(second.stderr.contains(&mount.pid().to_string()), "{}", second.stderr);
    assert!(second.stderr.contains(mount.root().to_str().expect("plain")), "{}", second.stderr);
    mount.flushed();
}

fn another_file_systems_mount_is_never_touched(scene: &Scene) {
    let repository = scene.repository("ana", "infra");
    let directory = tempfile::tempdir().expect("a directory");
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(directory.path()).status().expect("mount runs");
    assert!(mounted.success());

    let mount = repository.run(&["mount", directory.path().to_str().expect("plain")]);
    let unmount = repository.run(&["unmount", directory.path().to_str().expect("plain")]);
    let survived = is_mounted(directory.path());
    Command::new("umount").arg(directory.path()).status().expect("umount runs");

    assert!(survived);
    assert_eq!(mount.code, Some(2), "{}", mount.stderr);
    assert!(mount.stderr.contains("tmpfs"), "{}", mount.stderr);
    assert_ne!(unmount.code, Some(0), "{}", unmount.stderr);
}

fn a_daemon_answers_when_the_command_returns(scene: &Scene) {
    let repository = scene.repository("ana", "infra");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_str().expect("plain");

    let mounted = repository.json(&["mount", path, "--daemon"]);
    let is_there = directory.path().join(".swamp/status.json").exists();
    fs::create_dir_all(directory.path().join("infra/files")).expect("own");
    fs::write(directory.path().join("infra/files/report.txt"), b"written").expect("own");
    repository.ok(&["unmount", path]);

    assert!(is_there);
    assert_eq!(mounted["mountpoint"], path);
    assert!(!is_mounted(directory.path()));
    assert!(scene.datastore().objects().contains_key("infra/files/report.txt"));
}

fn a_busy_mount_is_unmounted_all_the_same(scene: &Scene) {
    let repository = scene.repository("ana", "infra");
    let mount = Mounted::new(&repository, &SOON);
    fs::create_dir_all(mount.path("infra/files")).expect("own");
    let open = fs::File::create(mount.path("infra/files/open")).expect("own");
    let root = mount.root().to_owned();

    let (unmount, ended) = mount.unmount(&["--timeout", "10s"]);
    drop(open);

    // Whoever has the file open may write on.
    assert_eq!((unmount.code, ended.code), (Some(75), Some(75)), "{} {}", unmount.stderr, ended.stderr);
    assert!(!is_mounted(&root));
}

fn mounting_needs_no_datastore(scene: &Scene) {
    let reader = scene.repository("ana", "infra");
    let owner = scene.repository("ben", "security");
    owner.put("vault", "motd", b"theirs");
    owner.push();
    reader.ok(&["datastore", "catalog", "pull"]);
    let offline = reader.with("SWAMP_S3_REQUEST_TIMEOUT_MS", "500").with("SWAMP_GCS_REQUEST_TIMEOUT_MS", "500");
    scene.datastore().server().faults(swamp_testbed::faults::Rule::new(swamp_testbed::faults::Fault::Stall));

    let mount = Mounted::new(&offline, &["--deadline", "2s"]);
    let started = Instant::now();
    let names = mount.names("security/models/vault");
    let failure = fs::read(mount.path(&format!("security/models/vault/{}", names[0]))).expect_err("it is offline");

    assert_eq!(names.len(), 1);
    // ETIMEDOUT or EHOSTUNREACH, in time.
    assert!(matches!(failure.raw_os_error(), Some(110 | 113)), "{failure:?}");
    assert!(started.elapsed() < Duration::from_secs(10));
    let (_, ended) = mount.unmount(&["--timeout", "1s"]);
    assert!(matches!(ended.code, Some(0 | 75)), "{}", ended.stderr);
}

fn an_ordinary_user_mounts_through_fusermount(scene: &Scene) {
    // The story of a user of their own: `daemon` exists everywhere and has no privileges.
    let repository = scene.repository("ana", "infra");
    Command::new("chmod").args(["a+rw", "/dev/fuse"]).status().expect("chmod runs");
    let root = repository.machine().root().to_owned();
    let mut above = root.as_path();
    while let Some(parent) =
        above.parent().filter(|parent| parent.starts_with(std::env::temp_dir()) && *parent != std::env::temp_dir())
    {
        Command::new("chmod").arg("a+rx").arg(parent).status().expect("chmod runs");
        above = parent;
    }
    Command::new("chown").args(["-R", "daemon:daemon"]).arg(&root).status().expect("chown runs");
    let binary = root.join("swamp");
    fs::copy(swamp_uat::swamp(), &binary).expect("the binary is there");
    let mount_directory = root.join("mount");
    fs::create_dir(&mount_directory).expect("our own");
    Command::new("chown").arg("daemon:daemon").arg(&mount_directory).status().expect("chown runs");
    let wrapper: Vec<String> =
        ["setpriv", "--reuid=daemon", "--regid=daemon", "--clear-groups"].iter().map(|&word| word.to_owned()).collect();
    let user = repository.through(&wrapper).with("SWAMP_BIN", binary.to_str().expect("plain"));
    let path = mount_directory.to_str().expect("plain").to_owned();

    user.ok(&["mount", &path, "--daemon", "--push-delay", "100ms"]);
    let written = Command::new("setpriv")
        .args(["--reuid=daemon", "--regid=daemon", "--clear-groups", "sh", "-euc"])
        .arg(format!("mkdir -p {path}/infra/files; echo hello > {path}/infra/files/f; cat {path}/infra/files/f; cat {path}/.swamp/status.json"))
        .output()
        .expect("sh is there");
    user.ok(&["unmount", &path]);

    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    assert!(String::from_utf8_lossy(&written.stdout).starts_with("hello"));
    assert!(!is_mounted(&mount_directory));
    assert_eq!(scene.datastore().objects().get("infra/files/f").map(Vec::as_slice), Some(&b"hello\n"[..]));
}
