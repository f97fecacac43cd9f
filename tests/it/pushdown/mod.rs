//! Push-down against evaluation: random predicates over hostile rows select the same rows either way.
//!
//! The oracle evaluates the whole predicate on every row. An exact split must select exactly the rows it finds true; of
//! any other, the filter must select them and more, and the residual must leave exactly them, in order.

mod oracle;
mod predicates;
mod rows;

use std::ops::ControlFlow;

use cel::common::ast::IdedExpr;
use swamp::catalog::{Catalog, Column, Order, Selection};
use swamp::clock::Timestamp;
use swamp::query::pushdown::{Mutant, PushdownContext, Split, Versions, split, split_mutated};
use tempfile::TempDir;

use oracle::Oracle;
use predicates::Predicates;

/// How many random predicates are compared; `--cfg slow` takes its time.
const PREDICATES: usize = if cfg!(slow) { 200_000 } else { 3_000 };

/// How many are tried against each mutant; the subtlest is caught by one in 60.
const PREDICATES_PER_MUTANT: usize = 1_000;

/// A catalog of hostile rows, and what evaluation says about them.
struct Fixture {
    _directory: TempDir,
    catalog: Catalog,
    oracle: Oracle,
}

impl Fixture {
    fn new() -> Self {
        let records = rows::hostile();
        let directory = tempfile::tempdir().expect("a temporary directory");
        let catalog = Catalog::open(&directory.path().join("catalog.db")).expect("a new catalog");
        for namespace in rows::NAMESPACES {
            let namespace = namespace.parse().expect("a namespace");
            let of_namespace: Vec<_> =
                records.iter().filter(|record| record.namespace.as_ref() == Some(&namespace)).collect();
            let export = serde_json::to_vec(&of_namespace).expect("records are JSON");
            let pulled =
                catalog.replace_foreign(&namespace, &export, None, Timestamp::default()).expect("a valid export");
            assert_eq!((pulled.rows, pulled.refused.count), (of_namespace.len() as u64, 0), "{:?}", pulled.refused);
        }
        Self { _directory: directory, catalog, oracle: Oracle::new(&records) }
    }

    /// Returns the ids of the rows that a split selects, in order.
    fn candidates(&self, split: &Split) -> Result<Vec<String>, String> {
        let selection = Selection {
            columns: &[Column::Id],
            filter: &split.filter,
            parameters: &split.parameters,
            order: Order::Stable,
            limit: None,
        };
        let mut ids = Vec::new();
        let seen = self.catalog.select(&selection, &mut |row| {
            ids.push(row.text(Column::Id).to_owned());
            ControlFlow::Continue(())
        });
        seen.map(|_| ids).map_err(|error| format!("{error:?}"))
    }

    /// Returns what is wrong with a split of `predicate`.
    fn complaint(&self, predicate: &IdedExpr, split: &Split, truth: &[String]) -> Option<String> {
        let candidates = match self.candidates(split) {
            Ok(candidates) => candidates,
            Err(error) => return Some(error),
        };
        if split.is_exact {
            return (candidates != truth).then(|| format!("exact: {candidates:?}, true: {truth:?}"));
        }
        if let Some(lost) = truth.iter().find(|id| !candidates.contains(id)) {
            return Some(format!("lost {lost}"));
        }
        let residual = split.residual.as_ref().unwrap_or(predicate);
        let left: Vec<_> = candidates.into_iter().filter(|id| self.oracle.is_true(residual, id)).collect();
        (left != truth).then(|| format!("evaluated: {left:?}, true: {truth:?}"))
    }
}

/// What a run over random predicates met.
#[derive(Debug, Default)]
struct Tally {
    exact: usize,
    partial: usize,
    unpushed: usize,
    empty: usize,
    full: usize,
    complaints: Vec<String>,
}

