//! A bucket in memory, and machines that share it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use swamp::bucket::memory::MemoryBucket;
use swamp::bucket::{Body, PutMode, SharedBucket, list_all, read_if_exists};
use swamp::catalog::Catalog;
use swamp::clock::{Clock, SystemClock};
use swamp::data::store::Store;
use swamp::fsutil::{self};
use swamp::lock::{self, Holder, Lock};
use swamp::namespace::Namespace;
use swamp::path::RelPath;
use swamp::sync::{Depth, Engine, EngineParts, Limits, Placement, Silent, Watermark};
use tokio_util::sync::CancellationToken;

use super::scripted::Scripted;

mod machine;

/// The largest object a test looks at.
const BYTES_MAX: u64 = 1 << 24;

#[derive(Clone)]
pub(crate) struct World {
    directory: Arc<tempfile::TempDir>,
    memory: SharedBucket,
    scripted: Arc<Scripted>,
    clock: Arc<dyn Clock>,
    limits: Limits,
}

#[derive(Clone)]
pub(crate) struct Machine {
    engine: Arc<Engine>,
    home: PathBuf,
    world: World,
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

fn path(text: &str) -> RelPath {
    text.parse().expect("a path")
}

impl World {
    pub(crate) fn namespaced() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let memory: SharedBucket = Arc::new(MemoryBucket::new(Arc::clone(&clock)));
        let scripted = Arc::new(Scripted::new(Arc::clone(&memory)));
        let directory = Arc::new(tempfile::tempdir().expect("a directory"));
        Self { directory, memory, scripted, clock, limits: Limits::default() }
    }

    /// A world whose machines publish one version at a time.
    pub(crate) fn in_parts() -> Self {
        let limits = Limits { creations_max: 1, writes_within: Duration::ZERO, ..Limits::default() };
        Self { limits, ..Self::namespaced() }
    }

    pub(crate) fn solo() -> Self {
        Self::namespaced()
    }

    pub(crate) fn machine(&self, namespace: &str, name: &str) -> Machine {
        let home = self.directory.path().join(format!("{namespace}-{name}"));
        self.open(Some(namespace.parse().expect("a slug")), home)
    }

    pub(crate) fn solo_machine(&self, name: &str) -> Machine {
        self.open(None, self.directory.path().join(name))
    }

    fn open(&self, namespace: Option<Namespace>, home: PathBuf) -> Machine {
        let bucket: SharedBucket = Arc::clone(&self.scripted) as SharedBucket;
        let (root, staging, state) = (home.join("tree"), home.join("tmp"), home.join("state"));
        for directory in [&root, &staging, &state] {
            fsutil::create_directory(directory).expect("made");
        }
        let watermark = Arc::new(Watermark::new(&state.join("watermark"), &staging));
        let store = Store::new(&root, &staging, Arc::clone(&watermark) as _, Arc::clone(&self.clock));
        let catalog = Catalog::open(&state.join("catalog.db")).expect("a catalog");
        let key = lock::global_key(namespace.as_ref());
        let holder = Holder::this_process("ana");
        let lock = Lock::new(Arc::clone(&bucket), key, Arc::clone(&self.clock), holder, lock::Options::default());
        let engine = Engine::new(EngineParts {
            bucket,
            namespace,
            placement: Placement::Cache,
            root,
            staging,
            state,
            store: Arc::new(store),
            catalog: Arc::new(catalog),
            watermark,
            repository: None,
            lock,
            parent: None,
            clock: Arc::clone(&self.clock),
            progress: Arc::new(Silent),
            depth: Depth::Content,
            limits: self.limits,
            stop: CancellationToken::new(),
        });
        Machine { engine: Arc::new(engine), home, world: self.clone() }
    }

    pub(crate) fn requests_of(&self, work: impl FnOnce()) -> u64 {
        let before = self.scripted.requests();
        work();
        self.scripted.requests() - before
    }

    pub(crate) fn fail_request(&self, nth: u64) {
        self.scripted.fail_request(nth);
    }

    pub(crate) fn lose_reply(&self, nth: u64) {
        self.scripted.lose_reply(nth);
    }

    pub(crate) fn hang(&self, nth: u64) {
        self.scripted.hang(nth);
    }

    pub(crate) fn fail_writes_of(&self, part: &str) {
        self.scripted.fail_writes_of(part);
    }

    pub(crate) fn deny(&self, key: &str) {
        self.scripted.deny(key);
    }

    pub(crate) fn refuse(&self, part: &str) {
        self.scripted.refuse(part);
    }

    pub(crate) fn before_write_of(&self, part: &str, hook: impl FnOnce() + Send + 'static) {
        self.scripted.before_write_of(part, Box::new(hook));
    }

    pub(crate) fn before_read_of(&self, part: &str, hook: impl FnOnce() + Send + 'static) {
        self.scripted.before_read_of(part, Box::new(hook));
    }

    pub(crate) fn remove_object(&self, key: &str) {
        self.delete_where(|found| found == key);
    }

    /// Removes every object whose key has this part.
    pub(crate) fn remove_objects_of(&self, part: &str) {
        self.delete_where(|found| found.contains(part));
    }

    pub(crate) fn put_object(&self, key: &str, content: &str) {
        let body = Body::Bytes(content.as_bytes().to_vec().into());
        wait(self.memory.put(&path(key), body, PutMode::Overwrite)).expect("written");
    }

    /// Adds an entry without a hash to a shard, and an object of one byte, as another program might.
    pub(crate) fn add_entry(&self, shard: &str, key: &str, size: u64) {
        let name = format!("infra/_index/{shard}.json");
        let mut body = self.json(&name);
        body["entries"][key] =
            serde_json::json!({"key": key, "size": size, "lastModified": "2026-01-01T00:00:00.000Z"});
        self.put_object(&name, &body.to_string());
        self.put_object(&format!("infra/{key}"), "x");
    }

