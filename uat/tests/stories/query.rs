//! Queries and expressions over the data of every namespace, through the program.

use std::time::Duration;

use serde_json::{Value, json};
use swamp_uat::{Backend, Repository, Scene, on_every_backend, on_every_server};

on_every_server!(
    metadata_costs_no_request_and_foreign_content_one_per_artifact,
    a_query_explains_what_it_read,
    metadata_is_queried_while_the_datastore_is_away,
);

on_every_backend!(
    queries_see_every_namespace,
    predicates_on_content_match_foreign_rows,
    expressions_mean_the_namespace_they_name,
    naming_a_version_opens_history,
    rows_that_cannot_be_evaluated_are_told
);

pub(crate) fn put_json(repository: &Repository, model: &str, name: &str, content: &Value, more: &[&str]) {
    let args = [&["--content-type", "application/json"], more].concat();
    repository.put_with(model, name, content.to_string().as_bytes(), &args);
}

/// A reader with a model `vpc` of its own, and a writer with one of that name and another.
pub(crate) fn reader_and_writer(scene: &Scene) -> (Repository, Repository) {
    let reader = scene.repository("ana", "infra");
    let writer = scene.repository("ben", "security");
    put_json(&writer, "vpc", "state", &json!({"cidr": "10.1.0.0/16", "status": "failed"}), &["--tag", "env=prod"]);
    put_json(&writer, "fleet", "host", &json!({"cpu": 4, "labels": {"role": "web"}}), &["--tag", "env=dev"]);
    writer.put_with("fleet", "notes", b"second run", &["--content-type", "text/plain"]);
    writer.push();
    put_json(&reader, "vpc", "state", &json!({"cidr": "10.0.0.0/16", "status": "old"}), &["--tag", "env=prod"]);
    put_json(&reader, "vpc", "state", &json!({"cidr": "10.0.0.0/16", "status": "ok"}), &["--tag", "env=prod"]);
    reader.push();
    reader.ok(&["datastore", "catalog", "pull"]);
    (reader, writer)
}

fn results(repository: &Repository, args: &[&str]) -> Value {
    repository.json(&[&["query"], args].concat())["results"].clone()
}

fn sorted(mut values: Value) -> Value {
    values.as_array_mut().expect("a list").sort_by_key(Value::to_string);
    values
}

fn queries_see_every_namespace(scene: &Scene) {
    let (reader, _writer) = reader_and_writer(scene);

    let select = ["tags.env == \"prod\"", "--select", "{\"ns\": ns, \"m\": modelName, \"v\": version}"];
    let found = results(&reader, &select);
    let alias = reader.json(&["data", "query", "tags.env == \"prod\"", "--select", "ns"]);
    let lines = reader.ok(&["query", "modelName == \"fleet\"", "--select", "name"]).text();
    let table = reader.ok(&["query", "modelName == \"fleet\""]).text();
    let document = reader.json(&["query", "ns == \"security\" && name == \"host\""]);

    let expected = json!([{"ns": "infra", "m": "vpc", "v": 2}, {"ns": "security", "m": "vpc", "v": 1}]);
    assert_eq!(sorted(found), expected);
    assert_eq!(alias["total"], 2);
    assert_eq!(lines, "host\nnotes\n");
    assert!(table.starts_with("namespace  name   model  "), "{table}");
    assert_eq!(document["predicate"], "ns == \"security\" && name == \"host\"");
    assert_eq!(document["limited"], false);
    assert_eq!(document["results"][0]["content"], json!({"cpu": 4, "labels": {"role": "web"}}));
}

fn predicates_on_content_match_foreign_rows(scene: &Scene) {
    let (reader, _writer) = reader_and_writer(scene);

    let failed = results(&reader, &["has(attributes.status) && attributes.status == \"failed\"", "--select", "ns"]);
    let nested =
        results(&reader, &["attributes.?labels.?role.orValue(\"\") == \"web\"", "--select", "attributes.cpu * 2"]);
    let text = results(&reader, &["contentType == \"text/plain\" && content.contains(\"second\")", "--select", "name"]);
    let csv =
        reader.ok(&["query", "attributes.cidr.startsWith(\"10.\")", "--select", "[ns, attributes.cidr]", "--csv"]);

    assert_eq!(failed, json!(["security"]));
    assert_eq!(nested, json!([8]));
    assert_eq!(text, json!(["notes"]));
    let mut lines: Vec<String> = csv.text().lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["1,2", "infra,10.0.0.0/16", "security,10.1.0.0/16"]);
}

