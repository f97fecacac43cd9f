//! A repository mounted by `swamp mount`, for as long as a story needs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::command::{Outcome, Running};
use crate::machine::Repository;

/// How long anything about a mount may take on a busy machine before the story fails.
pub const MOUNT_PATIENCE: Duration = Duration::from_secs(30);

/// How often a condition is looked at.
const TICK: Duration = Duration::from_millis(20);

/// A mount; gone when dropped.
#[derive(Debug)]
pub struct Mounted {
    repository: Repository,
    running: Option<Running>,
    /// Outside of the machine's directory: what is below a mount is not on that machine's disk.
    directory: TempDir,
}

impl Mounted {
    /// Mounts a repository with more arguments and waits until the mount answers.
    pub fn new(repository: &Repository, args: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let path = directory.path().display().to_string();
        let running = repository.start(&[&["mount", &path], args].concat());
        let mounted = Self { repository: repository.clone(), running: Some(running), directory };
        mounted.wait_until("the mount answers", || mounted.path(".swamp/status.json").exists());
        mounted
    }

    /// Returns where a path of the mount is.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.directory.path().join(relative)
    }

    /// Returns the root of the mount.
    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    /// Returns the names in a directory, sorted.
    pub fn names(&self, relative: &str) -> Vec<String> {
        let entries =
            fs::read_dir(self.path(relative)).unwrap_or_else(|error| panic!("cannot list {relative}: {error}"));
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Returns the bytes of a file.
    pub fn read(&self, relative: &str) -> Vec<u8> {
        fs::read(self.path(relative)).unwrap_or_else(|error| panic!("cannot read {relative}: {error}"))
    }

    /// Returns a report about the mount as text.
    pub fn report(&self, name: &str) -> String {
        String::from_utf8_lossy(&self.read(&format!(".swamp/{name}"))).into_owned()
    }

    /// Returns the status report.
    pub fn status(&self) -> Value {
        serde_json::from_slice(&self.read(".swamp/status.json")).expect("the status is JSON")
    }

    /// Returns the process of the mount.
    pub fn pid(&self) -> u32 {
        self.running.as_ref().expect("the mount runs").pid()
    }

    /// Waits until a condition holds; the story fails when it never does.
    pub fn wait_until(&self, what: &str, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + MOUNT_PATIENCE;
        while !condition() {
            assert!(Instant::now() < deadline, "never: {what}\n{}", self.reports());
            thread::sleep(TICK);
        }
    }

    fn reports(&self) -> String {
        let report = |name| {
            let text = fs::read_to_string(self.path(&format!(".swamp/{name}")));
            format!("{name}: {}\n", text.unwrap_or_else(|error| error.to_string()))
        };
        ["status.json", "queue", "errors"].map(report).concat()
    }

    /// Flushes and unmounts with `swamp unmount`, and returns how that and the mount itself ended.
    pub fn unmount(mut self, args: &[&str]) -> (Outcome, Outcome) {
        let path = self.directory.path().display().to_string();
        let unmount = self.repository.run(&[&["unmount", &path], args].concat());
        let mount = self.running.take().expect("the mount runs").finish();
        (unmount, mount)
    }

    /// Unmounts with everything pushed.
    pub fn flushed(self) {
        let (unmount, mount) = self.unmount(&[]);
        assert_eq!((unmount.code, mount.code), (Some(0), Some(0)), "{} {}", unmount.stderr, mount.stderr);
    }

    /// Kills the mount as `kill -9` does, and returns the directory it was mounted on.
    pub fn kill(mut self) -> TempDir {
        self.running.take().expect("the mount runs").kill();
        std::mem::replace(&mut self.directory, tempfile::tempdir().expect("a temporary directory can be made"))
    }

    /// Sends a signal, by name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(status.expect("kill runs").success(), "our own child can be signalled");
    }

    /// Waits for the mount to end by itself.
    pub fn ended(mut self) -> Outcome {
        self.running.take().expect("the mount runs").finish()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.kill();
        }
        // The guardian does the same; a directory that is still mounted could not be removed.
        let _not_mounted = Command::new("umount").arg("-l").arg(self.directory.path()).output();
    }
}