    pub(crate) fn has_index(&self, namespace: &str) -> bool {
        self.object(&format!("{namespace}/_index/_meta.json")).is_some()
    }

    /// Listings show what there is now, until [`World::heal`].
    pub(crate) fn freeze_listings(&self) {
        self.scripted.freeze_listings(wait(list_all(&*self.memory, None, |_| {})).expect("listed"));
    }

    pub(crate) fn heal(&self) {
        self.scripted.heal();
    }

    /// Every object that is neither a lock nor the index's business.
    pub(crate) fn keys_and_sizes(&self) -> Vec<(String, u64)> {
        let objects = wait(list_all(&*self.memory, None, |_| {})).expect("listed");
        objects.into_iter().map(|object| (object.key.to_string(), object.size)).collect()
    }

    fn delete_where(&self, is_it: impl Fn(&str) -> bool) {
        for (key, _) in self.keys_and_sizes().into_iter().filter(|(key, _)| is_it(key)) {
            wait(self.memory.delete(&path(&key), None)).expect("deleted");
        }
    }

    pub(crate) fn forget_locks(&self) {
        self.delete_where(|key| Path::new(key).extension().is_some_and(|end| end == "lock"));
    }

    pub(crate) fn empty(&self) {
        self.delete_where(|_| true);
    }

    pub(crate) fn remove_index(&self, namespace: &str) {
        self.delete_where(|key| key.starts_with(&format!("{namespace}/_index/")));
    }

    pub(crate) fn object(&self, key: &str) -> Option<Vec<u8>> {
        wait(read_if_exists(&*self.memory, &path(key), BYTES_MAX)).expect("read").map(|(_, bytes)| bytes.to_vec())
    }

    fn json(&self, key: &str) -> serde_json::Value {
        serde_json::from_slice(&self.object(key).expect(key)).expect("JSON")
    }

    /// The list of shards.
    pub(crate) fn meta(&self, namespace: &str) -> serde_json::Value {
        self.json(&format!("{namespace}/_index/_meta.json"))
    }

    /// The monolith of what lies in the bucket, as one that has never seen an index describes it.
    pub(crate) fn discovered(&self, namespace: &str) -> String {
        let mut entries = serde_json::Map::new();
        for (key, size) in self.keys_and_sizes() {
            let path = key.strip_prefix(&format!("{namespace}/")).filter(|path| !path.starts_with("_index/"));
            if let Some(path) = path {
                let entry = serde_json::json!({"key": path, "size": size, "lastModified": "2026-01-01T00:00:00.000Z"});
                entries.insert(path.to_owned(), entry);
            }
        }
        serde_json::json!({"version": 1, "lastPulled": "2026-01-01T00:00:00.000Z", "entries": entries}).to_string()
    }

    pub(crate) fn exported_names(&self, namespace: &str) -> Vec<String> {
        let export = self.json(&format!("{namespace}/.catalog-export.json"));
        let rows = export.as_array().expect("rows").iter();
        let mut names: Vec<String> = rows.map(|row| row["data_name"].as_str().expect("a name").to_owned()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// The ids of the versions that the published catalog shows.
    pub(crate) fn exported_ids(&self, namespace: &str) -> Vec<String> {
        let export = self.json(&format!("{namespace}/.catalog-export.json"));
        export.as_array().expect("rows").iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
    }

    /// The published rows that are the latest of their names.
    pub(crate) fn exported_latest(&self, namespace: &str) -> Vec<(String, u64)> {
        let export = self.json(&format!("{namespace}/.catalog-export.json"));
        let rows = export.as_array().expect("rows").iter().filter(|row| row["is_latest"] == 1);
        let shown = rows.map(|row| (row["data_name"].as_str().expect("a name"), row["version"].as_u64()));
        let mut latest: Vec<_> = shown.map(|(name, version)| (name.to_owned(), version.expect("a number"))).collect();
        latest.sort();
        latest
    }

    /// The entries of the index.
    fn entries(&self, namespace: &str) -> BTreeMap<String, serde_json::Value> {
        let meta = self.json(&format!("{namespace}/_index/_meta.json"));
        let mut entries = BTreeMap::new();
        for partition in meta["partitions"].as_array().expect("partitions") {
            let shard = self.json(&format!("{namespace}/_index/{}.json", partition.as_str().expect("a name")));
            entries.extend(shard["entries"].as_object().expect("entries").clone());
        }
        entries
    }

    /// Index entries whose object is missing, or has another size or hash.
    pub(crate) fn dangling_entries(&self, namespace: &str) -> Vec<String> {
        let is_right = |(key, entry): &(String, serde_json::Value)| {
            self.object(&format!("{namespace}/{key}")).is_some_and(|bytes| {
                let digested = fsutil::digest_bytes(&bytes);
                entry["size"] == digested.size && entry["sha256"] == digested.sha256.as_str()
            })
        };
        self.entries(namespace).into_iter().filter(|entry| !is_right(entry)).map(|(key, _)| key).collect()
    }

    /// Files that are rewritten in place and lie in the bucket without an entry.
    pub(crate) fn unnamed_files(&self, namespace: &str) -> Vec<String> {
        let entries = self.entries(namespace);
        let objects = self.keys_and_sizes().into_iter();
        let files = objects.filter_map(|(key, _)| Some(key.strip_prefix(namespace)?.strip_prefix('/')?.to_owned()));
        files.filter(|file| file.starts_with("files/") && !entries.contains_key(file)).collect()
    }
}
