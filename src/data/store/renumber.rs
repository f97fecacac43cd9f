//! Giving a local version a higher number, because another machine claimed its own (trap T23).

use crate::fsutil::{self, Published, StagedDirectory};

use super::super::layout::{Artifact, RAW_FILE};
use super::super::name::VersionNumber;
use super::publish::publish_claimed;
use super::{Changes, Store, StoreError};

impl Store {
    /// Moves a version to a higher, free number: same content, same id, another number. One without readable metadata moves
    /// as it is.
    ///
    /// A crash in between leaves both, never neither.
    pub fn renumber(
        &self,
        artifact: &Artifact,
        source: VersionNumber,
        target: VersionNumber,
    ) -> Result<Changes, StoreError> {
        let refused = |reason| StoreError::Refused { artifact: artifact.clone(), operation: "renumber", reason };
        if target <= source {
            return Err(refused("the new number is not higher"));
        }
        let Ok(mut metadata) = self.metadata(artifact, source)? else {
            return self.move_unreadable(artifact, source, target);
        };
        metadata.version = target;

        let directory = self.begin(artifact, "renumber")?;
        let staged = StagedDirectory::new(&self.staging)?;
        match staged.link(&directory.join(source.to_string()).join(RAW_FILE), RAW_FILE) {
            // Metadata without content: a version that was not fetched in full.
            Err(error) if error.is_not_found() => {}
            linked => linked?,
        }
        let claim = directory.join(target.to_string());
        if !fsutil::claim_directory(&claim)? || publish_claimed(&directory, &staged, &metadata)? != Published::Done {
            return Err(StoreError::Contended { artifact: artifact.clone() });
        }
        let mut changes = Changes::none(artifact);
        changes.add_version(target);
        self.take_version(&mut changes, source)?;
        self.settle(&mut changes)?;
        Ok(changes)
    }

    /// Moves what nobody can read as it is: it makes way, and is nobody's but the person's who put it there.
    fn move_unreadable(
        &self,
        artifact: &Artifact,
        source: VersionNumber,
        target: VersionNumber,
    ) -> Result<Changes, StoreError> {
        let directory = self.begin(artifact, "renumber")?;
        let (source, target) = (directory.join(source.to_string()), directory.join(target.to_string()));
        if !fsutil::claim_directory(&target)? {
            return Err(StoreError::Contended { artifact: artifact.clone() });
        }
        fsutil::rename(&source, &target)?;
        Ok(Changes::none(artifact))
    }
}
