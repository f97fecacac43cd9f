//! `swamp data search`: data names by simple filters, newest first.

use std::collections::HashMap;

use clap::Args;
use indexmap::IndexMap;
use serde::Serialize;
use swamp::catalog::{Catalog, Filter, Record, Scope};
use swamp::data::period::Period;
use swamp::namespace::Namespace;

use super::model;
use crate::cli::context::Context;
use crate::cli::output::{human_size, table};
use crate::cli::report::{Failed, Outcome};

/// Find data by its name and what is known about it, newest first
///
/// All conditions must hold. Looks at the latest version of every name, in this namespace unless told otherwise.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  swamp data search vpc\n  swamp data search --type file --since 2d\n  \
                        swamp data search --tag env=prod --tag team=net --all-namespaces")]
pub(crate) struct SearchArguments {
    /// A part of the data name, in either case
    query: Option<String>,
    /// The tag `type`: resource, file, log, report, …
    #[arg(long = "type", value_name = "T")]
    data_type: Option<String>,
    /// The lifetime, as it was given
    #[arg(long)]
    lifetime: Option<String>,
    /// What kind of thing owns it: model-method, workflow-step, manual
    #[arg(long)]
    owner_type: Option<String>,
    /// The workflow that made it
    #[arg(long)]
    workflow: Option<String>,
    /// The model, by name or id
    #[arg(long)]
    model: Option<String>,
    /// The media type
    #[arg(long)]
    content_type: Option<String>,
    /// Made within this time: 30m, 12h, 7d, 2w, 3mo, 1y
    #[arg(long, value_name = "DURATION")]
    since: Option<Period>,
    /// The workflow run that made it
    #[arg(long)]
    run: Option<String>,
    /// A tag it has; repeat for more
    #[arg(long = "tag", value_name = "K=V", value_parser = super::parse_tag)]
    tags: Vec<(String, String)>,
    /// Only data that grows
    #[arg(long)]
    streaming: bool,
    /// Show at most this many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u64,
    /// Search this namespace instead
    #[arg(long, value_name = "NS", conflicts_with = "all_namespaces")]
    namespace: Option<Namespace>,
    /// Search every namespace whose catalog was pulled
    #[arg(long)]
    all_namespaces: bool,
}

#[derive(Debug, Serialize)]
struct Found {
    query: String,
    filters: IndexMap<String, String>,
    results: Vec<Hit>,
    total: u64,
    limited: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Hit {
    id: String,
    name: String,
    version: u64,
    content_type: String,
    #[serde(rename = "type")]
    data_type: String,
    lifetime: String,
    owner_type: String,
    owner_ref: String,
    model_id: String,
    model_name: String,
    model_type: String,
    streaming: bool,
    size: u64,
    created_at: String,
    tags: IndexMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow_tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step_tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
}

pub(crate) fn run(arguments: SearchArguments, context: &Context) -> Outcome {
    let repo = context.repo()?;
    let catalog = match &arguments.namespace {
        Some(other) if repo.namespace() != Some(other) => model::catalog_of(&repo, other)?,
        _ => repo.current_catalog()?,
    };
    let scope = match (arguments.all_namespaces, &arguments.namespace) {
        (true, _) => Scope::All,
        (false, Some(namespace)) => Scope::One(Some(namespace.clone())),
        (false, None) => Scope::One(repo.namespace().cloned()),
    };
    let tells_namespace = arguments.all_namespaces || arguments.namespace.is_some();
    let filters = arguments.filters();
    let limit = arguments.limit;
    let query = arguments.query.clone().unwrap_or_default();
    let hits = catalog.search(&arguments.into_filter(scope, context), limit)?;
    let results = described(&catalog, hits.records, tells_namespace)?;
    let limited = hits.total > results.len() as u64;
    let shown = Found { query, filters, results, total: hits.total, limited };
    context.output.emit(&shown, text)
}

impl SearchArguments {
    /// Returns the conditions as they were asked for, in the order of the existing swamp.
    fn filters(&self) -> IndexMap<String, String> {
        let streaming = self.streaming.then(|| "true".to_owned());
        let since = self.since.as_ref().map(ToString::to_string);
        let named = [
            ("type", &self.data_type),
            ("lifetime", &self.lifetime),
            ("ownerType", &self.owner_type),
            ("workflow", &self.workflow),
            ("model", &self.model),
            ("contentType", &self.content_type),
            ("since", &since),
            ("run", &self.run),
            ("streaming", &streaming),
        ];
        let named = named.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?)));
        let tags = self.tags.iter().map(|(key, value)| (format!("tag:{key}"), value.clone()));
        named.chain(tags).collect()
    }

    fn into_filter(self, scope: Scope, context: &Context) -> Filter {
        Filter {
            scope,
            query: self.query,
            data_type: self.data_type,
            lifetime: self.lifetime,
            owner_type: self.owner_type,
            workflow: self.workflow,
            model: self.model,
            content_type: self.content_type,
            since: self.since.map(|period| context.clock.now().before(period.duration())),
            run: self.run,
            tags: self.tags,
            streaming: self.streaming.then_some(true),
        }
    }
}