fn expressions_mean_the_namespace_they_name(scene: &Scene) {
    let (reader, _writer) = reader_and_writer(scene);
    let value = |expression: &str| reader.json(&["eval", expression]);

    assert_eq!(value("data.latest(\"security:vpc\", \"state\").attributes.cidr"), "10.1.0.0/16");
    assert_eq!(value("data.latest(\"vpc\", \"state\").attributes.cidr"), "10.0.0.0/16");
    assert_eq!(value("data.latest(\"*:fleet\", \"host\").attributes.cpu"), 4);
    assert_eq!(value("data.version(\"vpc\", \"state\", 1).attributes.status"), "old");
    assert_eq!(value("data.listVersions(\"vpc\", \"state\")"), json!([1, 2]));
    assert_eq!(value("data.findBySpec(\"security:none\", \"x\")"), json!([]));
    assert_eq!(value("data.findByTag(\"env\", \"prod\").map(r, r.modelName)"), json!(["vpc"]));
    assert_eq!(value("data.query(\"tags.env == 'dev'\", \"name\")"), json!(["host"]));
    assert_eq!(value("data.latest(\"none\", \"state\").?attributes.?cidr.orValue(\"-\")"), "-");
    let ambiguous = reader.error(2, &["eval", "data.latest(\"*:vpc\", \"state\")"]);
    let message = ambiguous["error"].as_str().expect("a message");
    assert!(message.contains("Ambiguous") && message.contains("[infra, security]"), "{message}");
    let text = reader.ok(&["eval", "data.latest(\"vpc\", \"state\").attributes.cidr"]).text();
    assert_eq!(text, "10.0.0.0/16\n");
}

fn naming_a_version_opens_history(scene: &Scene) {
    let (reader, _writer) = reader_and_writer(scene);

    let versions = |predicate: &str| results(&reader, &[predicate, "--select", "version"]);

    assert_eq!(versions("ns == \"infra\""), json!([2]));
    assert_eq!(versions("ns == \"infra\" && version > 0"), json!([1, 2]));
    assert_eq!(versions("ns == \"infra\" && !isLatest // and a comment"), json!([1]));
    assert_eq!(results(&reader, &["ns == \"infra\"", "--limit", "0"]), json!([]));
}

fn rows_that_cannot_be_evaluated_are_told(scene: &Scene) {
    let (reader, _writer) = reader_and_writer(scene);
    let predicate = "ns == \"security\" && attributes.cpu > 3";

    let shown = reader.ok(&["query", predicate, "--select", "name"]);
    let strict = reader.fails(2, &["query", predicate, "--strict"]);

    assert_eq!(shown.text(), "host\n");
    assert!(shown.stderr.contains("2 rows could not be evaluated, first `security:"), "{}", shown.stderr);
    assert!(shown.stderr.contains("no such key `cpu`"), "{}", shown.stderr);
    assert!(strict.stderr.contains("could not be evaluated"), "{}", strict.stderr);
}

#[test]
fn strict_queries_see_what_sqlite_would_filter_out() {
    let scene = Scene::new(Backend::Directory);
    let (reader, _writer) = reader_and_writer(&scene);
    let predicate = "ns == \"security\" && tags.env == \"prod\"";

    let shown = reader.ok(&["query", predicate, "--select", "name"]);
    let strict = reader.fails(2, &["query", predicate, "--select", "name", "--strict"]);
    let sound =
        reader.ok(&["query", "ns == \"security\" && tags.?env.orValue(\"\") == \"prod\"", "--strict", "--jsonl"]);

    // The notes have no such tag.
    assert_eq!((shown.text().as_str(), shown.stderr.as_str()), ("state\n", ""));
    assert!(strict.stderr.contains("/notes/1`: no such key `env`"), "{}", strict.stderr);
    assert_eq!(sound.text().lines().count(), 1);
}

