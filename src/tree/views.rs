//! The two views of a namespace: `models/{model}/{data name}[.ext]` has the newest content of every artifact,
//! `history/{model}/{data name}/{version}[.ext]` all of it. `.swamp/meta/{namespace}` is arranged and spelled as the
//! history, with `{version}.json` for every version.
//!
//! - A model is called as the newest versions of its artifacts say; artifacts of one model that say different names are
//!   shown under both. A model without a name is `{type}%@{id}`, and where several models have one name, all of them are
//!   `{name}%@{type}%@{id}`: a path never comes to mean another model. Types are written with dots.
//! - A file has the ending its data name has. If it has none it gets that of its media type, unless the model has an
//!   artifact of just that name (`state` beside `state.json` stays `state`).
//! - Names that cannot be file names are escaped (see `name`).

use swamp_mount::TreeError;

use super::extension;
use super::glance::{Found, Glance, Page};
use super::layout::parse_version;
use super::name::{self, ModelName};
use super::node::Role;
use super::places::View;
use crate::catalog::{Leaf, Name, NamedModel};

/// How many artifacts are read at a time while a cut name is looked for.
const SEARCH_PAGE: usize = 256;

/// The ending of files of attributes.
const ATTRIBUTES_ENDING: &str = ".json";

/// Separates the parts of a cursor; no text of the catalog contains it.
const CURSOR_SEPARATOR: char = '\0';

/// The directory of a model in a view.
#[derive(Clone, Copy, Debug)]
pub(super) struct ModelDirectory<'a> {
    pub(super) namespace: &'a str,
    pub(super) view: View,
    pub(super) model: &'a NamedModel,
}

