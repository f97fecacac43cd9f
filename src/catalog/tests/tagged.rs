//! Ways to the rows of a tag.

use std::ops::ControlFlow;

use super::{Fixture, record};
use crate::catalog::{Column, Order, Parameter, Record, Selection, Tagged, Tagging};

/// Forty artifacts: all have a type, half are in production, three are rare, two of them in production.
fn filled() -> Fixture {
    let fixture = Fixture::new();
    let records: Vec<Record> = (0..40_u64)
        .map(|number| {
            let mut record = record(None, &format!("name-{:02}", number * 7 % 40), number % 3 + 1);
            record.tags.insert("type".to_owned(), "resource".to_owned());
            record.tags.insert("env".to_owned(), if number.is_multiple_of(2) { "prod" } else { "dev" }.to_owned());
            if [4, 15, 38].contains(&number) {
                record.tags.insert("rare".to_owned(), format!("value-{number}"));
            }
            record
        })
        .collect();
    fixture.rebuild(None, &records);
    fixture
}

fn tagged(key: &str, values: &[&str]) -> Tagged {
    Tagged { key: key.to_owned(), values: values.iter().map(|value| (*value).to_owned()).collect() }
}

const SELECTION: Selection<'_> =
    Selection { columns: &[Column::DataName], filter: "1", parameters: &[], order: Order::Stable, limit: None };

fn found(fixture: &Fixture, selection: &Selection<'_>, tags: Tagging<'_>) -> Vec<String> {
    let mut names = Vec::new();
    let selected = fixture.catalog.select_tagged(selection, tags, &mut |row| {
        names.push(row.text(Column::DataName).to_owned());
        ControlFlow::Continue(())
    });
    assert_eq!(selected.expect("selected"), names.len() as u64);
    names
}

fn statement(fixture: &Fixture, selection: &Selection<'_>, tags: Tagging<'_>) -> String {
    fixture.catalog.explain(selection, tags).expect("explained").0.sql
}

#[test]
fn every_way_finds_the_same_rows_in_the_same_order() {
    let fixture = filled();
    let sets = [
        vec![tagged("env", &["prod"])],
        vec![tagged("rare", &[])],
        vec![tagged("env", &[])],
        vec![tagged("env", &["prod", "dev"])],
        vec![tagged("env", &["nowhere"])],
        vec![tagged("env", &["prod"]), tagged("type", &["resource"])],
        vec![tagged("type", &["resource"]), tagged("rare", &[]), tagged("env", &["prod"])],
        vec![tagged("rare", &["value-4", "value-38", "x"]), tagged("env", &["prod", "test"])],
    ];

    for all in &sets {
        for (order, limit) in [(Order::Stable, None), (Order::Stable, Some(2)), (Order::Time, None)] {
            for (filter, parameters) in [("1", vec![]), ("version = ? OR version = 2", vec![Parameter::Integer(1)])] {
                let plain: Vec<_> = all.iter().map(Tagged::filter).collect();
                let plain = format!("({filter}) AND {}", plain.join(" AND "));
                let values: Vec<_> =
                    parameters.iter().cloned().chain(all.iter().flat_map(Tagged::parameters)).collect();
                let expected = Selection { filter: &plain, parameters: &values, order, limit, ..SELECTION };
                let selection = Selection { filter, parameters: &parameters, order, limit, ..SELECTION };
                for is_indexed in [false, true] {
                    assert_eq!(
                        found(&fixture, &selection, Tagging { all, is_indexed }),
                        found(&fixture, &expected, Tagging::default()),
                        "{plain}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_rarest_tag_leads_and_a_common_one_is_walked() {
    let fixture = filled();
    let (common, rare) = (tagged("env", &["prod"]), tagged("rare", &[]));
    let lead = |all: &[Tagged]| statement(&fixture, &SELECTION, Tagging { all, is_indexed: false });

    assert!(lead(std::slice::from_ref(&common)).contains("FROM (SELECT seq AS tagged FROM catalog_tag"));
    let both = lead(&[common.clone(), rare]);
    assert!(both.contains("EXISTS") && both.contains("seq IN (SELECT seq FROM catalog_tag WHERE key = ?)"), "{both}");
    let indexed = statement(&fixture, &SELECTION, Tagging { all: &[common], is_indexed: true });
    assert!(indexed.contains("FROM catalog WHERE EXISTS"), "{indexed}");
}

#[test]
fn a_common_tag_is_walked_without_sorting() {
    let fixture = filled();
    let all = [tagged("env", &["prod"])];

    let (_, steps) = fixture.catalog.explain(&SELECTION, Tagging { all: &all, is_indexed: false }).expect("explained");

    assert_eq!(
        steps,
        [
            "SEARCH catalog_tag USING COVERING INDEX catalog_tag_by_value (key=? AND value=?)",
            "SEARCH catalog USING INTEGER PRIMARY KEY (rowid=?)"
        ]
    );
}
