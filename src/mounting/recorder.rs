//! Between the mount and the dirty set: every change of our namespace is recorded before it happens.
//!
//! What can be written is either synchronised, or a file that a program makes for a moment, or refused with a reason.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;
use swamp_mount::{Changing, Made, Observer};

use super::inbox::Inbox;
use super::keeper::Links;
use crate::datastore::DatastoreConfig;
use crate::path::{InvalidPath, PATH_BYTES_MAX, RelPath};
use crate::sync::{self, Fate, Hold, Watermark};
use crate::tree::Failures;

/// What becomes of symbolic links, pipes, sockets and devices, which no datastore holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Special {
    /// They cannot be made.
    #[default]
    Refused,
    /// They stay on this machine.
    Kept,
}

/// Which names of our namespace may be made.
#[derive(Clone, Debug)]
pub struct Admission {
    special: Special,
    /// The directories at the top that belong to the datastore.
    directories: Vec<String>,
    /// How long a path may be, in bytes.
    path_bytes_max: usize,
}

impl Admission {
    /// Returns the rules for a datastore.
    pub fn new(config: &DatastoreConfig) -> Self {
        let is_shared = |name: &&String| config.holds(name) && sync::has_place(name);
        let prefix = config.namespace.as_ref().map_or(0, |namespace| namespace.as_str().len() + 1);
        Self {
            directories: config.directories.iter().filter(is_shared).cloned().collect(),
            path_bytes_max: PATH_BYTES_MAX.saturating_sub(prefix),
            special: Special::default(),
        }
    }

    /// Returns the same rules with another one for what no datastore holds.
    pub fn with_special(self, special: Special) -> Self {
        Self { special, ..self }
    }

    /// Returns why a name may not be made, `None` if it may.
    pub fn refusal(&self, path: &Path, made: Made) -> Option<String> {
        let path = match relative(path) {
            Ok(path) => path,
            Err(error) => return Some(error.to_string()),
        };
        if path.as_str().len() > self.path_bytes_max {
            return Some(format!("its path is longer than {} bytes", self.path_bytes_max));
        }
        self.outside(&path).or_else(|| match (made, sync::fate(&path)) {
            // A directory is no object; what matters is what is made in it.
            (Made::Directory, _) | (Made::File, Fate::Synced | Fate::LocalOnly(_)) => None,
            (Made::File, Fate::Refused(reason)) => Some(reason.to_owned()),
            // Editors lock files with links of such names, and remove them again.
            (Made::Special, _) if self.special == Special::Kept || sync::is_temporary_name(&path) => None,
            (Made::Special, _) => Some("a datastore holds regular files only".to_owned()),
        })
    }

    /// Returns why nothing below a path may change, `None` if it may.
    fn outside(&self, path: &RelPath) -> Option<String> {
        let top = path.segments().next().unwrap_or_default();
        let is_inside = self.directories.iter().any(|directory| directory == top);
        (!is_inside).then(|| {
            let known = self.directories.join("`, `");
            format!("`{}` is none of the directories of this datastore: `{known}`", top.escape_debug())
        })
    }
}

/// Records what happens in our namespace's directory.
#[derive(Debug)]
pub struct Recorder {
    watermark: Arc<Watermark>,
    admission: Admission,
    inbox: Arc<Inbox>,
    failures: Arc<Failures>,
}

/// A change that goes on; its end is a change as well.
struct InUse {
    inbox: Arc<Inbox>,
    _hold: Hold,
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.inbox.touch();
    }
}

impl Recorder {
    /// Returns a recorder that tells the keeper with the same links.
    pub fn new(watermark: Arc<Watermark>, admission: Admission, links: &Links) -> Self {
        let (inbox, failures) = (Arc::clone(&links.inbox), Arc::clone(&links.failures));
        Self { watermark, admission, inbox, failures }
    }

    fn refuse(&self, operation: &'static str, path: &Path, reason: &str) {
        self.failures.note(operation, &path.to_string_lossy(), Some(Errno::PERM.raw_os_error()), reason);
    }
}

