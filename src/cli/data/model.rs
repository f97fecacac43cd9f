//! Which model a reference means: `MODEL` of our namespace, or `NAMESPACE:MODEL` of another.

use std::path::PathBuf;
use std::sync::Arc;

use swamp::catalog::{Catalog, Model, Name, Resolution};
use swamp::data::definition::find_definition;
use swamp::data::layout::Artifact;
use swamp::data::name::{InvalidName, ModelType};
use swamp::namespace::Namespace;
use swamp::path::{InvalidPath, RelPath};
use swamp::repo::Repo;
use tracing::warn;

use crate::cli::error::CommandError;
use crate::cli::report::Failed;

/// A model that exists.
#[derive(Clone, Debug)]
pub(super) enum Found {
    /// In our namespace: its data is in the tree.
    Own(Model),
    /// In another: the catalog knows its data.
    Foreign(Namespace, Model),
}

impl Found {
    pub(super) fn model(&self) -> &Model {
        match self {
            Self::Own(model) | Self::Foreign(_, model) => model,
        }
    }
}

/// Splits a reference at its first `:`, if what stands before it can be a namespace.
pub(super) fn split(reference: &str) -> (Option<Namespace>, &str) {
    match reference.split_once(':') {
        Some(("", model)) => (None, model),
        Some((namespace, model)) => match namespace.parse() {
            Ok(namespace) => (Some(namespace), model),
            Err(_) => (None, reference),
        },
        None => (None, reference),
    }
}

/// Returns the model that `reference` means.
pub(super) fn resolve(repo: &Repo, reference: &str) -> Result<Found, Failed> {
    match split(reference) {
        (Some(namespace), model) if repo.namespace() != Some(&namespace) => {
            let catalog = catalog_of(repo, &namespace)?;
            let resolved = catalog.resolve_model(Some(&namespace), model)?;
            let found = single(resolved, reference)?;
            let found = found.ok_or_else(|| CommandError::ModelNotFound { reference: reference.to_owned() })?;
            Ok(Found::Foreign(namespace, found))
        }
        (_, model) => {
            let found = resolve_own(repo, model)?;
            let found = found.ok_or_else(|| CommandError::ModelNotFound { reference: reference.to_owned() })?;
            Ok(Found::Own(found))
        }
    }
}

/// Returns the model of our namespace that `reference` means, to change its data.
pub(super) fn resolve_to_change(repo: &Repo, reference: &str) -> Result<Option<Model>, Failed> {
    match split(reference) {
        (Some(namespace), _) if repo.namespace() != Some(&namespace) => {
            Err(CommandError::ReadOnly { namespace }.into())
        }
        (_, model) => resolve_own(repo, model),
    }
}

/// A name means the model that is defined so: data keeps the name its model had when it was stored.
fn resolve_own(repo: &Repo, reference: &str) -> Result<Option<Model>, Failed> {
    let is_id = reference.parse::<uuid::Uuid>().is_ok();
    if is_id && let Some(model) = resolve_stored(repo, reference)? {
        return Ok(Some(model));
    }
    if let Some(definition) = find_definition(&definition_roots(repo), reference)? {
        let model = Model {
            type_normalized: definition.model_type.as_str().to_owned(),
            id: definition.id.as_str().to_owned(),
            name: definition.name,
        };
        for twin in twins(repo, &model)? {
            let id = &twin.id;
            warn!(
                "another model is called `{}`, and nothing defines it; its data is reached by its id {id}",
                model.name
            );
        }
        return Ok(Some(model));
    }
    if is_id { Ok(None) } else { resolve_stored(repo, reference) }
}

/// Returns the models whose data says that they have the name of a model that is defined, and that are not defined themselves:
/// two machines that defined one name before either had pushed made two of it.
fn twins(repo: &Repo, model: &Model) -> Result<Vec<Model>, Failed> {
    let Resolution::Ambiguous(models) = repo.catalog()?.resolve_model(repo.namespace(), &model.name)? else {
        return Ok(Vec::new());
    };
    let mut twins = Vec::new();
    for other in models.into_iter().filter(|other| other.id != model.id && other.name == model.name) {
        if find_definition(&definition_roots(repo), &other.id)?.is_none() {
            twins.push(other);
        }
    }
    Ok(twins)
}

/// Returns the model of ours whose data says that it is meant.
fn resolve_stored(repo: &Repo, reference: &str) -> Result<Option<Model>, Failed> {
    let catalog = repo.current_catalog()?;
    single(catalog.resolve_model(repo.namespace(), reference)?, reference)
}

/// Returns where definitions are: those people wrote come first.
fn definition_roots(repo: &Repo) -> [PathBuf; 2] {
    [repo.paths().root.join("models"), repo.store().auto_definitions()]
}

/// Returns the catalog, which knows the other namespace.
pub(super) fn catalog_of(repo: &Repo, namespace: &Namespace) -> Result<Arc<Catalog>, Failed> {
    let catalog = repo.catalog()?;
    match catalog.foreign_state(namespace)? {
        Some(_) => Ok(catalog),
        None => Err(CommandError::CatalogNotPulled { namespace: namespace.clone() }.into()),
    }
}

fn single(resolution: Resolution, reference: &str) -> Result<Option<Model>, Failed> {
    match resolution {
        Resolution::Unknown => Ok(None),
        Resolution::Model(model) => Ok(Some(model)),
        Resolution::Ambiguous(models) => {
            let candidates = models.iter().map(|model| format!("{}/{}", model.type_normalized, model.id)).collect();
            Err(CommandError::ModelAmbiguous { reference: reference.to_owned(), candidates }.into())
        }
    }
}

/// Returns the name to show; a workflow has none but its id.
pub(super) fn shown_name(model: &Model) -> &str {
    if model.name.is_empty() { &model.id } else { &model.name }
}

/// Returns a data name of a model, checked.
pub(super) fn artifact(model: &Model, name: &str) -> Result<Artifact, InvalidName> {
    Artifact::new(ModelType::from_normalized(&model.type_normalized)?, model.id.parse()?, name.parse()?)
}

/// Returns a model as `{type}/{id}`.
pub(super) fn path(model: &Model) -> Result<RelPath, InvalidPath> {
    format!("{}/{}", model.type_normalized, model.id).parse()
}

/// Returns a data name of a model as the catalog spells it.
pub(super) fn row_name(model: &Model, name: &str) -> Name {
    Name { type_normalized: model.type_normalized.clone(), model_id: model.id.clone(), data_name: name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(reference: &str) -> (Option<String>, &str) {
        let (namespace, model) = split(reference);
        (namespace.map(|namespace| namespace.to_string()), model)
    }

    #[test]
    fn the_first_colon_separates_the_namespace() {
        assert_eq!(parts("vpc"), (None, "vpc"));
        assert_eq!(parts("infra:vpc"), (Some("infra".to_owned()), "vpc"));
        assert_eq!(parts("infra:a:b"), (Some("infra".to_owned()), "a:b"));
        assert_eq!(parts(":vpc"), (None, "vpc"));
        assert_eq!(parts("AWS::EC2"), (None, "AWS::EC2"));
    }
}
