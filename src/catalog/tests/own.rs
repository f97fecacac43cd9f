//! Own rows: replacement, write-through, tombstones, completeness, generations, export.

use super::*;
use crate::catalog::{ScanMark, Upserted};
use crate::error::{Failure as _, Kind};

/// Scans as a walk that meets no error gives them.
fn found(scans: impl IntoIterator<Item = NameScan>) -> impl Iterator<Item = Result<NameScan, CatalogError>> {
    scans.into_iter().map(Ok)
}

#[test]
fn a_rebuilt_catalog_exports_the_golden_rows_byte_for_byte() {
    let fixture = Fixture::new();

    fixture.rebuild(Some(&infra()), &golden(INFRA_AFTER_REBUILD));

    assert_eq!(rows_of(fixture.export(&infra()).as_bytes()), rows_of(INFRA_AFTER_REBUILD));
}

#[test]
fn a_written_through_catalog_exports_the_golden_rows_byte_for_byte() {
    let fixture = Fixture::new();
    fixture.rebuild(Some(&infra()), &[]);

    for record in golden(INFRA_AFTER_WRITES) {
        let _rescan_is_not_the_point = fixture.catalog.upsert_new_version(&record).expect("stored");
    }

    assert_eq!(rows_of(fixture.export(&infra()).as_bytes()), rows_of(INFRA_AFTER_WRITES));
}

#[test]
fn catalogs_of_equal_rows_export_equal_bytes() {
    let (one, other) = (Fixture::new(), Fixture::new());
    let mut records = golden(INFRA_AFTER_WRITES);
    for fixture in [&one, &other] {
        fixture.rebuild(Some(&infra()), &[]);
        for record in &records {
            let _rescan_is_not_the_point = fixture.catalog.upsert_new_version(record).expect("stored");
        }
        // By name, and each name from its first version on: but other names first.
        records.sort_by(|one, other| other.data_name.cmp(&one.data_name).then(one.version.cmp(&other.version)));
    }

    assert_eq!(other.export(&infra()), one.export(&infra()));
}

#[test]
fn an_empty_but_complete_namespace_exports_an_empty_list() {
    let fixture = Fixture::new();
    fixture.rebuild(Some(&infra()), &[]);

    assert_eq!(fixture.export(&infra()), "[]\n");
}

#[test]
fn an_incomplete_catalog_is_not_exported() {
    let fixture = Fixture::new();
    fixture
        .catalog
        .replace_names(Some(&infra()), found([scan("a", vec![live(record(Some(&infra()), "a", 1))])]))
        .expect("put");

    let refused = fixture.catalog.export(&infra(), &mut Vec::new()).expect_err("incomplete");

    assert_eq!(refused.to_string(), "the catalog does not know everything of namespace `infra` yet");
    assert_eq!(refused.kind(), Kind::Unavailable);
}

#[test]
fn a_rebuild_completes_and_a_failed_one_changes_nothing() {
    let fixture = Fixture::new();
    let ns = infra();
    fixture.rebuild(Some(&ns), &[record(Some(&ns), "a", 1)]);
    fixture.catalog.mark_incomplete(Some(&ns)).expect("marked");

    let broken = CatalogError::Incomplete { namespace: None };
    let scans = [Ok(scan("b", vec![live(record(Some(&ns), "b", 1))])), Err(broken)];
    let failed = fixture.catalog.replace_all(Some(&ns), scans);

    assert_eq!(failed.expect_err("the walk broke").kind(), Kind::Unavailable);
    assert_eq!(fixture.rows(), ["infra/a@1 latest newest"]);
    assert!(!fixture.catalog.is_complete(Some(&ns)).expect("read"));
}

#[test]
fn unchanged_rows_keep_their_place_and_new_ones_come_last() {
    let fixture = Fixture::new();
    let ns = infra();
    let [a1, b1] = [record(Some(&ns), "a", 1), record(Some(&ns), "b", 1)];
    fixture.rebuild(Some(&ns), &[a1.clone(), b1.clone()]);
    let before = fixture.seqs();

    let applied = fixture.rebuild(Some(&ns), &[record(Some(&ns), "c", 1), b1, record(Some(&ns), "a", 2), a1]);

    assert_eq!((applied.inserted, applied.updated, applied.removed), (2, 1, 0));
    assert_eq!(fixture.seqs().get(..2), Some(&*before));
    assert_eq!(
        fixture.rows(),
        ["infra/a@1", "infra/b@1 latest newest", "infra/c@1 latest newest", "infra/a@2 latest newest"]
    );
}

#[test]
fn a_rebuild_removes_rows_that_the_scan_did_not_find() {
    let fixture = Fixture::new();
    let ns = infra();
    fixture.rebuild(Some(&ns), &[record(Some(&ns), "a", 1), record(Some(&ns), "a", 2), record(Some(&ns), "b", 1)]);

    let applied = fixture.rebuild(Some(&ns), &[record(Some(&ns), "a", 2)]);

    assert_eq!(applied.removed, 2);
    assert_eq!(fixture.rows(), ["infra/a@2 latest newest"]);
}