fn run(fixture: &Fixture, seed: u64, count: usize, mutant: Option<Mutant>) -> Tally {
    let context = PushdownContext { versions: Versions::All };
    let mut tally = Tally::default();
    for source in Predicates::new(seed).take(count) {
        let predicate = &fixture.oracle.parsed(&source);
        let split = match mutant {
            None => split(predicate, &context),
            Some(mutant) => split_mutated(predicate, &context, mutant),
        };
        let truth = fixture.oracle.all_true(predicate);
        tally.empty += usize::from(truth.is_empty());
        tally.full += usize::from(truth.len() == rows::COUNT);
        match (split.is_exact, split.filter.as_str()) {
            (true, _) => tally.exact += 1,
            (false, "1") => tally.unpushed += 1,
            (false, _) => tally.partial += 1,
        }
        if let Some(complaint) = fixture.complaint(predicate, &split, &truth) {
            let Split { filter, parameters, .. } = &split;
            tally.complaints.push(format!("{source}\n  {filter}\n  {parameters:?}\n  {complaint}"));
        }
    }
    tally
}

#[test]
fn random_predicates_select_the_same_rows_pushed_down_or_evaluated() {
    let fixture = Fixture::new();

    let tally = run(&fixture, 1, PREDICATES, None);

    let shown = tally.complaints.iter().take(5).cloned().collect::<Vec<_>>().join("\n");
    assert!(tally.complaints.is_empty(), "{} of {PREDICATES} differ:\n{shown}", tally.complaints.len());
}

#[test]
fn random_predicates_are_of_every_sort() {
    let fixture = Fixture::new();

    let Tally { exact, partial, unpushed, empty, full, .. } = run(&fixture, 2, 1_000, None);

    let shares = format!("{exact} exact, {partial} partial, {unpushed} unpushed, {empty} empty, {full} full");
    assert!(exact > 300 && partial > 100 && unpushed > 50 && empty < 600 && full < 300, "{shares}");
}

/// Returns how many predicates tell a mutant from the real thing.
fn caught(mutant: Mutant) -> usize {
    run(&Fixture::new(), 3, PREDICATES_PER_MUTANT, Some(mutant)).complaints.len()
}

#[test]
fn a_missing_tag_taken_for_an_empty_one_is_caught() {
    assert!(caught(Mutant::MissingTagIsEmpty) > 30);
}

#[test]
fn comparing_different_types_in_sql_is_caught() {
    assert!(caught(Mutant::TypesAreNotFolded) > 5);
}

#[test]
fn finding_parts_of_texts_by_like_is_caught() {
    assert!(caught(Mutant::Like) > 5);
}

#[test]
fn taking_the_other_branch_on_an_error_is_caught() {
    assert!(caught(Mutant::ElseOnError) > 20);
}

#[test]
fn negating_an_error_to_true_is_caught() {
    assert!(caught(Mutant::NotOfError) > 20);
}

#[test]
fn the_latest_versions_are_a_conjunct_of_their_own() {
    let fixture = Fixture::new();
    let predicate = fixture.oracle.parsed("size > 0 || !isLatest");

    let split = split(&predicate, &PushdownContext::default());

    let latest = fixture.oracle.parsed("(size > 0 || !isLatest) && isLatest");
    assert_eq!(fixture.candidates(&split), Ok(fixture.oracle.all_true(&latest)));
}

/// Returns how many rows a predicate selects through its filter.
fn selected(fixture: &Fixture, predicate: &str) -> Result<usize, String> {
    let split = split(&fixture.oracle.parsed(predicate), &PushdownContext { versions: Versions::All });
    assert_ne!(split.filter, "1", "`{predicate}` is not pushed down");
    fixture.candidates(&split).map(|ids| ids.len())
}

#[test]
fn sqlite_takes_the_longest_chain() {
    let fixture = Fixture::new();
    let chain = (0..300).map(|number| format!("size == {number}")).collect::<Vec<_>>().join(" && ");

    assert_eq!(selected(&fixture, &chain), Ok(0));
}

#[test]
fn sqlite_takes_the_deepest_nesting() {
    let fixture = Fixture::new();
    let nested = (0..60).fold("size >= 0".to_owned(), |inner, level| {
        if level % 2 == 0 { format!("({inner} && version > 0)") } else { format!("({inner} || version < 0)") }
    });

    assert_eq!(selected(&fixture, &nested), Ok(rows::COUNT));
}

#[test]
fn sqlite_takes_the_longest_list() {
    let fixture = Fixture::new();
    let list = (0..499).map(|number| format!("\"{number}\"")).collect::<Vec<_>>().join(", ");

    assert_eq!(selected(&fixture, &format!("id in [{list}]")), Ok(0));
}
