//! Why something is not mounted, or not any more.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why something could not be mounted.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message is the documentation")]
pub enum MountError {
    #[error("cannot use {} as a mountpoint", path.display())]
    Mountpoint { path: PathBuf, source: io::Error },
    #[error("{} is not empty", path.display())]
    NotEmpty { path: PathBuf },
    #[error("`{name}` ({kind}) is mounted at {} already", path.display())]
    Occupied { path: PathBuf, kind: String, name: String },
    #[error("cannot open /dev/fuse")]
    Device { source: io::Error },
    #[error("fusermount3, which ordinary users mount with, is not installed")]
    NoFusermount,
    #[error("this machine does not let ordinary users mount for everybody")]
    NotForEverybody,
    #[error("cannot mount at {}", path.display())]
    Refused { path: PathBuf, source: io::Error },
    #[error("{} was mounted but does not answer", path.display())]
    Unresponsive { path: PathBuf },
}

impl MountError {
    /// Says what can be done about it, if that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Mountpoint { .. } => {
                Some("the mountpoint must be a directory, or be missing from one that can be written")
            }
            Self::NotEmpty { .. } => Some("mount on an empty directory: what is in this one could not be reached"),
            Self::Occupied { .. } => Some("unmount it first, or choose another directory"),
            Self::Device { .. } => Some(
                "load the module with `modprobe fuse`, let users write to it with `chmod 666 /dev/fuse`; \
                 a container needs `--device /dev/fuse --cap-add SYS_ADMIN`",
            ),
            Self::NoFusermount => {
                Some("install the package `fuse3` (`apt install fuse3`, `dnf install fuse3`, `apk add fuse3`)")
            }
            Self::NotForEverybody => Some("put a line `user_allow_other` into /etc/fuse.conf"),
            Self::Refused { .. } | Self::Unresponsive { .. } => None,
        }
    }
}

/// Why a mount is not served any more though nobody unmounted it.
#[derive(Clone, Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message is the documentation")]
pub enum ServeError {
    #[error("`{operation}` has not ended for {seconds} s, so the mount was given up")]
    Stuck { operation: &'static str, seconds: u64 },
    #[error("the kernel's requests cannot be read")]
    Failed { source: Arc<io::Error> },
}
