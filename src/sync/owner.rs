//! Whose namespace it is, asked once per cache before anything is published.
//!
//! `.swamp.yaml` is a text that people edit and copy: without this, a repository that names the namespace of another would
//! publish in it.

use super::{Engine, Placement, SyncError};
use crate::fsutil::{self, Durability, FileError};
use crate::manifest::{self, Form};

/// The longest id of a repository that is read, in bytes.
const ID_BYTES_MAX: u64 = 1024;

/// The file with the id of the repository that was found to own the namespace.
const FILE_NAME: &str = "owner";

impl Engine {
    /// Fails if another repository registered our namespace; registers it if nobody did.
    pub(super) async fn check_owner(&self) -> Result<(), SyncError> {
        let parts = &self.parts;
        let (Some(namespace), Some(repository)) = (&parts.namespace, &parts.repository) else { return Ok(()) };
        let path = parts.state.join(FILE_NAME);
        if fsutil::read_text_if_exists(&path, ID_BYTES_MAX)?.as_deref() == Some(repository) {
            return Ok(());
        }
        let form = match parts.placement {
            Placement::Cache => Form::Object,
            Placement::InPlace => Form::File,
        };
        manifest::claim(&*parts.bucket, namespace, repository, parts.clock.now(), form).await?;
        Ok(fsutil::write_atomic(&path, repository.as_bytes(), &parts.staging, Durability::Relaxed)?)
    }

    /// Looks at the owner again before the next push: the datastore was emptied.
    pub(super) fn forget_owner(&self) -> Result<(), FileError> {
        fsutil::remove_file(&self.parts.state.join(FILE_NAME)).map(drop)
    }
}
