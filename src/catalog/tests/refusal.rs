//! Hostile and broken exports: each bad row is refused for its reason, and only that row.

use serde_json::{Value, json};

use super::*;
use crate::catalog::{ExportRow, ExportRows, Refused, parse_export};

/// Returns the reason for which a row is refused that differs from a good one in `column`.
fn reason(column: &str, value: Value) -> String {
    let mut row = serde_json::to_value(record(Some(&infra()), "state", 1)).expect("a row");
    row.as_object_mut().expect("an object").insert(column.to_owned(), value);
    reason_of(&row.to_string())
}

/// Returns the reason for which the middle one of three rows is refused; the others must be taken.
fn reason_of(row: &str) -> String {
    let good = |name| serde_json::to_string(&record(Some(&infra()), name, 1)).expect("a row");
    let export = format!("[{},\n{row},\n{}]", good("before"), good("after"));

    let (records, refused) = parse_export(export.as_bytes(), &infra()).expect("a list");

    let taken: Vec<_> = records.iter().map(|record| record.data_name.as_str()).collect();
    assert_eq!(taken, ["before", "after"]);
    assert_eq!((refused.count, refused.first.len()), (1, 1));
    let refused = refused.first.first().expect("one");
    assert_eq!(refused.index, 1);
    refused.reason.clone()
}

#[test]
fn names_that_are_no_path_are_refused() {
    assert_eq!(
        reason("type_normalized", json!("../../etc")),
        "`data/../../etc/0bc79a8f/state/1/raw` is not a usable path: it has a `.` or `..` segment"
    );
    assert_eq!(
        reason("type_normalized", json!("")),
        "`data//0bc79a8f/state/1/raw` is not a usable path: it has an empty segment"
    );
    assert_eq!(
        reason("model_id", json!("..")),
        "`data/aws/ec2/vpc/../state/1/raw` is not a usable path: it has a `.` or `..` segment"
    );
    assert_eq!(reason("model_id", json!("a/b")), "`model_id` is `a/b`, which is not one directory");
    assert_eq!(reason("data_name", json!("../x")), "`data_name` is `../x`, which no artifact can be called");
    assert_eq!(reason("data_name", json!("Latest")), "`data_name` is `Latest`, which no artifact can be called");
    assert_eq!(reason("data_name", json!("a\\b")), "`data_name` is `a\\b`, which no artifact can be called");
    assert_eq!(reason("data_name", json!("a\0b")), "`data_name` contains a NUL byte");
    assert_eq!(reason("model_name", json!("a\0b")), "`model_name` contains a NUL byte");
}

#[test]
fn long_texts_are_refused_and_not_repeated() {
    let ten_megabytes = "x".repeat(10_000_000);

    assert_eq!(reason("data_name", json!(ten_megabytes)), "the row has 10000497 bytes, more than 1048576");
    assert_eq!(reason("lifetime", json!("x".repeat(16_385))), "`lifetime` has 16385 bytes, more than 16384");
    assert_eq!(
        reason("tags", json!(json!({"k": "x".repeat(262_144)}).to_string())),
        "`tags` has 262145 bytes, more than 262144"
    );
    let beyond_a_key = reason("data_name", json!("x".repeat(1_000)));
    assert!(beyond_a_key.ends_with("it is longer than 1,024 bytes"), "{beyond_a_key}");
}

#[test]
fn numbers_out_of_range_are_refused() {
    assert_eq!(reason("version", json!(0)), "`version` is 0, not 1 to 9007199254740991");
    assert_eq!(reason("version", json!(-1)), "`version` is -1, not a whole number from 0");
    assert_eq!(reason("size", json!(-5)), "`size` is -5, not a whole number from 0");
    assert_eq!(reason("size", json!(1.5)), "`size` is 1.5, not a whole number from 0");
    assert_eq!(reason("size", json!(u64::MAX)), "`size` is 18446744073709551615, more than 9007199254740991");
    assert_eq!(reason("streaming", json!(2)), "invalid value: integer `2`, expected 0 or 1");
}

