//! Which process serves a cache: a locked file that names it.
//!
//! The lock ends with the process, however that ends; what the file says counts only while it is locked.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{Clock, Timestamp};
use crate::error::{Failure, Kind};
use crate::fsutil::{self, FileError};

/// The longest claim, in bytes.
const CLAIM_BYTES_MAX: u64 = 64 << 10;

/// How long a claim that cannot be read may be a claim that is being written, or a look at an old one.
const PATIENCE: Duration = Duration::from_millis(500);

/// How often to look again meanwhile.
const POLL: Duration = Duration::from_millis(10);

/// The process that serves a cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Its process id.
    pub pid: u32,
    /// Where it shows the namespaces.
    pub mountpoint: PathBuf,
    /// Where it answers commands.
    pub socket: PathBuf,
    /// Since when.
    pub started: Timestamp,
}

/// The right to serve a cache; ends when it is dropped.
#[derive(Debug)]
pub struct Claim {
    file: File,
    path: PathBuf,
}

/// A cache that cannot be claimed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message is the documentation")]
pub enum ClaimError {
    #[error("this repository is mounted at `{}` by process {}", .server.mountpoint.display(), .server.pid)]
    Served { server: Server },
    #[error("another process is about to mount this repository")]
    Contended,
    #[error(transparent)]
    File(#[from] FileError),
}

impl Failure for ClaimError {
    fn kind(&self) -> Kind {
        match self {
            Self::Served { .. } => Kind::Conflict,
            Self::Contended => Kind::Unavailable,
            Self::File(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Served { server } => Some(format!("`swamp unmount {}` ends it", server.mountpoint.display())),
            Self::Contended => None,
            Self::File(error) => error.hint(),
        }
    }
}

impl Claim {
    /// Claims the cache whose state is kept in `state`.
    pub async fn take(state: &Path, server: &Server, clock: &dyn Clock) -> Result<Self, ClaimError> {
        let path = path(state);
        fsutil::create_directory(state)?;
        let started = clock.elapsed();
        loop {
            let mut file = open(&path)?;
            match file.try_lock() {
                Ok(()) => {
                    let text = serde_json::to_vec(server).unwrap_or_default();
                    let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(&text));
                    written.map_err(FileError::at("write", &path))?;
                    return Ok(Self { file, path });
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(FileError::at("lock", &path)(error).into()),
            }
            // Somebody who only looks locks it for a moment.
            if clock.elapsed().saturating_sub(started) >= PATIENCE {
                return Err(
                    read(&mut file, &path)?.map_or(ClaimError::Contended, |server| ClaimError::Served { server })
                );
            }
            clock.sleep(POLL).await;
        }
    }

    /// Returns who serves a cache, `None` if nobody does.
    pub async fn find(state: &Path, clock: &dyn Clock) -> Result<Option<Server>, ClaimError> {
        let path = path(state);
        let started = clock.elapsed();
        loop {
            let mut file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(FileError::at("open", &path)(error).into()),
            };
            match file.try_lock_shared() {
                Ok(()) => return Ok(None),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(FileError::at("lock", &path)(error).into()),
            }
            if let Some(server) = read(&mut file, &path)? {
                return Ok(Some(server));
            }
            if clock.elapsed().saturating_sub(started) >= PATIENCE {
                return Err(ClaimError::Contended);
            }
            clock.sleep(POLL).await;
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // A claim that is not emptied is still no claim once it is unlocked.
        if let Err(error) = self.file.set_len(0) {
            tracing::debug!(path = %self.path.display(), %error, "claim not emptied");
        }
    }
}

fn path(state: &Path) -> PathBuf {
    state.join("mount.lock")
}

fn open(path: &Path) -> Result<File, FileError> {
    let mut options = File::options();
    let file = options.create(true).truncate(false).read(true).write(true).open(path);
    file.map_err(FileError::at("open", path))
}

fn read(file: &mut File, path: &Path) -> Result<Option<Server>, FileError> {
    let mut bytes = Vec::new();
    let done = file.rewind().and_then(|()| file.take(CLAIM_BYTES_MAX).read_to_end(&mut bytes));
    done.map_err(FileError::at("read", path))?;
    Ok(serde_json::from_slice(&bytes).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn server() -> Server {
        let (mountpoint, socket) = ("/mnt/swamp".into(), "/run/x".into());
        Server { pid: 7, mountpoint, socket, started: Timestamp::default() }
    }

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "`#[tokio::test]` blocks on its own runtime")]
    async fn a_second_claim_is_told_who_has_the_first() {
        let (root, clock) = (tempfile::tempdir().expect("a directory"), ManualClock::new(Timestamp::default()));
        let claim = Claim::take(root.path(), &server(), &clock).await.expect("claimed");

        let refused = Claim::take(root.path(), &server(), &clock).await.expect_err("refused");

        assert_eq!(refused.to_string(), "this repository is mounted at `/mnt/swamp` by process 7");
        assert_eq!(Claim::find(root.path(), &clock).await.expect("found"), Some(server()));
        drop(claim);
    }

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "`#[tokio::test]` blocks on its own runtime")]
    async fn a_claim_ends_with_its_process_whatever_the_file_says() {
        let (root, clock) = (tempfile::tempdir().expect("a directory"), ManualClock::new(Timestamp::default()));
        let text = serde_json::to_vec(&server()).expect("JSON");
        let (file, staging) = (root.path().join("mount.lock"), root.path().join("tmp"));
        fsutil::write_atomic(&file, &text, &staging, fsutil::Durability::Relaxed).expect("written");

        assert_eq!(Claim::find(root.path(), &clock).await.expect("nobody"), None);
        drop(Claim::take(root.path(), &server(), &clock).await.expect("claimed"));
        assert_eq!(Claim::find(root.path(), &clock).await.expect("nobody"), None);
    }
}
