//! What stays on this machine: data that the datastore block takes out of the datastore, and content that is written to files.

#![expect(clippy::disallowed_methods, reason = "the story plays without our own library")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use swamp_uat::{Repository, Scene, files_below, on_every_backend};

on_every_backend!(
    a_run_recorded_in_the_repository_keeps_its_data,
    excluded_data_stays_in_the_repository,
    content_goes_where_a_link_leads_and_is_described,
);

const WORKFLOW: &str = "7f0f0a52-3d35-4f83-8a44-1c6a7be2a001";
const RUN: &str = "2f6a9c11-0b7d-4d2e-8b1f-5f2f0a9c7e02";

/// Makes a repository whose datastore block has one more line.
fn repository(scene: &Scene, line: &str) -> Repository {
    let repository = scene.repository("ana", "infra");
    repository.write_marker(&repository.marker().replace("datastore:\n", &format!("datastore:\n  {line}\n")));
    repository
}

fn a_run_recorded_in_the_repository_keeps_its_data(scene: &Scene) {
    let repository = repository(scene, "directories: [data, outputs]");
    let put = repository.put_with("probe", "result", b"of a run", &["--lifetime", "workflow"]);
    let metadata = Path::new(put["path"].as_str().expect("a path")).with_file_name("metadata.yaml");
    let owner = format!("ownerDefinition:\n  workflowId: \"{WORKFLOW}\"\n  workflowRunId: \"{RUN}\"\n");
    let text = fs::read_to_string(&metadata).expect("written").replace("ownerDefinition:\n", &owner);
    fs::write(&metadata, text).expect("the scene is writable");
    let record = repository.path().join(format!(".swamp/workflow-runs/{WORKFLOW}/workflow-run-{RUN}.yaml"));
    fs::create_dir_all(record.parent().expect("below the repository")).expect("the scene is writable");
    fs::write(&record, "id: x\n").expect("the scene is writable");

    let while_recorded = repository.json(&["data", "gc"]);
    fs::remove_file(&record).expect("it is there");
    let afterwards = repository.json(&["data", "gc"]);

    assert_eq!(while_recorded["dataEntriesExpired"], 0);
    assert_eq!(afterwards["expiredEntries"][0]["reason"], "workflow-deleted");
    // Definitions are not among the directories of this datastore.
    assert!(repository.path().join(".swamp/auto-definitions/swamp/file/probe.yaml").is_file());
}

fn excluded_data_stays_in_the_repository(scene: &Scene) {
    let repository = repository(scene, "exclude: [data]");

    let put = repository.put("probe", "result", b"ours alone");
    let refused = repository.error(2, &["datastore", "sync"]);

    assert_eq!(repository.get("probe", "result"), b"ours alone");
    assert_eq!(repository.listed("probe"), [("result".to_owned(), 1)]);
    let place = format!("swamp/file/{}/result/1/raw", put["modelId"].as_str().expect("an id"));
    assert!(files_below(&repository.path().join(".swamp/data")).contains_key(&place));
    let shared: Vec<String> = scene.datastore().objects().into_keys().filter(|key| key.contains("/raw")).collect();
    assert_eq!(shared, [""; 0]);
    assert_eq!(refused["code"], "invalid");
}

fn content_goes_where_a_link_leads_and_is_described(scene: &Scene) {
    let repository = scene.repository("ana", "infra");
    repository.put("vault", "motd", b"ours");
    let (target, link) = (repository.path().join("target"), repository.path().join("link"));
    fs::write(&target, b"older").expect("the scene is writable");
    fs::set_permissions(&target, Permissions::from_mode(0o600)).expect("our own");
    symlink(&target, &link).expect("the scene is writable");

    let described = repository.json(&["data", "get", "vault", "motd", "-o", link.to_str().expect("plain")]);
    let piped = repository.ok(&["data", "get", "vault", "motd", "-o", "/dev/stdout"]);

    assert_eq!((&described["name"], described.get("content")), (&"motd".into(), None));
    assert!(link.is_symlink());
    assert_eq!(fs::read(&target).expect("written"), b"ours");
    assert_eq!(fs::metadata(&target).expect("written").permissions().mode() & 0o777, 0o600);
    assert_eq!(piped.stdout, b"ours");
}
