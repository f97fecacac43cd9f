//! Content of another namespace is shown on demand and never lands on disk.

use swamp_uat::{Scene, files_containing, on_every_backend};

on_every_backend!(
    foreign_content_is_read_and_leaves_no_trace,
    foreign_data_is_read_only,
    a_foreign_model_needs_its_namespace,
    a_namespace_that_does_not_exist_is_told_from_one_without_a_catalog
);

/// Bytes that occur nowhere else.
const SECRET: &[u8] = b"zanzibar-4711-the-content-of-another-namespace";

fn foreign_content_is_read_and_leaves_no_trace(scene: &Scene) {
    let reader = scene.repository("ana", "infra");
    let owner = scene.repository("ben", "security");
    owner.put("vault", "motd", b"older");
    owner.put("vault", "motd", SECRET);
    owner.push();
    reader.ok(&["datastore", "catalog", "pull"]);

    let latest = reader.get("security:vault", "motd");
    let first = reader.get_version("security:vault", "motd", 1);
    let shown = reader.json(&["data", "get", "security:vault", "motd"]);

    assert_eq!(latest, SECRET);
    assert_eq!(first, b"older");
    assert_eq!(shown["content"], String::from_utf8_lossy(SECRET).into_owned());
    assert_eq!(files_containing(reader.machine().root(), SECRET), [""; 0]);
}

fn foreign_data_is_read_only(scene: &Scene) {
    let reader = scene.repository("ana", "infra");
    let owner = scene.repository("ben", "security");
    owner.put("vault", "motd", SECRET);
    owner.push();
    reader.ok(&["datastore", "catalog", "pull"]);
    let before = scene.datastore().objects();

    let put = reader.run(&["data", "put", "security:vault", "motd", "-"]);
    let delete = reader.run(&["data", "delete", "security:vault", "motd", "-y"]);

    assert_ne!(put.code, Some(0));
    assert_ne!(delete.code, Some(0));
    assert_eq!(scene.datastore().objects(), before);
}

fn a_foreign_model_needs_its_namespace(scene: &Scene) {
    let reader = scene.repository("ana", "infra");
    let owner = scene.repository("ben", "security");
    owner.put("vault", "motd", b"theirs");
    owner.push();
    reader.put("vault", "motd", b"ours");

    reader.ok(&["datastore", "catalog", "pull"]);

    assert_eq!(reader.get("vault", "motd"), b"ours");
    assert_eq!(reader.get("security:vault", "motd"), b"theirs");
}

fn a_namespace_that_does_not_exist_is_told_from_one_without_a_catalog(scene: &Scene) {
    let reader = scene.repository("ana", "infra");
    let owner = scene.repository("ben", "security");
    owner.put("vault", "motd", b"theirs");
    owner.push();
    scene.repository("eve", "empty");

    let pulled = reader.ok(&["datastore", "catalog", "pull", "--namespaces", "security,empty,secruity"]);

    let told = |about: &str| pulled.stderr.lines().find(|line| line.contains(about)).unwrap_or_default().to_owned();
    assert!(told("secruity").contains("there is no such namespace"), "{}", pulled.stderr);
    // In a directory its tree tells that there is nothing.
    assert!(!scene.is_remote() || told("empty").contains("has published no catalog"), "{}", pulled.stderr);
    assert_eq!(reader.get("security:vault", "motd"), b"theirs");
}
