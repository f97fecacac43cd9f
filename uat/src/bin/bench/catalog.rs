//! A catalog of many rows, made as others' rows are: from the export of a namespace, by a pull.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde_json::json;
use swamp_uat::{Backend, Datastore, Repository, Scene};

use crate::usage::{Usage, measured};

/// The most rows an export may have.
const ROWS_MAX: u64 = 2_000_000;

/// A reader whose catalog has the rows.
pub(crate) struct Filled {
    pub(crate) reader: Repository,
    pub(crate) database: PathBuf,
    /// What the pull used.
    pub(crate) pull: Usage,
    _scene: Scene,
}

/// Publishes `rows` rows and pulls them.
pub(crate) fn fill(rows: u64) -> Filled {
    assert!((4..=ROWS_MAX).contains(&rows), "an export has 4 to {ROWS_MAX} rows");
    let scene = Scene::new(Backend::Directory);
    let writer = scene.repository("writer", "bench");
    writer.put("model-00", "episode", b"{}");
    writer.push();
    publish(&export_in(scene.datastore()), rows);
    let reader = scene.repository("reader", "reader");
    let (outcome, pull) = measured(&reader, &["datastore", "catalog", "pull", "--json"]);
    assert_eq!(outcome.json()["totalRows"].as_u64(), Some(rows), "{}", outcome.text());
    let caches = reader.machine().root().join("swamp-home/caches");
    let database = named(&caches, "catalog.db").unwrap_or_else(|| panic!("no catalog below {}", caches.display()));
    Filled { reader, database, pull, _scene: scene }
}

fn export_in(datastore: &Datastore) -> PathBuf {
    let Datastore::Directory(path) = datastore else {
        panic!("the export is put where a directory has it");
    };
    named(path, ".catalog-export.json").unwrap_or_else(|| panic!("no export below {}", path.display()))
}

/// Returns the first file of a name at or below `directory`.
fn named(directory: &Path, name: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    paths
        .iter()
        .find(|path| path.ends_with(name))
        .cloned()
        .or_else(|| paths.iter().filter(|path| path.is_dir()).find_map(|path| named(path, name)))
}

fn publish(path: &Path, rows: u64) {
    let mut file = BufWriter::new(File::create(path).expect("the datastore is writable"));
    for number in 0..rows {
        let separator = if number == 0 { "[" } else { ",\n" };
        write!(file, "{separator}{}", row(number, rows)).expect("the datastore has room");
    }
    file.write_all(b"]").and_then(|()| file.flush()).expect("the datastore has room");
}

/// Returns a row: four versions of each artifact, 50 models, three environments, 20 workflows, 100 rows of each run.
fn row(number: u64, rows: u64) -> serde_json::Value {
    let artifact = number / 4;
    let model = format!("model-{:02}", artifact % 50);
    let workflow = format!("wf-{}", artifact % 20);
    let environment = ["prod", "dev", "test"][usize::try_from(artifact % 3).expect("a small number")];
    let mut tags = json!({"type": "resource", "env": environment, "workflow": workflow, "modelName": model});
    if artifact.is_multiple_of(5_000) {
        tags["rare"] = json!("yes");
    }
    let second = number * 86_399 / rows;
    json!({
        "namespace": "bench",
        "type_normalized": "aws/ec2/vpc",
        "model_id": model,
        "data_name": format!("episode-{artifact:06}"),
        "id": format!("00000000-0000-4000-8000-{number:012}"),
        "version": number % 4 + 1,
        "is_latest": i32::from(number % 4 == 3),
        "model_name": model,
        "spec_name": "state",
        "data_type": "resource",
        "content_type": "application/json",
        "lifetime": "infinite",
        "owner_type": "model-method",
        "streaming": i32::from(number.is_multiple_of(10) || number % 10 == 7),
        "size": number * 37 % 100_000,
        "created_at":
            format!("2026-01-15T{:02}:{:02}:{:02}.000Z", second / 3_600, second / 60 % 60, second % 60),
        "tags": tags.to_string(),
        "owner_ref": "",
        "workflow_run_id": format!("run-{:05}", number / 100),
        "workflow_name": workflow,
        "job_name": "collect",
        "step_name": "scan",
        "source": "",
    })
}
