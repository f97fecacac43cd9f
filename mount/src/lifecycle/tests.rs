//! Real mounts. They need root, `/dev/fuse` and fusermount3, and fail where those are missing.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use rustix::fs::CWD;
use rustix::mount::{MountFlags, UnmountFlags};
use tempfile::TempDir;

use super::*;
use crate::clock::Clock;
use crate::mounts::{mounted_at, mounts};
use crate::session::simple::{Lookup, Simple};
use crate::{Access, Attr, Entry, Fetched, Mount, NodeId, Opened, Options, Part, Passthrough, Tree, TreeError};
use crate::{MountId, Unmounted, Waited};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);
const NOBODY: u32 = 65534;

#[derive(Debug)]
struct NoTree;

impl Tree for NoTree {
    fn attr(&self, _: NodeId) -> Result<Attr, TreeError> {
        Err(TreeError::NotFound)
    }

    fn lookup(&self, _: NodeId, _: &str) -> Result<(NodeId, Attr), TreeError> {
        Err(TreeError::NotFound)
    }

    fn entries(&self, _: NodeId, _: Option<&str>, _: usize) -> Result<Vec<Entry>, TreeError> {
        Err(TreeError::NotFound)
    }

    fn attributes(&self, _: NodeId) -> Result<Vec<(String, String)>, TreeError> {
        Err(TreeError::NotFound)
    }

    fn open(&self, _: NodeId) -> Result<Opened, TreeError> {
        Err(TreeError::NotFound)
    }

    fn fetch(&self, _: NodeId, _: &Part) -> Result<Fetched, TreeError> {
        Err(TreeError::NotFound)
    }
}

fn options(mountpoint: &Path) -> Options {
    Options {
        mountpoint: mountpoint.to_path_buf(),
        source: "test".to_owned(),
        tree: Arc::new(NoTree),
        writable: None,
        read_only: false,
        access: Access::Owner,
        passthrough: Passthrough::Off,
        owner: (0, 0),
        cache_bytes: 0,
        deadline: LONG,
    }
}

fn mount_with(options: &Options, in_flight: Arc<InFlight>, lookup: Lookup) -> Result<Mount, MountError> {
    let ttl = Duration::from_hours(1);
    Mount::new(options, Simple { in_flight: Arc::clone(&in_flight), lookup, ttl }, in_flight)
}

fn mount(mountpoint: &Path) -> Mount {
    mount_with(&options(mountpoint), InFlight::new(), Box::new(|name| (name == "file").then_some(5))).unwrap()
}

fn refusal(mountpoint: &Path) -> MountError {
    mount_with(&options(mountpoint), InFlight::new(), Box::new(|_| None)).unwrap_err()
}

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn mount_tmpfs(path: &Path) {
    rustix::mount::mount("other", path, "tmpfs", MountFlags::empty(), None).unwrap();
}

fn unmount_tmpfs(path: &Path) {
    rustix::mount::unmount(path, UnmountFlags::empty()).unwrap();
}

fn kind_at(path: &Path) -> Option<String> {
    mounted_at(path).unwrap().map(|mounted| mounted.kind)
}

fn eventually(condition: impl Fn() -> bool) -> bool {
    let clock = Clock::system();
    while clock.now() < LONG {
        if condition() {
            return true;
        }
        thread::park_timeout(Duration::from_millis(2));
    }
    false
}

