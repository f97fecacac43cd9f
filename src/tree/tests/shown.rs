//! What ordinary catalogs look like.

use super::*;

#[test]
fn a_foreign_namespace_has_the_layout_and_both_views() {
    let fixture = Fixture::new();
    fixture.pull("security", &[record("security", "state", 9), record("security", "state", 10)]);

    let files = fixture.files("security");

    let state = "security/data/aws/ec2/vpc/0bc79a8f/state";
    let expected = [
        (format!("{state}/10/metadata.yaml"), None),
        (format!("{state}/10/raw"), Some(17)),
        (format!("{state}/9/metadata.yaml"), None),
        (format!("{state}/9/raw"), Some(17)),
        (format!("{state}/latest"), Some(2)),
        ("security/history/vpc-main/state/10.json".to_owned(), Some(17)),
        ("security/history/vpc-main/state/9.json".to_owned(), Some(17)),
        ("security/models/vpc-main/state.json".to_owned(), Some(17)),
    ];
    assert_eq!(files, expected.into());
    assert_eq!(fixture.names(state), ["9", "10", "latest"]);
}

#[test]
fn the_root_has_reports_and_foreign_namespaces_only() {
    let fixture = Fixture::new();
    fixture.scan(Some("infra"), &[record("infra", "state", 1)]);
    fixture.pull("security", &[]);

    assert_eq!(fixture.names(""), [".swamp", "security"]);
    assert_eq!(fixture.at("infra"), Err(TreeError::NotFound));
    assert_eq!(fixture.names("security"), ["data", "history", "models"]);
    assert_eq!(fixture.names("security/data"), [""; 0]);
}

#[test]
fn our_own_views_are_beside_the_root() {
    for own in [Some("infra"), None] {
        let fixture = Fixture::of(own);
        let slug = own.unwrap_or_default();
        fixture.scan(own, &[record(slug, "state", 1), record(slug, "state", 2)]);

        let overlay: BTreeMap<String, NodeId> = fixture.tree.overlay().into_iter().collect();

        let (vpc, _) = fixture.tree.lookup(overlay["models"], "vpc-main").expect("a model");
        let entries = fixture.checked_entries("models", vpc);
        assert_eq!(entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["state.json"]);
        let (vpc, _) = fixture.tree.lookup(overlay["history"], "vpc-main").expect("a model");
        let (state, _) = fixture.tree.lookup(vpc, "state").expect("an artifact");
        assert_eq!(fixture.checked_entries("history", state).len(), 2);
        assert_eq!(fixture.names(""), [".swamp"]);
    }
}

#[test]
fn a_content_has_one_node_wherever_it_is_shown() {
    let fixture = Fixture::new();
    fixture.pull("security", &[record("security", "state", 1)]);

    let raw = fixture.node("security/data/aws/ec2/vpc/0bc79a8f/state/1/raw");

    assert_eq!(fixture.node("security/models/vpc-main/state.json"), raw);
    assert_eq!(fixture.node("security/history/vpc-main/state/1.json"), raw);
}

#[test]
fn the_newest_of_several_steps_is_shown() {
    let fixture = Fixture::new();
    let step = |version, step: &str| Record {
        is_latest: true,
        step_name: step.to_owned(),
        size: version,
        ..record("security", "state", version)
    };
    fixture.pull("security", &[step(2, "b"), step(1, "a")]);

    assert_eq!(fixture.files("security/models").into_values().collect::<Vec<_>>(), [Some(2)]);
}

