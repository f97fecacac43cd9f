//! What is left when the process that serves a mount is killed: somebody who takes the dead mount away.

use std::io::{self, Read};
use std::path::Path;

use tracing::info;

use crate::mounts::{self, MountId};

/// Waits until the other end of `lifeline` is closed, then detaches the mount if it is still there; true if it was.
///
/// It is the whole life of a small process of its own, whose standard input is a pipe that the serving process holds
/// open and never writes to. It must not be in that process' group, or a signal to the group ends both.
pub fn guard(mut lifeline: impl Read, mountpoint: &Path, id: MountId) -> io::Result<bool> {
    let mut ignored = [0; 64];
    loop {
        match lifeline.read(&mut ignored) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let Some(mounted) = mounts::find(mountpoint, id)? else { return Ok(false) };
    mounts::detach(&mounted)?;
    info!(path = %mountpoint.display(), %id, "mount of a killed process detached");
    Ok(true)
}
