//! In a shared directory, nobody changes what somebody else works on (formats.md 7.4).
#![expect(clippy::disallowed_methods, reason = "stories live outside the program: plain files")]

use std::fs;
use std::path::PathBuf;

use swamp_uat::{Backend, Datastore, Repository, Scene};

/// The process of the other machine.
const PID: &str = "4711";

fn path(scene: &Scene, key: &str) -> PathBuf {
    match scene.datastore() {
        Datastore::Directory(path) => path.join(key),
        Datastore::S3(_) | Datastore::Gcs(_) => unreachable!("these stories play in a directory"),
    }
}

/// Takes a lock on another machine.
fn lock(scene: &Scene, key: &str) {
    let text = format!(
        "{{\"holder\":\"eve@far\",\"hostname\":\"far\",\"pid\":{PID},\
         \"acquiredAt\":\"2026-08-22T10:20:00.000Z\",\"ttlMs\":30000,\"nonce\":\"n\"}}"
    );
    let path = path(scene, key);
    fs::create_dir_all(path.parent().expect("below the datastore")).expect("the scene is writable");
    fs::write(path, text).expect("the scene is writable");
}

/// Makes a repository with two versions of which the first is garbage, and returns the key of its model's lock.
fn repository(scene: &Scene) -> (Repository, String) {
    let repository = scene.repository("ana", "infra").with("SWAMP_LOCK_TIMEOUT_MS", "1200");
    let put = repository.put_with("probe", "result", b"one", &["--keep", "1"]);
    repository.put("probe", "result", b"two");
    let key = format!("infra/data/swamp/file/{}/.lock", put["modelId"].as_str().expect("an id"));
    (repository, key)
}

fn refused(repository: &Repository, args: &[&str]) {
    assert_eq!(repository.error(75, args)["code"], "lock_timeout", "{args:?}");
}

#[test]
fn what_changes_everything_waits_for_whoever_changes_a_model() {
    let scene = Scene::new(Backend::Directory);
    let (repository, key) = repository(&scene);
    lock(&scene, &key);

    refused(&repository, &["data", "gc"]);
    refused(&repository, &["datastore", "namespace", "migrate", "--reverse", "-y"]);
    let while_locked = repository.versions("probe", "result");
    // A command that the holder itself has started does not wait for it.
    repository.with("SWAMP_LOCK_HOLDER_PID", PID).put("probe", "other", b"by a child");
    let collected = repository.with("SWAMP_LOCK_HOLDER_PID", PID).json(&["data", "gc"]);

    assert_eq!(while_locked, [2, 1]);
    assert_eq!(collected["versionsDeleted"], 1);
    fs::remove_file(path(&scene, &key)).expect("the lock is still there");
    repository.ok(&["datastore", "namespace", "migrate", "--reverse", "-y"]);
    let left: Vec<String> = scene.datastore().objects().into_keys().filter(|key| key.ends_with("/.lock")).collect();
    assert_eq!(left, [""; 0]);
}

#[test]
fn whoever_changes_a_model_waits_for_what_changes_everything() {
    let scene = Scene::new(Backend::Directory);
    let (repository, key) = repository(&scene);
    let write = |repository: &Repository| {
        refused(repository, &["data", "put", "probe", "result", "-"]);
        refused(repository, &["data", "delete", "probe", "result", "-y"]);
        refused(repository, &["data", "rename", "probe", "result", "other"]);
    };

    lock(&scene, ".locks/infra.lock");
    write(&repository);
    fs::remove_file(path(&scene, ".locks/infra.lock")).expect("the lock is still there");
    lock(&scene, &key);
    write(&repository);
    fs::remove_file(path(&scene, &key)).expect("the lock is still there");

    assert_eq!(repository.versions("probe", "result"), [2, 1]);
    repository.put("probe", "result", b"three");
    assert_eq!(repository.versions("probe", "result"), [3, 2, 1]);
}
