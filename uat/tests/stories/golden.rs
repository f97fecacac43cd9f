//! Real buckets that another swamp wrote, and what it answered about them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use swamp_testbed::controls::Controls;
use swamp_uat::{Backend, Datastore, Repository, Scene, on_every_server};

on_every_server!(
    every_artifact_of_the_monolithic_bucket_is_read_back,
    every_artifact_of_the_sharded_bucket_is_read_back,
    a_push_onto_the_monolithic_bucket_leaves_every_entry_true,
    a_push_onto_the_sharded_bucket_leaves_every_entry_true,
);

const MONOLITH: &str = "bucket-v1-monolith";
const SHARDS: &str = "bucket-v2-shards";

/// Answers that differ on purpose, with the reason.
const DEVIATIONS: [(&str, &str); 20] = [
    ("search_noarg", "a deleted name is not found, before a rebuild of the catalog as after (T26)"),
    ("search_limit", "the same: it counts one name less"),
    ("list_noarg", "without a model we list all models instead of refusing"),
    ("search_since", "depends on the hour in which the transcript was made"),
    ("sec_get_foreign", "foreign artifacts can be read"),
    ("list_workflow", "runs of workflows are not read by this program"),
    ("get_workflow", "runs of workflows are not read by this program"),
    ("get_workflow_name", "runs of workflows are not read by this program"),
    ("query_true", "a deleted name is not found, before a rebuild of the catalog as after (T26)"),
    ("query_modeltype", "the same: it is the artifact `route-table` of `dev-vpc`"),
    ("query_limit", "the same: it comes first there"),
    ("query_limit0", "no results are wanted, and none come; there it means one"),
    ("query_unknown_sel", "an unknown field is a mistake in a projection too"),
    ("query_after_pull_foreign_content", "content of others can be read"),
    ("query_noarg", "what is wrong with arguments ends with 2"),
    ("query_parse_error", "what is wrong with arguments ends with 2"),
    ("query_parse_error2", "what is wrong with arguments ends with 2"),
    ("query_reserved_namespace", "what is wrong with arguments ends with 2"),
    ("query_unknown_field", "what is wrong with arguments ends with 2"),
    ("not_a_repo", "what is wrong with arguments ends with 2"),
];

struct Golden<'a> {
    scene: &'a Scene,
    files: tempfile::TempDir,
}

impl<'a> Golden<'a> {
    fn new(scene: &'a Scene, bucket: &str) -> Self {
        let files = tempfile::tempdir().expect("a temporary directory can be made");
        for archive in [bucket, "cli-transcripts"] {
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/golden/{archive}.tar.gz"));
            let status = Command::new("tar").arg("xzf").arg(source).arg("-C").arg(files.path()).status();
            assert!(status.expect("tar runs").success(), "{archive} unpacks");
        }
        let objects = files.path().join(bucket);
        assert!(scene.datastore().server().load_directory(&objects, "").expect("loaded") > 100);
        Self { scene, files }
    }

    fn server(&self) -> &Controls {
        self.scene.datastore().server()
    }

    /// The repository that owns a namespace of the bucket, on a machine with an empty cache, after its first pull.
    fn repository(&self, namespace: &str) -> Repository {
        let repository = self.scene.machine(namespace).repository(namespace);
        let manifest = self.server().get(&format!("swamp/{namespace}/.namespace.json")).expect("registered");
        let manifest: Value = serde_json::from_slice(&manifest).expect("a manifest");
        let endpoint = self.scene.datastore().endpoint();
        let (kind, config) = match self.scene.datastore() {
            Datastore::Directory(_) => unreachable!("the formats of a directory are others"),
            Datastore::S3(server) => (
                "@swamp/s3-datastore",
                json!({"bucket": server.bucket(), "prefix": "swamp", "region": "us-east-1", "endpoint": endpoint,
                    "forcePathStyle": true}),
            ),
            Datastore::Gcs(server) => {
                ("@swamp/gcs-datastore", json!({"bucket": server.bucket(), "prefix": "swamp", "apiEndpoint": endpoint}))
            }
        };
        repository.write_marker(&format!(
            "swampVersion: 20260822.101500.0\nrepoId: {}\ntools: []\ndatastore:\n  type: \"{kind}\"\n  \
             config: {config}\n  namespace: {namespace}\n",
            manifest["repoId"].as_str().expect("an id"),
        ));
        repository.ok(&["datastore", "sync", "--pull"]);
        repository
    }

