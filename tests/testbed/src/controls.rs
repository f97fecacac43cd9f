//! What is done to a server without asking it over the network: faults, counters, and what it stores.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::counters::{Counters, Recorder, Request};
use crate::faults::{Faults, Plan};

/// The objects of a server's one bucket.
pub(crate) trait Objects: Send + Sync + fmt::Debug {
    /// Stores an object, whatever is there.
    fn put(&self, key: &str, bytes: Bytes);

    /// Returns an object's bytes.
    fn get(&self, key: &str) -> Option<Bytes>;

    /// Returns the keys that begin with `prefix` in byte order.
    fn keys(&self, prefix: &str) -> Vec<String>;

    /// Deletes an object; says whether there was one.
    fn remove(&self, key: &str) -> bool;

    /// Changes when an object was last written; says whether there is one.
    fn set_modified(&self, key: &str, modified: SystemTime) -> bool;
}

/// The ways into a server that do not lead through HTTP; they work as long as it runs.
#[derive(Clone, Debug)]
pub struct Controls {
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) faults: Arc<Faults>,
    objects: Arc<dyn Objects>,
}

impl Controls {
    pub(crate) fn new(objects: Arc<dyn Objects>) -> Self {
        Self { recorder: Arc::default(), faults: Arc::default(), objects }
    }

    /// Returns the requests received so far, by kind.
    pub fn counters(&self) -> Counters {
        self.recorder.counters()
    }

    /// Returns the requests received so far, in order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.recorder.requests()
    }

    /// Forgets the requests received so far.
    pub fn reset_counters(&self) {
        self.recorder.reset();
    }

    /// Waits until the counters satisfy `enough`; false when `patience` ended first.
    ///
    /// With [`crate::faults::Fault::Hold`] this stops a race at a known point.
    pub fn wait_until(&self, patience: Duration, enough: impl Fn(&Counters) -> bool) -> bool {
        self.recorder.wait_until(patience, enough)
    }

    /// Replaces what is to go wrong; rules count from here.
    pub fn faults(&self, plan: impl Into<Plan>) {
        self.faults.set(plan.into());
    }

    /// Lets nothing go wrong any more and releases held requests.
    pub fn clear_faults(&self) {
        self.faults(Plan::default());
    }

    /// Stores an object, uncounted.
    pub fn put(&self, key: &str, bytes: impl AsRef<[u8]>) {
        self.objects.put(key, Bytes::copy_from_slice(bytes.as_ref()));
    }

    /// Returns an object's bytes, uncounted.
    pub fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.objects.get(key).map(|bytes| bytes.to_vec())
    }

    /// Returns the keys that begin with `prefix` in byte order, uncounted.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        self.objects.keys(prefix)
    }

    /// Deletes an object, uncounted; says whether there was one.
    pub fn delete(&self, key: &str) -> bool {
        self.objects.remove(key)
    }

    /// Changes when an object was last written, to the second; says whether there is one.
    pub fn set_modified(&self, key: &str, modified: SystemTime) -> bool {
        self.objects.set_modified(key, modified)
    }

    /// Stores the files of a directory tree as `{prefix}/{path}` (as `{path}` without a prefix); returns how many.
    pub fn load_directory(&self, directory: impl AsRef<Path>, prefix: &str) -> io::Result<usize> {
        let mut loaded = 0;
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name().into_string().map_err(|name| {
                io::Error::new(io::ErrorKind::InvalidData, format!("file name {} is not UTF-8", name.display()))
            })?;
            let key = if prefix.is_empty() { name } else { format!("{}/{name}", prefix.trim_end_matches('/')) };
            if entry.file_type()?.is_dir() {
                loaded += self.load_directory(entry.path(), &key)?;
            } else {
                self.put(&key, fs::read(entry.path())?);
                loaded += 1;
            }
        }
        Ok(loaded)
    }
}
