//! A repository without a namespace has the datastore to itself, laid out at its root.

use swamp_uat::{Scene, on_every_backend};

on_every_backend!(
    solo_data_lies_at_the_root,
    a_second_machine_of_a_solo_repository_pulls_it,
    solo_can_become_a_namespace,
    what_moves_into_a_namespace_or_out_of_it_is_pushed,
);

fn solo_data_lies_at_the_root(scene: &Scene) {
    let solo = scene.solo_repository("ana");
    solo.put_with("probe", "result", b"one", &["--type", "command/shell"]);
    solo.put_with("probe", "result", b"two", &["--type", "command/shell"]);

    solo.push();

    let objects = scene.datastore().objects();
    let id = solo.json(&["data", "get", "probe", "result"])["modelId"].as_str().expect("an id").to_owned();
    let at = |rest: &str| objects.get(&format!("data/command/shell/{id}/result/{rest}")).map(Vec::as_slice);
    assert_eq!(at("1/raw"), Some(&b"one"[..]));
    assert_eq!(at("2/raw"), Some(&b"two"[..]));
    assert_eq!(at("latest"), Some(&b"2"[..]));
    let metadata = String::from_utf8_lossy(at("2/metadata.yaml").expect("written")).into_owned();
    assert!(metadata.contains("name: \"result\"") && metadata.ends_with('\n'), "{metadata}");
    assert_eq!(solo.json(&["data", "list", "probe"]).get("namespace"), None);
    let odd = |key: &&String| {
        // The staging area of a shared directory is no data.
        !key.starts_with(".swamp-tmp/")
            && (key.ends_with(".namespace.json")
                || key.ends_with(".catalog-export.json")
                || key.contains(".lock")
                || key.contains("tmp"))
    };
    assert_eq!(objects.keys().filter(odd).collect::<Vec<_>>(), Vec::<&String>::new());
    let has_index = objects.contains_key(".datastore-index.json") || objects.contains_key("_index/_meta.json");
    assert_eq!(has_index, scene.is_remote());
}

fn a_second_machine_of_a_solo_repository_pulls_it(scene: &Scene) {
    let solo = scene.solo_repository("ana");
    solo.put("probe", "result", b"one");
    solo.push();
    let other = scene.machine("ben").clone_of(&solo);
    other.pull();
    other.put("probe", "result", b"two");
    other.push();

    solo.pull();

    assert_eq!(solo.get("probe", "result"), b"two");
    assert_eq!(solo.versions("probe", "result"), [2, 1]);
}

fn solo_can_become_a_namespace(scene: &Scene) {
    let solo = scene.solo_repository("ana");
    solo.put("probe", "result", b"one");
    solo.put("probe", "hash#and%and?", b"odd");
    solo.push();

    solo.ok(&["datastore", "namespace", "set", "infra"]);
    solo.ok(&["datastore", "namespace", "migrate", "--confirm"]);
    solo.push();

    assert_eq!(solo.get("probe", "result"), b"one");
    let reader = scene.machine("ben").clone_of(&solo);
    reader.pull();
    assert_eq!(reader.listed("probe"), [("hash#and%and?".to_owned(), 1), ("result".to_owned(), 1)]);
    assert_eq!(reader.get("probe", "hash#and%and?"), b"odd");
}

/// Both layouts have been pushed before anything moves, so that nothing is dirty but by the migration.
fn what_moves_into_a_namespace_or_out_of_it_is_pushed(scene: &Scene) {
    let solo = scene.solo_repository("ana");
    solo.put("probe", "before", b"outside");
    solo.push();
    solo.ok(&["datastore", "namespace", "set", "infra"]);
    solo.put("other", "made", b"inside");
    solo.push();

    solo.ok(&["datastore", "namespace", "migrate", "--confirm"]);
    solo.push();
    let inside = scene.machine("ben").clone_of(&solo);
    inside.pull();
    solo.put("probe", "before", b"changed inside");
    solo.push();
    solo.ok(&["datastore", "namespace", "migrate", "--reverse", "--confirm"]);
    solo.ok(&["datastore", "namespace", "unset"]);
    solo.push();
    let outside = scene.machine("cho").clone_of(&solo);
    outside.pull();

    if scene.is_remote() {
        assert_eq!(inside.get("probe", "before"), b"outside");
        assert_eq!(inside.get("other", "made"), b"inside");
    }
    assert_eq!(outside.get("probe", "before"), b"changed inside");
    assert_eq!(outside.versions("probe", "before"), [2, 1]);
    assert_eq!(outside.get("other", "made"), b"inside");
}
