//! Models of others, before their names are given to models of ours.

use std::time::Duration;

use crate::bucket::read_if_exists;
use crate::data::definition::{AUTO_DEFINITIONS_DIRECTORY, definition_path};
use crate::data::name::ModelType;
use crate::namespace::Namespace;

use super::{Repo, RepoError};

/// The longest definition that is taken over, in bytes.
const DEFINITION_BYTES_MAX: u64 = 1 << 20;

/// How long the datastore is waited for: a model can be defined without it.
const ANSWER_MAX: Duration = Duration::from_secs(5);

impl Repo {
    /// Takes over the definition that other machines of this namespace have published of a model, so that one name does not
    /// become two models; returns whether there was one. At most one request, and nothing where the datastore is a directory.
    pub async fn adopt_definition(&self, model_type: &ModelType, name: &str) -> Result<bool, RepoError> {
        if self.config.backend.directory().is_some() || !self.config.holds(AUTO_DEFINITIONS_DIRECTORY) {
            return Ok(false);
        }
        let Some(path) = definition_path(model_type, name) else { return Ok(false) };
        let key = self.namespace().map(Namespace::to_path).map_or(path.clone(), |namespace| namespace.join(&path));
        let location = || self.config.backend.location();
        let asked = async {
            let bucket = self.bucket().await?;
            let read = read_if_exists(&*bucket, &key, DEFINITION_BYTES_MAX).await;
            read.map_err(|source| RepoError::Unreachable { location: location(), source })
        };
        let answer = tokio::time::timeout(ANSWER_MAX, asked).await;
        let answer = answer.map_err(|_elapsed| RepoError::Silent { location: location(), waited: ANSWER_MAX })?;
        let Some((_, bytes)) = answer? else { return Ok(false) };
        let Ok(text) = std::str::from_utf8(&bytes) else { return Ok(false) };
        Ok(self.store.adopt_definition(model_type, name, text)?)
    }
}