impl Observer for Recorder {
    fn admits(&self, path: &Path, made: Made) -> bool {
        let Some(reason) = self.admission.refusal(path, made) else { return true };
        self.refuse("create", path, &reason);
        false
    }

    fn moves(&self, source: &Path, target: &Path) -> bool {
        match (relative(source), relative(target)) {
            (Ok(source), Ok(target)) => sync::keeps_places(&source, &target),
            // Of what has no key nothing is pushed.
            (Err(_), _) | (_, Err(_)) => true,
        }
    }

    fn changing(&self, directory: &Path) -> io::Result<Changing> {
        // A directory whose name cannot be a key was not made here; what is removed from it belongs to no object.
        let nearest = directory.ancestors().find(|path| relative(path).is_ok());
        let nearest = nearest.and_then(|path| relative(path).ok());
        let hold = match &nearest {
            None => self.watermark.hold_everything(),
            Some(path) => {
                if let Some(reason) = self.admission.outside(path) {
                    self.refuse("change", directory, &reason);
                    return Err(Errno::PERM.into());
                }
                self.watermark.hold(path)
            }
        };
        let hold = hold.map_err(|error| {
            self.failures.note("record", &directory.to_string_lossy(), error.source.raw_os_error(), &error.to_string());
            error.source
        })?;
        self.inbox.touch();
        Ok(Box::new(InUse { inbox: Arc::clone(&self.inbox), _hold: hold }))
    }

    fn changed(&self, path: &Path) {
        if let Ok(path) = relative(path) {
            self.inbox.changed(path);
        }
    }

    fn settle(&self) -> io::Result<()> {
        self.watermark.settle().map_err(|error| error.source)
    }

    fn failed(&self, operation: &'static str, path: &Path, errno: i32) {
        let reason = io::Error::from_raw_os_error(errno).to_string();
        self.failures.note(operation, &path.to_string_lossy(), Some(errno), &reason);
    }
}

