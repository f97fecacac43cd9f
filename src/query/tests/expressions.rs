//! Expressions by themselves.

use serde_json::{Value, json};

use super::{JSON, Put, World, two_namespaces};
use crate::query::{Interrupt, QueryError, Surroundings, evaluate};

impl World {
    fn evaluate(&self, expression: &str) -> Result<Value, QueryError> {
        let own = "infra".parse().unwrap();
        let around = Surroundings { catalog: &self.catalog, contents: &self.contents, own: Some(&own) };
        evaluate(expression, around, &Interrupt::default())
    }

    fn value(&self, expression: &str) -> Value {
        self.evaluate(expression).unwrap()
    }
}

#[test]
fn a_reference_means_its_namespace() {
    let world = two_namespaces();

    assert_eq!(world.value("data.latest(\"vpc\", \"state\").attributes.status"), json!("ok"));
    assert_eq!(world.value("data.latest(\"infra:vpc\", \"state\").attributes.status"), json!("ok"));
    assert_eq!(world.value("data.latest(\":vpc\", \"state\").attributes.status"), json!("ok"));
    // Trap T9: a model of our own with the same name is not what was asked for.
    assert_eq!(world.value("data.latest(\"security:vpc\", \"state\").attributes.status"), json!("failed"));
    assert_eq!(world.value("data.latest(\"scan\", \"result\")"), json!(null));
    assert_eq!(world.value("data.latest(\"*:scan\", \"result\").ns"), json!("security"));
}

#[test]
fn a_namespace_without_a_model_is_no_reference() {
    let world = two_namespaces();

    let messages = ["infra:", "*:"].map(|reference| {
        let error = world.evaluate(&format!("data.latest(\"{reference}\", \"state\")")).unwrap_err();
        error.to_string()
    });

    assert_eq!(messages, ["infra:", "*:"].map(|reference| format!("`data.latest`: `{reference}` names no model")));
}

#[test]
fn a_model_of_several_namespaces_is_ambiguous() {
    let world = two_namespaces();

    let error = world.evaluate("data.latest(\"*:vpc\", \"state\")").unwrap_err();

    let message =
        "`data.latest`: Ambiguous: \"vpc\" exists in namespaces [infra, security], qualify it, as `infra:vpc`";
    assert_eq!(error.to_string(), message);
}

#[test]
fn versions_are_listed_and_read() {
    let world = two_namespaces();

    assert_eq!(world.value("data.listVersions(\"vpc\", \"state\")"), json!([1, 2]));
    assert_eq!(world.value("data.version(\"vpc\", \"state\", 1).attributes.status"), json!("old"));
    assert_eq!(world.value("data.version(\"vpc\", \"state\", 9)"), json!(null));
}

#[test]
fn absent_data_is_null_safe() {
    let world = two_namespaces();

    assert_eq!(world.value("data.latest(\"none\", \"state\").?attributes.?cidr.orValue(\"-\")"), json!("-"));
    assert_eq!(world.value("data.latest(\"vpc\", \"state\").?attributes.?cidr"), json!(null));
    assert_eq!(world.value("has(data.latest(\"vpc\", \"state\").attributes.n)"), json!(true));
}

#[test]
fn artifacts_are_found_by_tag_and_specification() {
    let world = two_namespaces();

    assert_eq!(world.value("data.findByTag(\"model\", \"vpc\").map(r, r.name)"), json!(["state", "notes", "picture"]));
    assert_eq!(world.value("data.findByTag(\"model\", \"scan\")"), json!([]));
    assert_eq!(world.value("data.findBySpec(\"security:scan\", \"spec\").map(r, r.name)"), json!(["result", "broken"]));
}

#[test]
fn queries_are_expressions_too() {
    let world = two_namespaces();

    let expression = "data.query(\"attributes.n > 1\", \"{'ns': ns, 'n': attributes.n}\").map(r, r.ns).join(\",\")";
    assert_eq!(world.value(expression), json!("infra,security"));
    assert_eq!(world.value("data.query(\"ns == 'security'\").size()"), json!(3));
    let error = world.evaluate("data.query(\"nope\")").unwrap_err();
    assert!(error.to_string().starts_with("`data.query`: unknown field `nope`"), "{error}");
}

#[test]
fn metadata_needs_no_content() {
    let world = two_namespaces();

    assert_eq!(world.value("data.latest(\"security:vpc\", \"state\").version + 1"), json!(2));
    assert_eq!(world.contents.batches().len(), 0);
}

#[test]
fn content_is_fetched_once_per_artifact_and_together_for_a_list() {
    let names: Vec<_> = (0..100).map(|number| format!("host-{number:03}")).collect();
    let puts: Vec<Put<'_>> =
        names.iter().map(|name| ("security", "fleet", name.as_str(), 1, JSON, r#"{"cpu":4}"#)).collect();
    let world = World::of(&puts);

    let twice = "data.findBySpec(\"security:fleet\", \"spec\").map(r, r.attributes.cpu + r.attributes.cpu).size() \
                 + data.query(\"attributes.cpu == 4\").size()";
    assert_eq!(world.value(twice), json!(200));

    let sizes: Vec<_> = world.contents.batches().iter().map(Vec::len).collect();
    assert_eq!(sizes, [64, 36]);
}

#[test]
fn a_whole_record_is_printed_with_its_content() {
    let world = two_namespaces();

    let record = world.value("data.latest(\"security:vpc\", \"state\")");

    assert_eq!(record["attributes"], json!({"status": "failed", "n": 7}));
    assert_eq!([&record["version"], &record["namespace"]], [&json!(1), &json!("security")]);
}

#[test]
fn endless_work_is_ended() {
    let world = two_namespaces();
    let doubling = "[1, 2].map(a, ".repeat(3) + "1" + &")".repeat(3);
    let bombs = [
        "lists.range(1000000).map(x, lists.range(1000000).map(y, x * y)).size()".to_owned(),
        "lists.range(100000).distinct().size()".to_owned(),
        format!("\"x\"{}.size()", ".replace(\"x\", \"xxxxxxxxxx\")".repeat(12)),
        format!("cel.bind(s, \"xxxxxxxxxxxxxxxx\", s{})", " + s".repeat(400)),
        format!("[\"x\"]{}.size()", ".map(a, a + a)".repeat(40)),
        doubling,
    ];

    for bomb in bombs {
        match world.evaluate(&bomb) {
            Ok(_) | Err(QueryError::Exhausted { .. } | QueryError::Evaluation { .. }) => {}
            Err(error) => panic!("{bomb}: {error}"),
        }
    }
}
