//! Giving a connection up: every request that waits for an answer fails at once, and no more come.
//!
//! It is the only thing that frees processes whose request nobody answers.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, UnmountFlags};

use crate::mounts::{self, Mounted};

/// Where connections are controlled, if that file system is mounted.
pub(super) const CONNECTIONS: &str = "/sys/fs/fuse/connections";

/// Gives the connection of a mount up, attached or detached.
pub(crate) fn abort(mounted: &Mounted) -> io::Result<()> {
    let connection = mounted.id.connection();
    let path = Path::new(CONNECTIONS).join(connection.to_string()).join("abort");
    match OpenOptions::new().write(true).open(path) {
        Ok(mut file) => file.write_all(b"1"),
        // Nobody has mounted it here, as in containers. Root can have it without mounting it anywhere.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if !is_controlled() && through_private_control(connection).is_ok() {
                return Ok(());
            }
            force(mounted)
        }
        Err(error) => Err(error),
    }
}

/// Says whether connections can be controlled by whoever owns them.
pub(super) fn is_controlled() -> bool {
    fs::read_to_string("/proc/self/mounts").is_ok_and(|mounts| mounts.contains(" fusectl "))
}

fn through_private_control(connection: u32) -> io::Result<()> {
    let context = rustix::mount::fsopen("fusectl", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_create(&context)?;
    let root = rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&root, format!("{connection}/abort"), flags, Mode::empty())?;
    rustix::io::write(&file, b"1")?;
    Ok(())
}

/// Aborts by an unmount by force, which works as long as the mount is attached.
fn force(mounted: &Mounted) -> io::Result<()> {
    let place = mounts::place_of(mounted)?;
    Ok(rustix::mount::unmount(place.by_descriptor(), UnmountFlags::FORCE | UnmountFlags::DETACH)?)
}