#[test]
fn endings_come_from_the_name_or_the_type_and_never_clash() {
    let fixture = Fixture::new();
    let typed = |data_name: &str, content_type: &str| Record {
        content_type: content_type.to_owned(),
        ..record("security", data_name, 1)
    };
    fixture.pull(
        "security",
        &[
            typed("both", "application/json"),
            typed("both.json", "application/json"),
            typed("blob", "application/octet-stream"),
            typed("notes.md", "text/plain"),
            typed("page", "text/html; charset=utf-8"),
        ],
    );

    let shown: Vec<String> = fixture.files("security/models").into_keys().collect();
    assert_eq!(
        shown,
        ["blob", "both", "both.json", "notes.md", "page.html"].map(|name| format!("security/models/vpc-main/{name}"))
    );
    let history: Vec<String> = fixture.files("security/history").into_keys().collect();
    let expected = ["blob/1", "both.json/1.json", "both/1.json", "notes.md/1.md", "page/1.html"];
    assert_eq!(history, expected.map(|name| format!("security/history/vpc-main/{name}")));
    assert_eq!(fixture.at("security/models/vpc-main/page"), Err(TreeError::NotFound));
    assert_eq!(fixture.at("security/history/vpc-main/page/1"), Err(TreeError::NotFound));
}

#[test]
fn models_of_one_name_and_of_none_are_told_apart() {
    let fixture = Fixture::new();
    let of = |name, model_type, id| of_model("security", (name, model_type, id), "state");
    fixture.pull(
        "security",
        &[
            of("web", "aws/ec2", "1"),
            of("web", "aws/ec2", "2"),
            of("only", "aws/ec2", "3"),
            of("", "workflow", "7f0f"),
            of("", "workflow", "7f10"),
        ],
    );

    let names = fixture.names("security/models");

    assert_eq!(names, ["workflow%@7f0f", "workflow%@7f10", "only", "web%@aws.ec2%@1", "web%@aws.ec2%@2"]);
    assert_eq!(fixture.names("security/history"), names);
    for other in ["web", "only%@aws.ec2%@3", "7f0f", "workflow", "%@workflow%@7f0f", "aws.ec2%@1"] {
        assert_eq!(fixture.at(&format!("security/models/{other}")), Err(TreeError::NotFound), "{other}");
    }
    assert_eq!(fixture.files("security/models").len(), 5);
}

#[test]
fn sizes_are_those_of_the_catalog_or_unknown() {
    let fixture = Fixture::new();
    let sized = |name: &str, streaming, size| Record { streaming, size, ..record("security", name, 1) };
    fixture.pull("security", &[sized("empty", false, 0), sized("log", true, 0), sized("longer", true, 9)]);

    let sizes: Vec<_> = fixture.files("security/models").into_values().collect();

    assert_eq!(sizes, [Some(0), None, None]);
}

#[test]
fn reports_are_made_for_every_open() {
    let fixture = Fixture::new();

    assert_eq!(fixture.names(".swamp"), ["errors", "meta", "queue"]);
    let (queue, attr) = fixture.at(".swamp/queue").expect("a report");
    assert_eq!(attr.kind, Kind::Report);
    let Ok(Opened::Bytes(bytes)) = fixture.tree.open(queue) else { panic!("no bytes") };
    assert_eq!(bytes, "this is queue");
}

#[test]
fn opening_says_where_bytes_are() {
    let fixture = Fixture::new();
    fixture.pull("security", &[record("security", "state", 12)]);
    let state = "security/data/aws/ec2/vpc/0bc79a8f/state";

    let Ok(Opened::Bytes(latest)) = fixture.tree.open(fixture.node(&format!("{state}/latest"))) else {
        panic!("no bytes")
    };
    assert_eq!(latest, "12");
    assert!(matches!(fixture.tree.open(fixture.node(&format!("{state}/12/raw"))), Ok(Opened::Remote)));
    assert!(matches!(fixture.tree.open(fixture.node(state)), Err(TreeError::IsADirectory)));
    let raw = fixture.node(&format!("{state}/12/raw"));
    assert_eq!(fixture.tree.lookup(raw, "x"), Err(TreeError::NotADirectory));
    assert_eq!(fixture.tree.entries(raw, None, 1), Err(TreeError::NotADirectory));
}