impl Glance<'_> {
    /// Returns what a name in a view is.
    pub(super) fn in_view(&self, number: u64, namespace: &str, name: &str) -> Result<Found, TreeError> {
        if self.model_called(namespace, name)?.is_none() {
            return Err(TreeError::NotFound);
        }
        self.place(number, name, self.time_of(Some(namespace))?).ok_or(TreeError::Input)
    }

    /// Returns the model that is called so in the views.
    pub(super) fn model_called(&self, namespace: &str, shown: &str) -> Result<Option<NamedModel>, TreeError> {
        if let Some(start) = name::cut_start(shown) {
            return self.model_cut(namespace, shown, start);
        }
        let Some(parsed) = ModelName::parse(shown) else { return Ok(None) };
        let named = |name: &str, model_type: &str, id: &str| NamedModel {
            name: name.to_owned(),
            type_normalized: model_type.to_owned(),
            id: id.to_owned(),
        };
        let found = match &parsed {
            ModelName::Plain(name) => self.only_model_named(namespace, name)?,
            ModelName::Unnamed(model_type, id) => self.existing(namespace, named("", model_type, id))?,
            ModelName::Qualified(name, model_type, id) => {
                let is_shared = self.only_model_named(namespace, name)?.is_none();
                if is_shared { self.existing(namespace, named(name, model_type, id))? } else { None }
            }
        };
        Ok(found)
    }

    fn existing(&self, namespace: &str, model: NamedModel) -> Result<Option<NamedModel>, TreeError> {
        let exists = !self.browser.names_of(namespace, &model, "", 1)?.is_empty();
        Ok(exists.then_some(model))
    }

    /// Looks through the models whose spelling may begin with `start`: those without a name, and those whose name does.
    fn model_cut(&self, namespace: &str, shown: &str, start: &str) -> Result<Option<NamedModel>, TreeError> {
        let Some(begins) = name::unescape_start(start) else { return Ok(None) };
        for begins in ["", begins.as_str()] {
            let mut last = NamedModel { name: begins.to_owned(), type_normalized: String::new(), id: String::new() };
            while let Some(model) = self.browser.next_named_model(namespace, &last)? {
                let is_candidate =
                    if begins.is_empty() { model.name.is_empty() } else { model.name.starts_with(begins) };
                if !is_candidate {
                    break;
                }
                if self.shown_model(namespace, &model)?.file_name() == shown {
                    return Ok(Some(model));
                }
                last = model;
            }
        }
        Ok(None)
    }

    /// Returns the model of a name, `None` if there are several or there is none.
    fn only_model_named(&self, namespace: &str, name: &str) -> Result<Option<NamedModel>, TreeError> {
        let before = NamedModel { name: name.to_owned(), type_normalized: String::new(), id: String::new() };
        let next = |after| {
            let next = self.browser.next_named_model(namespace, after)?;
            Ok::<_, TreeError>(next.filter(|model| model.name == name))
        };
        let Some(first) = next(&before)? else { return Ok(None) };
        Ok(if next(&first)?.is_some() { None } else { Some(first) })
    }

    /// Returns what a model is called in the views.
    fn shown_model(&self, namespace: &str, model: &NamedModel) -> Result<ModelName, TreeError> {
        let is_only = !model.name.is_empty() && self.only_model_named(namespace, &model.name)?.is_some();
        Ok(called(model, is_only))
    }

    /// Lists a view.
    pub(super) fn list_view(&self, number: u64, namespace: &str, page: &mut Page<'_>) -> Result<(), TreeError> {
        let time = self.time_of(Some(namespace))?;
        let mut parts = page.after.unwrap_or_default().split(CURSOR_SEPARATOR).map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        let mut last = NamedModel { name: next(), type_normalized: next(), id: next() };
        let mut coming = self.browser.next_named_model(namespace, &last)?;
        // Whether the first one is the only one of its name cannot be told from a neighbour that may be gone.
        let mut is_first = true;
        while let Some(model) = coming.take_if(|_| !page.is_full()) {
            coming = self.browser.next_named_model(namespace, &model)?;
            let is_only = if is_first {
                self.only_model_named(namespace, &model.name)?.is_some()
            } else {
                last.name != model.name && coming.as_ref().is_none_or(|next| next.name != model.name)
            };
            let shown = called(&model, is_only).file_name();
            let NamedModel { name, type_normalized, id } = &model;
            let cursor = format!("{name}{CURSOR_SEPARATOR}{type_normalized}{CURSOR_SEPARATOR}{id}");
            page.push(&shown, cursor, self.place(number, &shown, time));
            (last, is_first) = (model, false);
        }
        Ok(())
    }

    /// Returns what a name in the directory of a model is.
    pub(super) fn in_model(&self, at: &ModelDirectory<'_>, shown: &str) -> Result<Found, TreeError> {
        let found = match name::cut_start(shown) {
            Some(start) => self.artifact_cut(at, shown, start)?,
            None => self.artifact_called(at, shown)?,
        };
        let Some(newest) = found else { return Err(TreeError::NotFound) };
        self.artifact_shown(at, &newest)?.ok_or(TreeError::NotFound)
    }

    fn artifact_shown(&self, at: &ModelDirectory<'_>, newest: &Leaf) -> Result<Option<Found>, TreeError> {
        match at.view {
            View::Models => Ok(self.leaf(Role::Content, newest)),
            View::History => self.artifact_directory(Role::History, newest),
            View::Meta => self.artifact_directory(Role::Described, newest),
        }
    }

    /// Returns the artifact that is called so: the name itself, or the name without the ending it was given.
    fn artifact_called(&self, at: &ModelDirectory<'_>, shown: &str) -> Result<Option<Leaf>, TreeError> {
        for candidate in [Some(shown), extension::without(shown)].into_iter().flatten() {
            let Some(data_name) = name::unescape(candidate) else { continue };
            let found = self.browser.name_of(at.namespace, at.model, &data_name)?;
            if let Some(newest) = found
                && self.shown_artifact(at, &newest, &[])? == shown
            {
                return Ok(Some(newest));
            }
        }
        Ok(None)
    }

    /// Looks through the artifacts whose names begin with what was left of a cut name.
    fn artifact_cut(&self, at: &ModelDirectory<'_>, shown: &str, start: &str) -> Result<Option<Leaf>, TreeError> {
        let Some(begins) = name::unescape(start) else { return Ok(None) };
        let mut last = begins.clone();
        loop {
            let page = self.browser.names_of(at.namespace, at.model, &last, SEARCH_PAGE)?;
            let Some(end) = page.last() else { return Ok(None) };
            last.clone_from(&end.name.data_name);
            for newest in &page {
                if !newest.name.data_name.starts_with(&begins) {
                    return Ok(None);
                }
                if self.shown_artifact(at, newest, &page)? == shown {
                    return Ok(Some(newest.clone()));
                }
            }
        }
    }

    /// Returns what an artifact is called in the directory of a model; `page` is what was read along with it.
    fn shown_artifact(&self, at: &ModelDirectory<'_>, leaf: &Leaf, page: &[Leaf]) -> Result<String, TreeError> {
        let data_name = &leaf.name.data_name;
        let ending = match at.view {
            View::History | View::Meta => None,
            View::Models if extension::of_name(data_name).is_some() => None,
            View::Models => extension::of_type(&leaf.content_type),
        };
        let ending = match ending {
            Some(ending) if !self.has_artifact(at, &format!("{data_name}{ending}"), page)? => ending,
            Some(_) | None => "",
        };
        Ok(name::fitted(&name::escape(data_name), ending))
    }

    /// Whether a model has an artifact. A question for each would be half the cost of a listing: what lies within a page,
    /// which the catalog gives in the order of bytes, is seen there.
    fn has_artifact(&self, at: &ModelDirectory<'_>, data_name: &str, page: &[Leaf]) -> Result<bool, TreeError> {
        match page.binary_search_by(|leaf| leaf.name.data_name.as_str().cmp(data_name)) {
            Ok(_) => Ok(true),
            Err(place) if (1..page.len()).contains(&place) => Ok(false),
            Err(_) => Ok(self.browser.has_name_of(at.namespace, at.model, data_name)?),
        }
    }

    /// Lists the directory of a model.
    pub(super) fn list_model(&self, at: &ModelDirectory<'_>, page: &mut Page<'_>) -> Result<(), TreeError> {
        let after = page.after.unwrap_or_default();
        let artifacts = self.browser.names_of(at.namespace, at.model, after, page.room())?;
        for newest in &artifacts {
            let shown = self.shown_artifact(at, newest, &artifacts)?;
            let found = self.artifact_shown(at, newest)?;
            page.push(&shown, newest.name.data_name.clone(), found);
        }
        Ok(())
    }

    /// Returns what a name in the history of an artifact is, or among its attributes if `directory` says so.
    pub(super) fn in_history(
        &self,
        directory: Role,
        namespace: &str,
        artifact: &Name,
        shown: &str,
    ) -> Result<Found, TreeError> {
        let digits = shown.split('.').next().unwrap_or_default();
        let version = parse_version(digits).ok_or(TreeError::NotFound)?;
        let leaf = self.browser.version(namespace, artifact, version)?;
        let found = leaf.map(|leaf| (shown_version(directory, &leaf), leaf));
        let found = found.filter(|((name, _), _)| name == shown);
        found.and_then(|((_, role), leaf)| self.leaf(role, &leaf)).ok_or(TreeError::NotFound)
    }

    /// Lists the history of an artifact, or its attributes if `directory` says so.
    pub(super) fn list_history(
        &self,
        directory: Role,
        namespace: &str,
        artifact: &Name,
        page: &mut Page<'_>,
    ) -> Result<(), TreeError> {
        let after = page.after.and_then(parse_version).unwrap_or(0);
        for leaf in self.browser.versions(namespace, artifact, after, page.room())? {
            let (name, role) = shown_version(directory, &leaf);
            page.push(&name, leaf.version.to_string(), self.leaf(role, &leaf));
        }
        Ok(())
    }
}

/// Returns what a model is called, which may be the only one of its name.
fn called(model: &NamedModel, is_only: bool) -> ModelName {
    let NamedModel { name, type_normalized, id } = model.clone();
    match name.as_str() {
        "" => ModelName::Unnamed(type_normalized, id),
        _ if is_only => ModelName::Plain(name),
        _ => ModelName::Qualified(name, type_normalized, id),
    }
}

/// Returns what a version is called in a directory of its artifact's versions, and which file of it that is. Contents have
/// the ending of the data name, else of their type.
fn shown_version(directory: Role, leaf: &Leaf) -> (String, Role) {
    if directory == Role::Described {
        return (format!("{}{ATTRIBUTES_ENDING}", leaf.version), Role::Attributes);
    }
    let ending = extension::of_name(&leaf.name.data_name).or_else(|| extension::of_type(&leaf.content_type));
    (format!("{}{}", leaf.version, ending.unwrap_or_default()), Role::Content)
}
