//! What queries answer, and what they fetch for it.

use serde_json::{Value, json};

use super::{JSON, Put, World, two_namespaces};
use crate::error::{Failure as _, Kind};
use crate::query::{Interrupt, Options, Query, QueryError, Shown, explain};

#[test]
fn only_the_latest_versions_match_unless_a_version_is_named() {
    let world = two_namespaces();

    assert_eq!(world.values("ns == \"infra\" && name == \"state\"", "version"), [json!(2)]);
    assert_eq!(world.values("name == \"state\" && ns == \"infra\" && version > 0", "version"), [json!(1), json!(2)]);
    assert_eq!(world.values("!isLatest", "version"), [json!(1)]);
    assert_eq!(world.values("name == \"version\" || ns == \"infra\" // isLatest", "name").len(), 3);
}

#[test]
fn metadata_needs_no_content() {
    let world = two_namespaces();

    let (answers, report) = world.run("tags.env == \"prod\" && size > 3", None, &Options::default()).unwrap();

    assert_eq!((answers.len(), report.fetched), (5, 0));
    assert_eq!(world.contents.batches(), Vec::<Vec<String>>::new());
}

#[test]
fn content_is_fetched_once_and_only_where_metadata_leaves_rows_open() {
    let world = two_namespaces();

    let names =
        world.values("modelName == \"vpc\" && attributes.status == \"failed\"", "ns + \":\" + attributes.status");

    assert_eq!(names, [json!("security:failed")]);
    let paths = ["infra/data/acme/thing/id-vpc/state/2/raw", "infra/data/acme/thing/id-vpc/notes/1/raw"];
    let fetched = world.contents.batches().concat();
    assert_eq!(&fetched[..2], paths);
    assert_eq!(fetched.len(), 3, "neither the picture nor another model: {fetched:?}");
}

#[test]
fn rows_that_metadata_decides_keep_their_place_among_those_that_wait() {
    let world = two_namespaces();

    let names = world.values("modelName == \"scan\" || attributes.n > 1.0", "modelName + name");

    assert_eq!(names, [json!("vpcstate"), json!("vpcstate"), json!("scanresult"), json!("scanbroken")]);
}

#[test]
fn content_is_the_text_of_texts_and_of_broken_json_and_empty_for_the_rest() {
    let world = two_namespaces();

    assert_eq!(world.values("content.contains(\"second run\")", "name"), [json!("notes")]);
    assert_eq!(world.values("name == \"broken\"", "content"), [json!("{nope")]);
    assert_eq!(world.values("name == \"broken\"", "attributes"), [json!({})]);
    assert_eq!(world.values("name == \"picture\"", "[content, attributes]"), [json!(["", {}])]);
}

