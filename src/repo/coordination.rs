//! Who may change a shared directory when (formats.md 7.4).
//!
//! Whoever changes one model holds its lock; whoever may change all of them holds the global one, and has waited until no
//! model is locked, before that and under it. A cache is ours alone, and whatever is published from it is published under
//! the global lock: there, nobody waits.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Repo, RepoError};
use crate::data::layout::DATA_DIRECTORY;
use crate::data::store::Store;
use crate::fsutil::FileError;
use crate::lock;
use crate::manifest::{self, Form};
use crate::path::RelPath;

impl Repo {
    /// Fails if our namespace of a shared directory is another repository's, and registers it if it is nobody's: what is
    /// written there is published. In a cache the push asks.
    pub async fn check_owner(&self) -> Result<(), RepoError> {
        let (Some(namespace), Some(repository)) = (self.namespace(), self.marker.repo_id()) else { return Ok(()) };
        if self.config.backend.directory().is_some() {
            manifest::claim(&*self.bucket().await?, namespace, repository, self.clock.now(), Form::File).await?;
        }
        Ok(())
    }

    /// Runs `work`, which changes the data of one model, so that it does not meet another writer of that model.
    pub async fn changing_model<T>(
        &self,
        model: &RelPath,
        stop: &CancellationToken,
        work: impl AsyncFnOnce() -> Result<T, RepoError>,
    ) -> Result<T, RepoError> {
        if self.config.backend.directory().is_none() {
            return work().await;
        }
        self.check_owner().await?;
        let global = self.global_lock(stop).await?;
        let lock = self.lock(lock::model_key(self.namespace(), model)?, stop).await?;
        if lock.is_held_by(self.parent()).await? {
            // It works on the model, and we are a part of its work.
            return work().await;
        }
        let mut work = Some(work);
        loop {
            global.wait_until_free(None).await?;
            let attempted = lock.hold(async |_| match global.inspect().await? {
                // Taken in between; its holder may be waiting for our lock.
                Some(_) => Ok::<_, RepoError>(None),
                None => match work.take() {
                    Some(work) => work().await.map(Some),
                    None => Ok(None),
                },
            });
            if let Some(done) = attempted.await? {
                return Ok(done);
            }
        }
    }

    /// Runs `work`, which may take long and change anything, off the asynchronous threads, so that the lock of a shared
    /// directory is renewed meanwhile.
    pub async fn changing_everything<T: Send + 'static>(
        &self,
        stop: &CancellationToken,
        work: impl FnOnce(&Store) -> T + Send + 'static,
    ) -> Result<T, RepoError> {
        let store = Arc::clone(&self.store);
        let blocking = async move || tokio::task::spawn_blocking(move || work(&store)).await.map_err(RepoError::from);
        if self.config.backend.directory().is_none() {
            return blocking().await;
        }
        self.check_owner().await?;
        self.await_models(stop).await?;
        let held = async |_: &lock::Held| {
            self.await_models(stop).await?;
            blocking().await
        };
        self.global_lock(stop).await?.hold(held).await
    }

    /// Waits until nobody holds the lock of a model; in a cache there are none.
    pub(super) async fn await_models(&self, stop: &CancellationToken) -> Result<(), RepoError> {
        if self.config.backend.directory().is_none() {
            return Ok(());
        }
        for model in locked_models(&self.namespaced().join(DATA_DIRECTORY))? {
            let key = lock::model_key(self.namespace(), &model)?;
            self.lock(key, stop).await?.wait_until_free(self.parent()).await?;
        }
        Ok(())
    }

    /// Returns the process that waits for this command and holds locks of models, if it says so.
    pub(super) fn parent(&self) -> Option<u32> {
        self.environment.variable("SWAMP_LOCK_HOLDER_PID")?.trim().parse().ok()
    }
}

/// Returns the models below a data directory that have a lock, as `{type}/{id}`.
fn locked_models(data: &Path) -> Result<Vec<RelPath>, FileError> {
    let (mut locked, mut left) = (Vec::new(), vec![data.to_owned()]);
    while let Some(directory) = left.pop() {
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries.collect::<io::Result<Vec<_>>>().map_err(FileError::at("list", &directory))?,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => continue,
            Err(error) => return Err(FileError::at("list", &directory)(error)),
        };
        let is_file = |entry: &fs::DirEntry, name: &str| {
            entry.file_name() == OsStr::new(name) && entry.file_type().is_ok_and(|kind| kind.is_file())
        };
        // The directory of a data name: there are versions below it, and many of them.
        if entries.iter().any(|entry| is_file(entry, "latest")) {
            continue;
        }
        if entries.iter().any(|entry| is_file(entry, ".lock")) {
            let model = directory.strip_prefix(data).ok().and_then(Path::to_str);
            locked.extend(model.and_then(|model| model.parse::<RelPath>().ok()));
        }
        let directories = entries.iter().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        left.extend(directories.map(fs::DirEntry::path));
    }
    locked.sort();
    Ok(locked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_of_models_are_found_however_deep_their_types_are() {
        let root = tempfile::tempdir().expect("a directory");
        for file in ["t/id/.lock", "a/b/c/id/.lock", "a/b/id/name/latest", "a/b/id/name/1/.lock", "t/free/name/1/raw"] {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().expect("below the root")).expect("made");
            fs::File::create(path).expect("made");
        }

        let found = locked_models(root.path()).expect("looked through");

        assert_eq!(found.iter().map(RelPath::as_str).collect::<Vec<_>>(), ["a/b/c/id", "t/id"]);
        assert_eq!(locked_models(&root.path().join("none")).expect("looked through"), []);
    }
}
