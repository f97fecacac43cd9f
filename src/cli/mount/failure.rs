//! What can go wrong with a mount as a command.

use std::io;
use std::path::PathBuf;

use swamp::error::{Failure, Kind};
use swamp::mounting::Flushed;

/// A mount that did not begin or end as it was asked to.
#[derive(Debug, thiserror::Error)]
pub(super) enum MountFailure {
    #[error("{}", not_remote(.left))]
    NotRemote { left: Flushed },
    #[error("nothing of ours is mounted at `{}`", .mountpoint.display())]
    NotMounted { mountpoint: PathBuf },
    #[error("the mount at `{}` by `{holder}` is not dead, and does not say where its process answers", .mountpoint.display())]
    Silent { mountpoint: PathBuf, holder: String, source: io::Error },
    #[error("`{}` and the cache `{}` lie within each other", .mountpoint.display(), .cache.display())]
    Overlap { mountpoint: PathBuf, cache: PathBuf },
    #[error("the process in the background ended before the mount answered")]
    NotStarted,
    #[error("cannot mount")]
    Mechanism {
        kind: Kind,
        hint: Option<String>,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// How many paths a message names.
const NAMED_MAX: usize = 5;

fn not_remote(left: &Flushed) -> String {
    let mut named: Vec<String> = left.left.iter().take(NAMED_MAX).map(|path| format!("`{path}`")).collect();
    if left.left.len() > NAMED_MAX {
        named.push(format!("and {} more", left.left.len() - NAMED_MAX));
    }
    let named = if left.is_everything { "anything that changed".to_owned() } else { named.join(", ") };
    let reason = left.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("not everything is in the datastore yet: {named}{reason}")
}

impl Failure for MountFailure {
    fn kind(&self) -> Kind {
        match self {
            Self::Silent { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => Kind::Denied,
            Self::NotRemote { .. } | Self::NotStarted | Self::Silent { .. } => Kind::Unavailable,
            Self::NotMounted { .. } => Kind::NotFound,
            Self::Overlap { .. } => Kind::Invalid,
            Self::Mechanism { kind, .. } => *kind,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotRemote { .. } => {
                Some("nothing is lost; the next `swamp mount` or `swamp datastore sync` sends it".to_owned())
            }
            Self::NotMounted { .. } => {
                Some("`findmnt -t fuse.swamp` lists what is mounted; then `swamp unmount DIR`".to_owned())
            }
            Self::Silent { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("it belongs to another user, who can run `swamp unmount`".to_owned())
            }
            Self::Silent { .. } => Some(
                "its process may be paused or busy: let it go on (`kill -CONT`), or run `swamp unmount` in its repository"
                    .to_owned(),
            ),
            Self::Overlap { .. } => Some("mount somewhere else".to_owned()),
            Self::NotStarted => Some("its messages are above, or in the log file".to_owned()),
            Self::Mechanism { hint, .. } => hint.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_remote_is_named_with_the_reason() {
        let left = (1..=7).map(|index| format!("d{index}")).collect();
        let left = Flushed { left, is_everything: false, reason: Some("no route to host".to_owned()) };

        let failure = MountFailure::NotRemote { left };

        assert_eq!(
            failure.to_string(),
            "not everything is in the datastore yet: `d1`, `d2`, `d3`, `d4`, `d5`, and 2 more: no route to host"
        );
        assert_eq!(failure.kind(), Kind::Unavailable);
    }
}
