//! Push-down against evaluation: queries find the same rows in the same order, whatever SQLite answers of them.
//!
//! Random predicates run over hostile rows, as queries do: once as they are, and once wrapped so that every row is read
//! and the whole predicate evaluated, which is the oracle.

mod predicates;
mod rows;
mod world;

use fastrand::Rng;
use swamp::query::Query;
use swamp::query::pushdown::Mutant;

use predicates::Predicates;
use world::{World, evaluated, is_unpushed, parsed};

/// How many random predicates are compared; `--cfg slow` takes its time.
const PREDICATES: usize = if cfg!(slow) { 200_000 } else { 2_000 };

/// How many are compared when errors must be seen.
const STRICT_PREDICATES: usize = if cfg!(slow) { 50_000 } else { 600 };

/// How many are tried against each mutant; the subtlest is caught by one in 100.
const PREDICATES_PER_MUTANT: usize = 1_000;

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

impl Tally {
    fn count(&mut self, world: &World, query: &Query, truth: &[String]) {
        let plan = world.plan(query);
        self.empty += usize::from(truth.is_empty());
        self.full += usize::from(world.are_all(truth));
        match (plan.residual.is_some(), is_unpushed(&plan)) {
            (false, _) => self.exact += 1,
            (true, true) => self.unpushed += 1,
            (true, false) => self.partial += 1,
        }
    }

    fn shown(&self) -> String {
        let Self { exact, partial, unpushed, empty, full, complaints } = self;
        let first: Vec<_> = complaints.iter().take(5).cloned().collect();
        format!(
            "{exact} exact, {partial} partial, {unpushed} unpushed, {empty} empty, {full} full, {} differ\n{}",
            complaints.len(),
            first.join("\n")
        )
    }
}

/// Compares what `query` makes of each predicate with what evaluation says, also up to a limit.
fn compared(seed: u64, count: usize, query: impl Fn(&str) -> Query) -> Tally {
    let world = World::new();
    let mut random = Rng::with_seed(seed);
    let mut tally = Tally::default();
    for predicate in Predicates::new(seed).take(count) {
        let query = query(&predicate);
        let truth = world.truth(&predicate);
        tally.count(&world, &query, &truth);
        let limit = random.usize(1..5);
        let found = world.found(&query, None).map_err(|error| error.to_string());
        let first = world.found(&query, Some(limit as u64)).map_err(|error| error.to_string());
        let cut = truth.get(..limit).unwrap_or(&truth).to_vec();
        if found.as_ref() != Ok(&truth) || first != Ok(cut) {
            let sql = world.plan(&query).sql;
            tally.complaints.push(format!(
                "{predicate}\n  {sql}\n  found: {found:?}\n  first {limit}: {first:?}\n  true: {truth:?}"
            ));
        }
    }
    tally
}

#[test]
fn random_predicates_find_the_same_rows_in_the_same_order_pushed_down_or_evaluated() {
    let tally = compared(1, PREDICATES, parsed);

    let Tally { exact, partial, unpushed, empty, full, complaints } = &tally;
    assert!(complaints.is_empty(), "{}", tally.shown());
    // Neither everything nor nothing is pushed down, and the oracle says neither always nothing nor always everything.
    let is_varied =
        [(exact, 30), (partial, 10), (unpushed, 5)].iter().all(|(count, percent)| **count > PREDICATES * percent / 100);
    assert!(is_varied && *empty < PREDICATES * 60 / 100 && *full < PREDICATES * 30 / 100, "{}", tally.shown());
}

#[test]
fn random_strict_queries_fail_alike_pushed_down_or_evaluated() {
    let world = World::new();
    let mut failures = 0;
    let mut complaints = Vec::new();

    for predicate in Predicates::new(4).take(STRICT_PREDICATES) {
        let found = |predicate: &str| {
            let query = Query::parse_strict(predicate, Some("id")).expect("the predicates are valid");
            world.found(&query, None).ok()
        };
        let (pushed, truth) = (found(&predicate), found(&evaluated(&predicate)));
        failures += usize::from(truth.is_none());
        if pushed != truth {
            complaints.push(format!("{predicate}\n  pushed down: {pushed:?}\n  evaluated: {truth:?}"));
        }
    }

    assert!(
        complaints.is_empty(),
        "{} differ:\n{}",
        complaints.len(),
        complaints.iter().take(5).cloned().collect::<Vec<_>>().join("\n")
    );
    assert!(failures > STRICT_PREDICATES / 5 && failures < STRICT_PREDICATES * 4 / 5, "{failures} fail");
}

/// Returns how many predicates tell a mutant from the real thing.
fn caught(mutant: Mutant) -> usize {
    let query =
        |predicate: &str| Query::parse_mutated(predicate, Some("id"), mutant).expect("the predicates are valid");
    compared(3, PREDICATES_PER_MUTANT, query).complaints.len()
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

/// Returns how many rows a predicate finds, of which SQLite answers a part.
fn found(predicate: &str) -> Result<usize, String> {
    let (world, query) = (World::new(), parsed(predicate));
    assert!(world.plan(&query).parameters.len() > 50, "`{predicate}` is not pushed down");
    world.found(&query, None).map(|ids| ids.len()).map_err(|error| error.to_string())
}

#[test]
fn sqlite_takes_the_longest_chain() {
    let chain = (0..300).map(|number| format!("size == {number}")).collect::<Vec<_>>().join(" && ");

    assert_eq!(found(&chain), Ok(0));
}

#[test]
fn sqlite_takes_the_deepest_nesting() {
    let nested = (0..60).fold("size >= 0".to_owned(), |inner, level| {
        if level % 2 == 0 { format!("({inner} && version > 0)") } else { format!("({inner} || version < 0)") }
    });

    assert_eq!(found(&nested), Ok(rows::COUNT));
}

#[test]
fn sqlite_takes_the_longest_list() {
    let list = (0..330).map(|number| format!("\"{number}\"")).collect::<Vec<_>>().join(", ");

    assert_eq!(found(&format!("id in [{list}]")), Ok(0));
}
