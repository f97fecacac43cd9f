//! Answers: selections, models, artifacts, versions, searches, and that indexes give them.

use super::*;
use crate::catalog::{Count, Filter, Model, Parameter, Resolution, Scope, TAG_EQUALS, Tagging};

/// A catalog with the golden rows of `infra` as own and of `security` as foreign ones.
fn filled() -> Fixture {
    let fixture = Fixture::new();
    fixture.rebuild(Some(&infra()), &golden(INFRA_AFTER_REBUILD));
    fixture
        .catalog
        .replace_foreign(&namespace("security"), SECURITY, None, Timestamp::from_milliseconds(0))
        .expect("pulled");
    fixture
}

fn text(text: &str) -> Parameter {
    Parameter::Text(text.to_owned())
}

fn found(hits: &super::super::Hits) -> Vec<String> {
    hits.records.iter().map(|record| format!("{}:{}", record.data_name, record.version)).collect()
}

fn search(fixture: &Fixture, filter: Filter) -> super::super::Hits {
    let filter = Filter { scope: Scope::One(Some(infra())), ..filter };
    fixture.catalog.search(&filter, 50).expect("searched")
}

#[test]
fn a_selection_streams_filtered_rows_in_order_up_to_its_limit() {
    let fixture = filled();
    let columns = [Column::DataName, Column::Version];
    let parameters = [text("fleet"), Parameter::Integer(1), text("security")];
    let selection = Selection {
        columns: &columns,
        filter: "model_name = ? AND version = ? AND namespace = ?",
        parameters: &parameters,
        order: Order::Stable,
        limit: Some(3),
    };

    let mut names = Vec::new();
    let seen = fixture.catalog.select(&selection, &mut |row| {
        names.push(format!("{}:{}", row.text(Column::DataName), row.integer(Column::Version)));
        ControlFlow::Continue(())
    });

    assert_eq!(seen.expect("selected"), 3);
    assert_eq!(names, ["host-000:1", "host-001:1", "host-002:1"]);
}

#[test]
fn a_visitor_may_stop_early_and_use_the_catalog() {
    let fixture = filled();
    let all = Selection { columns: &[], filter: "1", parameters: &[], order: Order::Time, limit: None };

    let seen = fixture.catalog.select(&all, &mut |_row| {
        let _written = fixture.catalog.remove_name(Some(&infra()), name("none")).expect("written meanwhile");
        ControlFlow::Break(())
    });

    assert_eq!(seen.expect("selected"), 1);
}

#[test]
fn a_filter_cannot_write() {
    let fixture = filled();

    let refused = fixture.catalog.count("1; DELETE FROM catalog", &[]);

    assert_eq!(crate::error::Failure::kind(&refused.expect_err("two statements")), crate::error::Kind::Unavailable);
    assert_eq!(fixture.rows().len(), 178 + 52);
}

#[test]
fn tags_are_looked_up_in_their_side_table() {
    let fixture = filled();
    let parameters = [text("role"), text("web"), text("az"), text("b")];
    let filter = format!("{TAG_EQUALS} AND {TAG_EQUALS} AND is_newest = 1 AND namespace = 'infra'");

    assert_eq!(fixture.catalog.count(&filter, &parameters).expect("counted"), 2);
}

#[test]
fn models_are_found_by_name_before_id() {
    let fixture = Fixture::new();
    let ns = infra();
    let of_model = |id: &str, model_name: &str| Record {
        model_id: id.to_owned(),
        model_name: model_name.to_owned(),
        ..record(Some(&ns), "state", 1)
    };
    fixture.rebuild(Some(&ns), &[of_model("id-1", "one"), of_model("id-2", "id-1"), of_model("id-3", "one")]);
    let model = |id: &str, name: &str| Model {
        type_normalized: "aws/ec2/vpc".to_owned(),
        id: id.to_owned(),
        name: name.to_owned(),
    };
    let resolve = |reference| fixture.catalog.resolve_model(Some(&ns), reference).expect("resolved");

    assert_eq!(resolve("id-1"), Resolution::Model(model("id-2", "id-1")));
    assert_eq!(resolve("id-3"), Resolution::Model(model("id-3", "one")));
    assert_eq!(resolve("one"), Resolution::Ambiguous(vec![model("id-1", "one"), model("id-3", "one")]));
    assert_eq!(resolve("two"), Resolution::Unknown);
    assert_eq!(resolve(""), Resolution::Unknown);
}

