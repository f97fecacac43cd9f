//! Model definitions: which model a name means, and the definition we write for a model that has none.
//!
//! The existing swamp finds data only through a definition (formats.md 1.5), looked for in the repository's `models`
//! and in `auto-definitions` of the datastore's tree, or of the repository if the datastore does not hold them. A model
//! that we write for the first time gets one in the latter, so that it counts as live there; and unlike there its
//! directory is marked dirty first (trap T17).

mod find;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::error::{Failure, Kind};
use crate::fsutil::{self, FileError, Staged};
use crate::path::{InvalidPath, RelPath};
use crate::yaml::{self, Mapping, Scalar};

use super::name::{InvalidName, ModelId, ModelType};
use super::store::{Store, StoreError};

pub use find::{find_definition, find_definitions};

use find::read_definition;

/// The directory of the namespace root that holds definitions nobody wrote by hand.
pub const AUTO_DEFINITIONS_DIRECTORY: &str = "auto-definitions";

/// The longest model name that may be a file name; longer ones are filed under their id.
const FILE_NAME_BYTES_MAX: usize = 64;

/// A definition that cannot be written.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message is the documentation")]
pub enum DefinitionError {
    #[error(transparent)]
    Name(#[from] InvalidName),
    #[error("the definition of `{name}` has no usable path")]
    Path { name: String, source: InvalidPath },
    #[error("`{}` is no definition of `{name}`", .path.display())]
    Foreign { name: String, path: PathBuf },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    File(#[from] FileError),
}

impl Failure for DefinitionError {
    fn kind(&self) -> Kind {
        match self {
            Self::Name(_) | Self::Path { .. } => Kind::Invalid,
            Self::Foreign { .. } => Kind::Conflict,
            Self::Store(source) => source.kind(),
            Self::File(source) => source.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Foreign { .. } => Some("choose another model name, or repair that file".to_owned()),
            Self::Store(source) => source.hint(),
            Self::File(source) => source.hint(),
            Self::Name(_) | Self::Path { .. } => None,
        }
    }
}

/// A model that has a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The identity of the model.
    pub id: ModelId,
    /// What people call it.
    pub name: String,
    /// Its type.
    pub model_type: ModelType,
    /// The file that says so.
    pub path: PathBuf,
}

/// A definition that was looked for and, if there was none, written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defined {
    /// The definition.
    pub definition: Definition,
    /// The file that was written, relative to the namespace root; `None` if it was there.
    pub written: Option<RelPath>,
}

impl Store {
    /// Returns where definitions that nobody wrote by hand are.
    pub fn auto_definitions(&self) -> PathBuf {
        self.definitions().root.join(AUTO_DEFINITIONS_DIRECTORY)
    }

    /// Returns the automatic definition of a model, writing it with a new id if there is none.
    ///
    /// Two callers that define the same model at once get the same id, wherever the name can be a file name.
    pub fn define(&self, model_type: &ModelType, name: &str) -> Result<Defined, DefinitionError> {
        check_model_name(name)?;
        let id = Uuid::new_v4().to_string();
        let file = if is_file_name(name) { name } else { id.as_str() };
        let unusable = |source| DefinitionError::Path { name: name.to_owned(), source };
        let directory = format!("{AUTO_DEFINITIONS_DIRECTORY}/{model_type}").parse::<RelPath>().map_err(unusable)?;
        let path = directory.child(&format!("{file}.yaml")).map_err(unusable)?;
        if let Some(definition) = self.existing(model_type, name)? {
            return Ok(Defined { definition, written: None });
        }

        let target = path.under(&self.definitions().root);
        let staged = self.stage_definition(&definition_text(model_type, &id, name))?;
        if self.install_definition(&staged, &directory, &target)? {
            let definition =
                Definition { id: id.parse()?, name: name.to_owned(), model_type: model_type.clone(), path: target };
            return Ok(Defined { definition, written: Some(path) });
        }
        match self.existing(model_type, name)? {
            Some(definition) => Ok(Defined { definition, written: None }),
            None => Err(DefinitionError::Foreign { name: name.to_owned(), path: target }),
        }
    }

    /// Takes over the automatic definition of a model that others wrote; returns false, and does nothing, if `text` is none of
    /// this model, or there is one here.
    pub fn adopt_definition(&self, model_type: &ModelType, name: &str, text: &str) -> Result<bool, DefinitionError> {
        let Some(path) = definition_path(model_type, name) else { return Ok(false) };
        let Some(directory) = path.parent() else { return Ok(false) };
        let staged = self.stage_definition(text)?;
        let found = read_definition(&self.auto_definitions(), staged.path(), name)?;
        if !found.is_some_and(|found| found.name == name && found.model_type == *model_type) {
            return Ok(false);
        }
        self.install_definition(&staged, &directory, &path.under(&self.definitions().root))
    }

    fn stage_definition(&self, text: &str) -> Result<Staged, FileError> {
        let mut staged = Staged::new(&self.definitions().staging)?;
        staged.file().write_all(text.as_bytes()).map_err(FileError::at("write", staged.path()))?;
        staged.file().sync_all().map_err(FileError::at("sync", staged.path()))?;
        Ok(staged)
    }

    fn install_definition(&self, staged: &Staged, directory: &RelPath, target: &Path) -> Result<bool, DefinitionError> {
        let place = self.definitions();
        place.mark(directory)?;
        let is_new = fsutil::install_new(staged, target)?;
        if is_new {
            // Again, now that it is there: a push in between found nothing and cleared the first mark.
            place.mark(directory)?;
        }
        Ok(is_new)
    }

    fn existing(&self, model_type: &ModelType, name: &str) -> Result<Option<Definition>, FileError> {
        let root = self.auto_definitions();
        if is_file_name(name) {
            let path = root.join(model_type.as_str()).join(format!("{name}.yaml"));
            let found = read_definition(&root, &path, name)?;
            return Ok(found.filter(|found| found.name == name && found.model_type == *model_type));
        }
        let definitions = find_definitions(&[root])?;
        Ok(definitions.into_iter().find(|found| found.name == name && found.model_type == *model_type))
    }
}

/// Returns where in the datastore others have the automatic definition of a model, if its name tells.
pub fn definition_path(model_type: &ModelType, name: &str) -> Option<RelPath> {
    is_file_name(name).then(|| format!("{AUTO_DEFINITIONS_DIRECTORY}/{model_type}/{name}.yaml").parse().ok())?
}

/// Returns the document, shaped like those the existing swamp evaluates.
fn definition_text(model_type: &ModelType, id: &str, name: &str) -> String {
    let mut root = Mapping::default();
    root.insert("type", Scalar::quoted(model_type.as_str()));
    root.insert("id", Scalar::quoted(id));
    root.insert("name", Scalar::quoted(name));
    root.insert("version", Scalar::bare(1));
    for key in ["tags", "globalArguments", "methods"] {
        root.insert(key, Mapping::default());
    }
    yaml::emit(&root.into())
}

fn check_model_name(name: &str) -> Result<(), InvalidName> {
    const NAME_BYTES_MAX: usize = 256;
    let refused = |reason| Err(InvalidName::new("model name", name, reason));
    match name {
        _ if name.trim().is_empty() => refused("it is empty"),
        _ if name.len() > NAME_BYTES_MAX => refused("it is longer than 256 bytes"),
        _ if name.chars().any(char::is_control) => refused("it contains control characters"),
        _ => Ok(()),
    }
}

fn is_file_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let begins_well = bytes.first().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let fits = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    begins_well && bytes.len() <= FILE_NAME_BYTES_MAX && bytes.iter().all(fits)
}

#[cfg(test)]
mod tests;
