//! What tests do on a machine, and see there.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use swamp::catalog::{Filter, Record, Scope};
use swamp::data::layout::{Artifact, Part};
use swamp::data::metadata::{Owner, OwnerType};
use swamp::data::name::{DataName, ModelId, ModelType, VersionNumber};
use swamp::data::store::{Content, Draft, MarkDirty as _, Store};
use swamp::fsutil::{self, Durability};
use swamp::index::Migrated;
use swamp::namespace::Namespace;
use swamp::path::RelPath;
use swamp::sync::{CatalogPulled, Depth, Engine, PullReport, PushReport, SyncError, SyncOptions, SyncService as _};

use super::{BYTES_MAX, Machine, path, wait};

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

    /// Publishes the catalog and nothing else.
    pub(crate) fn export(&self) {
        wait(self.engine.export_catalog(&SyncOptions::default())).expect("published");
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