#[test]
fn a_model_is_called_as_its_most_recent_named_artifact_says() {
    let fixture = Fixture::new();
    let ns = infra();
    let artifact = |data_name, version, model_name: &str| Record {
        model_name: model_name.to_owned(),
        ..record(Some(&ns), data_name, version)
    };
    fixture.rebuild(Some(&ns), &[artifact("a", 1, "old"), artifact("b", 2, "new"), artifact("report", 3, "")]);

    let models = fixture.catalog.models(Some(&ns)).expect("listed");

    let [model] = models.as_slice() else { panic!("{models:?}") };
    assert_eq!(model.name, "new");
    let resolved = fixture.catalog.resolve_model(Some(&ns), &model.id).expect("resolved");
    assert_eq!(resolved, Resolution::Model(model.clone()));
}

#[test]
fn artifacts_are_listed_by_their_newest_version_once() {
    let fixture = filled();
    let Resolution::Model(model) = fixture.catalog.resolve_model(Some(&infra()), "prod-vpc").expect("resolved") else {
        panic!("prod-vpc is one model");
    };

    let artifacts = fixture.catalog.artifacts(Some(&infra()), &model.type_normalized, &model.id).expect("listed");

    let shown: Vec<_> = artifacts.iter().map(|record| format!("{}:{}", record.data_name, record.version)).collect();
    assert_eq!(
        shown,
        [
            "events-log:6",
            "notes.md:7",
            "readme.md:1",
            "report-swamp-method-summary:6",
            "report-swamp-method-summary-json:6",
            "route-table:6",
            "topology.png:6",
            "vpc-1000016:6"
        ]
    );
}

#[test]
fn versions_come_newest_first_and_one_by_number() {
    let fixture = Fixture::new();
    let ns = infra();
    fixture.rebuild(Some(&ns), &[record(Some(&ns), "a", 1), record(Some(&ns), "a", 10), record(Some(&ns), "a", 9)]);
    let find = |version| fixture.catalog.find(Some(&ns), &name("a"), version).expect("read").map(|found| found.version);

    let versions = fixture.catalog.versions(Some(&ns), &name("a")).expect("listed");

    let versions: Vec<_> = versions.iter().map(|record| (record.version, record.is_latest)).collect();
    assert_eq!(versions, [(10, true), (9, false), (1, false)]);
    assert_eq!((find(None), find(Some(9)), find(Some(2))), (Some(10), Some(9), None));
    assert_eq!(fixture.catalog.find(None, &name("a"), None).expect("read"), None);
}

#[test]
fn the_latest_row_of_an_artifact_is_found_by_model_name() {
    let fixture = filled();
    let find = |ns: &str| fixture.catalog.find_latest(Some(&namespace(ns)), "fleet", "host-000").expect("read");

    assert_eq!(find("infra").map(|record| record.version), Some(7));
    assert_eq!(find("security").map(|record| record.version), Some(1));
    assert_eq!(find("other"), None);
}

