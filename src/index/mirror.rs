//! The local copy of a namespace's index, and what this cache knows of the files it lists.
//!
//! One small head and one record per shard, so that cost follows the shards touched. The head names the version of
//! every shard that has been *reconciled* with the local tree; a record may run ahead of it after a crash, never
//! behind: a head is saved after its records and after the files they describe. Losing any of it costs requests and
//! hashing, never data.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::entry::{self, Entries, INDEX_BYTES_MAX, Unusable};
use super::{Founding, IndexError, PartitionKey};
use crate::bucket::Version;
use crate::clock::Timestamp;
use crate::fsutil::{self, Durability, FileError, Staged};
use crate::path::RelPath;

const FORMAT: u32 = 1;

/// How long listings may show what was, in milliseconds: after that, one is looked at once more.
const LISTING_LAG_MAX_MS: i64 = 60_000;

/// How a namespace's index is stored remotely.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// There is none, or nobody has looked yet.
    #[default]
    Absent,
    /// Version 1: one object is the truth, shards are advisory copies.
    Monolith,
    /// Version 2: the shards listed in the meta object are the truth.
    Sharded,
}

/// One unit of an index that is read and written as a whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShardId {
    /// The whole index of layout [`Layout::Monolith`].
    Monolith,
    /// A shard of layout [`Layout::Sharded`].
    Partition(PartitionKey),
}

impl ShardId {
    /// Returns the key of its object, relative to the namespace.
    pub fn to_path(&self) -> RelPath {
        match self {
            Self::Monolith => RelPath::from_trusted(".datastore-index.json".to_owned()),
            Self::Partition(key) => key.to_path(),
        }
    }

    /// Returns the shard that holds, or would hold, the entry of a path in a layout.
    pub fn holding(path: &RelPath, layout: Layout) -> Option<Self> {
        Some(grouping(layout)(PartitionKey::of(path)?))
    }

    /// Returns its name in a [`Head`]; no partition is called `*`.
    fn name(&self) -> &str {
        match self {
            Self::Monolith => "*",
            Self::Partition(key) => key.as_str(),
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        if name == "*" { Some(Self::Monolith) } else { PartitionKey::from_remote(name).map(Self::Partition) }
    }

    /// Whether an entry below `directory` could live here; may say yes too often, never no wrongly.
    pub fn may_hold(&self, directory: &RelPath) -> bool {
        let Self::Partition(key) = self else { return true };
        let mut joined = String::new();
        for segment in directory.segments() {
            if !joined.is_empty() {
                joined.push_str("--");
            }
            joined.push_str(segment);
            if key.as_str() == joined {
                return true;
            }
        }
        key.as_str() == "_root" || key.as_str().strip_prefix(&joined).is_some_and(|rest| rest.starts_with("--"))
    }
}

impl std::fmt::Display for ShardId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What the cache is in step with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    format: u32,
    /// The remote layout when last seen.
    pub layout: Layout,
    /// State of the meta object when last reconciled.
    pub meta: Option<Version>,
    /// The commit the cache has reconciled, in layout [`Layout::Sharded`].
    pub commit_seq: Option<u64>,
    /// Whether content was fetched too, not only metadata.
    pub is_hydrated: bool,
    /// What others added to the meta object.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(super) meta_extra: Map<String, Value>,
    /// Names of shards that cannot be used; a rewrite of the meta object keeps them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) unusable_partitions: Vec<String>,
    shards: BTreeMap<String, Version>,
    /// When a listing told which shards had changed, in milliseconds since 1970; listings of some stores lag behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) listed_at_ms: Option<i64>,
    /// Shards whose records may have been replaced since.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    reading: BTreeSet<String>,
}

impl Head {
    /// Returns a head that is in step with nothing.
    pub fn new(layout: Layout) -> Self {
        Self { layout, ..Self::default() }
    }

    /// Returns the reconciled version of a shard.
    pub fn shard(&self, shard: &ShardId) -> Option<&Version> {
        self.shards.get(shard.name())
    }

    /// Records that a shard was reconciled, or that it is gone.
    pub fn set_shard(&mut self, shard: &ShardId, version: Option<Version>) {
        match version {
            Some(version) => self.shards.insert(shard.name().to_owned(), version),
            None => self.shards.remove(shard.name()),
        };
    }

    /// Forgets what state of a shard was reconciled: the next look reads it, whatever a listing says.
    pub(super) fn forget(&mut self, shard: &ShardId) {
        self.shards.remove(shard.name());
        self.reading.insert(shard.name().to_owned());
    }

    /// Returns the head to probe with: one that is in step with nothing, if a listing is due to be looked at again.
    pub fn to_probe(&self, now: Timestamp) -> Self {
        let is_due = |at_ms: i64| !(0..LISTING_LAG_MAX_MS).contains(&(now.milliseconds() - at_ms));
        let meta = self.meta.clone().filter(|_| !self.listed_at_ms.is_some_and(is_due));
        Self { meta, ..self.clone() }
    }

