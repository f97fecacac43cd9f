//! Mounting itself: by the kernel directly where privileges allow it, else through the helper.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::MountFlags;

use super::{MountError, fusermount};
use crate::{Access, Options, SUBTYPE};

/// Mounts at a directory and returns the connection to the kernel, which waits for its first answer.
pub(crate) fn attach(options: &Options, mountpoint: &Path) -> Result<OwnedFd, MountError> {
    let refused = |source: io::Error| MountError::Refused { path: mountpoint.to_path_buf(), source };
    if options.source.is_empty() || options.source.contains([',', '\\', '\0', '\n']) {
        return Err(refused(io::Error::new(
            io::ErrorKind::InvalidInput,
            "its source cannot be written in a list of mounts",
        )));
    }
    let device = match rustix::fs::open("/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
        Ok(device) => device,
        Err(Errno::ACCESS | Errno::PERM) if !rustix::process::geteuid().is_root() => {
            return by_helper(options, mountpoint);
        }
        Err(source) => return Err(MountError::Device { source: source.into() }),
    };
    let mut flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOATIME;
    if options.read_only {
        flags |= MountFlags::RDONLY;
    }
    let data = CString::new(data(options, device.as_raw_fd())).map_err(|error| refused(error.into()))?;
    match rustix::mount::mount(options.source.as_str(), mountpoint, "fuse", flags, data.as_c_str()) {
        Ok(()) => Ok(device),
        Err(Errno::PERM) => by_helper(options, mountpoint),
        Err(source) => Err(refused(source.into())),
    }
}

fn data(options: &Options, device: i32) -> String {
    let (user, group) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let access = allow_other(options);
    format!("fd={device},rootmode=40000,user_id={user},group_id={group},subtype={SUBTYPE},default_permissions{access}")
}

fn by_helper(options: &Options, mountpoint: &Path) -> Result<OwnedFd, MountError> {
    let access = allow_other(options);
    let mode = if options.read_only { "ro" } else { "rw" };
    let source = &options.source;
    let options = format!("{mode},nosuid,nodev,noatime,default_permissions,fsname={source},subtype={SUBTYPE}{access}");
    fusermount::mount(mountpoint, &options)
}

fn allow_other(options: &Options) -> &'static str {
    match options.access {
        Access::Owner => "",
        Access::Everybody => ",allow_other",
    }
}