#[test]
fn each_step_has_a_latest_version_but_one_version_is_the_newest() {
    let fixture = Fixture::new();
    let ns = infra();
    let by_step = |version, step: &str| Record { step_name: step.to_owned(), ..record(Some(&ns), "a", version) };
    let versions = [by_step(1, "x"), by_step(2, ""), by_step(3, "x"), by_step(4, "y")];
    let expected = ["infra/a@1x", "infra/a@2 latest", "infra/a@3x latest", "infra/a@4y latest newest"];

    fixture.rebuild(Some(&ns), &versions);
    assert_eq!(fixture.rows(), expected);

    fixture.rebuild(Some(&ns), &[]);
    for version in &versions {
        let _stored = fixture.catalog.upsert_new_version(version).expect("stored");
    }
    assert_eq!(fixture.rows(), expected);
}

#[test]
fn an_upsert_of_an_older_version_does_not_become_the_latest() {
    let fixture = Fixture::new();
    let ns = infra();
    fixture.rebuild(Some(&ns), &[record(Some(&ns), "a", 2)]);

    let stored = fixture.catalog.upsert_new_version(&record(Some(&ns), "a", 1)).expect("stored");

    assert_eq!(stored, Upserted::Stored);
    assert_eq!(fixture.rows(), ["infra/a@2 latest newest", "infra/a@1"]);
}

#[test]
fn an_upsert_that_changes_the_step_gives_the_old_step_its_latest_back() {
    let fixture = Fixture::new();
    let ns = infra();
    fixture.rebuild(Some(&ns), &[record(Some(&ns), "a", 1), record(Some(&ns), "a", 2)]);

    let moved = Record { step_name: "x".to_owned(), ..record(Some(&ns), "a", 2) };
    let _stored = fixture.catalog.upsert_new_version(&moved).expect("stored");

    assert_eq!(fixture.rows(), ["infra/a@1 latest", "infra/a@2x latest newest"]);
}

#[test]
fn a_name_whose_newest_version_is_a_tombstone_has_no_rows() {
    let fixture = Fixture::new();
    let ns = infra();
    let buried = vec![live(record(Some(&ns), "a", 1)), Scanned::Tombstone { version: 2 }];
    let revived =
        vec![live(record(Some(&ns), "b", 1)), Scanned::Tombstone { version: 2 }, live(record(Some(&ns), "b", 3))];

    fixture.catalog.replace_names(Some(&ns), found([scan("a", buried), scan("b", revived)])).expect("replaced");

    assert_eq!(fixture.rows(), ["infra/b@1", "infra/b@3 latest newest"]);
}

#[test]
fn write_through_of_a_tombstone_equals_a_rebuild() {
    let fixture = Fixture::new();
    let ns = infra();
    fixture.rebuild(Some(&ns), &[record(Some(&ns), "a", 1), record(Some(&ns), "a", 2)]);

    assert!(fixture.catalog.bury_name(Some(&ns), &name("a"), 3).expect("buried"));

    assert_eq!(fixture.rows(), Vec::<String>::new());
}

#[test]
fn a_tombstone_that_is_not_the_newest_version_buries_nothing() {
    let fixture = Fixture::new();
    let ns = infra();
    fixture.rebuild(Some(&ns), &[record(Some(&ns), "a", 4)]);

    assert!(!fixture.catalog.bury_name(Some(&ns), &name("a"), 3).expect("nothing to bury"));

    assert_eq!(fixture.rows(), ["infra/a@4 latest newest"]);
}

#[test]
fn a_write_after_a_tombstone_asks_for_a_scan_of_the_name() {
    let fixture = Fixture::new();
    let ns = infra();
    fixture.rebuild(Some(&ns), &[]);

    let first = fixture.catalog.upsert_new_version(&record(Some(&ns), "new", 1)).expect("stored");
    let revived = fixture.catalog.upsert_new_version(&record(Some(&ns), "old", 3)).expect("stored");

    assert_eq!((first, revived), (Upserted::Stored, Upserted::RescanName));
}

#[test]
fn the_generation_grows_with_changes_only() {
    let fixture = Fixture::new();
    let ns = infra();
    let generation = || fixture.catalog.generation(Some(&ns)).expect("read");
    let a1 = record(Some(&ns), "a", 1);
    let start = generation();

    fixture.rebuild(Some(&ns), std::slice::from_ref(&a1));
    let filled = generation();
    fixture.rebuild(Some(&ns), std::slice::from_ref(&a1));
    let _same = fixture.catalog.upsert_new_version(&a1).expect("stored");
    let same = generation();
    fixture.catalog.remove_name(Some(&ns), name("a")).expect("removed");

    assert_eq!((start, filled, same, generation()), (0, 1, 1, 2));
}

