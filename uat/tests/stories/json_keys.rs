//! The keys of every JSON document are an interface: they may grow, they do not go.

use serde_json::{Value, json};
use swamp_uat::{Scene, on_every_backend};

on_every_backend!(
    datastore_documents_keep_their_keys,
    data_documents_keep_their_keys,
    a_repository_document_keeps_its_keys
);

/// Returns those of the keys that the document lacks.
fn missing<'a>(document: &Value, keys: &[&'a str]) -> Vec<&'a str> {
    keys.iter().copied().filter(|key| document.get(key).is_none()).collect()
}

const NONE: [&str; 0] = [];

fn a_repository_document_keeps_its_keys(scene: &Scene) {
    let machine = scene.machine("ana");
    let directory = machine.plain_directory("new");

    let made = directory.json(&["repo", "init"]);

    assert_eq!(missing(&made, &["path", "version", "initializedAt", "repoId", "created"]), NONE);
}

fn datastore_documents_keep_their_keys(scene: &Scene) {
    let writer = scene.repository("ana", "infra");
    let other = scene.repository("ben", "security");
    other.put("scanner", "findings", b"none");
    other.push();
    writer.put("probe", "result", b"one");

    let status = writer.json(&["datastore", "status"]);
    let push = writer.push();
    let pull = writer.pull();
    let both = writer.json(&["datastore", "sync"]);
    let locks = writer.json(&["datastore", "lock", "status"]);
    let release = writer.json(&["datastore", "lock", "release", "--force"]);
    let namespaces = writer.json(&["datastore", "namespace", "list"]);
    let catalog = writer.json(&["datastore", "catalog", "pull"]);
    let doctor = writer.json(&["doctor"]);

    let of_status =
        ["type", "healthy", "message", "latencyMs", "directories", "namespace", "dirty", "lastPulled", "lastPushed"];
    assert_eq!(missing(&status, &of_status), NONE);
    assert_eq!((&push["mode"], &push["filesPushed"].is_u64()), (&json!("push"), &true));
    assert_eq!((&pull["mode"], &pull["filesPulled"].is_u64()), (&json!("pull"), &true));
    assert_eq!(missing(&both, &["mode", "filesPulled", "filesPushed", "errors"]), NONE);
    assert!(locks["locks"].is_array(), "{locks}");
    assert_eq!(release["released"], json!(false));
    assert_eq!(missing(&release, &["released", "reason"]), NONE);
    assert_eq!(missing(&namespaces, &["namespaces", "currentNamespace"]), NONE);
    assert_eq!(missing(&namespaces["namespaces"][0], &["namespace", "repoId", "registeredAt", "isCurrent"]), NONE);
    assert_eq!(missing(&catalog, &["pulled", "skipped", "totalRows"]), NONE);
    assert_eq!(missing(&catalog["pulled"][0], &["namespace", "rows", "refused", "unchanged"]), NONE);
    assert_eq!(missing(&doctor, &["overallStatus", "checks"]), NONE);
    assert_eq!(missing(&doctor["checks"][0], &["check", "passed", "severity", "message"]), NONE);
}

fn data_documents_keep_their_keys(scene: &Scene) {
    let writer = scene.repository("ana", "infra");

    let put = writer.put_with("probe", "result", b"{}", &["--content-type", "application/json"]);
    let get = writer.json(&["data", "get", "probe", "result"]);
    let list = writer.json(&["data", "list", "probe"]);
    let versions = writer.json(&["data", "versions", "probe", "result"]);
    let search = writer.json(&["data", "search", "result"]);
    let rename = writer.json(&["data", "rename", "probe", "result", "outcome"]);
    let delete = writer.json(&["data", "delete", "probe", "outcome", "-y"]);
    let gc = writer.json(&["data", "gc", "--dry-run"]);

    let of_artifact = [
        "id",
        "name",
        "modelId",
        "modelName",
        "modelType",
        "version",
        "contentType",
        "lifetime",
        "garbageCollection",
        "streaming",
        "tags",
        "ownerDefinition",
        "createdAt",
        "size",
        "checksum",
    ];
    assert_eq!(missing(&put, &of_artifact), NONE);
    assert_eq!(missing(&get, &[&of_artifact[..], &["contentPath", "content"]].concat()), NONE);
    assert_eq!(missing(&list, &["modelId", "modelName", "modelType", "namespace", "groups", "total"]), NONE);
    let item = &list["groups"][0]["items"][0];
    assert_eq!(
        missing(item, &["id", "name", "version", "contentType", "type", "streaming", "size", "createdAt"]),
        NONE
    );
    assert_eq!(missing(&versions, &["dataName", "modelId", "modelName", "modelType", "versions", "total"]), NONE);
    assert_eq!(missing(&versions["versions"][0], &["version", "createdAt", "size", "checksum", "isLatest"]), NONE);
    assert_eq!(missing(&search, &["query", "filters", "results", "total", "limited"]), NONE);
    let of_result = ["id", "name", "version", "contentType", "lifetime", "ownerType", "modelName", "createdAt", "tags"];
    assert_eq!(missing(&search["results"][0], &of_result), NONE);
    assert_eq!(missing(&rename, &["oldName", "newName", "modelId", "copiedVersion", "newVersion"]), NONE);
    assert_eq!(missing(&delete, &["modelId", "modelName", "modelType", "dataName", "versionsDeleted"]), NONE);
    assert_eq!(
        missing(
            &gc,
            &["dataEntriesExpired", "versionsDeleted", "bytesReclaimed", "dryRun", "expiredEntries", "garbageEntries"]
        ),
        NONE
    );
}