/// Adds to each record the name of its model, which reports do not carry.
fn described(catalog: &Catalog, records: Vec<Record>, tells_namespace: bool) -> Result<Vec<Hit>, Failed> {
    let mut names: HashMap<(Option<Namespace>, String, String), String> = HashMap::new();
    for record in records.iter().filter(|record| record.model_name.is_empty()) {
        if names.contains_key(&key_of(record)) {
            continue;
        }
        for model in catalog.models(record.namespace.as_ref())? {
            names.insert((record.namespace.clone(), model.type_normalized, model.id), model.name);
        }
    }
    let hit = |record: Record| {
        let known = names.get(&key_of(&record)).filter(|name| !name.is_empty());
        let model_name = match (record.model_name.is_empty(), known) {
            (false, _) => record.model_name,
            (true, Some(name)) => name.clone(),
            (true, None) => record.model_id.clone(),
        };
        let namespace = record.namespace.filter(|_| tells_namespace).map(|namespace| namespace.to_string());
        let tag = |key: &str| record.tags.get(key).cloned();
        Hit {
            workflow_tag: tag("workflow"),
            job_tag: tag("job"),
            step_tag: tag("step"),
            id: record.id,
            name: record.data_name,
            version: record.version,
            content_type: record.content_type,
            data_type: record.data_type,
            lifetime: record.lifetime,
            owner_type: record.owner_type,
            owner_ref: record.owner_ref,
            model_id: record.model_id,
            model_name,
            model_type: record.type_normalized,
            streaming: record.streaming,
            size: record.size,
            created_at: record.created_at.to_string(),
            tags: record.tags,
            namespace,
        }
    };
    Ok(records.into_iter().map(hit).collect())
}

fn key_of(record: &Record) -> (Option<Namespace>, String, String) {
    (record.namespace.clone(), record.type_normalized.clone(), record.model_id.clone())
}

fn text(shown: &Found) -> String {
    if shown.total == 0 {
        return "nothing found\n".to_owned();
    }
    let rows = shown.results.iter().map(|hit| {
        let namespace = hit.namespace.as_ref().map(|namespace| format!("{namespace}:")).unwrap_or_default();
        let model = format!("{namespace}{}", hit.model_name);
        let made = hit.created_at.get(..19).unwrap_or_default().replace('T', " ");
        [model, hit.name.clone(), format!("v{}", hit.version), hit.data_type.clone(), human_size(hit.size), made]
    });
    let rows = match &*shown.results {
        [] => String::new(),
        _ => table(["model", "data", "latest", "type", "size", "created"], &rows.collect::<Vec<_>>()),
    };
    let more =
        if shown.limited { format!("{} of {} shown\n", shown.results.len(), shown.total) } else { String::new() };
    rows + &more
}