#[test]
fn mistakes_are_met_with_help() {
    let scene = Scene::new(Backend::Directory);
    let reader = scene.repository("ana", "infra");

    let unknown = reader.fails(2, &["query", "modelNam == \"x\""]).stderr;
    let syntax = reader.fails(2, &["query", "modelName = \"x\""]).stderr;
    let pattern = reader.fails(2, &["query", "name.matches(\"a(?=b)\")"]).stderr;
    let never = reader.ok(&["query", "size == \"x\""]).stderr;
    let fields = reader.ok(&["query", "--fields"]).text();
    reader.fails(2, &["query"]);

    assert!(
        unknown.starts_with("error: unknown field `modelNam` at 1:1\n  modelNam == \"x\"\n  ^\nhint: `modelName`"),
        "{unknown}"
    );
    assert!(syntax.contains("\n  modelName = \"x\"\n            ^\nhint: compare with `==`"), "{syntax}");
    assert!(pattern.contains("look-around"), "{pattern}");
    assert!(never.contains("`==` of a number and a text is never true at 1:6"), "{never}");
    assert!(fields.contains("attributes") && fields.contains("startsWith"), "{fields}");
}

/// Returns how many requests `action` sent.
fn cost(scene: &Scene, action: impl FnOnce()) -> u64 {
    scene.datastore().server().reset_counters();
    action();
    scene.datastore().server().counters().total()
}

fn metadata_costs_no_request_and_foreign_content_one_per_artifact(scene: &Scene) {
    let (reader, _writer) = reader_and_writer(scene);

    let metadata = cost(scene, || {
        reader.ok(&["query", "tags.env == \"prod\" && version > 0"]);
        reader.ok(&["eval", "data.latest(\"security:fleet\", \"host\").version"]);
    });
    let own = cost(scene, || drop(reader.ok(&["query", "ns == \"infra\" && attributes.status == \"ok\""])));
    // Of three foreign artifacts one is left open by its metadata; the predicate and the projection share its content.
    let one = cost(scene, || {
        let args = ["ns == \"security\" && name == \"host\" && attributes.cpu > 1", "--select", "attributes"];
        assert_eq!(results(&reader, &args), json!([{"cpu": 4, "labels": {"role": "web"}}]));
    });
    let all =
        cost(scene, || drop(reader.ok(&["query", "ns == \"security\" && content != \"\"", "--select", "content"])));
    let expression = "data.latest(\"security:fleet\", \"host\").attributes.cpu + \
                      data.query(\"modelName == 'fleet' && name == 'host'\", \"attributes.cpu\")[0]";
    let twice = cost(scene, || assert_eq!(reader.json(&["eval", expression]), 8));

    assert_eq!((metadata, own, one, all, twice), (0, 0, 1, 3, 1));
}

fn a_query_explains_what_it_read(scene: &Scene) {
    let (reader, _writer) = reader_and_writer(scene);

    let plan = reader.json(&["query", "ns == \"security\" && name == \"host\" && attributes.cpu + 1 > 4", "--explain"]);

    assert!(plan["sql"].as_str().expect("SQL").contains("is_latest"), "{plan}");
    assert!(plan["residual"].as_str().expect("a residual").contains("((attributes.cpu + 1) > 4)"), "{plan}");
    assert_eq!([&plan["fetched"], &plan["total"]], [1, 1]);
}

#[test]
fn an_interrupt_ends_an_evaluation() {
    let scene = Scene::new(Backend::Directory);
    let reader = scene.repository("ana", "infra");
    let endless = "lists.range(1700).map(x, lists.range(1700).map(y, [x, y].filter(z, z > 5))).size()";

    let running = reader.start(&["eval", endless]);
    let outcome = running.interrupt_after(Duration::from_millis(700));

    assert_eq!(outcome.code, Some(130), "{}", outcome.stderr);
}

fn metadata_is_queried_while_the_datastore_is_away(scene: &Scene) {
    let (reader, _writer) = reader_and_writer(scene);
    let offline = reader.with("AWS_ENDPOINT_URL", "http://127.0.0.1:9").with("AWS_ACCESS_KEY_ID", "");

    let names = offline.ok(&["query", "ns == \"security\"", "--select", "name"]).text();

    assert_eq!(names.lines().count(), 3);
}