#[test]
fn content_is_json_where_it_is_to_javascript() {
    let deep = format!("{{\"y\":1,\"d\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let mut world = World::of(&[
        ("infra", "odd", "huge", 1, JSON, r#"{"x":1e999,"y":1}"#),
        ("infra", "odd", "surrogate", 1, JSON, r#"{"x":"\ud800","y":1}"#),
        ("infra", "odd", "deep", 1, JSON, &deep),
        ("infra", "odd", "mark", 1, JSON, "\u{feff}{\"y\":1}"),
        ("infra", "odd", "byte", 1, JSON, "?"),
    ]);
    let path = "infra/data/acme/thing/id-odd/byte/1/raw".to_owned();
    world.contents.contents.insert(path, b"{\"x\":\"\xff\",\"y\":1}".to_vec());

    assert_eq!(world.values("attributes.y == 1", "name"), ["huge", "surrogate", "deep", "mark", "byte"]);
    let texts = world.values("name == \"surrogate\" || name == \"byte\"", "attributes.x");
    assert_eq!(texts, [json!("\u{fffd}"), json!("\u{fffd}")]);
    assert_eq!(world.values("attributes.?x.orValue(0) == 1.0 / 0", "name"), ["huge"]);
}

#[test]
fn broken_json_is_the_reason_where_a_key_is_missing() {
    let world = two_namespaces();

    let (_, report) = world.run("name == \"broken\" && attributes.n == 1", None, &Options::default()).unwrap();

    let reason = report.skipped.unwrap().reason;
    assert_eq!(reason, "its content is not JSON: unexpected `n` at 1:2");
    assert_eq!(world.values("name == \"broken\" && !has(attributes.n)", "name"), ["broken"]);
    assert_eq!(world.values("name == \"broken\"", "attributes.?n"), [json!(null)]);
    let error = world.evaluate("data.latest(\"security:scan\", \"broken\").attributes.n").unwrap_err();
    assert_eq!(error.to_string(), "its content is not JSON: unexpected `n` at 1:2");
}

#[test]
fn deep_content_is_an_answer_or_a_reason() {
    let nested = |depth: usize| format!("{{\"l\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    let (deep, deeper) = (nested(999), nested(1_000_000));
    let world = World::of(&[("infra", "odd", "deep", 1, JSON, &deep), ("infra", "odd", "deeper", 1, JSON, &deeper)]);

    let predicate = "attributes.l == attributes.l && [attributes.l].flatten().map(x, [x]).size() == 1";
    let (answers, report) = world.run(predicate, Some("{\"l\": attributes.l}"), &Options::default()).unwrap();

    assert_eq!((answers.len(), answers[0].to_string().len()), (1, "{\"l\":}".len() + 2 * 999));
    assert_eq!(report.skipped.unwrap().reason, "its content is not JSON: nesting deeper than 1000 at 1:1005");
}

#[test]
fn maps_keep_their_order() {
    let world = two_namespaces();

    let values =
        world.values("name == \"result\"", "{\"z\": name, \"b\": attributes, ?\"no\": tags.?none, \"a\": version}");

    let text = serde_json::to_string(&values).unwrap();
    assert_eq!(text, r#"[{"z":"result","b":{"z":1,"a":{"y":2,"b":3}},"a":1}]"#);
}

#[test]
fn numbers_are_those_of_json() {
    let world = two_namespaces();

    let values =
        world.values("name == \"state\" && ns == \"infra\"", "[version + 1, size / 2, attributes.n * 2, version % 2]");

    assert_eq!(values, [json!([3, 18, 4, 0])]);
}

#[test]
fn rows_that_cannot_be_evaluated_are_counted_with_the_first_reason() {
    let world = two_namespaces();

    let (answers, report) = world.run("attributes.status == \"ok\"", Some("name"), &Options::default()).unwrap();

    assert_eq!(answers, [json!("state")]);
    let skipped = report.skipped.unwrap();
    assert_eq!((skipped.rows, skipped.reason.as_str()), (4, "no such key `status`"));
    // The picture has no content to wait for.
    assert_eq!(skipped.first, "infra:acme/thing/id-vpc/picture/1");
    let error = world.run_strict("attributes.status == \"ok\"").unwrap_err();
    assert!(matches!(error, QueryError::Skipped { .. }), "{error}");
    assert!(error.hint().unwrap().starts_with("where a key may be absent, write `has(a.b)`"));
    let (_, report) = world.run("1 / (size - size) == 1 || 1 / 0 == 1", None, &Options::default()).unwrap();
    let skipped = report.skipped.unwrap();
    assert_eq!((skipped.reason.as_str(), skipped.hint), ("division by zero", None));
}

#[test]
fn a_strict_query_sees_errors_that_sqlite_would_filter_out() {
    let world = two_namespaces();

    let named = |error: QueryError| match error {
        QueryError::Skipped { skipped } => format!("{}: {}", skipped.first, skipped.reason),
        other => other.to_string(),
    };

    assert_eq!(world.values("tags.region == \"eu\"", "name"), Vec::<Value>::new());
    let error = named(world.run_strict("tags.region == \"eu\"").unwrap_err());
    assert_eq!(error, "infra:acme/thing/id-vpc/state/2: no such key `region`");
    let error = named(world.run_strict("ns == \"security\" && !(tags.region == \"eu\")").unwrap_err());
    assert_eq!(error, "security:acme/thing/id-vpc/state/1: no such key `region`");
    // A conjunct that is false hides the error of the other, as in CEL.
    assert_eq!(world.run_strict("tags.region == \"eu\" && name == \"nowhere\"").unwrap().0, Vec::<Value>::new());
    assert_eq!(world.run_strict("tags.?region.orValue(\"eu\") == \"eu\"").unwrap().1.total, 6);
}

#[test]
fn a_projection_that_fails_is_null() {
    let world = two_namespaces();

    let (answers, report) = world.run("name == \"state\"", Some("attributes.list[0]"), &Options::default()).unwrap();

    assert_eq!(answers, [json!(1), json!(null)]);
    assert_eq!(report.skipped.map(|skipped| skipped.rows), Some(1));
}

#[test]
fn missing_content_is_a_reason_and_not_an_empty_map() {
    let mut world = two_namespaces();
    world.contents.contents.clear();

    let (answers, report) = world.run("attributes == {}", Some("name"), &Options::default()).unwrap();

    assert_eq!(answers, [json!("picture")]);
    let skipped = report.skipped.unwrap();
    assert_eq!((skipped.rows, skipped.reason.as_str()), (5, "its content is missing"));
}

#[test]
fn content_that_cannot_be_fetched_leaves_the_answer_incomplete() {
    let mut world = two_namespaces();
    world.contents.is_unreachable = true;

    let (answers, report) =
        world.run("name == \"state\" && attributes.status == \"ok\"", Some("name"), &Options::default()).unwrap();

    let incomplete = report.incomplete.expect("something was not known");
    assert_eq!((answers, incomplete.first.1.reason.as_str()), (vec![], "nobody answers"));
    let strict = world.run_strict("name == \"state\" && attributes.status == \"ok\"").unwrap_err();
    assert_eq!(strict.kind(), Kind::Unavailable);
}

#[test]
fn a_limit_ends_the_query_and_starts_with_small_batches() {
    let names: Vec<_> = (0..200).map(|number| format!("host-{number:03}")).collect();
    let puts: Vec<Put<'_>> =
        names.iter().map(|name| ("infra", "fleet", name.as_str(), 1, JSON, r#"{"up":true}"#)).collect();
    let world = World::of(&puts);

    let limited = Options { limit: Some(5), ..Options::default() };
    let (answers, report) = world.run("attributes.up", Some("name"), &limited).unwrap();

    assert_eq!((answers.len(), report.total, report.is_limited, report.fetched), (5, 5, true, 8));
    let (answers, report) = world.run("attributes.up", None, &Options::default()).unwrap();
    assert_eq!((answers.len(), report.is_limited, report.fetched), (200, false, 200));
    let most = world.contents.batches().iter().map(Vec::len).max();
    assert_eq!(most, Some(64));
}

#[test]
fn a_limit_of_zero_is_none() {
    let world = two_namespaces();

    let none = Options { limit: Some(0), ..Options::default() };
    let (answers, report) = world.run("true", None, &none).unwrap();

    assert_eq!((answers.len(), report.read), (0, 0));
}

#[test]
fn rows_are_printed_with_the_keys_of_the_contract() {
    let world = two_namespaces();

    let shown = Options { shown: Shown::Content, ..Options::default() };
    let (answers, _) = world.run("name == \"result\" || name == \"notes\"", None, &shown).unwrap();

    let keys: Vec<_> = answers[0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        keys.join(","),
        "id,name,version,isLatest,createdAt,namespace,tags,modelName,modelId,modelType,specName,dataType,contentType,\
         lifetime,ownerType,streaming,size,ownerRef,workflowRunId,workflowName,jobName,stepName,source,content"
    );
    assert_eq!([&answers[0]["content"], &answers[1]["content"]], [&json!(""), &json!({"z": 1, "a": {"y": 2, "b": 3}})]);
}

#[test]
fn an_interrupt_ends_a_query() {
    let world = two_namespaces();
    let options = Options::default();
    options.interrupt.raise();

    let error = world.run("true", None, &options).unwrap_err();

    assert!(matches!(error, QueryError::Interrupted), "{error}");
    assert!(!Interrupt::default().is_raised());
}

#[test]
fn a_plan_says_what_is_evaluated_and_read() {
    let world = two_namespaces();
    let query = Query::parse("version > 0 && attributes.n + 1 > 2", Some("name")).unwrap();

    let plan = explain(&query, &world.catalog, &Options::default()).unwrap();

    assert!(plan.residual.unwrap().contains("((attributes.n + 1) > 2)"));
    assert!(plan.columns.contains(&"data_name") && plan.columns.contains(&"version"), "{:?}", plan.columns);
    assert!(!plan.columns.contains(&"tags"), "{:?}", plan.columns);
    assert!(!plan.steps.is_empty());
}
