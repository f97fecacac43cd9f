//! A bucket in memory, and machines that share it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use swamp::bucket::memory::MemoryBucket;
use swamp::bucket::{SharedBucket, list_all, read_if_exists};
use swamp::catalog::{Catalog, Filter, Record, Scope};
use swamp::clock::{Clock, SystemClock};
use swamp::data::layout::{Artifact, Part};
use swamp::data::metadata::{Owner, OwnerType};
use swamp::data::name::{DataName, ModelId, ModelType, VersionNumber};
use swamp::data::store::{Content, Draft, MarkDirty as _, Store};
use swamp::fsutil::{self, Durability};
use swamp::index::Migrated;
use swamp::lock::{self, Holder, Lock};
use swamp::namespace::Namespace;
use swamp::path::RelPath;
use swamp::sync::{
    CatalogPulled, Depth, Engine, EngineParts, Limits, Placement, PullReport, PushReport, Silent, SyncError,
    SyncOptions, SyncService as _, Watermark,
};
use tokio_util::sync::CancellationToken;

use super::scripted::Scripted;

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
        Self { limits: Limits { creations_max: 1, ..Limits::default() }, ..Self::namespaced() }
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
            lock,
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

    pub(crate) fn before_write_of(&self, part: &str, hook: impl FnOnce() + Send + 'static) {
        self.scripted.before_write_of(part, Box::new(hook));
    }

    pub(crate) fn before_read_of(&self, part: &str, hook: impl FnOnce() + Send + 'static) {
        self.scripted.before_read_of(part, Box::new(hook));
    }

    pub(crate) fn remove_object(&self, key: &str) {
        self.delete_where(|found| found == key);
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

    fn object(&self, key: &str) -> Option<Vec<u8>> {
        wait(read_if_exists(&*self.memory, &path(key), BYTES_MAX)).expect("read").map(|(_, bytes)| bytes.to_vec())
    }

    fn json(&self, key: &str) -> serde_json::Value {
        serde_json::from_slice(&self.object(key).expect(key)).expect("JSON")
    }

    pub(crate) fn exported_names(&self, namespace: &str) -> Vec<String> {
        let export = self.json(&format!("{namespace}/.catalog-export.json"));
        let rows = export.as_array().expect("rows").iter();
        let mut names: Vec<String> = rows.map(|row| row["data_name"].as_str().expect("a name").to_owned()).collect();
        names.sort();
        names.dedup();
        names
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

impl Machine {
    /// The same machine in a new process.
    pub(crate) fn reopened(&self) -> Self {
        self.world.open(self.engine.parts().namespace.clone(), self.home.clone())
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    fn store(&self) -> &Store {
        &self.engine.parts().store
    }

    fn root(&self) -> &Path {
        &self.engine.parts().root
    }

    /// The model ids of a test are derived from its name and machine, unless another machine's is adopted.
    pub(crate) fn model_id(&self, model: &str) -> String {
        let file = self.home.join(format!("model-{model}"));
        if let Some(id) = fsutil::read_text_if_exists(&file, BYTES_MAX).expect("readable") {
            return id;
        }
        let id = uuid::Uuid::new_v4().to_string();
        self.adopt_model(model, &id);
        id
    }

    pub(crate) fn adopt_model(&self, model: &str, id: &str) {
        let file = self.home.join(format!("model-{model}"));
        fsutil::write_atomic(&file, id.as_bytes(), &self.home.join("tmp"), Durability::Relaxed).expect("written");
    }

    fn artifact(&self, model: &str, name: &str) -> Artifact {
        // A pulled artifact keeps the model it has.
        let known = self.rows(self.engine.parts().namespace.as_ref().map(Namespace::as_str));
        let known = known.into_iter().find(|row| row.model_name == model);
        let id = known.map_or_else(|| self.model_id(model), |row| row.model_id);
        let model_type = ModelType::from_normalized("swamp/file").expect("a type");
        let id: ModelId = id.parse().expect("an id");
        Artifact::new(model_type, id, name.parse::<DataName>().expect("a name")).expect("an artifact")
    }

    /// Loses the records of the index copy, as a power cut may.
    pub(crate) fn lose_index_records(&self) {
        let index = self.engine.parts().state.join("index");
        for found in fsutil::list(&index).expect("listed") {
            if !found.path.ends_with("head.json") {
                fsutil::remove_file(&found.path).expect("removed");
            }
        }
    }

    /// Saves a version and its model's definition; returns the directory of the data name.
    pub(crate) fn put(&self, model: &str, name: &str, content: &str) -> String {
        self.save(model, name, content, false)
    }

    /// Saves a version that may grow.
    pub(crate) fn stream(&self, model: &str, name: &str, content: &str) {
        self.save(model, name, content, true);
    }

    pub(crate) fn append(&self, model: &str, name: &str, content: &str) {
        let artifact = self.artifact(model, name);
        self.store().append(&artifact, content.as_bytes()).expect("appended");
        self.engine.refresh_rows(&[artifact].into()).expect("rows");
    }

    fn save(&self, model: &str, name: &str, content: &str, streaming: bool) -> String {
        let artifact = self.artifact(model, name);
        let definition = path(&format!("auto-definitions/swamp/file/{model}.yaml"));
        if !definition.under(self.root()).exists() {
            self.engine.parts().watermark.mark_dirty(&definition).expect("marked");
            self.overwrite(definition.as_str(), &format!("id: \"{}\"\n", artifact.model_id()));
        }
        let tags = [("type", "file"), ("modelName", model)].map(|(key, value)| (key.to_owned(), value.to_owned()));
        let draft = Draft {
            id: None,
            content_type: "text/plain".to_owned(),
            lifetime: "infinite".parse().expect("a lifetime"),
            garbage_collection: "10".parse().expect("a policy"),
            streaming,
            tags: tags.into_iter().collect(),
            owner: Owner::new(OwnerType::Manual, "ana"),
            lifecycle: None,
            renamed_to: None,
        };
        self.store().save(&artifact, &draft, Content::Bytes(content.as_bytes())).expect("saved");
        self.engine.parts().watermark.mark_dirty(&artifact.directory()).expect("marked");
        self.engine.refresh_rows(&[artifact.clone()].into()).expect("rows");
        artifact.directory().to_string()
    }

    pub(crate) fn delete(&self, model: &str, name: &str) {
        let artifact = self.artifact(model, name);
        self.store().delete_all(&artifact).expect("deleted");
        self.engine.refresh_rows(&[artifact].into()).expect("rows");
    }

    pub(crate) fn remove_definition(&self, model: &str) {
        let definition = path(&format!("auto-definitions/swamp/file/{model}.yaml"));
        self.engine.parts().watermark.mark_dirty(&definition).expect("marked");
        fsutil::remove_file(&definition.under(self.root())).expect("removed");
    }

    pub(crate) fn rename(&self, model: &str, old: &str, new: &str) {
        let (old, new) = (self.artifact(model, old), self.artifact(model, new));
        self.store().rename(&old, &new).expect("renamed");
        self.engine.refresh_rows(&[old, new].into()).expect("rows");
    }

    /// The newest content, by the tree.
    pub(crate) fn read(&self, model: &str, name: &str) -> String {
        self.try_read(model, name).expect("content is here")
    }

    pub(crate) fn try_read(&self, model: &str, name: &str) -> Option<String> {
        let artifact = self.artifact(model, name);
        let latest = self.store().latest(&artifact).expect("readable")?;
        self.raw(&artifact, latest.version)
    }

    fn raw(&self, artifact: &Artifact, version: VersionNumber) -> Option<String> {
        let file = artifact.path(Part::Raw(version)).under(self.root());
        fsutil::read_text_if_exists(&file, BYTES_MAX).expect("readable")
    }

    /// The contents of all versions, sorted.
    pub(crate) fn contents(&self, model: &str, name: &str) -> Vec<String> {
        let artifact = self.artifact(model, name);
        let found = self.store().versions(&artifact).expect("readable");
        let mut contents: Vec<String> =
            found.versions.iter().filter_map(|version| self.raw(&artifact, version.number)).collect();
        contents.sort();
        contents
    }

    /// Every file of the tree with its content.
    pub(crate) fn tree(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        fsutil::walk(self.root(), &mut |found| {
            let path = RelPath::between(self.root(), &found.path).expect("a path");
            let bytes = fsutil::read_if_exists(&found.path, BYTES_MAX)?.expect("it is there");
            files.insert(path.to_string(), bytes);
            Ok(())
        })
        .expect("walked");
        files
    }

    pub(crate) fn rows(&self, namespace: Option<&str>) -> Vec<Record> {
        let namespace = namespace.map(|slug| slug.parse().expect("a slug"));
        let filter = Filter { scope: Scope::One(namespace), ..Filter::default() };
        let mut rows = self.engine.parts().catalog.search(&filter, 10_000).expect("searched").records;
        rows.sort_by(|one, other| one.data_name.cmp(&other.data_name));
        rows
    }

    /// The latest data names of our namespace, by the catalog.
    pub(crate) fn names(&self) -> Vec<String> {
        let namespace = self.engine.parts().namespace.as_ref().map(Namespace::as_str);
        self.rows(namespace).into_iter().map(|row| row.data_name).collect()
    }

    pub(crate) fn overwrite(&self, file: &str, content: &str) {
        let staging = self.home.join("tmp");
        let target = path(file).under(self.root());
        fsutil::write_atomic(&target, content.as_bytes(), &staging, Durability::Relaxed).expect("written");
    }

    pub(crate) fn write_beside(&self, directory: &str, name: &str) {
        self.overwrite(&format!("{directory}/{name}"), "stray");
    }

    /// Writes a file as an announced change.
    pub(crate) fn change(&self, file: &str, content: &str) {
        self.engine.parts().watermark.mark_dirty(&path(file)).expect("marked");
        self.overwrite(file, content);
    }

    /// Removes a file as an announced change.
    pub(crate) fn remove(&self, file: &str) {
        self.engine.parts().watermark.mark_dirty(&path(file)).expect("marked");
        fsutil::remove_file(&path(file).under(self.root())).expect("removed");
    }

    pub(crate) fn mark_everything(&self) {
        self.engine.mark_dirty(None).expect("marked");
    }

    pub(crate) fn rebuild_catalog(&self) {
        self.engine.rebuild_catalog().expect("rebuilt");
    }

    pub(crate) fn pull(&self) -> PullReport {
        self.try_pull().expect("pulled")
    }

    pub(crate) fn try_pull(&self) -> Result<PullReport, SyncError> {
        wait(self.engine.pull_changed(&SyncOptions::default()))
    }

    pub(crate) fn pull_at(&self, depth: Depth) -> PullReport {
        let options = SyncOptions { depth: Some(depth), ..SyncOptions::default() };
        wait(self.engine.pull_changed(&options)).expect("pulled")
    }

    pub(crate) fn push(&self) -> PushReport {
        self.try_push().expect("pushed")
    }

    pub(crate) fn try_push(&self) -> Result<PushReport, SyncError> {
        wait(self.engine.push_changed(&SyncOptions::default()))
    }

    /// Begins a push, and dies when a request hangs.
    pub(crate) fn push_and_die(&self) {
        let options = SyncOptions::default();
        wait(async {
            tokio::select! {
                pushed = self.engine.push_changed(&options) => drop(pushed),
                () = self.world.scripted.hung() => {}
            }
        });
    }

    /// Begins a pull, and dies when a request hangs.
    pub(crate) fn pull_and_die(&self) {
        let options = SyncOptions::default();
        wait(async {
            tokio::select! {
                pulled = self.engine.pull_changed(&options) => drop(pulled),
                () = self.world.scripted.hung() => {}
            }
        });
    }

    pub(crate) fn migrate_index(&self) -> Migrated {
        wait(self.engine.migrate_index()).expect("migrated")
    }

    pub(crate) fn hydrate(&self, model: &str, name: &str, version: u64) -> bool {
        let version: VersionNumber = version.to_string().parse().expect("a version");
        let file = self.artifact(model, name).path(Part::Raw(version));
        wait(self.engine.hydrate(&file)).expect("hydrated")
    }

    /// Namespaces with the number of rows pulled, `None` for skipped ones.
    pub(crate) fn pull_catalogs(&self, namespaces: &[&str]) -> Vec<(String, Option<u64>)> {
        let pulled = self.try_pull_catalogs(namespaces).expect("pulled").into_iter();
        let shown = pulled.map(|pulled| match pulled {
            CatalogPulled::Rows { namespace, rows, .. } => (namespace.to_string(), Some(rows)),
            CatalogPulled::Skipped { namespace } => (namespace.to_string(), None),
        });
        shown.collect()
    }

    pub(crate) fn try_pull_catalogs(&self, namespaces: &[&str]) -> Result<Vec<CatalogPulled>, SyncError> {
        let namespaces: Vec<Namespace> = namespaces.iter().map(|slug| slug.parse().expect("a slug")).collect();
        wait(self.engine.pull_foreign_catalogs(&namespaces))
    }

    pub(crate) fn fetch(&self, namespace: &str, file: &str) -> Option<String> {
        let namespace = namespace.parse().expect("a slug");
        let bytes = wait(self.engine.fetch_foreign_content(&namespace, &path(file))).expect("fetched")?;
        Some(String::from_utf8(bytes.to_vec()).expect("UTF-8"))
    }
}
