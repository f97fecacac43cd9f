//! Renaming: the latest content is copied to the new name, the old name gets a tombstone that points to it.

use tracing::warn;

use super::super::layout::Artifact;
use super::super::metadata::{JSON_CONTENT_TYPE, Lifecycle, Metadata};
use super::super::name::VersionNumber;
use super::{Changes, Content, Draft, Resolved, Store, StoreError};

/// A data name that was renamed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renamed {
    /// The version of the old name whose content was copied.
    pub copied_version: VersionNumber,
    /// The version that the copy became under the new name.
    pub new_version: VersionNumber,
    /// What changed under the old name: the tombstone.
    pub source: Changes,
    /// What changed under the new name: the copy.
    pub target: Changes,
}

impl Store {
    /// Renames a data name within its model.
    ///
    /// The history stays under the old name. Renaming a name that was renamed before copies what it leads to.
    pub fn rename(&self, source: &Artifact, target: &Artifact) -> Result<Renamed, StoreError> {
        let refused = |reason| Err(StoreError::Refused { artifact: source.clone(), operation: "rename", reason });
        if source == target {
            return refused("the new name is the old one");
        }
        if (source.model_type(), source.model_id()) != (target.model_type(), target.model_id()) {
            return refused("the new name belongs to another model");
        }
        let not_found = || StoreError::NameNotFound { artifact: source.clone() };
        let old = self.latest(source)?.ok_or_else(not_found)?;
        let Resolved { artifact: origin, metadata: latest } = self.resolve(source)?.ok_or_else(not_found)?;
        if origin == *target {
            return refused("it already has that name");
        }
        let Some(mut raw) = self.open_raw(&origin, latest.version)? else {
            return refused("the content of its latest version is not here");
        };

        // Both before either changes: a crash in between must not leave an unmarked change.
        self.begin(source, "rename")?;
        let now = self.clock.now();
        let copy = self.save_at(target, &Draft::like(&latest), Content::Reader(&mut raw), now)?;
        let marker = serde_json::json!({ "renamedTo": target.name().as_str(), "renamedAt": now.to_string() });
        let tombstone = tombstone_of(&old, target);
        match self.save_at(source, &tombstone, Content::Bytes(marker.to_string().as_bytes()), now) {
            Ok(tombstone) => Ok(Renamed {
                copied_version: latest.version,
                new_version: copy.metadata.version,
                source: tombstone.changes,
                target: copy.changes,
            }),
            Err(error) => {
                if let Err(second) = self.delete_version(target, copy.metadata.version) {
                    warn!(%target, error = %second, "cannot take back the copy of a failed rename");
                }
                Err(error)
            }
        }
    }
}

/// The tombstone keeps the id of the version before it, as upstream's does (formats.md 14.3).
fn tombstone_of(old: &Metadata, target: &Artifact) -> Draft {
    Draft {
        id: Some(old.id.clone()),
        content_type: JSON_CONTENT_TYPE.to_owned(),
        streaming: false,
        lifecycle: Some(Lifecycle::Deleted),
        renamed_to: Some(target.name().clone()),
        ..Draft::like(old)
    }
}