    /// Returns the shards in byte order.
    pub fn shards(&self) -> impl Iterator<Item = ShardId> {
        self.shards.keys().filter_map(|name| ShardId::from_name(name))
    }

    /// Returns the shards whose records may say more than the head: they were being read when a session ended early.
    pub(super) fn reading(&self) -> impl Iterator<Item = ShardId> {
        self.reading.iter().filter_map(|name| ShardId::from_name(name))
    }
}

/// A file's identity on disk: a write to it changes at least one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Length in bytes.
    pub size: u64,
    /// Modification time, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Change time, in nanoseconds since 1970; cannot be set back by a program.
    pub ctime_ns: i64,
}

impl Stamp {
    /// Returns a stamp that no file has.
    pub fn of_nothing(size: u64) -> Self {
        Self { size, mtime_ns: i64::MIN, ctime_ns: i64::MIN }
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        let nanoseconds = |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        Self {
            size: metadata.size(),
            mtime_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// What this cache knows about one indexed file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The entry's `lastModified`, which identifies content for entries without a hash.
    pub last_modified: String,
    /// The content that was verified; `None` where the file has not been fetched.
    pub local: Option<Verified>,
    /// The object that was sent or fetched; `None` where nobody here has seen it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
}

/// Content that was compared with the index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// The file as it was then.
    #[serde(flatten)]
    pub stamp: Stamp,
    /// Lower-case hexadecimal SHA-256 of its content.
    pub sha256: String,
}

/// One shard as this cache last saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    name: String,
    /// The remote state that `entries` are from: what a commit onto them expects. Kept with them, because head and
    /// record are separate files; a lost record has none, and a commit then reads the shard again.
    #[serde(default)]
    pub version: Option<Version>,
    /// What the datastore holds.
    #[serde(deserialize_with = "entry::deserialize")]
    pub entries: Entries,
    /// Entries that say no more than that their files exist.
    #[serde(default, skip_serializing_if = "Unusable::is_empty")]
    pub unusable: Unusable,
    /// What this cache has seen of it, also of entries that are gone since.
    pub known: IndexMap<RelPath, Known>,
}

impl Record {
    /// Returns an empty record of a shard.
    pub fn named(shard: &ShardId) -> Self {
        Self { name: shard.name().to_owned(), ..Self::default() }
    }

    /// Whether the datastore holds a file, also if nothing else is known of it.
    pub fn names(&self, path: &RelPath) -> bool {
        self.entries.contains_key(path) || self.is_unusable(path)
    }

    /// Whether the entry of a file cannot be used: it is left as it is, here as well as there.
    pub fn is_unusable(&self, path: &RelPath) -> bool {
        self.unusable.contains_key(path.as_str())
    }
}

/// The directory that holds head and records.
#[derive(Debug)]
pub struct Mirror {
    directory: PathBuf,
    staging: PathBuf,
    founding: Founding,
    head: Head,
}

impl Mirror {
    /// Opens the mirror; an unreadable head is an empty one. `founding` is the layout a new index gets.
    pub fn open(directory: &Path, staging: &Path, founding: Founding) -> Result<Self, IndexError> {
        let bytes = fsutil::read_if_exists(&directory.join("head.json"), INDEX_BYTES_MAX)?;
        let head = bytes.and_then(|bytes| serde_json::from_slice::<Head>(&bytes).ok());
        let head = head.filter(|head| head.format == FORMAT).unwrap_or_default();
        Ok(Self { directory: directory.to_owned(), staging: staging.to_owned(), founding, head })
    }

    /// Returns what the cache is in step with.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Saves a new head. Its records and files are on disk already.
    pub fn set_head(&mut self, head: Head) -> Result<(), IndexError> {
        let head = Head { format: FORMAT, ..head };
        if head != self.head {
            self.write("head.json", &head)?;
            self.head = head;
        }
        Ok(())
    }

    /// Notes that records are about to be replaced; the next head that is in step with an index forgets it.
    pub fn begin_reading(&mut self, shards: &[ShardId]) -> Result<(), IndexError> {
        let mut head = self.head.clone();
        head.reading.extend(shards.iter().map(|shard| shard.name().to_owned()));
        self.set_head(head)
    }