    fn transcripts(&self) -> Vec<Transcript> {
        let directory = self.files.path().join("cli-transcripts/cli");
        let directory = if directory.exists() { directory } else { self.files.path().join("cli") };
        let mut files: Vec<PathBuf> =
            fs::read_dir(directory).expect("unpacked").map(|entry| entry.expect("listed").path()).collect();
        files.sort();
        files.iter().filter_map(|file| Transcript::read(file)).collect()
    }

    /// Every entry of a namespace's index that is not the object it names.
    fn wrong_entries(&self, namespace: &str, index: &[String]) -> Vec<String> {
        let mut wrong = Vec::new();
        for key in index {
            let body = self.server().get(&format!("swamp/{namespace}/{key}")).expect(key);
            let body: Value = serde_json::from_slice(&body).expect("JSON");
            for (key, entry) in body["entries"].as_object().expect("entries") {
                let object = self.server().get(&format!("swamp/{namespace}/{key}"));
                let is_right = object.is_some_and(|bytes| {
                    let digest = hex(&Sha256::digest(&bytes));
                    entry["size"] == bytes.len() && entry["sha256"].as_str().is_none_or(|sha256| sha256 == digest)
                });
                if !is_right {
                    wrong.push(key.clone());
                }
            }
        }
        wrong
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("memory");
        text
    })
}

struct Transcript {
    name: String,
    args: Vec<String>,
    namespace: String,
    exit: i32,
    stdout: String,
}

impl Transcript {
    /// Reads the record of one call of `swamp data get|list|versions|search|query … --json`.
    fn read(file: &Path) -> Option<Self> {
        let name = file.file_name()?.to_str()?.strip_suffix(".json.txt")?.to_owned();
        let text = fs::read_to_string(file).ok()?;
        let (command, rest) = text.split_once('\n')?;
        let (command, place) = command.strip_prefix("$ swamp ")?.split_once("  # cwd=s3ns/repo-")?;
        let (exit, rest) = rest.strip_prefix("--- exit: ")?.split_once(' ')?;
        let stdout = rest.split_once("--- stdout:\n")?.1.split("--- stderr:").next()?;
        let is_ours = ["get", "list", "versions", "search", "query"]
            .iter()
            .any(|verb| command.starts_with(&format!("data {verb}")));
        // The shell that recorded the call also takes its quoting apart.
        let words = Command::new("sh").arg("-c").arg(format!("printf '%s\\n' {command}")).output().ok()?;
        let args = String::from_utf8(words.stdout).ok()?.lines().map(str::to_owned).collect();
        let stdout = stdout.to_owned();
        is_ours.then(|| Self {
            name,
            args,
            namespace: place.trim().to_owned(),
            exit: exit.parse().unwrap_or(-1),
            stdout,
        })
    }
}

/// Whether `ours` says all that `theirs` says: more keys are fine, other values are not, except paths of a machine.
fn says(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => theirs
            .iter()
            .all(|(key, theirs)| key == "contentPath" || ours.get(key).is_some_and(|ours| says(ours, theirs))),
        // The order of names is that of a locale there and of bytes here.
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && theirs.iter().all(|theirs| ours.iter().any(|ours| says(ours, theirs)))
        }
        _ => ours == theirs,
    }
}

/// Returns the transcripts that our answers differ from, of those that are wanted.
fn different(
    golden: &Golden<'_>,
    repositories: &[(&str, Repository)],
    wanted: impl Fn(&str) -> bool,
) -> (Vec<String>, usize) {
    let mut different = Vec::new();
    let mut compared = 0;
    for transcript in golden.transcripts() {
        if !wanted(&transcript.name) || DEVIATIONS.iter().any(|(name, _)| *name == transcript.name) {
            continue;
        }
        let repository = repositories.iter().find(|(namespace, _)| *namespace == transcript.namespace);
        let Some((_, repository)) = repository else { continue };
        let args: Vec<&str> = transcript.args.iter().map(String::as_str).collect();
        let outcome = repository.run(&args);
        compared += 1;
        let is_same = if transcript.exit == 0 {
            let theirs: Value = serde_json::from_str(&transcript.stdout).expect("a transcript of JSON");
            outcome.code == Some(0) && says(&outcome.json(), &theirs)
        } else {
            outcome.code == Some(transcript.exit) && outcome.text().is_empty()
        };
        if !is_same {
            different.push(transcript.name);
        }
    }
    (different, compared)
}

