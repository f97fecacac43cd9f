//! Expressions by themselves.

use serde_json::{Value, json};

use super::{JSON, Put, World, two_namespaces};
use crate::error::Failure as _;
use crate::query::{Interrupt, QueryError, Surroundings, evaluate};

impl World {
    pub(super) fn evaluate(&self, expression: &str) -> Result<Value, QueryError> {
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
    let error = world.evaluate("false && data.query(\"true\", \"nam\").size() > 0").unwrap_err();
    assert!(error.to_string().starts_with("`data.query`: unknown field `nam` in the selection at 1:1"), "{error}");
    assert!(error.hint().unwrap().starts_with("`name` was probably meant"), "{error}");
    let error = world.evaluate("data.query(\"no\" + \"pe\")").unwrap_err();
    assert!(error.to_string().starts_with("`data.query`: unknown field `nope`"), "{error}");
}

#[test]
fn records_of_the_same_version_are_equal() {
    let world = two_namespaces();
    let latest = |model: &str| format!("data.latest(\"{model}\", \"state\")");
    let equal = |one: &str, other: &str| world.value(&format!("{one} == {other}"));

    assert_eq!(equal(&latest("vpc"), &latest("infra:vpc")), json!(true));
    assert_eq!(equal(&latest("vpc"), "data.version(\"vpc\", \"state\", 2)"), json!(true));
    assert_eq!(equal(&latest("vpc"), "data.version(\"vpc\", \"state\", 1)"), json!(false));
    assert_eq!(equal(&latest("vpc"), &latest("security:vpc")), json!(false));
    assert_eq!(equal(&latest("vpc"), "{\"name\": \"state\"}"), json!(false));
    assert_eq!(equal(&latest("vpc"), "null"), json!(false));
    let listed = "data.findByTag(\"model\", \"vpc\")";
    assert_eq!(world.value(&format!("{} in {listed} && {listed}.distinct() == {listed}", latest("vpc"))), json!(true));
    assert_eq!(world.contents.batches().len(), 0);
}

#[test]
fn what_found_nothing_is_named_where_a_key_is_asked_of_it() {
    let world = two_namespaces();

    let error = world.evaluate("data.latest(\"vpc-typo\", \"state\").attributes.n").unwrap_err();

    assert_eq!(error.to_string(), "a key was asked of null: `data.latest(\"vpc-typo\", \"state\")` found nothing");
    assert!(error.hint().unwrap().starts_with("check the model and the name"), "{error}");
    let error = world.evaluate("[null][0].name").unwrap_err();
    assert_eq!(error.to_string(), "a key was asked of null");
}

#[test]
fn an_absent_key_is_named_and_hinted_at() {
    let world = two_namespaces();
    let told = |expression: &str| {
        let error = world.evaluate(expression).unwrap_err();
        (error.to_string(), error.hint().is_some())
    };

    assert_eq!(told("data.latest(\"vpc\", \"state\").attributes.nope"), ("no such key `nope`".to_owned(), true));
    assert_eq!(told("data.latest(\"vpc\", \"state\")[1]"), ("no such key `1`".to_owned(), true));
    assert_eq!(told("1 / 0"), ("division by zero".to_owned(), false));
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
    let shared = |last: &str| {
        let double = |level: usize| format!("cel.bind(m{level}, {{\"a\": m{0}, \"b\": m{0}}}, ", level - 1);
        let doubled = (1..40).map(double).collect::<Vec<_>>().concat();
        format!("cel.bind(m0, {{\"a\": 1}}, {doubled}{last}{}", ")".repeat(40))
    };
    let bombs = [
        "lists.range(1000000).map(x, lists.range(1000000).map(y, x * y)).size()".to_owned(),
        "lists.range(100).map(x, lists.range(1000000)).size()".to_owned(),
        "lists.range(1000000).all(x, lists.range(1000000).size() > 0)".to_owned(),
        "lists.range(100000).all(x, lists.range(100000).all(y, true))".to_owned(),
        "lists.range(1000).exists(x, lists.range(100000).filter(y, false).size() > 0)".to_owned(),
        "lists.range(100000).distinct().size()".to_owned(),
        "lists.range(100000).map(x, \"abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz\".split(\"\")).size()".to_owned(),
        "cel.bind(l, lists.range(1000000), [l, l, l, l, l, l, l, l].flatten().reverse().slice(0, 9).size())".to_owned(),
        "cel.bind(l, lists.range(100000), lists.range(100000).map(x, l).size())".to_owned(),
        "cel.bind(l, lists.range(100000), lists.range(100000).all(x, l == l && optional.of(l).hasValue()))".to_owned(),
        format!("{}\"\"{}.size()", "strings.quote(".repeat(60), ")".repeat(60)),
        format!("\"x\"{}.size()", ".replace(\"x\", \"xxxxxxxxxx\")".repeat(12)),
        format!("[\"x\"]{}.size()", ".map(a, [a, a])".repeat(40)),
        shared("m39"),
        shared("m39 == {\"a\": m38, \"b\": m38}"),
    ];

    for bomb in bombs {
        let outcome = world.evaluate(&bomb);
        assert!(matches!(outcome, Err(QueryError::Exhausted { .. })), "{bomb}: {outcome:?}");
    }
}

#[test]
fn work_within_the_budget_is_done() {
    let world = two_namespaces();

    assert_eq!(world.value("lists.range(50000).all(x, x >= 0)"), json!(true));
    assert_eq!(world.value("lists.range(30000).map(x, x * 2).filter(x, x % 3 == 0).size()"), json!(10_000));
    assert_eq!(world.value("[[1, 2], [3]].flatten().reverse().slice(0, 2)"), json!([3, 2]));
    assert_eq!(world.value("[lists.range(3), [1, 1].distinct(), [2, 1].sort()]"), json!([[0, 1, 2], [1], [1, 2]]));
    assert_eq!(world.value("[{\"n\": 2}, {\"n\": 1}].map(x, x).sortBy(x, x.n).map(x, x.n)"), json!([1, 2]));
    assert_eq!(world.value("\"a\".matches(\"[\" + \"a\" + \"]\")"), json!(true));
}

#[test]
fn texts_are_split_as_in_cel() {
    let world = two_namespaces();
    let split = |arguments: &str| world.value(&format!("\"a,é,\".split({arguments})"));

    assert_eq!(split("\",\""), json!(["a", "é", ""]));
    assert_eq!(split("\",\", 2"), json!(["a", "é,"]));
    assert_eq!(split("\",\", 0"), json!([]));
    assert_eq!(split("\",\", -1"), json!(["a", "é", ""]));
    assert_eq!(split("\"\""), json!(["a", ",", "é", ","]));
    assert_eq!(split("\"\", 3"), json!(["a", ",", "é,"]));
    assert_eq!(world.value("\"\".split(\"\")"), json!([]));
}
