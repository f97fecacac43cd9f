//! `swamp data versions`: every version of one data name.

use clap::Args;
use serde::Serialize;
use swamp::repo::Repo;

use super::model::{self, Found};
use super::shape::ModelKeys;
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::output::{human_size, table};
use crate::cli::report::{Failed, Outcome};

/// List every version of a data name, newest first
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  swamp data versions vpc-main state\n  swamp data versions security:scanner report --json"
)]
pub(crate) struct VersionsArguments {
    /// The model, by name or id; of another namespace as `NAMESPACE:MODEL`
    #[arg(value_name = "[NS:]MODEL")]
    model: String,
    /// The data name
    name: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Versions {
    data_name: String,
    #[serde(flatten)]
    model: ModelKeys,
    versions: Vec<Listed>,
    total: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    version: u64,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
    is_latest: bool,
}

pub(crate) fn run(arguments: &VersionsArguments, context: &Context) -> Outcome {
    let repo = context.repo()?;
    let found = model::resolve(&repo, &arguments.model)?;
    let mut versions = match &found {
        Found::Own(model) => own(&repo, &model::artifact(model, &arguments.name)?)?,
        Found::Foreign(namespace, model) => {
            let name = model::row_name(model, &arguments.name);
            let records = repo.catalog()?.versions(Some(namespace), &name)?;
            let listed = records.into_iter().map(|record| Listed {
                version: record.version,
                created_at: record.created_at.to_string(),
                size: Some(record.size),
                checksum: None,
                is_latest: false,
            });
            listed.collect()
        }
    };
    if versions.is_empty() {
        let (name, model) = (arguments.name.clone(), arguments.model.clone());
        return Err(CommandError::DataNotFound { name, model, version: None }.into());
    }
    versions.sort_by_key(|listed| std::cmp::Reverse(listed.version));
    if let Some(newest) = versions.first_mut() {
        newest.is_latest = true;
    }
    let data_name = arguments.name.clone();
    let shown = Versions { data_name, model: found.model().into(), total: versions.len(), versions };
    context.output.emit(&shown, text)
}

fn own(repo: &Repo, artifact: &swamp::data::layout::Artifact) -> Result<Vec<Listed>, Failed> {
    let found = repo.store().versions(artifact)?;
    for version in &found.versions {
        if let Err(reason) = &version.metadata {
            tracing::warn!(version = version.number.get(), %reason, "version cannot be read");
        }
    }
    let listed = found.readable().map(|metadata| Listed {
        version: metadata.version.get(),
        created_at: metadata.created_at.to_string(),
        size: metadata.size,
        checksum: metadata.checksum.clone(),
        is_latest: false,
    });
    Ok(listed.collect())
}

fn text(shown: &Versions) -> String {
    let rows = shown.versions.iter().map(|listed| {
        let size = listed.size.map(human_size).unwrap_or_default();
        let mark = if listed.is_latest { "latest" } else { "" };
        let checksum = listed.checksum.as_deref().and_then(|digest| digest.get(..12)).unwrap_or_default();
        [listed.version.to_string(), listed.created_at.clone(), size, checksum.to_owned(), mark.to_owned()]
    });
    table(["version", "created", "size", "sha256", ""], &rows.collect::<Vec<_>>())
}
