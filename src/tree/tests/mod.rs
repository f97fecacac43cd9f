//! What is shown of a catalog.

mod hostile;
mod meta;
mod nodes;
mod shown;

use std::collections::BTreeMap;

use async_trait::async_trait;
use swamp_mount::Kind;
use tempfile::TempDir;

use super::*;
use crate::bucket::SharedBucket;
use crate::bucket::memory::MemoryBucket;
use crate::catalog::{CatalogError, NameScan, Record, Scanned};
use crate::clock::{ManualClock, Timestamp};
use crate::data::store::{MarkDirty, MarkError};
use crate::path::RelPath;
use crate::repo::RepoError;

/// Enough for every directory of these tests.
const ALL: usize = 100_000;

/// A tree of a catalog in a directory of its own.
struct Fixture {
    _directory: TempDir,
    catalog: Arc<Catalog>,
    tree: Arc<MountedTree>,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Debug)]
struct Nobody;

impl MarkDirty for Nobody {
    fn mark_dirty(&self, _directory: &RelPath) -> Result<(), MarkError> {
        Ok(())
    }
}

impl Refresh for Nobody {
    fn ask(&self, _namespace: Option<&Namespace>) {}
}

impl Reports for Nobody {
    fn names(&self) -> Vec<String> {
        ["queue", "errors"].map(str::to_owned).into()
    }

    fn render(&self, name: &str) -> Option<Vec<u8>> {
        Some(format!("this is {name}").into_bytes())
    }
}

#[derive(Debug)]
struct Memory(SharedBucket);

#[async_trait]
impl Datastore for Memory {
    async fn bucket(&self) -> Result<SharedBucket, RepoError> {
        Ok(Arc::clone(&self.0))
    }
}

impl Fixture {
    fn new() -> Self {
        Self::of(Some("infra"))
    }

