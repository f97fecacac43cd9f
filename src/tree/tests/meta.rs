//! Attributes as files.

use serde_json::{Value, json};

use super::*;

fn attributes(fixture: &Fixture, path: &str) -> Value {
    serde_json::from_str(&fixture.text(path)).expect("JSON")
}

#[test]
fn every_namespace_has_them_by_the_name_it_has_at_the_root() {
    for (own, shown) in [(Some("infra"), "infra"), (None, "local")] {
        let fixture = Fixture::of(own);
        fixture.scan(own, &[record(own.unwrap_or_default(), "state", 3)]);
        fixture.pull("security", &[record("security", "state", 1)]);

        let files: Vec<String> = fixture.files(".swamp/meta").into_keys().collect();

        let expected = [format!("{shown}/vpc-main/state/3"), "security/vpc-main/state/1".to_owned()];
        assert_eq!(files, expected.map(|path| format!(".swamp/meta/{path}.json")));
        assert_eq!(fixture.names(".swamp/meta"), [shown, "security"]);
        for other in ["", "unknown"] {
            let directory = fixture.node(".swamp/meta");
            assert_eq!(fixture.tree.lookup(directory, other), Err(TreeError::NotFound), "{other:?}");
        }
    }
}

#[test]
fn our_own_tree_comes_before_another_of_its_name() {
    let fixture = Fixture::of(None);
    fixture.scan(None, &[record("", "state", 1)]);
    fixture.pull("local", &[record("local", "other", 1)]);

    assert_eq!(fixture.names(".swamp/meta"), ["local"]);
    assert_eq!(
        fixture.files(".swamp/meta").into_keys().collect::<Vec<_>>(),
        [".swamp/meta/local/vpc-main/state/1.json"]
    );
}

#[test]
fn they_are_the_row_in_order_and_end_with_a_line() {
    let fixture = Fixture::new();
    let of_workflow = Record {
        workflow_name: "nightly".to_owned(),
        workflow_run_id: "run-1".to_owned(),
        job_name: "scan".to_owned(),
        step_name: "one".to_owned(),
        source: "step-output".to_owned(),
        ..record("security", "state", 1)
    };
    fixture.pull("security", &[of_workflow]);

    let text = fixture.text(".swamp/meta/security/vpc-main/state/1.json");

    let expected = r#"{
  "namespace": "security",
  "model": "vpc-main",
  "model_id": "0bc79a8f",
  "type": "aws/ec2/vpc",
  "data_name": "state",
  "version": 1,
  "id": "id-1",
  "content_type": "application/json",
  "streaming": false,
  "size": 17,
  "data_type": "resource",
  "spec": "state",
  "lifetime": "infinite",
  "created": "2026-08-17T20:53:20.001Z",
  "owner": "model-method:0bc79a8f",
  "source": "step-output",
  "workflow": "nightly",
  "workflow_run_id": "run-1",
  "job": "scan",
  "step": "one",
  "tags": {
    "type": "resource"
  },
  "last_synced": "1970-01-01T00:00:00.000Z"
}
"#;
    assert_eq!(text, expected);
}

#[test]
fn what_says_nothing_is_left_out() {
    let bare = |namespace: &str| Record {
        id: String::new(),
        model_name: String::new(),
        spec_name: String::new(),
        data_type: String::new(),
        content_type: String::new(),
        owner_ref: String::new(),
        tags: crate::catalog::Tags::new(),
        streaming: true,
        size: 0,
        ..record(namespace, "log", 2)
    };
    let mut expected = json!({
        "model_id": "0bc79a8f", "type": "aws/ec2/vpc", "data_name": "log", "version": 2, "streaming": true,
        "lifetime": "infinite", "created": "2026-08-17T20:53:20.002Z", "owner": "model-method", "tags": {},
    });
    let path = |namespace: &str| format!(".swamp/meta/{namespace}/aws.ec2.vpc%@0bc79a8f/log/2.json");

    let solo = Fixture::of(None);
    solo.scan(None, &[bare("")]);
    assert_eq!(attributes(&solo, &path("local")), expected);

    let named = Fixture::new();
    named.scan(Some("infra"), &[bare("infra")]);
    expected["namespace"] = json!("infra");
    assert_eq!(attributes(&named, &path("infra")), expected);
}

