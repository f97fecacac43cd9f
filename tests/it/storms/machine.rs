//! A machine: a cache on a real disk, and the real engine over it, until it dies and is started again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use swamp::bucket::SharedBucket;
use swamp::bucket::retry::{Policy, Retry};
use swamp::catalog::Catalog;
use swamp::clock::Clock;
use swamp::data::layout::Artifact;
use swamp::data::name::{DataName, ModelId, ModelType, VersionNumber};
use swamp::data::store::Store;
use swamp::data::walk;
use swamp::fsutil;
use swamp::lock::{self, Holder, Lock};
use swamp::namespace::Namespace;
use swamp::path::RelPath;
use swamp::sync::{Depth, Engine, EngineParts, Limits, Placement, Silent, Watermark};
use tokio_util::sync::CancellationToken;

use super::network::{Line, Network};
use super::oracle::Fact;
use super::reading::Reading;
use super::timeline::{MachineClock, Who};
use super::watchman::prefix;

/// The largest file a run looks at, in bytes.
const BYTES_MAX: u64 = 1 << 24;

/// No process has a number like that: a holder that died is seen to be dead by its own machine.
const PROCESS: u32 = 0x7000_0000;

/// One machine of one namespace.
pub(crate) struct Machine {
    pub(crate) who: Who,
    /// The namespace; solo is `""`.
    pub(crate) namespace: String,
    pub(crate) home: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) depth: Depth,
    pub(crate) engine: Arc<Engine>,
    network: Arc<Network>,
    lives: u32,
}

/// A version as it lies in a tree.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) artifact: Artifact,
    pub(crate) number: VersionNumber,
    pub(crate) fact: Fact,
    pub(crate) is_streaming: bool,
    /// The content, `None` where a lazy pull left it for later.
    pub(crate) content: Option<String>,
}

/// What is decided about a machine before it exists.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) namespace: String,
    pub(crate) skew_ms: i64,
    pub(crate) depth: Depth,
}

impl Machine {
    pub(crate) fn new(who: Who, setup: &Setup, home: PathBuf, network: &Arc<Network>) -> Self {
        let clock: Arc<dyn Clock> =
            Arc::new(MachineClock { timeline: Arc::clone(&network.timeline), who, skew_ms: setup.skew_ms });
        let (namespace, depth) = (setup.namespace.clone(), setup.depth);
        let life = Life { who, lives: 0, home: &home, namespace: &namespace, depth, clock: &clock };
        let engine = open(&life, network);
        Self { who, namespace, home, clock, depth, engine, network: Arc::clone(network), lives: 0 }
    }

    /// Starts the machine again: nothing is left but what is on its disk.
    pub(crate) fn reopen(&mut self) {
        self.lives += 1;
        let Self { who, lives, ref home, ref namespace, depth, ref clock, .. } = *self;
        self.engine = open(&Life { who, lives, home, namespace, depth, clock }, &self.network);
    }

    pub(crate) fn root(&self) -> &Path {
        &self.engine.parts().root
    }

    pub(crate) fn namespace(&self) -> Option<Namespace> {
        self.engine.parts().namespace.clone()
    }

    /// Whether there is an index. Without one, what lies in the datastore is taken for what there is.
    pub(crate) fn is_founded(&self) -> bool {
        let has = |key: &str| self.network.shelf.bytes(&format!("{}{key}", prefix(&self.namespace))).is_some();
        has("_index/_meta.json") || has(".datastore-index.json")
    }

    /// Whether a pull was about to fetch a file, and may not have recorded it.
    pub(crate) fn is_fetching(&self, path: &RelPath) -> bool {
        let notes = fsutil::read_text_if_exists(&self.home.join("state/pulling.json"), BYTES_MAX).expect("notes");
        notes.is_some_and(|notes| notes.contains(path.as_str()))
    }

