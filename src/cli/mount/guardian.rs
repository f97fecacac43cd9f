//! A small process that takes the mount away if the one that serves it is killed.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use swamp::fsutil::FileError;
use swamp_mount::Mounted;
use tracing::warn;

use super::arguments::GuardianArguments;
use super::daemon;
use crate::cli::report::Outcome;

/// The guardian of a mount, if it could be started. Dropping it ends it, and with it whatever nobody serves any more.
#[derive(Debug)]
pub(super) struct Guardian(Option<Child>);

impl Guardian {
    /// Starts it, before anything is mounted.
    pub(super) fn start(mountpoint: &Path, source: &str) -> Self {
        use std::os::unix::process::CommandExt as _;
        let mut command = Command::new(daemon::PROGRAM);
        command.args(["mount-guardian".as_ref(), mountpoint.as_os_str(), source.as_ref()]);
        // A group of its own: what is sent to ours must not end both.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        // Not from within the mount, nor from anywhere that somebody wants to unmount.
        command.current_dir("/");
        match command.spawn() {
            Ok(child) => Self(Some(child)),
            Err(error) => {
                warn!(%error, "no guardian: if this process is killed, `swamp unmount` takes the mount away");
                Self(None)
            }
        }
    }

    /// Tells it which mount it guards.
    pub(super) fn tell(&mut self, mounted: &Mounted) {
        let lifeline = self.0.as_mut().and_then(|child| child.stdin.as_mut());
        if let Some(Err(error)) = lifeline.map(|lifeline| swamp_mount::tell(lifeline, mounted)) {
            warn!(%error, "the guardian has ended: if this process is killed, `swamp unmount` takes the mount away");
        }
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            drop(child.stdin.take());
            drop(child.wait());
        }
    }
}

/// The whole life of the guardian: waits until the process that serves a mount is gone, then takes away what is left of it.
pub(crate) fn guard(arguments: &GuardianArguments) -> Outcome {
    let GuardianArguments { mountpoint, source } = arguments;
    swamp_mount::guard(std::io::stdin(), mountpoint, source).map_err(FileError::at("guard", mountpoint))?;
    Ok(())
}