    fn of(own: Option<&str>) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp::default()));
        let catalog = Arc::new(Catalog::open(&directory.path().join("catalog.db")).expect("a catalog"));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
        let (root, staging) = (directory.path().join("tree"), directory.path().join("tmp"));
        let tree = MountedTree::new(TreeParts {
            catalog: Arc::clone(&catalog),
            namespace: own.map(|slug| slug.parse().expect("a slug")),
            store: Arc::new(Store::new(&root, &staging, Arc::new(Nobody), Arc::clone(&clock))),
            datastore: Arc::new(Memory(Arc::new(MemoryBucket::new(Arc::clone(&clock))))),
            reports: Arc::new(Nobody),
            refresh: Arc::new(Nobody),
            failures: Arc::new(Failures::new(Arc::clone(&clock))),
            clock,
            runtime: runtime.handle().clone(),
            deadline: DEADLINE_DEFAULT,
        });
        Self { _directory: directory, catalog, tree, _runtime: runtime }
    }

    /// Makes `records` the rows of a foreign namespace.
    fn pull(&self, namespace: &str, records: &[Record]) {
        let export = serde_json::to_vec(records).expect("JSON");
        let namespace = namespace.parse().expect("a slug");
        let pulled = self.catalog.replace_foreign(&namespace, &export[..], None, Timestamp::default()).expect("pulled");
        assert_eq!(pulled.refused.first, []);
    }

    /// Makes `records` the rows of our own namespace.
    fn scan(&self, namespace: Option<&str>, records: &[Record]) {
        let namespace: Option<Namespace> = namespace.map(|slug| slug.parse().expect("a slug"));
        let mut scans: BTreeMap<_, Vec<Scanned>> = BTreeMap::new();
        for record in records {
            scans.entry(record.name()).or_default().push(Scanned::Live(Box::new(record.clone())));
        }
        let scans = scans.into_iter().map(|(name, versions)| NameScan { name, mtime_ns: None, versions });
        self.catalog.replace_all(namespace.as_ref(), scans.map(Ok::<_, CatalogError>)).expect("scanned");
    }

    fn at(&self, path: &str) -> Result<(NodeId, Attr), TreeError> {
        let mut found = (NodeId::ROOT, self.tree.attr(NodeId::ROOT)?);
        for name in path.split('/').filter(|name| !name.is_empty()) {
            found = self.tree.lookup(found.0, name)?;
        }
        Ok(found)
    }

    fn node(&self, path: &str) -> NodeId {
        self.at(path).expect(path).0
    }

    /// Returns the bytes of a file that has them ready.
    fn text(&self, path: &str) -> String {
        let Ok(Opened::Bytes(bytes)) = self.tree.open(self.node(path)) else { panic!("{path} has no bytes") };
        String::from_utf8(bytes.into()).expect("a text")
    }

    /// Returns the names in a directory.
    fn names(&self, path: &str) -> Vec<String> {
        let entries = self.tree.entries(self.node(path), None, ALL).expect(path);
        entries.into_iter().map(|entry| entry.name).collect()
    }

    /// Returns every file below a directory with its size, by path, having checked all that must hold of every tree.
    fn files(&self, path: &str) -> BTreeMap<String, Option<u64>> {
        let mut files = BTreeMap::new();
        let mut directories = vec![(path.to_owned(), self.node(path))];
        while let Some((path, directory)) = directories.pop() {
            for entry in self.checked_entries(&path, directory) {
                let path = format!("{path}/{}", entry.name);
                match entry.attr.kind {
                    Kind::Directory => directories.push((path, entry.node)),
                    Kind::File | Kind::Report => drop(files.insert(path, entry.attr.size)),
                }
            }
        }
        files
    }

    fn checked_entries(&self, path: &str, directory: NodeId) -> Vec<Entry> {
        let entries = self.tree.entries(directory, None, ALL).expect(path);
        for limit in [1, 3] {
            let mut paged: Vec<Entry> = Vec::new();
            loop {
                let after = paged.last().map(|entry| entry.cursor.clone());
                let page = self.tree.entries(directory, after.as_deref(), limit).expect(path);
                let is_end = page.len() < limit;
                paged.extend(page);
                if is_end {
                    break;
                }
            }
            assert_eq!(paged, entries, "{path} in pages of {limit}");
        }
        let mut seen = std::collections::HashSet::new();
        for entry in &entries {
            let name = entry.name.as_str();
            assert!(seen.insert(name), "{path}/{name} twice");
            assert!((1..=255).contains(&name.len()) && !name.contains(['/', '\0']), "{path}/{name}");
            assert!(!matches!(name, "." | ".."), "{path}/{name}");
            assert_eq!(self.tree.lookup(directory, name), Ok((entry.node, entry.attr)), "{path}/{name}");
            assert_eq!(self.tree.attr(entry.node), Ok(entry.attr), "{path}/{name}");
            assert!(entry.node.0 < NodeId::END);
        }
        entries
    }
}

/// Returns a version of an artifact of the model `vpc-main`.
fn record(namespace: &str, data_name: &str, version: u64) -> Record {
    Record {
        namespace: (!namespace.is_empty()).then(|| namespace.parse().expect("a slug")),
        type_normalized: "aws/ec2/vpc".to_owned(),
        model_id: "0bc79a8f".to_owned(),
        data_name: data_name.to_owned(),
        id: format!("id-{version}"),
        version,
        is_latest: false,
        model_name: "vpc-main".to_owned(),
        spec_name: "state".to_owned(),
        data_type: "resource".to_owned(),
        content_type: "application/json".to_owned(),
        lifetime: "infinite".to_owned(),
        owner_type: "model-method".to_owned(),
        streaming: false,
        size: 17,
        created_at: Timestamp::from_milliseconds(1_787_000_000_000 + i64::try_from(version).expect("small")),
        tags: [("type", "resource")].map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        owner_ref: "0bc79a8f".to_owned(),
        workflow_run_id: String::new(),
        workflow_name: String::new(),
        job_name: String::new(),
        step_name: String::new(),
        source: String::new(),
    }
}

/// Returns an artifact of another model.
fn of_model(namespace: &str, model: (&str, &str, &str), data_name: &str) -> Record {
    let (name, model_type, id) = model;
    Record {
        type_normalized: model_type.to_owned(),
        model_id: id.to_owned(),
        model_name: name.to_owned(),
        ..record(namespace, data_name, 1)
    }
}
