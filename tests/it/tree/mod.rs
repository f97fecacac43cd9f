//! The tree of a mount over an S3: what is asked of it, what comes back, what its failures mean.

mod failures;
mod measure;
mod reads;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use swamp::bucket::SharedBucket;
use swamp::bucket::s3::{self, S3Config};
use swamp::catalog::{Catalog, CatalogError, NameScan, Record, Scanned};
use swamp::clock::{Clock, ManualClock, SystemClock, Timestamp};
use swamp::data::store::{MarkDirty, MarkError, Store};
use swamp::namespace::Namespace;
use swamp::path::RelPath;
use swamp::repo::RepoError;
use swamp::tree::{Datastore, Failures, MountedTree, Refresh, Reports, TreeParts};
use swamp_mount::{Attr, Fetched, Kind, NodeId, Part, Tree as _, TreeError};
use swamp_testbed::s3::S3Server;
use tempfile::TempDir;

use crate::bucket_contract::backends::config_of;

/// Longer than any test needs and shorter than a person waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// Enough for every directory of these tests.
const ALL: usize = 1_000_000;

/// A tree of the namespace `infra`, which sees `security`.
pub(crate) struct Mounted {
    directory: TempDir,
    server: S3Server,
    catalog: Arc<Catalog>,
    failures: Arc<Failures>,
    refresh: Arc<Asked>,
    tree: Arc<MountedTree>,
    _runtime: tokio::runtime::Runtime,
}

/// What a test sets up differently.
struct Setting {
    request_timeout: Duration,
    deadline: Duration,
}

#[derive(Debug)]
struct Fixed(SharedBucket);

#[async_trait]
impl Datastore for Fixed {
    async fn bucket(&self) -> Result<SharedBucket, RepoError> {
        Ok(Arc::clone(&self.0))
    }
}

/// Remembers for which namespaces a refresh was asked.
#[derive(Debug, Default)]
struct Asked(Mutex<Vec<Option<Namespace>>>);

impl Refresh for Asked {
    fn ask(&self, namespace: Option<&Namespace>) {
        self.0.lock().expect("whole").push(namespace.cloned());
    }
}

#[derive(Debug)]
struct Nothing;

impl Reports for Nothing {
    fn names(&self) -> Vec<String> {
        vec!["errors".to_owned()]
    }

    fn render(&self, _name: &str) -> Option<Vec<u8>> {
        None
    }
}

impl MarkDirty for Nothing {
    fn mark_dirty(&self, _directory: &RelPath) -> Result<(), MarkError> {
        Ok(())
    }
}

impl Mounted {
    fn new() -> Self {
        Self::with(&Setting { request_timeout: PATIENCE, deadline: PATIENCE })
    }

    fn with(setting: &Setting) -> Self {
        let server = S3Server::start();
        let directory = tempfile::tempdir().expect("a directory");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let config = S3Config { request_timeout: setting.request_timeout, ..config_of(&server) };
        // Pauses between attempts take no time.
        let impatient: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp::default()));
        let bucket = runtime.block_on(s3::open(&config, impatient)).expect("opened");
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let catalog = Arc::new(Catalog::open(&directory.path().join("state/catalog.db")).expect("a catalog"));
        let (root, staging) = (directory.path().join("tree"), directory.path().join("tmp"));
        let failures = Arc::new(Failures::new(Arc::clone(&clock)));
        let refresh = Arc::new(Asked::default());
        let tree = MountedTree::new(TreeParts {
            catalog: Arc::clone(&catalog),
            namespace: Some(slug("infra")),
            store: Arc::new(Store::new(&root, &staging, Arc::new(Nothing), Arc::clone(&clock))),
            datastore: Arc::new(Fixed(bucket)),
            reports: Arc::new(Nothing),
            refresh: Arc::clone(&refresh) as Arc<dyn Refresh>,
            failures: Arc::clone(&failures),
            clock,
            runtime: runtime.handle().clone(),
            deadline: setting.deadline,
        });
        Self { directory, server, catalog, failures, refresh, tree, _runtime: runtime }
    }

    fn pull(&self, records: &[Record]) {
        let export = serde_json::to_vec(records).expect("JSON");
        let pulled = self.catalog.replace_foreign(&slug("security"), &export[..], None, Timestamp::default());
        assert_eq!(pulled.expect("pulled").refused.count, 0);
    }

    fn scan(&self, records: &[Record]) {
        let scans = records.iter().map(|record| NameScan {
            name: record.name(),
            mtime_ns: None,
            versions: vec![Scanned::Live(Box::new(record.clone()))],
        });
        self.catalog.replace_all(Some(&slug("infra")), scans.map(Ok::<_, CatalogError>)).expect("scanned");
    }

    fn at(&self, path: &str) -> Result<(NodeId, Attr), TreeError> {
        let mut found = (NodeId::ROOT, self.tree.attr(NodeId::ROOT)?);
        for name in path.split('/') {
            found = self.tree.lookup(found.0, name)?;
        }
        Ok(found)
    }

    fn node(&self, path: &str) -> NodeId {
        self.at(path).expect(path).0
    }

    fn read(&self, path: &str) -> Result<Fetched, TreeError> {
        self.tree.fetch(self.node(path), &Part::Whole)
    }

    /// Looks at everything below a directory as `ls -lR` does; returns the files with their sizes.
    fn walk(&self, path: &str) -> BTreeMap<String, Option<u64>> {
        let mut files = BTreeMap::new();
        let mut directories = vec![(path.to_owned(), self.node(path))];
        while let Some((path, directory)) = directories.pop() {
            for entry in self.tree.entries(directory, None, ALL).expect("listed") {
                let path = format!("{path}/{}", entry.name);
                assert_eq!(self.tree.lookup(directory, &entry.name), Ok((entry.node, entry.attr)));
                assert_eq!(self.tree.attr(entry.node), Ok(entry.attr));
                match entry.attr.kind {
                    Kind::Directory => directories.push((path, entry.node)),
                    Kind::File | Kind::Report => drop(files.insert(path, entry.attr.size)),
                }
            }
        }
        files
    }
}

fn slug(text: &str) -> Namespace {
    text.parse().expect("a slug")
}

/// Returns a version of an artifact of the model `web` whose content is `text`.
fn record(namespace: &str, data_name: &str, version: u64, text: &str) -> Record {
    Record {
        namespace: Some(slug(namespace)),
        type_normalized: "aws/ec2".to_owned(),
        model_id: "0bc79a8f".to_owned(),
        data_name: data_name.to_owned(),
        id: format!("id-{version}"),
        version,
        is_latest: true,
        model_name: "web".to_owned(),
        spec_name: String::new(),
        data_type: "resource".to_owned(),
        content_type: "application/json".to_owned(),
        lifetime: "infinite".to_owned(),
        owner_type: "manual".to_owned(),
        streaming: false,
        size: text.len() as u64,
        created_at: Timestamp::from_milliseconds(1_787_000_000_000),
        tags: swamp::catalog::Tags::new(),
        owner_ref: "ana".to_owned(),
        workflow_run_id: String::new(),
        workflow_name: String::new(),
        job_name: String::new(),
        step_name: String::new(),
        source: String::new(),
    }
}

/// Returns where a file of a version of the model lies, in the datastore and in the mount alike.
fn key(namespace: &str, data_name: &str, file: &str) -> String {
    format!("{namespace}/data/aws/ec2/0bc79a8f/{data_name}/{file}")
}
