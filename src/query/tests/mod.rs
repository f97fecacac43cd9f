//! Tests of queries as a whole.

mod conformance;
mod expressions;
mod mistakes;
mod pipeline;
mod table;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Mutex;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Answer, Artifact, Contents, Options, Query, QueryError, Report, Unfetched, run};
use crate::catalog::Catalog;
use crate::clock::Timestamp;
use crate::error::Kind;

/// A catalog with rows of namespaces, and their content.
struct World {
    _directory: TempDir,
    catalog: Catalog,
    contents: Kept,
}

/// Content in memory, which remembers what was fetched together.
#[derive(Default)]
struct Kept {
    contents: BTreeMap<String, Vec<u8>>,
    is_unreachable: bool,
    batches: Mutex<Vec<Vec<String>>>,
}

impl Kept {
    fn batches(&self) -> Vec<Vec<String>> {
        self.batches.lock().unwrap().clone()
    }
}

impl Contents for Kept {
    fn fetch(&self, wanted: &[Artifact]) -> Vec<Result<Option<Vec<u8>>, Unfetched>> {
        let names: Vec<_> = wanted
            .iter()
            .map(|artifact| {
                let namespace = artifact.namespace.as_ref().map_or("", |namespace| namespace.as_str());
                format!("{namespace}/{}", artifact.path.as_str())
            })
            .collect();
        let unreachable = || Unfetched { reason: "nobody answers".to_owned(), kind: Kind::Unavailable, hint: None };
        let content =
            |name: &String| if self.is_unreachable { Err(unreachable()) } else { Ok(self.contents.get(name).cloned()) };
        let contents = names.iter().map(content).collect();
        self.batches.lock().unwrap().push(names);
        contents
    }
}

/// One artifact to be put into a world: namespace, model, name, version, media type, content.
type Put<'a> = (&'a str, &'a str, &'a str, u64, &'a str, &'a str);

impl World {
    fn of(puts: &[Put<'_>]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&directory.path().join("catalog.db")).unwrap();
        let mut exports: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        let mut contents = Kept::default();
        for &(namespace, model, name, version, content_type, content) in puts {
            let newest =
                puts.iter().filter(|put| (put.0, put.1, put.2) == (namespace, model, name)).map(|put| put.3).max();
            exports.entry(namespace).or_default().push(json!({
                "namespace": namespace, "type_normalized": "acme/thing", "model_id": format!("id-{model}"),
                "data_name": name, "id": format!("{model}-{name}-{version}"), "version": version,
                "is_latest": u8::from(newest == Some(version)), "model_name": model, "spec_name": "spec",
                "data_type": "resource", "content_type": content_type, "lifetime": "infinite",
                "owner_type": "model-method", "streaming": 0, "size": content.len(),
                "created_at": "2026-08-22T10:15:30.123Z", "tags": format!("{{\"model\":\"{model}\",\"env\":\"prod\"}}"),
                "owner_ref": "", "workflow_run_id": "", "workflow_name": "", "job_name": "", "step_name": "", "source": "",
            }));
            let path = format!("{namespace}/data/acme/thing/id-{model}/{name}/{version}/raw");
            contents.contents.insert(path, content.as_bytes().to_vec());
        }
        for (namespace, rows) in exports {
            let export = serde_json::to_vec(&rows).unwrap();
            let now = Timestamp::from_milliseconds(1_787_000_000_000);
            catalog.replace_foreign(&namespace.parse().unwrap(), &export[..], None, now).unwrap();
        }
        Self { _directory: directory, catalog, contents }
    }

    fn run(
        &self,
        predicate: &str,
        select: Option<&str>,
        options: &Options,
    ) -> Result<(Vec<Value>, Report), QueryError> {
        self.run_query(&Query::parse(predicate, select)?, options)
    }

    fn run_strict(&self, predicate: &str) -> Result<(Vec<Value>, Report), QueryError> {
        self.run_query(&Query::parse_strict(predicate, None)?, &Options::default())
    }

    fn run_query(&self, query: &Query, options: &Options) -> Result<(Vec<Value>, Report), QueryError> {
        let mut answers = Vec::new();
        let report = run(query, &self.catalog, &self.contents, options, &mut |answer| {
            answers.push(match answer {
                Answer::Row(row, content) => row.to_json(content.unwrap_or_default()),
                Answer::Value(value) => value,
                Answer::Text(text) => text.into(),
            });
            ControlFlow::Continue(())
        })?;
        Ok((answers, report))
    }

    fn values(&self, predicate: &str, select: &str) -> Vec<Value> {
        self.run(predicate, Some(select), &Options::default()).unwrap().0
    }
}

const JSON: &str = "application/json";

/// Two namespaces with a model of the same name, history, and all kinds of content.
fn two_namespaces() -> World {
    World::of(&[
        ("infra", "vpc", "state", 1, JSON, r#"{"status":"old","n":1}"#),
        ("infra", "vpc", "state", 2, JSON, r#"{"status":"ok","n":2,"list":[1,2,3]}"#),
        ("infra", "vpc", "notes", 1, "text/plain", "the second run"),
        ("infra", "vpc", "picture", 1, "image/png", "png"),
        ("security", "vpc", "state", 1, JSON, r#"{"status":"failed","n":7}"#),
        ("security", "scan", "result", 1, JSON, r#"{"z":1,"a":{"y":2,"b":3}}"#),
        ("security", "scan", "broken", 1, JSON, "{nope"),
    ])
}
