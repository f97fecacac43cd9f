//! Connectives, the residual, and bounds.

use super::super::{Errors, PushdownContext, Split, Versions, split};
use super::{Parameter, TAG_EQUALS, TAG_EXISTS, exact, left_whole, parsed, spelled, split_of, sql, text};

#[test]
fn flags_are_tests() {
    assert_eq!(exact("isLatest && !streaming"), sql("is_latest = 1 AND streaming = 0", &[]));
}

#[test]
fn what_is_no_truth_value_is_never_true() {
    assert_eq!(exact("!(name && isLatest) || name"), sql("is_latest = 0", &[]));
}

#[test]
fn negation_goes_inwards() {
    assert_eq!(
        exact(r#"!(modelName == "a" && (version < 3 || isLatest))"#),
        sql("model_name <> ? OR (version >= ? AND is_latest = 0)", &[text("a"), Parameter::Real(3.0)])
    );
}

#[test]
fn both_branches_name_their_condition() {
    assert_eq!(
        exact(r#"has(tags.a) ? tags.a == "x" : isLatest"#),
        sql(
            &format!("({TAG_EXISTS} AND {TAG_EQUALS}) OR (NOT {TAG_EXISTS} AND is_latest = 1)"),
            &[text("a"), text("a"), text("x"), text("a")]
        )
    );
}

#[test]
fn comparing_with_true_or_false_is_no_comparison() {
    assert_eq!(exact("(version > 3) == false"), sql("version <= ?", &[Parameter::Real(3.0)]));
}

#[test]
fn exact_conjuncts_leave_the_residual() {
    let Split { filter, residual, is_exact, .. } =
        split_of(r#"modelName == "a" && attributes.x == 1 && version > 3 && content == "b""#);

    assert_eq!((filter.as_str(), is_exact), ("model_name = ? AND version > ?", false));
    let residual = residual.unwrap();
    assert_eq!(unnumbered(&residual), unnumbered(&parsed(r#"attributes.x == 1 && content == "b""#)));
}

#[test]
fn an_alternative_that_is_not_known_keeps_every_row() {
    assert_eq!(left_whole(r#"modelName == "a" || attributes.x == 1"#), "1");
}

#[test]
fn alternatives_are_narrowed_by_what_is_known_of_each() {
    assert_eq!(
        left_whole("(isLatest && attributes.x == 1) || (streaming && attributes.y == 1)"),
        "is_latest = 1 OR streaming = 1"
    );
}

#[test]
fn the_negation_of_the_unknown_is_unknown() {
    assert_eq!(left_whole("!(isLatest && attributes.x == 1)"), "1");
}

#[test]
fn what_is_never_true_needs_no_evaluation() {
    assert_eq!(exact("attributes.x == 1 && false"), sql("0", &[]));
}

#[test]
fn what_is_always_true_needs_no_evaluation() {
    assert_eq!(exact("attributes.x == 1 || true"), sql("1", &[]));
}

#[test]
fn loops_are_evaluated() {
    assert_eq!(left_whole(r#"tags.exists(name, name == "env")"#), "1");
}

#[test]
fn the_latest_versions_are_a_conjunct() {
    let split = split(&parsed("size > 0 || streaming"), &PushdownContext::default());

    assert_eq!(split.filter, "is_latest = 1 AND (size > ? OR streaming = 1)");
}

#[test]
fn a_limit_is_sqlites_only_if_exact() {
    let limits = [split_of("isLatest").limit(Some(3)), split_of("attributes.x == 1").limit(Some(3))];

    assert_eq!(limits, [Some(3), None]);
}

#[test]
fn a_filter_has_a_bounded_number_of_values() {
    let list = vec!["\"a\""; 501].join(", ");

    assert_eq!(left_whole(&format!("name in [{list}]")), "1");
}

#[test]
fn a_filter_has_a_bounded_number_of_tests() {
    let Split { filter, is_exact, .. } = split_of(&vec!["isLatest"; 300].join(" && "));

    assert_eq!((filter.matches("is_latest").count(), is_exact), (200, false));
}

#[test]
fn conditions_within_conditions_end() {
    let nested = (0..40).fold("isLatest".to_owned(), |inner, _| format!("(({inner}) ? streaming : isLatest)"));

    assert!(!split_of(&nested).is_exact);
}

/// A predicate as text without the numbers of its nodes.
fn unnumbered(predicate: &cel::common::ast::IdedExpr) -> String {
    let text = format!("{predicate:?}");
    let mut parts = text.split("id: ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.trim_start_matches(|character: char| character.is_ascii_digit()))
}

/// Returns the filter of a predicate whose errors must be seen, and whether nothing else is left to evaluate.
fn strict(predicate: &str) -> (bool, String) {
    let context = PushdownContext { versions: Versions::All, errors: Errors::Fail };
    let split = split(&parsed(predicate), &context);
    (split.is_exact, spelled(split).0)
}

#[test]
fn what_cannot_fail_is_left_to_sqlite_where_errors_must_be_seen() {
    let infallible = [
        ("isLatest && size > 3", "is_latest = 1 AND size > ?"),
        ("modelName in [\"a\", \"b\"] || !streaming", "model_name IN (?, ?) OR streaming = 0"),
        (
            "name.contains(\"a\") ? version == 1 : true",
            "instr(data_name, ?) > 0 AND version = ? OR instr(data_name, ?) = 0",
        ),
        ("size(tags.?env.orValue(\"\")) == 3", "length(coalesce((SELECT"),
        ("size == \"x\"", "0"),
        ("has(tags.env)", TAG_EXISTS),
    ];

    for (predicate, filter) in infallible {
        let (is_exact, found) = strict(predicate);
        assert!(
            found.replace(['(', ')'], "").starts_with(&filter.replace(['(', ')'], "")) && is_exact,
            "`{predicate}`: {found}"
        );
    }
}

#[test]
fn what_may_fail_is_evaluated_where_errors_must_be_seen() {
    let fallible = [
        "tags.env == \"prod\"",
        "!(tags.env == \"prod\")",
        "size > \"x\"",
        "name || isLatest",
        "null < null",
        "tags.env in [\"a\"]",
        "name in [tags.env]",
        "timestamp(createdAt) > timestamp(\"2026-01-01T00:00:00Z\")",
        "streaming || tags.env.contains(\"a\")",
        "isLatest ? tags.env == \"a\" : true",
    ];

    for predicate in fallible {
        assert_eq!(strict(predicate), (false, "1".to_owned()), "{predicate}");
        assert_eq!(strict(&format!("size > 3 && ({predicate})")), (false, "size > ?".to_owned()), "{predicate}");
    }
}