fn relative(path: &Path) -> Result<RelPath, InvalidPath> {
    RelPath::between(Path::new(""), path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock, Timestamp};
    use crate::datastore::Places;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    const RAW: &str = "data/aws/ec2/vpc/0bc79a8f-d9d2-4ec5-a37f-8d88bbb3ee27/state/1/raw";

    fn config(block: &serde_json::Value) -> DatastoreConfig {
        let places = Places { repository: Path::new("/r"), home: None, variable: &|_| None };
        DatastoreConfig::from_block(block.as_object().expect("an object"), &places).expect("a block")
    }

    fn admission() -> Admission {
        Admission::new(&config(&serde_json::json!({"type": "s3", "bucket": "team", "namespace": "infra"})))
    }

    fn recorder(root: &Path) -> Recorder {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp::default()));
        let watermark = Arc::new(Watermark::new(&root.join("state/dirty"), &root.join("tmp")));
        let (_, mark) = watermark.snapshot().expect("read");
        watermark.clear(mark).expect("cleared");
        Recorder::new(watermark, admission(), &Links::new(&clock))
    }

    fn is_admitted(path: &str, made: Made) -> bool {
        admission().refusal(Path::new(path), made).is_none()
    }

    #[test]
    fn every_file_that_has_a_place_may_be_made_and_whatever_editors_put_beside_it() {
        for path in [RAW, "outputs/a/b/run/x.yaml", "files/repo/.git/config", "files/.x.swp", "files/x.db-journal"] {
            assert!(is_admitted(path, Made::File), "{path}");
        }
        assert!(is_admitted(&format!("{RAW}.tmp"), Made::File));
        assert!(is_admitted("files/.#x", Made::Special));
    }

    #[test]
    fn what_has_no_place_in_the_index_is_refused() {
        for path in ["notes.txt", "outputs/x.yaml", "secrets/a/b/c/d", "_index/x", ".namespace.json", "sub/x"] {
            assert!(!is_admitted(path, Made::File), "{path}");
        }
        assert!(!is_admitted("files/link", Made::Special));
    }

    #[test]
    fn directories_may_be_made_below_those_of_the_datastore() {
        assert!(is_admitted("outputs", Made::Directory));
        assert!(is_admitted("outputs/a", Made::Directory));
        assert!(!is_admitted("secrets", Made::Directory));
        assert!(!is_admitted("_index", Made::Directory));
        assert!(!is_admitted("mine", Made::Directory));
    }

    #[test]
    fn names_that_cannot_be_keys_are_refused() {
        let odd = Path::new("files").join(OsStr::from_bytes(b"\xff"));
        assert!(admission().refusal(&odd, Made::File).is_some());

        let long = |length: usize| format!("files/{}", ["x".repeat(200).as_str(); 6].join("/").split_at(length).0);
        assert!(is_admitted(&long(1012), Made::File));
        assert!(!is_admitted(&long(1013), Made::File));
    }

    #[test]
    fn a_refusal_is_told_with_its_reason() {
        let root = tempfile::tempdir().expect("a directory");
        let recorder = recorder(root.path());

        assert!(!recorder.admits(Path::new("outputs/x.yaml"), Made::File));

        let (_, last) = recorder.failures.last();
        assert_eq!((last[0].errno, last[0].reason.as_str()), (Some(1), "it has no place in the index"));
    }

    #[test]
    fn a_change_is_dirty_before_it_happens_and_as_long_as_it_goes_on() {
        let root = tempfile::tempdir().expect("a directory");
        let recorder = recorder(root.path());
        let dirty = || recorder.watermark.snapshot().expect("read");

        let change = recorder.changing(Path::new("outputs/a/b/c")).expect("recorded");
        let (set, mark) = dirty();
        assert_eq!(set.paths, vec!["outputs/a/b/c".parse().expect("a path")]);
        recorder.watermark.clear(mark).expect("cleared");
        assert_eq!(dirty().0, set);

        drop(change);
        let (_, mark) = dirty();
        recorder.watermark.clear(mark).expect("cleared");
        assert!(dirty().0.is_empty());
    }

    #[test]
    fn what_belongs_to_the_datastore_itself_cannot_be_changed() {
        let root = tempfile::tempdir().expect("a directory");
        let recorder = recorder(root.path());

        for path in [".namespace.json", ".catalog-export.json", "_index", "secrets", "notes.txt"] {
            let refused = recorder.changing(Path::new(path)).expect_err("refused");

            let noted = recorder.failures.last().1.pop().map(|failure| (failure.errno, failure.path));
            assert_eq!((refused.raw_os_error(), noted), (Some(1), Some((Some(1), path.to_owned()))));
        }
        drop(recorder.changing(Path::new("outputs")).expect("recorded"));
        assert_eq!(recorder.watermark.snapshot().expect("read").0.paths, vec!["outputs".parse().expect("a path")]);
    }

    #[test]
    fn a_change_of_the_top_may_change_everything() {
        let root = tempfile::tempdir().expect("a directory");
        let recorder = recorder(root.path());

        drop(recorder.changing(Path::new("")).expect("recorded"));

        assert!(recorder.watermark.snapshot().expect("read").0.is_everything);
    }

    #[test]
    fn nothing_outside_the_datastore_changes() {
        let root = tempfile::tempdir().expect("a directory");

        let refused = recorder(root.path()).changing(Path::new("secrets/a")).expect_err("refused");

        assert_eq!(refused.raw_os_error(), Some(1));
    }

    #[test]
    fn the_begin_and_the_end_of_a_change_are_news() {
        let root = tempfile::tempdir().expect("a directory");
        let recorder = recorder(root.path());

        let change = recorder.changing(Path::new("files")).expect("recorded");
        assert!(recorder.inbox.take().span.is_some());

        drop(change);
        assert!(recorder.inbox.take().span.is_some());
        recorder.changed(Path::new("files/x"));
        assert_eq!(recorder.inbox.take().names.len(), 1);
    }
}
