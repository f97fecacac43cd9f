//! Foreign rows: replacement, isolation from other namespaces, what is known of a pull.

use super::*;
use crate::catalog::{ForeignState, Pulled, Refusals};

fn export_of(records: &[Record]) -> Vec<u8> {
    serde_json::to_vec(records).expect("an export")
}

fn moment(second: i64) -> Timestamp {
    Timestamp::from_milliseconds(second * 1_000)
}

#[test]
fn a_pull_replaces_the_namespace_and_leaves_all_others_alone() {
    let fixture = Fixture::new();
    let [own, third, foreign] = [infra(), namespace("third"), namespace("security")];
    fixture.rebuild(Some(&own), &[record(Some(&own), "a", 1)]);
    fixture.rebuild(None, &[record(None, "solo", 1)]);
    let third_rows = export_of(&[record(Some(&third), "t", 1)]);
    fixture.catalog.replace_foreign(&third, &third_rows[..], None, moment(1)).expect("pulled");
    let first = export_of(&[record(Some(&foreign), "x", 1), record(Some(&foreign), "y", 1)]);
    fixture.catalog.replace_foreign(&foreign, &first[..], Some("e1"), moment(1)).expect("pulled");

    let second = export_of(&[record(Some(&foreign), "y", 1), record(Some(&foreign), "z", 1)]);
    let pulled = fixture.catalog.replace_foreign(&foreign, &second[..], Some("e2"), moment(2)).expect("pulled");

    assert_eq!(pulled, Pulled { rows: 2, is_change: true, refused: Refusals::default() });
    assert_eq!(
        fixture.rows(),
        [
            "infra/a@1 latest newest",
            "/solo@1 latest newest",
            "third/t@1 newest",
            "security/y@1 newest",
            "security/z@1 newest"
        ]
    );
    assert_eq!(fixture.catalog.generation(Some(&own)).expect("read"), 1);
}

#[test]
fn is_latest_of_foreign_rows_is_what_their_export_says() {
    let fixture = Fixture::new();

    fixture.catalog.replace_foreign(&namespace("security"), SECURITY, None, moment(1)).expect("pulled");

    let expected = golden(SECURITY);
    let rows = fixture.select("1", |row| (row.text(Column::Id).to_owned(), row.integer(Column::IsLatest) == 1));
    let expected: Vec<_> = expected.into_iter().map(|record| (record.id, record.is_latest)).collect();
    assert_eq!(rows, expected);
}

#[test]
fn the_newest_version_of_a_foreign_name_is_computed() {
    let fixture = Fixture::new();
    let ns = namespace("security");
    let by_step = |version, step: &str| Record { step_name: step.to_owned(), ..record(Some(&ns), "a", version) };
    let export = export_of(&[by_step(2, "x"), by_step(3, "y"), by_step(1, "x")]);

    fixture.catalog.replace_foreign(&ns, &export[..], None, moment(1)).expect("pulled");
    fixture
        .catalog
        .replace_foreign(&ns, &export_of(&[by_step(2, "x"), by_step(1, "x")])[..], None, moment(1))
        .expect("pulled");

    assert_eq!(fixture.rows(), ["security/a@2x newest", "security/a@1x"]);
}

#[test]
fn the_same_export_again_changes_nothing_but_the_time() {
    let fixture = Fixture::new();
    let ns = namespace("security");
    fixture.catalog.replace_foreign(&ns, SECURITY, Some("e1"), moment(1)).expect("pulled");
    let before = fixture.seqs();

    let pulled = fixture.catalog.replace_foreign(&ns, SECURITY, Some("e1"), moment(2)).expect("pulled");

    assert_eq!((pulled.rows, pulled.is_change), (52, false));
    assert_eq!(fixture.seqs(), before);
    assert_eq!(fixture.catalog.foreign_state(&ns).expect("read").expect("pulled").last_synced, moment(2));
}

#[test]
fn a_pull_is_remembered_and_confirmed() {
    let fixture = Fixture::new();
    let ns = namespace("security");
    let mut export = golden(SECURITY);
    export.truncate(3);
    export.push(record(Some(&infra()), "not-theirs", 1));
    assert_eq!(fixture.catalog.foreign_state(&ns).expect("read"), None);
    assert!(!fixture.catalog.confirm_foreign(&ns, moment(1)).expect("nothing to confirm"));

    fixture.catalog.replace_foreign(&ns, &export_of(&export)[..], Some("\"e1\""), moment(1)).expect("pulled");
    assert!(fixture.catalog.confirm_foreign(&ns, moment(9)).expect("confirmed"));

    let etag = Some("\"e1\"".to_owned());
    let state = ForeignState { namespace: ns, etag, last_synced: moment(9), rows: 3, refused: 1 };
    assert_eq!(fixture.catalog.foreign_states().expect("read"), [state]);
}

#[test]
fn a_malformed_export_leaves_the_rows_of_the_last_pull() {
    let fixture = Fixture::new();
    let ns = namespace("security");
    fixture.catalog.replace_foreign(&ns, SECURITY, Some("e1"), moment(1)).expect("pulled");

    let half = SECURITY.get(..SECURITY.len() / 2).expect("half of it");
    let refused = fixture.catalog.replace_foreign(&ns, half, Some("e2"), moment(2)).expect_err("half a file");

    assert_eq!(refused.to_string(), "the catalog export of namespace `security` is no list of rows: it ends too early");
    let state = fixture.catalog.foreign_state(&ns).expect("read").expect("pulled");
    assert_eq!((state.rows, state.etag.as_deref(), fixture.rows().len()), (52, Some("e1"), 52));
}

#[test]
fn own_rows_are_never_replaced_by_a_pull() {
    let fixture = Fixture::new();
    fixture.rebuild(Some(&infra()), &[record(Some(&infra()), "a", 1)]);

    let refused = fixture.catalog.replace_foreign(&infra(), &b"[]"[..], None, moment(1)).expect_err("our own");

    assert_eq!(refused.to_string(), "namespace `infra` is this repository's own and has no foreign rows");
    assert!(!fixture.catalog.drop_foreign(&infra()).expect("not foreign"));
    assert_eq!(fixture.rows(), ["infra/a@1 latest newest"]);
}

#[test]
fn a_foreign_namespace_that_becomes_our_own_is_foreign_no_more() {
    let fixture = Fixture::new();
    fixture.catalog.replace_foreign(&infra(), INFRA_AFTER_WRITES, None, moment(1)).expect("pulled");

    fixture.rebuild(Some(&infra()), &[record(Some(&infra()), "a", 1)]);

    assert_eq!(fixture.rows(), ["infra/a@1 latest newest"]);
    assert_eq!(fixture.catalog.foreign_states().expect("read"), []);
}

#[test]
fn a_dropped_namespace_takes_its_tags_along() {
    let fixture = Fixture::new();
    let ns = namespace("security");
    fixture.catalog.replace_foreign(&ns, SECURITY, None, moment(1)).expect("pulled");

    assert!(fixture.catalog.drop_foreign(&ns).expect("dropped"));

    assert_eq!(fixture.rows(), Vec::<String>::new());
    let raw = rusqlite::Connection::open(fixture.path()).expect("opened");
    let tags: i64 = raw.query_row("SELECT count(*) FROM catalog_tag", (), |row| row.get(0)).expect("counted");
    assert_eq!(tags, 0);
}