#[test]
fn an_export_without_the_newest_version_shows_the_one_before_as_the_latest() {
    let fixture = Fixture::new();
    let ns = infra();
    let records = [record(Some(&ns), "a", 1), record(Some(&ns), "a", 2), record(Some(&ns), "b", 1)];
    fixture.rebuild(Some(&ns), &records);
    let withheld = [(name("a"), [2].into()), (name("b"), [1].into())].into();

    let mut bytes = Vec::new();
    let exported = fixture.catalog.export_without(&ns, &withheld, &mut bytes).expect("exported");

    let rows: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
    let shown = rows.as_array().expect("rows").iter();
    let shown: Vec<_> = shown.map(|row| [&row["data_name"], &row["version"], &row["is_latest"]]).collect();
    assert_eq!(serde_json::json!(shown), serde_json::json!([["a", 1, 1]]));
    assert_eq!(exported.rows, 1);
}

#[test]
fn the_exported_generation_is_remembered() {
    let fixture = Fixture::new();
    let ns = infra();
    fixture.rebuild(Some(&ns), &[record(Some(&ns), "a", 1)]);
    assert_eq!(fixture.catalog.exported_generation(Some(&ns)).expect("read"), None);

    let exported = fixture.catalog.export(&ns, &mut Vec::new()).expect("exported");
    fixture.catalog.set_exported_generation(Some(&ns), exported.generation).expect("set");

    assert_eq!(fixture.catalog.exported_generation(Some(&ns)).expect("read"), Some(1));
    assert_eq!((exported.rows, fixture.catalog.generation(Some(&ns)).expect("read")), (1, 1));
}

#[test]
fn scan_marks_follow_their_names() {
    let fixture = Fixture::new();
    let ns = infra();
    let marked = |data_name: &str, mtime_ns| NameScan { mtime_ns, ..scan(data_name, Vec::new()) };

    let scans = [marked("a", Some(7)), marked("b", Some(8)), marked("c", None)];
    fixture.catalog.replace_names(Some(&ns), found(scans)).expect("replaced");
    fixture.catalog.replace_names(Some(&ns), found([marked("a", Some(9))])).expect("replaced");
    fixture.catalog.remove_name(Some(&ns), name("b")).expect("removed");

    let marks = fixture.catalog.scan_marks(Some(&ns)).expect("read");
    assert_eq!(marks, [ScanMark { name: name("a"), mtime_ns: 9 }]);
}

#[test]
fn solo_rows_have_an_empty_namespace() {
    let fixture = Fixture::new();

    fixture.rebuild(None, &[record(None, "a", 1)]);

    assert_eq!(fixture.rows(), ["/a@1 latest newest"]);
    assert!(fixture.catalog.is_complete(None).expect("read"));
    let found = fixture.catalog.find(None, &name("a"), Some(1)).expect("read").expect("a row");
    assert_eq!(found, Record { is_latest: true, ..record(None, "a", 1) });
}

#[test]
fn one_version_that_cannot_be_a_row_leaves_the_others() {
    let fixture = Fixture::new();
    let ns = infra();
    let versions = vec![
        live(record(Some(&ns), "a", 1)),
        live(record(Some(&namespace("other")), "a", 2)),
        live(record(Some(&ns), "b", 3)),
        live(Record { size: u64::MAX, ..record(Some(&ns), "a", 4) }),
    ];

    let applied = fixture.catalog.replace_names(Some(&ns), found([scan("a", versions)])).expect("replaced");

    let reasons: Vec<_> = applied.refused.first.iter().map(|refused| refused.reason.as_str()).collect();
    assert_eq!(
        reasons,
        [
            "version 2 of `a`: it belongs to another namespace",
            "version 3 of `b`: it belongs to another data name",
            "version 4 of `a`: `size` is 18446744073709551615, more than 9007199254740991",
        ]
    );
    assert_eq!(fixture.rows(), ["infra/a@1 latest newest"]);
}

#[test]
fn changed_tags_are_found_and_old_ones_are_not() {
    let fixture = Fixture::new();
    let ns = infra();
    fixture.rebuild(Some(&ns), &[record(Some(&ns), "a", 1)]);
    let tags = [("env".to_owned(), "test".to_owned())].into();

    let _stored = fixture.catalog.upsert_new_version(&Record { tags, ..record(Some(&ns), "a", 1) }).expect("stored");

    let count = |value: &str| {
        let parameters = ["env", value].map(|text| crate::catalog::Parameter::Text(text.to_owned()));
        fixture.catalog.count(crate::catalog::TAG_EQUALS, &parameters).expect("counted")
    };
    assert_eq!((count("prod"), count("test")), (0, 1));
}

#[test]
fn a_forgotten_namespace_leaves_nothing() {
    let fixture = Fixture::new();
    let ns = infra();
    fixture.rebuild(Some(&ns), &[record(Some(&ns), "a", 1)]);

    fixture.catalog.forget(Some(&ns)).expect("forgotten");

    assert_eq!(fixture.rows(), Vec::<String>::new());
    assert!(!fixture.catalog.is_complete(Some(&ns)).expect("read"));
}
