//! `swamp data list`: the data of one model, or every model.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;
use swamp::catalog::{Model, Record};
use swamp::data::name::ModelType;
use swamp::data::walk;
use swamp::namespace::Namespace;
use swamp::repo::{Repo, RepoError};
use swamp::sync::{self, Direction};
use tracing::warn;

use super::model::{self, Found};
use super::shape::ModelKeys;
use crate::cli::context::Context;
use crate::cli::output::{counted, human_size, plain, table};
use crate::cli::report::{Failed, Outcome};

/// List the data of a model, or every model
///
/// Without a model, lists the models of this namespace. A name that was renamed is listed under its new name.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  swamp data list\n  swamp data list vpc-main\n  swamp data list security:scanner --json"
)]
pub(crate) struct ListArguments {
    /// The model, by name or id; of another namespace as `NAMESPACE:MODEL`
    #[arg(value_name = "[NS:]MODEL")]
    model: Option<String>,
    /// Only data of this type (the tag `type`: resource, file, log, report, …)
    #[arg(long = "type", value_name = "T")]
    data_type: Option<String>,
}

pub(crate) fn run(arguments: &ListArguments, context: &Context) -> Outcome {
    let repo = context.repo()?;
    match &arguments.model {
        Some(reference) => list_data(&repo, reference, arguments.data_type.as_deref(), context),
        None => list_models(&repo, context),
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    #[serde(flatten)]
    model: ModelKeys,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    groups: Vec<Group>,
    total: usize,
}

#[derive(Debug, Serialize)]
struct Group {
    #[serde(rename = "type")]
    data_type: String,
    items: Vec<Item>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    id: String,
    name: String,
    version: u64,
    content_type: String,
    #[serde(rename = "type")]
    data_type: String,
    streaming: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    created_at: String,
}

fn list_data(repo: &Repo, reference: &str, data_type: Option<&str>, context: &Context) -> Outcome {
    let found = model::resolve(repo, reference)?;
    let (namespace, mut items) = match &found {
        Found::Own(model) => (repo.namespace(), items_of_tree(repo, model)?),
        Found::Foreign(namespace, model) => {
            let records = repo.catalog()?.artifacts(Some(namespace), &model.type_normalized, &model.id)?;
            (Some(namespace), records.into_iter().map(item_of_record).collect())
        }
    };
    items.retain(|item| data_type.is_none_or(|wanted| item.data_type == wanted));
    let total = items.len();
    let namespace = namespace.map(Namespace::to_string);
    let shown = Listing { model: found.model().into(), namespace, groups: grouped(items), total };
    context.output.emit(&shown, listing_text)
}

fn items_of_tree(repo: &Repo, model: &Model) -> Result<Vec<Item>, Failed> {
    let (model_type, id) = (ModelType::from_normalized(&model.type_normalized)?, model.id.parse()?);
    let mut items = Vec::new();
    let skipped = walk::walk_model(repo.store().root(), &model_type, &id, |found| {
        // What says that it was deleted is data and listed, as the existing swamp does; what was renamed is elsewhere.
        if let Some(latest) = found.latest().filter(|latest| latest.successor().is_none()) {
            items.push(Item {
                id: latest.id.clone(),
                name: found.artifact.name().as_str().to_owned(),
                version: latest.version.get(),
                content_type: latest.content_type.clone(),
                data_type: latest.tag("type").to_owned(),
                streaming: latest.streaming,
                size: latest.size,
                created_at: latest.created_at.to_string(),
            });
        }
        Ok::<_, RepoError>(())
    })?;
    for skipped in skipped {
        warn!(reason = %skipped, "directory left out of the list");
    }
    Ok(items)
}

fn item_of_record(record: Record) -> Item {
    Item {
        id: record.id,
        name: record.data_name,
        version: record.version,
        content_type: record.content_type,
        data_type: record.data_type,
        streaming: record.streaming,
        size: Some(record.size),
        created_at: record.created_at.to_string(),
    }
}

/// Returns the items by type, in the order in which the existing swamp shows types.
fn grouped(items: Vec<Item>) -> Vec<Group> {
    const FIRST: [&str; 4] = ["log", "file", "resource", "data"];
    let mut groups: BTreeMap<(usize, String), Vec<Item>> = BTreeMap::new();
    for item in items {
        let rank = FIRST.iter().position(|first| *first == item.data_type).unwrap_or(FIRST.len());
        groups.entry((rank, item.data_type.clone())).or_default().push(item);
    }
    let groups = groups.into_iter().map(|((_, data_type), mut items)| {
        items.sort_by_cached_key(|item| (item.name.to_lowercase(), item.name.clone()));
        Group { data_type, items }
    });
    groups.collect()
}

fn listing_text(shown: &Listing) -> String {
    let namespace = shown.namespace.as_ref().map(|namespace| format!("{namespace}:")).unwrap_or_default();
    let title = format!("data of {namespace}{} ({})", shown.model.model_name, shown.model.model_type);
    let mut text = plain(&title).into_owned() + "\n";
    for group in &shown.groups {
        let rows = group.items.iter().map(|item| {
            let size = item.size.map(human_size).unwrap_or_default();
            let day = item.created_at.get(..10).unwrap_or_default().to_owned();
            [item.name.clone(), format!("v{}", item.version), item.content_type.clone(), size, day]
        });
        let title = format!("{} ({})", group.data_type, counted(group.items.len(), "item"));
        let rows = table([&title, "latest", "content type", "size", "created"], &rows.collect::<Vec<_>>());
        text.push('\n');
        text.push_str(&rows);
    }
    text
}

#[derive(Debug, Serialize)]
struct Models {
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    models: Vec<Counted>,
    total: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Counted {
    #[serde(flatten)]
    model: ModelKeys,
    data_count: usize,
    total_size: u64,
}

fn list_models(repo: &Repo, context: &Context) -> Outcome {
    let catalog = repo.current_catalog()?;
    let mut models = Vec::new();
    for model in catalog.models(repo.namespace())? {
        let records = catalog.artifacts(repo.namespace(), &model.type_normalized, &model.id)?;
        let total_size = records.iter().map(|record| record.size).sum();
        models.push(Counted { model: (&model).into(), data_count: records.len(), total_size });
    }
    models.sort_by(|one, other| one.model.model_name.cmp(&other.model.model_name));
    let namespace = repo.namespace().map(Namespace::to_string);
    let shown = Models { namespace, total: models.len(), models };
    context.output.emit(&shown, |shown| {
        if shown.models.is_empty() {
            let is_remote = repo.shares_data() && repo.config().backend.directory().is_none();
            let is_behind = is_remote && matches!(sync::last_done(&repo.paths().state, Direction::Pull), Ok(None));
            let elsewhere = if is_behind { "; fetch that of other machines with `swamp datastore sync`" } else { "" };
            return format!("no data yet; store some with `swamp data put`{elsewhere}\n");
        }
        let rows = shown.models.iter().map(|counted| {
            let ModelKeys { model_name, model_type, .. } = counted.model.clone();
            [model_name, model_type, counted.data_count.to_string(), human_size(counted.total_size)]
        });
        table(["model", "type", "data", "size"], &rows.collect::<Vec<_>>())
    })
}