#[test]
fn searches_find_what_upstream_found() {
    let fixture = filled();
    let some = |text: &str| Some(text.to_owned());
    let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());

    assert_eq!(search(&fixture, Filter::default()).total, 53);
    assert_eq!(search(&fixture, Filter { query: some("HOST"), ..Filter::default() }).total, 12);
    assert_eq!(search(&fixture, Filter { lifetime: some("ephemeral"), ..Filter::default() }).total, 9);
    assert_eq!(search(&fixture, Filter { workflow: some("nightly"), ..Filter::default() }).total, 17);
    assert_eq!(search(&fixture, Filter { data_type: some("file"), ..Filter::default() }).total, 14);
    let images = search(&fixture, Filter { content_type: some("image/png"), ..Filter::default() });
    assert_eq!(found(&images), ["topology.png:6", "topology.png:1"]);
    let streams = search(&fixture, Filter { streaming: Some(true), ..Filter::default() });
    assert_eq!(found(&streams), ["events-log:6", "events-log:1", "log:2"]);
    let tagged = search(&fixture, Filter { tags: vec![tag("role", "web"), tag("az", "b")], ..Filter::default() });
    assert_eq!(found(&tagged), ["host-007:7", "host-001:7"]);
    let of_model = search(&fixture, Filter { model: some("prod-vpc"), ..Filter::default() });
    assert_eq!(of_model.total, 8);
    assert_eq!(
        found(&of_model).get(..3),
        Some(
            [
                "report-swamp-method-summary-json:6".to_owned(),
                "report-swamp-method-summary:6".to_owned(),
                "events-log:6".to_owned()
            ]
            .as_slice()
        )
    );
}

#[test]
fn a_search_finds_letters_of_every_alphabet_in_either_case() {
    let fixture = filled();
    fixture.rebuild(None, &[record(None, "über-uns", 1), record(None, "ÜBER", 1), record(None, "ubar", 1)]);
    let search = |part: &str, limit: u64| {
        let query = Some(part.to_owned());
        fixture
            .catalog
            .search(&Filter { scope: Scope::One(None), query, ..Filter::default() }, limit)
            .expect("searched")
    };

    assert_eq!(search("ÜBER", 50).total, 2);
    assert_eq!(search("über", 50).total, 2);
    assert_eq!(found(&search("ÜBER-UNS", 50)), ["über-uns:1"]);
    let limited = search("Über", 1);
    assert_eq!((limited.records.len(), limited.total), (1, 2));
}

#[test]
fn a_search_counts_beyond_its_limit_and_over_all_namespaces() {
    let fixture = filled();
    let since = "2026-11-21T05:30:03.751Z".parse().expect("a time");

    let all = fixture.catalog.search(&Filter::default(), 2).expect("searched");
    let recent = fixture.catalog.search(&Filter { since: Some(since), ..Filter::default() }, 50).expect("searched");

    assert_eq!(all.records.len(), 2);
    assert_eq!(all.total, 53 + 21);
    assert!(recent.records.iter().all(|record| record.created_at >= since), "{recent:?}");
    assert!(recent.total < all.total, "{recent:?}");
}

#[test]
fn counts_are_per_namespace() {
    let fixture = filled();
    fixture.rebuild(None, &[record(None, "a", 1), record(None, "a", 2)]);

    let counts = fixture.catalog.counts().expect("counted");

    let count = |namespace, rows, names| Count { namespace, rows, names };
    assert_eq!(counts, [count(None, 2, 1), count(Some(infra()), 178, 53), count(Some(namespace("security")), 52, 21)]);
}

#[test]
fn lookups_use_indexes_and_sort_nothing() {
    let fixture = filled();
    let plan = |filter: &str, parameters: &[Parameter], order| {
        let selection = Selection { columns: &[Column::Id], filter, parameters, order, limit: Some(10) };
        fixture.catalog.explain(&selection, Tagging::default()).expect("explained").1.join("; ")
    };

    assert_eq!(
        plan("model_name = ?", &[text("m")], Order::Stable),
        "SEARCH catalog USING INDEX catalog_by_model_name (model_name=?)"
    );
    assert_eq!(
        plan("workflow_run_id = ?", &[text("r")], Order::Stable),
        "SEARCH catalog USING INDEX catalog_by_run (workflow_run_id=?)"
    );
    assert_eq!(
        plan("namespace = ? AND is_newest = 1", &[text("infra")], Order::Time),
        "SEARCH catalog USING INDEX newest_by_namespace_time (namespace=?)"
    );
    assert_eq!(plan("is_newest = 1", &[], Order::Time), "SCAN catalog USING INDEX newest_by_time");
    assert_eq!(plan("1", &[], Order::Stable), "SCAN catalog");
}