#[test]
fn difficult_names_are_spelled_as_in_the_history() {
    let fixture = Fixture::new();
    let long = "n".repeat(300);
    let models = ["a/b", "..", ".", "%2F", "%@", "x%#y", "new\nline", "é", " ", "a%@b%@c", "", "vpc", "vpc", &long];
    let mut records = Vec::new();
    for (index, model) in models.into_iter().enumerate() {
        for data_name in ["state", "%", "x.txt", "1.json", "\u{85}", &format!("{long}{index}")] {
            let id = index.to_string();
            records.push(of_model("security", (model, "t/u", &id), data_name));
            records.push(Record { version: 7, ..of_model("security", (model, "t/u", &id), data_name) });
        }
    }
    fixture.pull("security", &records);

    let files = fixture.files(".swamp/meta/security");

    let history = fixture.files("security/history").into_keys().map(|path| {
        let (directory, version) = path.rsplit_once('/').expect("a path");
        let directory = directory.replacen("security/history", ".swamp/meta/security", 1);
        format!("{directory}/{}.json", version.split('.').next().unwrap_or_default())
    });
    let mut expected: Vec<String> = history.collect();
    expected.sort();
    assert_eq!(files.keys().cloned().collect::<Vec<_>>(), expected);
    let mut described = Vec::new();
    for path in files.keys() {
        let read = attributes(&fixture, path);
        let [model, id, name] = ["model", "model_id", "data_name"].map(|key| read[key].as_str().unwrap_or_default());
        described.push((model.to_owned(), id.to_owned(), name.to_owned(), read["version"].as_u64().expect("a number")));
    }
    described.sort();
    let of_record =
        |made: &Record| (made.model_name.clone(), made.model_id.clone(), made.data_name.clone(), made.version);
    let mut expected: Vec<_> = records.iter().map(of_record).collect();
    expected.sort();
    assert_eq!(described, expected);
}

#[test]
fn only_the_one_name_of_a_version_is_found() {
    let fixture = Fixture::new();
    fixture.pull("security", &[Record { content_type: "text/plain".to_owned(), ..record("security", "notes", 1) }]);
    let notes = fixture.node(".swamp/meta/security/vpc-main/notes");

    assert_eq!(fixture.names(".swamp/meta/security/vpc-main/notes"), ["1.json"]);
    for other in ["1", "1.txt", "01.json", "2.json", "latest", "1.json.json"] {
        assert_eq!(fixture.tree.lookup(notes, other), Err(TreeError::NotFound), "{other}");
    }
}

#[test]
fn they_are_reports_made_when_they_are_opened() {
    let fixture = Fixture::new();
    let path = ".swamp/meta/security/vpc-main/state/1.json";
    fixture.pull("security", &[record("security", "state", 1)]);
    let (node, attr) = fixture.at(path).expect("there");
    assert_eq!((attr.kind, attr.size), (Kind::Report, None));

    let tags = [("team", "\"a\"\n\u{9b}")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    fixture.pull("security", &[Record { tags: tags.into(), size: 18, ..record("security", "state", 1) }]);

    assert_eq!(fixture.node(path), node);
    let read = attributes(&fixture, path);
    assert_eq!((&read["tags"], &read["size"]), (&json!({"team": "\"a\"\n\u{9b}"}), &json!(18)));
    fixture.pull("security", &[]);
    assert!(matches!(fixture.tree.open(node), Err(TreeError::Stale)));
    assert_eq!(fixture.tree.fetch(node, &Part::Whole), Err(TreeError::Stale));
}