#[test]
fn wrong_types_and_missing_columns_are_refused() {
    assert_eq!(reason("version", json!("2")), "`version` is a text, not a number");
    assert_eq!(reason("is_latest", json!(true)), "`is_latest` is a boolean, not a number");
    assert_eq!(reason("model_name", Value::Null), "`model_name` is null, not a text");
    assert_eq!(reason("tags", json!({"type": "resource"})), "`tags` is an object, not a text");
    assert_eq!(reason("tags", json!("[]")), "`tags`: invalid type: sequence, expected a map at line 1 column 0");
    assert_eq!(
        reason("created_at", json!("yesterday")),
        "`yesterday` is not a time of the form 2026-08-22T10:15:30.123Z"
    );
    let mut row = serde_json::to_value(record(Some(&infra()), "state", 1)).expect("a row");
    row.as_object_mut().expect("an object").shift_remove("size");
    assert_eq!(reason_of(&row.to_string()), "`size` is missing");
}

#[test]
fn rows_of_other_namespaces_are_refused() {
    assert_eq!(reason("namespace", json!("security")), "`namespace` is `security`, not `infra`");
    assert_eq!(reason("namespace", json!("")), "`namespace` is empty, not `infra`");
    assert!(reason("namespace", json!("../x")).starts_with("`../x` is not a namespace"));
}

#[test]
fn elements_that_are_no_rows_are_refused() {
    assert_eq!(reason_of("null"), "the row is null");
    assert_eq!(reason_of("[{}]"), "the row is a list");
    assert!(reason_of("{\"a\": }").starts_with("the row is not JSON: "));
    assert!(reason_of("{\"a\": \"\\ud800\"}").starts_with("the row is not JSON: "));
    assert!(reason_of(&format!("{}{}", "[".repeat(200_000), "]".repeat(200_000))).starts_with("the row is not JSON: "));
}

#[test]
fn whole_floats_and_unknown_columns_are_accepted() {
    let mut row = serde_json::to_value(record(Some(&infra()), "state", 2)).expect("a row");
    let columns = row.as_object_mut().expect("an object");
    columns.insert("version".to_owned(), json!(2.0));
    columns.insert("future".to_owned(), json!({"deep": [1, 2, 3]}));

    let (records, refused) = parse_export(format!(" [ {row} ]\n").as_bytes(), &infra()).expect("a list");

    assert_eq!(records, [record(Some(&infra()), "state", 2)]);
    assert_eq!(refused.count, 0);
}

#[test]
fn a_file_that_is_no_list_is_an_error() {
    let error = |text: &str| parse_export(text.as_bytes(), &infra()).expect_err("no list").to_string();
    let said = |reason| format!("the catalog export of namespace `infra` is no list of rows: {reason}");

    assert_eq!(error(""), said("it does not begin with `[`"));
    assert_eq!(error("{}"), said("it does not begin with `[`"));
    assert_eq!(error("[{\"a\": 1}"), said("it ends too early"));
    assert_eq!(error("[\"]"), said("it ends too early"));
    assert_eq!(error("[] []"), said("something follows the list"));
}

#[test]
fn an_endless_list_is_an_error_at_its_first_row_too_many() {
    let ns = infra();
    let mut rows = ExportRows::new(&b"[0, 0, 0, 0]"[..], &ns);
    rows.rows_max = 2;

    let refused = |index| ExportRow::Refused(Refused { index, reason: "the row is a number".to_owned() });
    assert_eq!(rows.next().expect("one").expect("a row"), refused(0));
    assert_eq!(rows.next().expect("two").expect("a row"), refused(1));
    let error = rows.next().expect("three").expect_err("too many");
    assert_eq!(error.to_string(), "the catalog export of namespace `infra` has more than 2 rows");
    assert!(rows.next().is_none());
}

#[test]
fn the_golden_exports_are_taken_whole() {
    let (infra_rows, infra_refused) = parse_export(INFRA_AFTER_WRITES, &infra()).expect("a list");
    let (security_rows, security_refused) = parse_export(SECURITY, &namespace("security")).expect("a list");

    assert_eq!((infra_rows.len(), infra_refused.count), (183, 0));
    assert_eq!((security_rows.len(), security_refused.count), (52, 0));
}

#[test]
fn a_column_that_is_there_twice_refuses_the_row() {
    let row = serde_json::to_string(&record(Some(&infra()), "state", 1)).expect("a row");

    assert_eq!(reason_of(&row.replacen('{', "{\"size\": 1, ", 1)), "a column is there twice");
}
