//! A catalog of hostile rows, their content, and queries over both.

use std::ops::ControlFlow;

use serde_json::json;
use swamp::catalog::Catalog;
use swamp::clock::Timestamp;
use swamp::query::{Answer, Artifact, Contents, Options, Plan, Query, QueryError, Unfetched, explain, run};
use tempfile::TempDir;

use super::rows;

/// Rows and content.
pub(super) struct World {
    _directory: TempDir,
    catalog: Catalog,
    latest: usize,
}

impl World {
    pub(super) fn new() -> Self {
        let records = rows::hostile();
        let directory = tempfile::tempdir().expect("a temporary directory");
        let catalog = Catalog::open(&directory.path().join("catalog.db")).expect("a new catalog");
        for namespace in rows::NAMESPACES {
            let namespace = namespace.parse().expect("a namespace");
            let of_namespace: Vec<_> =
                records.iter().filter(|record| record.namespace.as_ref() == Some(&namespace)).collect();
            let export = serde_json::to_vec(&of_namespace).expect("records are JSON");
            let pulled =
                catalog.replace_foreign(&namespace, &export[..], None, Timestamp::default()).expect("a valid export");
            assert_eq!((pulled.rows, pulled.refused.count), (of_namespace.len() as u64, 0), "{:?}", pulled.refused);
        }
        let latest = records.iter().filter(|record| record.is_latest).count();
        Self { _directory: directory, catalog, latest }
    }

    /// Returns the ids of the rows a query finds, in order.
    pub(super) fn found(&self, query: &Query, limit: Option<u64>) -> Result<Vec<String>, QueryError> {
        let options = Options { limit, ..Options::default() };
        let mut ids = Vec::new();
        run(query, &self.catalog, &Attributes, &options, &mut |answer| {
            if let Answer::Text(id) = answer {
                ids.push(id.to_owned());
            }
            ControlFlow::Continue(())
        })?;
        Ok(ids)
    }

    /// Returns the ids of the rows for which a predicate is true, in order: no part of it is answered by SQLite.
    pub(super) fn truth(&self, predicate: &str) -> Vec<String> {
        let query = parsed(&evaluated(predicate));
        assert!(is_unpushed(&self.plan(&query)), "`{predicate}` is pushed down");
        self.found(&query, None).expect("rows that fail are skipped")
    }

    pub(super) fn plan(&self, query: &Query) -> Plan {
        explain(query, &self.catalog, &Options::default()).expect("a readable catalog")
    }

    /// Returns whether these are all the rows that a predicate is about.
    pub(super) fn are_all(&self, ids: &[String]) -> bool {
        [self.latest, rows::COUNT].contains(&ids.len())
    }
}

/// Returns whether a plan reads every row that a predicate may be about.
pub(super) fn is_unpushed(plan: &Plan) -> bool {
    ["WHERE 1 ORDER BY seq", "WHERE is_latest = 1 ORDER BY seq"].iter().any(|end| plan.sql.ends_with(end))
}

/// Returns a query for ids.
pub(super) fn parsed(predicate: &str) -> Query {
    Query::parse(predicate, Some("id")).expect("the predicates are valid")
}

/// Returns a predicate that means the same, of which SQLite can answer nothing.
pub(super) fn evaluated(predicate: &str) -> String {
    format!("cel.bind(row, true, {predicate})")
}

/// Content of every artifact.
struct Attributes;

impl Contents for Attributes {
    fn fetch(&self, wanted: &[Artifact]) -> Vec<Result<Option<Vec<u8>>, Unfetched>> {
        wanted.iter().map(|artifact| Ok(content(artifact.path.as_str()))).collect()
    }
}

/// Returns what is in a file, which is missing for some models.
fn content(path: &str) -> Option<Vec<u8>> {
    let (_, model) = path.split_once("/model-").expect("the path names the model");
    let number: u64 = model.split('/').next().and_then(|number| number.parse().ok()).expect("models are numbered");
    let status = if number.is_multiple_of(3) { "failed" } else { "ok" };
    (number % 11 != 10).then(|| json!({"n": number % 7, "status": status}).to_string().into_bytes())
}
