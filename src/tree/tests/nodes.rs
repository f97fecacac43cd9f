//! Which nodes stay and which do not when rows change.

use super::*;

const STATE: &str = "security/data/aws/ec2/vpc/0bc79a8f/state";

#[test]
fn a_new_version_is_a_new_file_and_leaves_directories_alone() {
    let fixture = Fixture::new();
    fixture.pull("security", &[record("security", "state", 1)]);
    let paths = [STATE, "security/models/vpc-main", "security/history/vpc-main/state", &format!("{STATE}/1/raw")];
    let before = paths.map(|path| fixture.node(path));
    let shown = fixture.node("security/models/vpc-main/state.json");
    let latest = fixture.node(&format!("{STATE}/latest"));

    fixture.pull("security", &[record("security", "state", 1), record("security", "state", 2)]);

    assert_eq!(paths.map(|path| fixture.node(path)), before);
    assert_ne!(fixture.node("security/models/vpc-main/state.json"), shown);
    assert_ne!(fixture.node(&format!("{STATE}/latest")), latest);
    assert_eq!(fixture.tree.attr(latest), Err(TreeError::Stale));
    assert_eq!(fixture.tree.attr(shown).map(|attr| attr.size), Ok(Some(17)), "the old version is still there");
}

#[test]
fn content_that_was_written_again_is_another_node() {
    let fixture = Fixture::new();
    fixture.pull("security", &[record("security", "state", 1)]);
    let raw = fixture.node("security/models/vpc-main/state.json");

    fixture.pull("security", &[Record { size: 18, ..record("security", "state", 1) }]);

    assert_eq!(fixture.tree.attr(raw), Err(TreeError::Stale));
    assert_ne!(fixture.node("security/models/vpc-main/state.json"), raw);
}

#[test]
fn metadata_are_another_file_when_anything_in_the_row_changes() {
    let fixture = Fixture::new();
    let before = record("security", "state", 1);
    let tags = [("type", "resource"), ("owner", "ana")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let changes = [
        Record { tags: tags.into(), ..before.clone() },
        Record { lifetime: "2d".to_owned(), ..before.clone() },
        Record { step_name: "plan".to_owned(), ..before.clone() },
        Record { model_name: "vpc-other".to_owned(), ..before.clone() },
    ];
    for changed in changes {
        fixture.pull("security", std::slice::from_ref(&before));
        let [metadata, raw] = ["metadata.yaml", "raw"].map(|name| fixture.node(&format!("{STATE}/1/{name}")));

        fixture.pull("security", std::slice::from_ref(&changed));

        assert_eq!(fixture.tree.attr(metadata), Err(TreeError::Stale), "{changed:?}");
        assert_ne!(fixture.node(&format!("{STATE}/1/metadata.yaml")), metadata);
        assert_eq!(fixture.node(&format!("{STATE}/1/raw")), raw, "{changed:?}");
    }
}

#[test]
fn metadata_stay_the_same_file_when_a_newer_version_appears() {
    let fixture = Fixture::new();
    fixture.pull("security", &[Record { is_latest: true, ..record("security", "state", 1) }]);
    let metadata = fixture.node(&format!("{STATE}/1/metadata.yaml"));

    fixture.pull("security", &[record("security", "state", 1), record("security", "state", 2)]);

    assert_eq!(fixture.node(&format!("{STATE}/1/metadata.yaml")), metadata);
}

#[test]
fn whoever_is_in_a_directory_stays_in_it_while_old_versions_go() {
    let fixture = Fixture::new();
    fixture.pull("security", &[record("security", "state", 1), record("security", "state", 2)]);
    let state = fixture.node(STATE);
    fixture.tree.entries(state, None, ALL).expect("listed");

    fixture.pull("security", &[record("security", "state", 2), record("security", "state", 3)]);

    assert_eq!(fixture.node(STATE), state);
    assert_eq!(fixture.names(STATE), ["2", "3", "latest"]);
}

#[test]
fn what_is_gone_is_stale() {
    let fixture = Fixture::new();
    fixture.pull("security", &[record("security", "state", 1)]);
    let nodes =
        ["security/data/aws", "security/models/vpc-main", STATE, &format!("{STATE}/1"), &format!("{STATE}/1/raw")]
            .map(|path| fixture.node(path));
    let namespace = fixture.node("security");

    fixture.pull("security", &[]);

    assert_eq!(nodes.map(|node| fixture.tree.attr(node)), [Err(TreeError::Stale); 5]);
    fixture.catalog.drop_foreign(&"security".parse().expect("a slug")).expect("dropped");
    assert_eq!(fixture.tree.attr(namespace), Err(TreeError::Stale));
    assert_eq!(fixture.tree.attr(NodeId(77)), Err(TreeError::NotFound));
    assert_eq!(fixture.tree.attr(NodeId(u64::MAX)), Err(TreeError::NotFound));
}

#[test]
fn nodes_are_the_same_after_the_next_mount() {
    let one = Fixture::new();
    one.pull("security", &[record("security", "state", 1)]);
    let two = Fixture::new();
    two.pull("security", &[record("security", "state", 1)]);

    let raw = "security/models/vpc-main/state.json";
    assert_eq!(one.node(raw), two.node(raw));
}