/// Another process that serves a mount until it is killed or its standard input ends.
struct Other {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Other {
    fn command(program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .args(["--exact", "lifecycle::tests::serves_in_another_process", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        command
    }

    fn spawn(mut command: Command, mountpoint: &Path, access: Access) -> Self {
        let mut process = command.spawn().unwrap();
        writeln!(process.stdin.as_mut().unwrap(), "{access:?} {}", mountpoint.display()).unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { process, output }
    }

    fn mounting(mountpoint: &Path) -> (Self, MountId) {
        let command = Self::command(&std::env::current_exe().unwrap());
        let mut other = Self::spawn(command, mountpoint, Access::Owner);
        let id = other.told("mounted ").parse().unwrap();
        (other, id)
    }

    /// Returns the rest of the next line that begins so.
    fn told(&mut self, beginning: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the other process ended without `{beginning}`");
            if let Some(rest) = line.trim_end().strip_prefix(beginning) {
                return rest.to_owned();
            }
        }
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Not a test: the body of [`Other`].
#[test]
#[ignore = "only run by other tests, in a process of its own"]
fn serves_in_another_process() {
    let mut line = String::new();
    io::stdin().read_line(&mut line).unwrap();
    let (access, path) = line.trim_end().split_once(' ').unwrap();
    let access = if access == "Owner" { Access::Owner } else { Access::Everybody };
    let options = Options { access, ..options(Path::new(path)) };
    match mount_with(&options, InFlight::new(), Box::new(|name| (name == "file").then_some(5))) {
        Ok(mount) => {
            println!("\nmounted {}", mount.id());
            io::stdin().read_to_end(&mut Vec::new()).unwrap();
            println!("unmounted {:?}", mount.unmount(LONG));
        }
        Err(error) => println!("\nfailed {error:?}"),
    }
}

#[test]
fn mounting_and_unmounting_leaves_nothing_behind() {
    let directory = directory();

    for _ in 0..40 {
        let mount = mount(directory.path());
        assert_eq!(fs::read(directory.path().join("file")).unwrap(), b"bytes");
        assert_eq!(kind_at(directory.path()), Some("fuse.swamp".to_owned()));
        assert_eq!(mount.wait(Duration::ZERO).unwrap(), Waited::Served);
        assert_eq!(mount.unmount(LONG), Unmounted::Drained);
        assert_eq!((mount.wait(LONG).unwrap(), mount.unmount(LONG)), (Waited::Unmounted, Unmounted::Drained));
    }

    assert_eq!((kind_at(directory.path()), fs::read_dir(directory.path()).unwrap().count()), (None, 0));
}

#[test]
fn a_dropped_mount_is_unmounted() {
    let directory = directory();

    drop(mount(directory.path()));

    assert_eq!(kind_at(directory.path()), None);
}

#[test]
fn the_list_of_mounts_shows_source_and_options() {
    let directory = directory();
    let mount = mount(directory.path());

    let line = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = line.lines().find(|line| line.contains(directory.path().to_str().unwrap())).unwrap();
    let mounted = mounted_at(directory.path()).unwrap().unwrap();

    assert!(line.contains("nosuid,nodev,noatime") && line.contains("default_permissions"), "{line}");
    assert_eq!((mounted.source.as_str(), mounted.is_ours(), mounted.id), ("test", true, mount.id()));
    assert!(!line.contains("allow_other"), "{line}");
}

#[test]
fn a_missing_mountpoint_is_made() {
    let directory = directory();
    let path = directory.path().join("new");

    let mount = mount(&path);

    assert_eq!((mount.mountpoint(), kind_at(&path)), (path.as_path(), Some("fuse.swamp".to_owned())));
}

#[test]
fn what_cannot_be_a_mountpoint_is_refused() {
    let directory = directory();
    let file = directory.path().join("file");
    File::create(&file).unwrap();

    let refusals = [refusal(&file), refusal(&directory.path().join("a/b")), refusal(directory.path())];

    assert!(
        matches!(
            &refusals,
            [MountError::Mountpoint { .. }, MountError::Mountpoint { .. }, MountError::NotEmpty { .. }]
        ),
        "{refusals:?}"
    );
}

#[test]
fn somebody_elses_mount_is_refused_and_left_alone() {
    let directory = directory();
    mount_tmpfs(directory.path());

    let refusal = refusal(directory.path());
    let kind = kind_at(directory.path());
    unmount_tmpfs(directory.path());

    assert_eq!(refusal.to_string(), format!("`other` (tmpfs) is mounted at {} already", directory.path().display()));
    assert_eq!(kind, Some("tmpfs".to_owned()));
}

#[test]
fn a_mount_that_is_served_is_refused_and_left_alone() {
    let directory = directory();
    let first = mount(directory.path());

    assert!(matches!(refusal(directory.path()), MountError::Occupied { .. }));
    assert_eq!(mounted_at(directory.path()).unwrap().map(|mounted| mounted.id), Some(first.id()));
}

#[test]
fn a_dead_mount_is_replaced() {
    let directory = directory();
    let (mut other, dead) = Other::mounting(directory.path());
    other.kill();
    assert_eq!(fs::metadata(directory.path()).unwrap_err().raw_os_error(), Some(107));

    let mount = mount(directory.path());

    assert_ne!(mount.id(), dead);
    assert_eq!(fs::read(directory.path().join("file")).unwrap(), b"bytes");
    drop(mount);
    assert_eq!(kind_at(directory.path()), None);
}

#[test]
fn a_dead_mount_of_another_source_is_left_alone() {
    let directory = directory();
    let (mut other, dead) = Other::mounting(directory.path());
    other.kill();

    let elsewhere = Options { source: "elsewhere".to_owned(), ..options(directory.path()) };
    let refusal = mount_with(&elsewhere, InFlight::new(), Box::new(|_| None)).unwrap_err();
    let left = mounted_at(directory.path()).unwrap().unwrap();
    crate::mounts::detach(&left).unwrap();

    assert!(matches!(refusal, MountError::Occupied { .. }), "{refusal:?}");
    assert_eq!(left.id, dead);
}

#[test]
fn an_unmount_from_outside_is_noticed() {
    let directory = directory();
    let mount = mount(directory.path());

    rustix::mount::unmount(directory.path(), UnmountFlags::empty()).unwrap();

    assert_eq!(mount.wait(LONG).unwrap(), Waited::Unmounted);
    assert_eq!(mount.unmount(LONG), Unmounted::Drained);
}

#[test]
fn a_lazy_unmount_from_outside_is_noticed_though_it_is_still_used() {
    let directory = directory();
    let mount = mount(directory.path());
    let used = File::open(directory.path().join("file")).unwrap();

    rustix::mount::unmount(directory.path(), UnmountFlags::DETACH).unwrap();

    assert_eq!(mount.wait(LONG).unwrap(), Waited::Unmounted);
    assert_eq!(io::read_to_string(&used).unwrap(), "bytes");
    assert_eq!(mount.unmount(SHORT), Unmounted::CutOff);
}

#[test]
fn what_was_mounted_at_its_place_since_is_left_alone() {
    let directory = directory();
    let mount = mount(directory.path());
    rustix::mount::unmount(directory.path(), UnmountFlags::empty()).unwrap();
    mount_tmpfs(directory.path());

    let unmounted = mount.unmount(LONG);
    drop(mount);
    let kind = kind_at(directory.path());
    unmount_tmpfs(directory.path());

    assert_eq!((unmounted, kind), (Unmounted::Drained, Some("tmpfs".to_owned())));
}

#[test]
fn what_is_mounted_above_it_is_left_alone() {
    let directory = directory();
    let mount = mount(directory.path());
    mount_tmpfs(directory.path());

    let unmounted = mount.unmount(SHORT);
    let kind = kind_at(directory.path());
    unmount_tmpfs(directory.path());
    drop(mount);

    assert_eq!((unmounted, kind), (Unmounted::CutOff, Some("tmpfs".to_owned())));
    assert_eq!(kind_at(directory.path()), None);
}

#[test]
fn a_busy_mount_is_unmounted_and_its_users_are_cut_off() {
    let directory = directory();
    let mount = mount(directory.path());
    let used = File::open(directory.path().join("file")).unwrap();

    let unmounted = mount.unmount(SHORT);

    assert_eq!((unmounted, kind_at(directory.path())), (Unmounted::CutOff, None));
    assert_eq!(used.metadata().unwrap_err().raw_os_error(), Some(107));
}

#[test]
fn a_user_that_finishes_in_time_is_not_cut_off() {
    let directory = directory();
    let mount = mount(directory.path());
    let used = File::open(directory.path().join("file")).unwrap();

    let unmounted = thread::scope(|scope| {
        let unmounting = scope.spawn(|| mount.unmount(LONG));
        assert!(eventually(|| kind_at(directory.path()).is_none()));
        assert_eq!(io::read_to_string(&used).unwrap(), "bytes");
        drop(used);
        unmounting.join().unwrap()
    });

    assert_eq!(unmounted, Unmounted::Drained);
}

#[test]
fn a_copy_in_another_mount_namespace_does_not_hang_the_unmount() {
    let directory = directory();
    let mount = mount(directory.path());
    let mut holder = Command::new("unshare").args(["-m", "sleep", "60"]).spawn().unwrap();
    let own = fs::read_link("/proc/self/ns/mnt").unwrap();
    let name = format!("/proc/{}/ns/mnt", holder.id());
    assert!(eventually(|| fs::read_link(&name).is_ok_and(|other| other != own)));

    let clock = Clock::system();
    let unmounted = mount.unmount(SHORT);
    let took = clock.now();
    holder.kill().unwrap();
    holder.wait().unwrap();

    assert_eq!((unmounted, kind_at(directory.path())), (Unmounted::CutOff, None));
    assert!(took < Duration::from_secs(2), "{took:?}");
}

/// A mount on which looking `hang` up does not return until the sender goes away, and a thread that does it already.
fn hanging(path: &Path, in_flight: Arc<InFlight>) -> (Mount, mpsc::Sender<()>, thread::JoinHandle<Option<i32>>) {
    let (release, held) = mpsc::channel::<()>();
    let (started, starts) = mpsc::channel();
    let held = Mutex::new((held, started));
    let lookup = move |_: &str| {
        let held = held.lock().unwrap();
        held.1.send(()).unwrap();
        assert!(held.0.recv().is_err());
        None
    };
    let mount = mount_with(&options(path), in_flight, Box::new(lookup)).unwrap();
    let path = path.join("hang");
    let caller = thread::spawn(move || fs::metadata(path).unwrap_err().raw_os_error());
    starts.recv_timeout(LONG).unwrap();
    (mount, release, caller)
}

#[test]
fn a_hanging_operation_does_not_hang_the_unmount() {
    let directory = directory();
    let (mount, release, caller) = hanging(directory.path(), InFlight::new());

    let clock = Clock::system();
    let unmounted = mount.unmount(SHORT);
    let took = clock.now();

    assert_eq!(unmounted, Unmounted::CutOff);
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(matches!(caller.join().unwrap(), Some(103 | 107)));
    assert_eq!(kind_at(directory.path()), None);
    drop(release);
    assert_eq!(mount.wait(LONG).unwrap(), Waited::Unmounted);
}

#[test]
fn a_stuck_thread_gives_the_mount_up() {
    let directory = directory();
    let seconds = Arc::new(AtomicU64::new(0));
    let shown = Arc::clone(&seconds);
    let clock = Clock::reading(move || Duration::from_secs(shown.load(Ordering::SeqCst)));
    let (mount, release, caller) = hanging(directory.path(), InFlight::with_clock(clock));

    seconds.store(61, Ordering::SeqCst);
    let error = mount.wait(LONG).unwrap_err();

    assert!(matches!(error, ServeError::Stuck { operation: "lookup", seconds: 61 }), "{error:?}");
    assert!(matches!(caller.join().unwrap(), Some(103 | 107)));
    assert!(eventually(|| kind_at(directory.path()).is_none()));
    drop(release);
}

#[test]
fn the_guardian_takes_away_the_mount_of_a_killed_process() {
    let directory = directory();
    let path = directory.path().to_path_buf();
    let (other, id) = Other::mounting(&path);
    let Other { mut process, output } = other;
    let guarded = path.clone();
    let guardian = thread::spawn(move || guard(output, &guarded, id).unwrap());

    let clock = Clock::system();
    process.kill().unwrap();
    process.wait().unwrap();
    let was_there = guardian.join().unwrap();
    let took = clock.now();

    assert_eq!((was_there, kind_at(&path)), (true, None));
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn the_guardian_leaves_every_other_mount_alone() {
    let directory = directory();
    let first = mount(directory.path()).id();
    let second = mount(directory.path());

    let was_there = guard(io::empty(), directory.path(), first).unwrap();
    let elsewhere = guard(io::empty(), Path::new("/tmp"), second.id()).unwrap();

    assert_eq!((was_there, elsewhere, second.id() == first), (false, false, false));
    assert_eq!(mounted_at(directory.path()).unwrap().map(|mounted| mounted.id), Some(second.id()));
}

#[test]
fn names_are_asked_for_again_after_a_notification() {
    let directory = directory();
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let lookup = move |_: &str| Some(counted.fetch_add(1, Ordering::SeqCst) + 5);
    let mount = mount_with(&options(directory.path()), InFlight::new(), Box::new(lookup)).unwrap();
    let path = directory.path().join("file");
    for _ in 0..3 {
        fs::metadata(&path).unwrap();
    }
    let before = count.load(Ordering::SeqCst);

    mount.notifier().names_changed();

    assert!(mount.notifier().has_epochs(), "this kernel is older than 6.16");
    assert!(eventually(|| fs::metadata(&path).is_ok() && count.load(Ordering::SeqCst) == 2));
    assert_eq!(before, 1);
    mount.unmount(LONG);
    mount.notifier().names_changed();
}

/// A directory of nobody's, and a copy of this program that nobody can start.
fn for_nobody() -> (TempDir, PathBuf, PathBuf) {
    // As every distribution has it; a machine that has just booted without udev does not.
    fs::set_permissions("/dev/fuse", fs::Permissions::from_mode(0o666)).unwrap();
    let directory = directory();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (program, mountpoint) = (directory.path().join("program"), directory.path().join("mnt"));
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::create_dir(&mountpoint).unwrap();
    rustix::fs::chownat(
        CWD,
        &mountpoint,
        Some(rustix::fs::Uid::from_raw(NOBODY)),
        Some(rustix::fs::Gid::from_raw(NOBODY)),
        rustix::fs::AtFlags::empty(),
    )
    .unwrap();
    (directory, program, mountpoint)
}

fn nobody(program: &Path, mountpoint: &Path, access: Access) -> Other {
    let mut command = Other::command(program);
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    Other::spawn(command, mountpoint, access)
}

#[test]
fn an_ordinary_user_mounts_and_unmounts() {
    let (_directory, program, mountpoint) = for_nobody();
    let mut other = nobody(&program, &mountpoint, Access::Owner);
    other.told("mounted ");

    let read = Command::new("cat").arg(mountpoint.join("file")).uid(NOBODY).gid(NOBODY).output().unwrap();
    let mounted = mounted_at(&mountpoint).unwrap().unwrap();
    drop(other.process.stdin.take());
    let unmounted = other.told("unmounted ");
    other.process.wait().unwrap();

    assert_eq!(String::from_utf8_lossy(&read.stdout), "bytes");
    assert_eq!((mounted.source.as_str(), mounted.is_ours()), ("test", true));
    assert_eq!((unmounted.as_str(), kind_at(&mountpoint)), ("Drained", None));
}

#[test]
fn an_ordinary_users_dead_mount_is_replaced() {
    let (_directory, program, mountpoint) = for_nobody();
    let mut first = nobody(&program, &mountpoint, Access::Owner);
    let dead = first.told("mounted ");
    first.kill();

    let mut second = nobody(&program, &mountpoint, Access::Owner);
    let alive = second.told("mounted ");
    drop(second.process.stdin.take());
    second.told("unmounted ");
    second.process.wait().unwrap();

    assert_ne!(alive, dead);
    assert_eq!(kind_at(&mountpoint), None);
}

#[test]
fn an_ordinary_user_mounts_for_everybody_only_where_allowed() {
    let (_directory, program, mountpoint) = for_nobody();

    let mut other = nobody(&program, &mountpoint, Access::Everybody);
    let told = if diagnose(&mountpoint).allows_others { other.told("mounted ") } else { other.told("failed ") };
    drop(other.process.stdin.take());
    other.process.wait().unwrap();

    assert_eq!(told.parse::<MountId>().is_ok(), diagnose(&mountpoint).allows_others, "{told}");
    assert!(told == "NotForEverybody" || told.parse::<MountId>().is_ok(), "{told}");
    assert!(!mounts().unwrap().iter().any(|mounted| mounted.mountpoint == mountpoint));
}
