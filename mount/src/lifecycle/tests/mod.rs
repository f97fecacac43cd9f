//! Real mounts. They need root, `/dev/fuse` and fusermount3, and fail where those are missing.

mod leaving;
mod mounting;
mod users;

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
use crate::mounts::{Mounted, detach, mounted_at, mounts};
use crate::session::simple::{Lookup, Simple};
use crate::{Access, Attr, Entry, Fetched, Mount, NodeId, Opened, Options, Part, Passthrough, Tree, TreeError};
use crate::{MountId, Unmounted, Waited};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);
const NOBODY: u32 = 65534;

/// How often what may go wrong now and then is tried.
const CYCLES: usize = 40;

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
    Mount::new(options, Simple { in_flight: Arc::clone(&in_flight), lookup, ttl }, in_flight, |_, _| ())
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
    let Some((access, path)) = line.trim_end().split_once(' ') else { return };
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
