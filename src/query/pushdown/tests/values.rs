//! Comparisons, functions and the values they are of.

use super::{Parameter, TAG_EQUALS, TAG_EXISTS, TAG_VALUE, exact, left_whole, sql, text};

#[test]
fn a_field_compares_with_a_parameter() {
    assert_eq!(exact(r#"modelName == "a' OR 1 --""#), sql("model_name = ?", &[text("a' OR 1 --")]));
}

#[test]
fn a_literal_on_the_left_is_turned_round() {
    assert_eq!(exact("3 < version"), sql("version > ?", &[Parameter::Real(3.0)]));
}

#[test]
fn two_fields_compare() {
    assert_eq!(exact("modelName <= specName"), sql("model_name <= spec_name", &[]));
}

#[test]
fn numbers_are_the_doubles_that_evaluation_compares() {
    assert_eq!(exact("size < 9007199254740993"), sql("size < ?", &[Parameter::Real(9_007_199_254_740_992.0)]));
}

#[test]
fn negative_numbers_are_literals() {
    assert_eq!(exact("size > -1"), sql("size > ?", &[Parameter::Real(-1.0)]));
}

#[test]
fn values_of_different_types_are_never_equal() {
    assert_eq!(exact("name == 5"), sql("0", &[]));
}

#[test]
fn values_of_different_types_always_differ() {
    assert_eq!(exact("null != isLatest"), sql("1", &[]));
}

#[test]
fn a_missing_tag_does_not_differ_from_a_number() {
    assert_eq!(exact("tags.env != 5"), sql(TAG_EXISTS, &[text("env")]));
}

#[test]
fn values_of_different_types_have_no_order() {
    assert_eq!(exact(r#"size > "1024""#), sql("0", &[]));
}

#[test]
fn nor_when_negated() {
    assert_eq!(exact(r#"!(size > "1024")"#), sql("0", &[]));
}

#[test]
fn a_tag_is_found_by_its_index() {
    assert_eq!(exact(r#"tags.env == "prod""#), sql(TAG_EQUALS, &[text("env"), text("prod")]));
}

#[test]
fn any_key_of_a_tag_is_a_parameter() {
    assert_eq!(
        exact(r#"tags["k8s.io/\"name"] < "b""#),
        sql(&format!("{TAG_VALUE} < ?"), &[text("k8s.io/\"name"), text("b")])
    );
}

#[test]
fn an_unequal_tag_has_to_be_there() {
    assert_eq!(exact(r#"!(tags.env == "prod")"#), sql(&format!("{TAG_VALUE} <> ?"), &[text("env"), text("prod")]));
}

#[test]
fn the_presence_of_a_tag_is_asked_in_two_ways() {
    assert_eq!([exact("has(tags.env)"), exact(r#""env" in tags"#)], [(); 2].map(|()| sql(TAG_EXISTS, &[text("env")])));
}

#[test]
fn the_absence_of_a_tag_is_certain() {
    assert_eq!(exact("!has(tags.env)"), sql(&format!("NOT {TAG_EXISTS}"), &[text("env")]));
}

#[test]
fn a_tag_with_a_default_is_always_there() {
    assert_eq!(
        exact(r#"tags.?env.orValue("none") == "none""#),
        sql(&format!("coalesce({TAG_VALUE}, ?) = ?"), &[text("env"), text("none"), text("none")])
    );
}

#[test]
fn a_part_of_a_text_is_found_in_its_case() {
    assert_eq!(exact(r#"name.contains("A%")"#), sql("instr(data_name, ?) > 0", &[text("A%")]));
}

#[test]
fn a_prefix_is_a_range_that_an_index_answers() {
    assert_eq!(
        exact(r#"name.startsWith("episode-")"#),
        sql("data_name >= ? AND data_name < ?", &[text("episode-"), text("episode.")])
    );
}

#[test]
fn the_range_of_a_prefix_ends_after_the_surrogates() {
    assert_eq!(
        exact("name.startsWith(\"\u{D7FF}\u{10FFFF}\")"),
        sql("data_name >= ? AND data_name < ?", &[text("\u{D7FF}\u{10FFFF}"), text("\u{E000}")])
    );
}

#[test]
fn the_range_of_the_last_prefix_has_no_end() {
    assert_eq!(exact("name.startsWith(\"\u{10FFFF}\")"), sql("data_name >= ?", &[text("\u{10FFFF}")]));
}

#[test]
fn a_suffix_is_measured_in_characters() {
    assert_eq!(
        exact("name.endsWith(\"\u{e9}\u{1F600}\")"),
        sql("substr(data_name, ?) = ?", &[Parameter::Integer(-2), text("\u{e9}\u{1F600}")])
    );
}

#[test]
fn an_empty_part_is_in_every_text() {
    assert_eq!(exact(r#"name.endsWith("") && name.startsWith("")"#), sql("1", &[]));
}

#[test]
fn lengths_and_cases_are_computed() {
    assert_eq!(
        exact(r#"size(name) > 3 && name.lowerAscii() == "a""#),
        sql("length(data_name) > ? AND lower(data_name) = ?", &[Parameter::Real(3.0), text("a")])
    );
}

#[test]
fn a_pattern_without_operators_is_a_part() {
    assert_eq!(exact(r#"name.matches("a-b")"#), sql("instr(data_name, ?) > 0", &[text("a-b")]));
}

#[test]
fn an_anchored_pattern_narrows_the_rows() {
    assert_eq!(left_whole(r#"name.matches("^abc*$")"#), "data_name >= ? AND data_name < ?");
}

#[test]
fn a_pattern_with_alternatives_narrows_nothing() {
    assert_eq!(left_whole(r#"name.matches("^a|b")"#), "1");
}

#[test]
fn lists_keep_what_is_of_the_type() {
    assert_eq!(exact(r#"modelName in ["a", 5, null, "b"]"#), sql("model_name IN (?, ?)", &[text("a"), text("b")]));
}

#[test]
fn nothing_is_in_an_empty_list() {
    assert_eq!(exact("name in []"), sql("0", &[]));
}

#[test]
fn a_missing_tag_is_not_outside_a_list() {
    assert_eq!(exact("!(tags.env in [])"), sql(TAG_EXISTS, &[text("env")]));
}

#[test]
fn times_are_normalised() {
    assert_eq!(
        exact(r#"timestamp(createdAt) >= timestamp("2026-01-15T12:30:00+02:00")"#),
        sql("created_at >= ?", &[text("2026-01-15T10:30:00.000Z")])
    );
}

#[test]
fn times_before_the_first_year_are_errors() {
    assert_eq!(
        exact(r#"timestamp(createdAt) < timestamp("2026-01-15T10:30:00Z")"#),
        sql(
            "CASE WHEN created_at >= ? THEN created_at END < ?",
            &[text("0001-01-01T00:00:00.000Z"), text("2026-01-15T10:30:00.000Z")]
        )
    );
}

#[test]
fn times_finer_than_rows_are_evaluated() {
    assert_eq!(left_whole(r#"timestamp(createdAt) < timestamp("2026-01-15T10:30:00.0001Z")"#), "1");
}

#[test]
fn texts_with_nul_are_evaluated() {
    assert_eq!(left_whole(r#"name == "a\u0000""#), "1");
}

#[test]
fn constants_are_evaluated() {
    assert_eq!(left_whole("9007199254740993 == 9007199254740992"), "1");
}
