//! Cases of the specification's conformance suite that apply here, through our own front end.
//!
//! The facts (what an expression is) are those of `tests/simple/testdata` of google/cel-spec (Apache-2.0), for all that
//! needs neither messages, a type checker nor functions we do not have; the table is our own.

use super::table::{Context, answer};

const CASES: &str = include_str!("../../../tests/golden/cel-conformance.tsv");

/// Where our answer is not that of the specification, and why.
const EXCEPTIONS: [(&str, &str); 3] = [
    (r"b'\u00FF'", "the interpreter takes bytes in octal and hexadecimal only"),
    (r"b'\u00FF' == b'\303\277'", "the interpreter takes bytes in octal and hexadecimal only"),
    (r"b'\x00\xFF' != b'\u00FF'", "the interpreter takes bytes in octal and hexadecimal only"),
];

#[test]
fn answers_are_those_of_the_specification() {
    let nothing = Context::default();
    let mut disagreements = Vec::new();
    let mut count = 0;

    for line in CASES.lines().skip(1) {
        let columns: Vec<_> = line.split('\t').collect();
        let [section, expression, expected] = columns[..] else { panic!("three columns: {line}") };
        let ours = answer(expression, &nothing);
        let is_as_expected = if expected == "error" { ours.starts_with("ERR") } else { ours == expected };
        let is_excepted = EXCEPTIONS.iter().any(|(excepted, _)| *excepted == expression);
        if is_as_expected == is_excepted {
            disagreements.push(format!("{section}: {expression}\n  ours     {ours}\n  expected {expected}"));
        }
        count += 1;
    }

    assert!(disagreements.is_empty(), "{} disagree:\n{}", disagreements.len(), disagreements.join("\n"));
    assert!(count > 500, "{count} cases");
}
