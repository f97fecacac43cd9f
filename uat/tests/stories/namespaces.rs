//! Namespaces share a datastore and see each other only through catalogs.

use serde_json::Value;
use swamp_uat::{Repository, Scene, files_below, on_every_backend};

on_every_backend!(
    namespaces_see_each_other_only_by_catalog,
    a_catalog_pull_follows_the_other_namespace,
    a_namespace_nobody_registered_is_skipped_by_name,
    a_push_leaves_other_namespaces_alone,
    a_repository_that_names_anothers_namespace_publishes_nothing,
    leaving_a_namespace_tells_what_is_not_pushed,
    a_namespace_that_nobody_registered_is_with_the_first_push,
    a_datastore_that_others_share_is_not_set_up_without_a_namespace,
);

fn two(scene: &Scene) -> (Repository, Repository) {
    let infra = scene.repository("ana", "infra");
    let security = scene.repository("ben", "security");
    infra.put("vpc", "state", b"network");
    security.put("scanner", "findings", b"two open ports");
    infra.push();
    security.push();
    (infra, security)
}

fn text(value: &Value) -> &str {
    value.as_str().expect("names are strings")
}

/// Returns the model and name of every result of a search.
fn found(results: &Value) -> Vec<String> {
    let results = results["results"].as_array().expect("a search has results");
    let mut names: Vec<String> =
        results.iter().map(|one| format!("{}:{}", text(&one["modelName"]), text(&one["name"]))).collect();
    names.sort();
    names
}

fn namespaces_see_each_other_only_by_catalog(scene: &Scene) {
    let (infra, security) = two(scene);

    infra.pull();
    let before = infra.error(1, &["data", "list", "security:scanner"]);
    let pulled = infra.json(&["datastore", "catalog", "pull"]);
    security.json(&["datastore", "catalog", "pull"]);

    assert_eq!(before["code"], "not_found");
    assert_eq!(pulled["pulled"][0]["namespace"], "security");
    assert_eq!(pulled["totalRows"], pulled["pulled"][0]["rows"]);
    assert_eq!(infra.listed("security:scanner"), [("findings".to_owned(), 1)]);
    assert_eq!(security.listed("infra:vpc"), [("state".to_owned(), 1)]);
    assert_eq!(found(&infra.json(&["data", "search"])), ["vpc:state"]);
    let everywhere = infra.json(&["data", "search", "--all-namespaces"]);
    assert_eq!(found(&everywhere), ["scanner:findings", "vpc:state"]);
    let theirs = infra.json(&["data", "search", "--namespace", "security"]);
    assert_eq!(found(&theirs), ["scanner:findings"]);
    assert_eq!(theirs["results"][0]["namespace"], "security");
    // A model of one namespace is not a model of the other.
    assert_eq!(infra.error(1, &["data", "list", "scanner"])["code"], "not_found");
}

fn a_catalog_pull_follows_the_other_namespace(scene: &Scene) {
    let (infra, security) = two(scene);
    infra.json(&["datastore", "catalog", "pull"]);
    let unchanged = infra.json(&["datastore", "catalog", "pull", "--namespaces", "security"]);
    security.put("scanner", "summary", b"quiet");
    security.ok(&["data", "delete", "scanner", "findings", "-y"]);
    security.push();

    infra.json(&["datastore", "catalog", "pull", "--namespaces", "security"]);

    assert_eq!(unchanged["pulled"][0]["namespace"], "security");
    assert_eq!(infra.listed("security:scanner"), [("summary".to_owned(), 1)]);
}

fn a_namespace_nobody_registered_is_skipped_by_name(scene: &Scene) {
    let (infra, _security) = two(scene);

    let pulled = infra.json(&["datastore", "catalog", "pull", "--namespaces", "security,ghost"]);

    assert_eq!(pulled["skipped"], serde_json::json!(["ghost"]));
    assert_eq!(pulled["pulled"].as_array().map(Vec::len), Some(1));
}

fn a_push_leaves_other_namespaces_alone(scene: &Scene) {
    let (infra, _security) = two(scene);
    let theirs = |scene: &Scene| {
        let mut objects = scene.datastore().objects();
        objects.retain(|key, _| key.starts_with("security/"));
        objects
    };
    let before = theirs(scene);

    infra.put("vpc", "state", b"network, changed");
    infra.push();
    infra.pull();

    assert!(!before.is_empty());
    assert_eq!(theirs(scene), before);
    // Nothing of theirs ever comes here.
    let here = files_below(infra.machine().root());
    assert!(!here.keys().any(|path| path.contains("/security/data/")), "{:?}", here.keys());
}

fn a_repository_that_names_anothers_namespace_publishes_nothing(scene: &Scene) {
    let (infra, _security) = two(scene);
    let intruder = scene.repository("eve", "other");
    intruder.write_marker(&intruder.marker().replace("namespace: other", "namespace: infra"));
    let refused = if scene.is_remote() {
        intruder.put("trojan", "horse", b"gift");
        intruder.error(1, &["datastore", "sync", "--push"])
    } else {
        // What is written there is published.
        intruder.error(1, &["data", "put", "trojan", "horse", "/dev/null"])
    };

    assert_eq!(refused["code"], "conflict");
    let reader = scene.machine("reader").clone_of(&infra);
    reader.pull();
    assert_eq!(reader.listed("vpc"), [("state".to_owned(), 1)]);
    if scene.is_remote() {
        assert_eq!(found(&reader.json(&["data", "search"])), ["vpc:state"]);
    }
}

fn a_namespace_that_nobody_registered_is_with_the_first_push(scene: &Scene) {
    let writer = scene.repository("ana", "infra");
    writer.write_marker(&writer.marker().replace("namespace: infra", "namespace: net"));
    writer.put("vpc", "state", b"network");

    writer.push();

    let namespaces = writer.json(&["datastore", "namespace", "list"]);
    let names: Vec<_> =
        namespaces["namespaces"].as_array().expect("a list").iter().map(|one| text(&one["namespace"])).collect();
    assert_eq!(names, ["infra", "net"]);
}

fn leaving_a_namespace_tells_what_is_not_pushed(scene: &Scene) {
    let ana = scene.repository("ana", "infra");
    ana.put("vpc", "state", b"network");

    let early = ana.ok(&["datastore", "namespace", "unset"]);
    ana.ok(&["datastore", "namespace", "set", "infra"]);
    ana.push();
    let late = ana.ok(&["datastore", "namespace", "unset"]);

    assert_eq!(early.stderr.contains("not everything of `infra` is in the datastore"), scene.is_remote());
    assert!(!late.stderr.contains("not everything"), "{}", late.stderr);
    assert_eq!(scene.datastore().objects().keys().filter(|key| key.ends_with("/1/raw")).count(), 1);
}

fn a_datastore_that_others_share_is_not_set_up_without_a_namespace(scene: &Scene) {
    two(scene);
    let stranger = scene.machine("cleo").repository("stranger");
    let marker = stranger.marker();

    let refused = stranger.set_up(scene.datastore(), &[]);

    let refused = stranger.expect(refused, 1);
    assert!(refused.stderr.contains("--namespace"), "{}", refused.stderr);
    assert_eq!(stranger.marker(), marker);
}