    /// Returns every version in the tree.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        let mut seen = Vec::new();
        walk::walk(self.root(), |found| {
            for metadata in found.readable() {
                let artifact = found.artifact.clone();
                let raw = artifact.version_directory(metadata.version).under(self.root()).join("raw");
                let fact = Fact {
                    directory: artifact.directory().to_string(),
                    id: metadata.id.clone(),
                    is_tombstone: metadata.is_deleted(),
                };
                let content = fsutil::read_text_if_exists(&raw, BYTES_MAX)?;
                let (number, is_streaming) = (metadata.version, metadata.streaming);
                seen.push(Seen { artifact, number, fact, is_streaming, content });
            }
            Ok::<_, fsutil::FileError>(())
        })
        .expect("the tree can be walked");
        seen
    }

    /// Returns every file of the tree with its content.
    pub(crate) fn files(&self) -> BTreeMap<String, String> {
        files_below(self.root())
    }

    /// Returns a file of the tree, `None` if there is none.
    pub(crate) fn file(&self, path: &RelPath) -> Option<String> {
        fsutil::read_text_if_exists(&path.under(self.root()), BYTES_MAX).expect("files can be read")
    }
}

/// Returns every file below a directory with its content, by its relative path.
pub(crate) fn files_below(root: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    fsutil::walk(root, &mut |found| {
        let path = found.path.strip_prefix(root).expect("it was found below").to_string_lossy().into_owned();
        let bytes = fsutil::read_if_exists(&found.path, BYTES_MAX)?.unwrap_or_default();
        files.insert(path, String::from_utf8_lossy(&bytes).into_owned());
        Ok(())
    })
    .expect("walked");
    files
}

/// Returns a data name that all machines of a namespace know.
pub(crate) fn artifact(model: u8, name: u8) -> Artifact {
    let id: ModelId = format!("00000000-0000-4000-8000-{model:012}").parse().expect("an id");
    let model_type = ModelType::from_normalized(if model == 0 { "swamp/file" } else { "aws/ec2/vpc" });
    let name: DataName = format!("n{name}").parse().expect("a name");
    Artifact::new(model_type.expect("a type"), id, name).expect("an artifact")
}

fn bucket(network: &Arc<Network>, who: Who, clock: &Arc<dyn Clock>) -> SharedBucket {
    let line = Line { network: Arc::clone(network), who };
    Arc::new(Reading(Retry::new(Arc::new(line), Policy::new(Arc::clone(clock)))))
}

/// A life of a machine: which one it is, and how often it lived before.
struct Life<'a> {
    who: Who,
    lives: u32,
    home: &'a Path,
    namespace: &'a str,
    depth: Depth,
    clock: &'a Arc<dyn Clock>,
}

fn open(life: &Life<'_>, network: &Arc<Network>) -> Arc<Engine> {
    let Life { who, lives, home, depth, clock, .. } = *life;
    let bucket = bucket(network, who, clock);
    let namespace: Option<Namespace> = (!life.namespace.is_empty()).then(|| life.namespace.parse().expect("a slug"));
    let (root, staging, state) = (home.join("tree"), home.join("tmp"), home.join("state"));
    for directory in [&root, &staging, &state] {
        fsutil::create_directory(directory).expect("made");
    }
    let watermark = Arc::new(Watermark::new(&state.join("watermark"), &staging));
    let store = Store::new(&root, &staging, Arc::clone(&watermark) as _, Arc::clone(clock));
    let catalog = Catalog::open(&state.join("catalog.db")).expect("a catalog");
    let holder = Holder { user: "ana".to_owned(), hostname: format!("machine-{who}"), pid: PROCESS + lives };
    let key = lock::global_key(namespace.as_ref());
    let lock = Lock::new(Arc::clone(&bucket), key, Arc::clone(clock), holder, lock::Options::default());
    Arc::new(Engine::new(EngineParts {
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
        clock: Arc::clone(clock),
        progress: Arc::new(Silent),
        depth,
        // Some publish what they have in many parts.
        limits: if who % 2 == 0 {
            Limits { creations_max: 2, writes_within: Duration::ZERO, ..Limits::default() }
        } else {
            Limits::default()
        },
        stop: CancellationToken::new(),
    }))
}
