//! Where a story plays.

use std::thread;

use tempfile::TempDir;

use crate::datastore::{Backend, Datastore};
use crate::disk::SmallDisk;
use crate::machine::{Machine, Repository};
use crate::transcript::Transcript;

/// One datastore and the machines that share it; gone when dropped.
#[derive(Debug)]
pub struct Scene {
    root: TempDir,
    datastore: Datastore,
    transcript: Transcript,
}

impl Scene {
    /// Sets the scene with an empty datastore.
    pub fn new(backend: Backend) -> Self {
        let root = tempfile::tempdir().expect("a temporary directory can be made");
        let datastore = Datastore::new(backend, root.path());
        Self { root, datastore, transcript: Transcript::default() }
    }

    /// Returns the datastore.
    pub fn datastore(&self) -> &Datastore {
        &self.datastore
    }

    /// Returns whether the datastore is a bucket.
    pub fn is_remote(&self) -> bool {
        !matches!(self.datastore, Datastore::Directory(_))
    }

    /// Returns how many requests the server gets while `action` runs.
    pub fn requests_of(&self, action: impl FnOnce()) -> u64 {
        let server = self.datastore.server();
        server.reset_counters();
        action();
        server.counters().total()
    }

    /// Returns a machine with the credentials of the datastore.
    pub fn machine(&self, name: &str) -> Machine {
        let root = self.root.path().join("machines").join(name);
        Machine::new(name, root, self.datastore.environment(), &self.transcript)
    }

    /// Gives a machine that is still to be made a small disk of its own, of so many mebibytes.
    pub fn small_disk(&self, machine: &str, mebibytes: u64) -> SmallDisk {
        SmallDisk::new(&self.root.path().join("machines").join(machine), mebibytes)
    }

    /// Makes a repository on a machine of its own, set up on the datastore under `namespace`.
    pub fn repository(&self, machine: &str, namespace: &str) -> Repository {
        let repository = self.machine(machine).repository(namespace);
        repository.expect(repository.set_up(&self.datastore, &["--namespace", namespace]), 0);
        repository
    }

    /// Makes a repository without a namespace.
    pub fn solo_repository(&self, machine: &str) -> Repository {
        let repository = self.machine(machine).repository("solo");
        repository.expect(repository.set_up(&self.datastore, &[]), 0);
        repository
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if thread::panicking() {
            #[expect(clippy::print_stderr, reason = "the test runner shows it with the failure")]
            {
                eprintln!("what the story did:\n{}", self.transcript.text());
            }
        }
    }
}