#[test]
fn answers_about_the_monolithic_bucket_are_those_of_the_existing_swamp() {
    let scene = Scene::new(Backend::S3);
    let golden = Golden::new(&scene, MONOLITH);
    let repositories = ["infra", "security"].map(|namespace| (namespace, golden.repository(namespace)));

    let (data, compared) = different(&golden, &repositories, |name| !name.starts_with("query"));

    assert_eq!(data, Vec::<String>::new());
    assert!(compared >= 35, "only {compared} transcripts were compared");
}

#[test]
fn answers_to_queries_are_those_of_the_existing_swamp() {
    let scene = Scene::new(Backend::S3);
    let golden = Golden::new(&scene, MONOLITH);
    let repositories = ["infra", "security"].map(|namespace| (namespace, golden.repository(namespace)));
    let is_later = |name: &str| name.starts_with("query_after_pull");

    let (alone, compared_alone) =
        different(&golden, &repositories, |name| name.starts_with("query") && !is_later(name));
    for (_, repository) in &repositories {
        repository.ok(&["datastore", "catalog", "pull"]);
    }
    let (together, compared_together) = different(&golden, &repositories, is_later);

    assert_eq!([alone, together].concat(), Vec::<String>::new());
    assert!(compared_alone + compared_together >= 40, "only {compared_alone} and {compared_together} were compared");
}

fn every_artifact_is_read_back(scene: &Scene, bucket: &str) {
    let golden = Golden::new(scene, bucket);
    for namespace in ["infra", "security"] {
        let repository = golden.repository(namespace);
        let prefix = format!("swamp/{namespace}/");
        let mut read = 0;
        for key in golden.server().keys(&format!("{prefix}data/")) {
            let Some(version_directory) = key.strip_suffix("/raw") else { continue };
            let mut segments = version_directory.rsplitn(4, '/');
            let (Some(version), Some(name), Some(model)) = (segments.next(), segments.next(), segments.next()) else {
                continue;
            };
            let bytes = repository.ok(&["data", "get", "--version", version, "--", model, name]).stdout;
            assert_eq!(Some(bytes), golden.server().get(&key), "{key}");
            read += 1;
        }
        assert!(read > 20, "{namespace} has {read} versions");
    }
}

fn every_artifact_of_the_monolithic_bucket_is_read_back(scene: &Scene) {
    every_artifact_is_read_back(scene, MONOLITH);
}

fn every_artifact_of_the_sharded_bucket_is_read_back(scene: &Scene) {
    every_artifact_is_read_back(scene, SHARDS);
}

fn a_push_onto_the_monolithic_bucket_leaves_every_entry_true(scene: &Scene) {
    let golden = Golden::new(scene, MONOLITH);
    let repository = golden.repository("infra");

    repository.put("prod-vpc-notes", "note", b"on top");
    repository.ok(&["datastore", "sync", "--push"]);

    assert_eq!(golden.wrong_entries("infra", &[".datastore-index.json".to_owned()]), Vec::<String>::new());
    let monolith = golden.server().get("swamp/infra/.datastore-index.json").expect("the index");
    assert!(String::from_utf8_lossy(&monolith).contains("/note/1/raw"));
    // Still version 1: an existing monolith is migrated by its owner only.
    let meta: Value =
        serde_json::from_slice(&golden.server().get("swamp/infra/_index/_meta.json").expect("meta")).expect("JSON");
    assert_eq!(meta["version"], 1);
}

fn a_push_onto_the_sharded_bucket_leaves_every_entry_true(scene: &Scene) {
    let golden = Golden::new(scene, SHARDS);
    let repository = golden.repository("infra");
    let commit_seq = |golden: &Golden<'_>| {
        let meta = golden.server().get("swamp/infra/_index/_meta.json").expect("meta");
        serde_json::from_slice::<Value>(&meta).expect("JSON")["commitSeq"].as_u64().expect("a number")
    };
    let before = commit_seq(&golden);

    repository.put("prod-vpc-notes", "note", b"on top");
    repository.ok(&["datastore", "sync", "--push"]);

    let shards: Vec<String> = golden
        .server()
        .keys("swamp/infra/_index/")
        .into_iter()
        .filter(|key| !key.ends_with("/_meta.json"))
        .filter_map(|key| key.strip_prefix("swamp/infra/").map(str::to_owned))
        .collect();
    assert_eq!(golden.wrong_entries("infra", &shards), Vec::<String>::new());
    assert_eq!(commit_seq(&golden), before + 1);
}
