//! Real mounts for tests: a tree made of a list, a recording observer, a session of its own, and no trace afterwards.

mod tree;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use crate::{Access, Changing, Made, Observer, Options, Passthrough, Served, Writable, serve};

pub(crate) use tree::Grove;

/// Something the observer heard.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Heard {
    Changing(PathBuf),
    Done(PathBuf),
    Changed(PathBuf),
    Settled,
    Failed(&'static str, PathBuf, i32),
}

/// Remembers what it hears; refuses names that begin with `refused` and changes there, moves no directory to `fixed`, and
/// records nothing while `broken`.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    heard: Arc<Mutex<Vec<Heard>>>,
    pub(crate) broken: std::sync::atomic::AtomicBool,
}

struct Guard(Arc<Mutex<Vec<Heard>>>, PathBuf);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Heard::Done(self.1.clone()));
    }
}

impl Recorder {
    fn hear(&self, heard: Heard) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).push(heard);
    }

    /// Returns what was heard since the last call.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Observer for Recorder {
    fn admits(&self, path: &Path, _made: Made) -> bool {
        !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"refused"))
    }

    fn moves(&self, _source: &Path, target: &Path) -> bool {
        !target.starts_with("fixed")
    }

    fn changing(&self, directory: &Path) -> io::Result<Changing> {
        if !self.admits(directory, Made::Directory) {
            return Err(io::Error::from_raw_os_error(1));
        }
        if self.broken.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(io::Error::other("the record is broken"));
        }
        self.hear(Heard::Changing(directory.to_owned()));
        Ok(Box::new(Guard(Arc::clone(&self.heard), directory.to_owned())))
    }

    fn changed(&self, path: &Path) {
        self.hear(Heard::Changed(path.to_owned()));
    }

    fn settle(&self) -> io::Result<()> {
        self.hear(Heard::Settled);
        Ok(())
    }

    fn failed(&self, operation: &'static str, path: &Path, errno: i32) {
        self.hear(Heard::Failed(operation, path.to_owned(), errno));
    }
}

/// Returns options for a mount of `directory` as `own`, with `models` over it.
pub(crate) fn options(directory: &Path, observer: Arc<Recorder>, passthrough: Passthrough) -> Options {
    let grove = Grove::sample();
    let overlay = vec![("models".to_owned(), grove.node("foreign"))];
    Options {
        mountpoint: PathBuf::new(),
        source: "swamp-trial".to_owned(),
        tree: Arc::new(grove),
        writable: Some(Writable { name: "own".to_owned(), directory: directory.to_owned(), overlay, observer }),
        read_only: false,
        access: Access::Everybody,
        passthrough,
        owner: (0, 0),
        cache_bytes: 1 << 20,
        deadline: Duration::from_secs(5),
    }
}

/// A mount that lasts as long as the value.
pub(crate) struct Trial {
    pub(crate) served: Served,
    pub(crate) observer: Arc<Recorder>,
    mountpoint: TempDir,
    directory: TempDir,
}

impl Trial {
    pub(crate) fn new(passthrough: Passthrough) -> Self {
        Self::with(passthrough, |_| {})
    }

    pub(crate) fn with(passthrough: Passthrough, adjust: impl FnOnce(&mut Options)) -> Self {
        let (mountpoint, directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let observer = Arc::new(Recorder::default());
        let mut options = options(directory.path(), Arc::clone(&observer), passthrough);
        options.mountpoint = mountpoint.path().to_owned();
        adjust(&mut options);
        let served = serve(&options, |_| ()).unwrap();
        Self { served, observer, mountpoint, directory }
    }

    /// Returns where the mount is.
    pub(crate) fn root(&self) -> &Path {
        self.mountpoint.path()
    }

    /// Returns where the writable directory appears.
    pub(crate) fn own(&self) -> PathBuf {
        self.root().join("own")
    }

    /// Returns the writable directory itself.
    pub(crate) fn behind(&self) -> &Path {
        self.directory.path()
    }
}