    /// Returns the record of a shard, an empty one if there is none or it is unreadable.
    pub fn record(&self, shard: &ShardId) -> Result<Record, IndexError> {
        let bytes = fsutil::read_if_exists(&self.directory.join(file_name(shard)), 2 * INDEX_BYTES_MAX)?;
        let record = bytes.and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok());
        let record = record.filter(|record| record.name == shard.name());
        Ok(record.unwrap_or_else(|| Record::named(shard)))
    }

    /// Saves the record of a shard, or removes it if it says nothing. One that holds nothing says which state that is.
    pub fn set_record(&self, shard: &ShardId, record: &Record) -> Result<(), IndexError> {
        let name = file_name(shard);
        if record.entries.is_empty() && record.known.is_empty() && record.version.is_none() {
            fsutil::remove_file(&self.directory.join(name))?;
            return Ok(());
        }
        self.write(&name, record)
    }

    /// Returns the shard that holds, or would hold, the entry of a path in the present layout.
    pub fn shard_of(&self, path: &RelPath) -> Option<ShardId> {
        ShardId::holding(path, self.layout())
    }

    /// Returns the layout of the index, or the one it gets when it is founded.
    pub fn layout(&self) -> Layout {
        match (self.head.layout, self.founding) {
            (Layout::Absent, Founding::Sharded) => Layout::Sharded,
            (Layout::Absent, Founding::Monolith) => Layout::Monolith,
            (layout, _) => layout,
        }
    }

    /// Moves what is known into the records of another layout; returns those records' shards. Entries are not moved.
    pub(super) fn regroup(&self, layout: Layout) -> Result<Vec<ShardId>, IndexError> {
        let mut moved: BTreeMap<ShardId, IndexMap<RelPath, Known>> = BTreeMap::new();
        for shard in self.head.shards().chain(self.head.reading()) {
            for (path, known) in self.record(&shard)?.known {
                if let Some(partition) = PartitionKey::of(&path) {
                    moved.entry(grouping(layout)(partition)).or_default().insert(path, known);
                }
            }
            self.set_record(&shard, &Record::default())?;
        }
        for (shard, known) in &moved {
            self.set_record(shard, &Record { known: known.clone(), ..Record::named(shard) })?;
        }
        Ok(moved.into_keys().collect())
    }

    /// Writes JSON piece by piece: the text of a large record is longer than the record.
    fn write(&self, name: &str, value: &impl Serialize) -> Result<(), IndexError> {
        let path = self.directory.join(name);
        let mut staged = Staged::new(&self.staging)?;
        let mut writer = BufWriter::new(staged.file());
        let written = serde_json::to_writer(&mut writer, value).map_err(io::Error::from).and_then(|()| writer.flush());
        drop(writer);
        written.map_err(FileError::at("write", staged.path()))?;
        Ok(fsutil::install(staged, &path, Durability::Relaxed)?)
    }
}

/// Returns the shard of a partition in a layout.
fn grouping(layout: Layout) -> impl Fn(PartitionKey) -> ShardId {
    move |partition| match layout {
        Layout::Monolith => ShardId::Monolith,
        Layout::Sharded | Layout::Absent => ShardId::Partition(partition),
    }
}

/// Shard names may be longer than file names can be.
fn file_name(shard: &ShardId) -> String {
    let digest = fsutil::digest_bytes(shard.name().as_bytes()).sha256;
    format!("{}.json", digest.get(..32).unwrap_or(&digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn may_hold_never_misses_the_shard_of_a_path_below() {
        let paths = [
            "data/aws/ec2/vpc/ID/state/1/raw",
            "data/aws/ec2/vpc/ID/state/latest",
            "data/workflow/ID/report/latest",
            "outputs/aws/ec2/vpc/create/x.yaml",
            "workflow-runs/W/workflow-run-R.yaml",
            "auto-definitions/swamp/file/m.yaml",
            ".catalog-export.json",
        ];
        for path in paths {
            let path: RelPath = path.parse().expect("a path");
            let shard = ShardId::Partition(PartitionKey::of(&path).expect("partitionable"));
            let mut directory = Some(path.clone());
            while let Some(ancestor) = directory {
                assert!(shard.may_hold(&ancestor), "{shard:?} misses {path} below {ancestor}");
                directory = ancestor.parent();
            }
        }
        let other = ShardId::Partition(PartitionKey::from_remote("data--aws--s3").expect("a name"));
        assert!(!other.may_hold(&"data/aws/ec2".parse().expect("a path")));
    }

    #[test]
    fn head_and_records_survive_reopening() {
        let root = tempfile::tempdir().expect("a directory");
        let shard = ShardId::Monolith;
        let mut mirror = Mirror::open(root.path(), root.path(), Founding::Sharded).expect("opened");
        let mut head = Head::new(Layout::Monolith);
        head.set_shard(&shard, Some(Version::new("etag")));
        mirror.set_head(head).expect("saved");

        let again = Mirror::open(root.path(), root.path(), Founding::Sharded).expect("opened");

        assert_eq!(again.head(), mirror.head());
        assert_eq!(again.record(&shard).expect("readable").entries.len(), 0);
    }
}
