//! Directories that are no rows, and reports: numbers for them, which are never reused.
//!
//! A place is remembered as its parent's number and its name, once the catalog has shown that it exists; what it stands
//! for is worked out anew whenever it is used. Artifacts and versions, which are many, are not here.

use std::sync::{PoisonError, RwLock};

use indexmap::IndexSet;
use swamp_mount::NodeId;

/// The directory at the root that reports lie in.
pub(super) const CONTROL: &str = ".swamp";

/// The view of newest contents.
pub(super) const MODELS: &str = "models";

/// The view of all contents.
pub(super) const HISTORY: &str = "history";

/// The directory beside the reports that has the attributes of everything.
pub(super) const META: &str = "meta";

/// The directory of a namespace that has the layout of the datastore.
pub(super) const DATA: &str = crate::data::layout::DATA_DIRECTORY;

/// Which view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum View {
    Models,
    History,
    /// As the history, with attributes instead of contents; lies in `.swamp/meta` instead of its namespace.
    Meta,
}

/// What a number stands for. Namespaces are slugs, `""` in solo mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Root,
    Control,
    Report(String),
    /// The directory of all attributes.
    Meta,
    Namespace(String),
    /// A directory of the layout below `data`, which is the empty path.
    Data {
        namespace: String,
        path: String,
    },
    View {
        namespace: String,
        view: View,
    },
    /// The directory of a model in a view.
    Model {
        namespace: String,
        view: View,
        name: String,
    },
}

impl Place {
    /// Returns the namespace it is of.
    pub(super) fn namespace(&self) -> Option<&str> {
        match self {
            Self::Root | Self::Control | Self::Report(_) | Self::Meta => None,
            Self::Namespace(namespace)
            | Self::Data { namespace, .. }
            | Self::View { namespace, .. }
            | Self::Model { namespace, .. } => Some(namespace),
        }
    }
}

/// The numbers.
#[derive(Debug)]
pub(super) struct Places(RwLock<IndexSet<(u32, Box<str>)>>);

impl Places {
    pub(super) fn new() -> Self {
        let mut places = IndexSet::new();
        places.insert((0, Box::from("")));
        Self(RwLock::new(places))
    }

    /// Returns the node of a name in a place; `None` if there are no more numbers.
    pub(super) fn child(&self, parent: u64, name: &str) -> Option<NodeId> {
        let key = (u32::try_from(parent).ok()?, Box::from(name));
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get_index_of(&key);
        let index = known.or_else(|| self.add(key))?;
        Some(NodeId(index as u64 + 1))
    }

    fn add(&self, key: (u32, Box<str>)) -> Option<usize> {
        let mut places = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Parents are 32-bit numbers: beyond that a directory could not have children.
        let has_room = u32::try_from(places.len()).is_ok_and(|count| count < u32::MAX);
        has_room.then(|| places.insert_full(key).0)
    }

    /// Returns the node of a path of names from the root.
    pub(super) fn node(&self, names: &[&str]) -> Option<NodeId> {
        names.iter().try_fold(NodeId::ROOT, |parent, name| self.child(parent.0, name))
    }

    /// Returns what a number stands for.
    pub(super) fn resolve(&self, number: u64) -> Option<Place> {
        let mut names = Vec::new();
        let mut number = u32::try_from(number).ok()?;
        let places = self.0.read().unwrap_or_else(PoisonError::into_inner);
        while number != 1 {
            let (parent, name) = places.get_index(usize::try_from(number).ok()?.checked_sub(1)?)?;
            names.push(&**name);
            number = *parent;
        }
        names.reverse();
        place_of(&names)
    }
}

fn place_of(names: &[&str]) -> Option<Place> {
    let view_called = |name: &str| match name {
        MODELS => Some(View::Models),
        HISTORY => Some(View::History),
        _ => None,
    };
    let view = |namespace: &str, view| Place::View { namespace: namespace.to_owned(), view };
    let model = |namespace: &str, view, name: &str| Place::Model {
        namespace: namespace.to_owned(),
        view,
        name: name.to_owned(),
    };
    Some(match names {
        [] => Place::Root,
        [CONTROL] => Place::Control,
        [CONTROL, META] => Place::Meta,
        [CONTROL, META, namespace] => view(namespace, View::Meta),
        [CONTROL, META, namespace, name] => model(namespace, View::Meta, name),
        [CONTROL, report] => Place::Report((*report).to_owned()),
        [namespace] => Place::Namespace((*namespace).to_owned()),
        [namespace, DATA, path @ ..] => Place::Data { namespace: (*namespace).to_owned(), path: path.join("/") },
        [namespace, shown] => view(namespace, view_called(shown)?),
        [namespace, shown, name] => model(namespace, view_called(shown)?, name),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_and_stand_for_what_they_were_given_for() {
        let places = Places::new();

        let model = places.node(&["infra", MODELS, "vpc"]).expect("a node");
        let data = places.node(&["infra", DATA, "aws", "ec2"]).expect("a node");

        assert_eq!(places.resolve(NodeId::ROOT.0), Some(Place::Root));
        assert_eq!(places.node(&["infra", MODELS, "vpc"]), Some(model));
        let expected = Place::Model { namespace: "infra".to_owned(), view: View::Models, name: "vpc".to_owned() };
        assert_eq!(places.resolve(model.0), Some(expected));
        let expected = Place::Data { namespace: "infra".to_owned(), path: "aws/ec2".to_owned() };
        assert_eq!(places.resolve(data.0), Some(expected));
        assert_eq!(places.resolve(99), None);
        assert_eq!(places.resolve(0), None);
    }

    #[test]
    fn the_namespace_of_solo_mode_is_a_place_of_its_own() {
        let places = Places::new();

        let models = places.node(&["", MODELS]).expect("a node");

        assert_eq!(places.resolve(models.0), Some(Place::View { namespace: String::new(), view: View::Models }));
    }
}
