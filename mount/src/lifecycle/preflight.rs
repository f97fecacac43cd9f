//! What is looked at before mounting: nobody else's mount and nobody's files disappear under ours.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, StatxFlags};
use rustix::io::Errno;
use tracing::info;

use super::{MountError, Place, within};
use crate::Options;
use crate::mounts::{self, Mounted};

/// How long something mounted may take to tell whether it is alive.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// However many dead mounts of ours lie on each other, it ends.
const STALE_MAX: usize = 16;

/// Makes the mountpoint ready to be mounted on and returns its path without symbolic links.
///
/// It is created if only its last name is missing. Dead mounts of the same source are detached from it.
pub(crate) fn prepare(options: &Options) -> Result<PathBuf, MountError> {
    let (mountpoint, source) = (options.mountpoint.as_path(), &options.source);
    let unusable = |source| MountError::Mountpoint { path: mountpoint.to_path_buf(), source };
    let mut place = find_or_create(mountpoint).map_err(unusable)?;
    if let Some(writable) = &options.writable {
        keep_apart(&place.path, &writable.directory).map_err(unusable)?;
    }
    for detached in 0..STALE_MAX {
        let mounted = mounts::mounted_at(&place.path).map_err(unusable)?;
        let Some(mounted) = mounted else {
            // What lies below a mount of ours was there when it was mounted, or was written by who missed it.
            if detached == 0 && !is_empty(&place.path).map_err(unusable)? {
                return Err(MountError::NotEmpty { path: place.path });
            }
            return Ok(place.path);
        };
        if !(mounted.is_ours() && mounted.source == *source && is_dead(&mounted)) {
            return Err(MountError::Occupied { path: place.path, kind: mounted.kind, name: mounted.source });
        }
        info!(path = %place.path.display(), id = %mounted.id, "dead mount detached");
        drop(place);
        mounts::detach(&mounted).map_err(unusable)?;
        place = Place::open(mountpoint).map_err(unusable)?;
    }
    Err(unusable(io::Error::other("too many dead mounts lie on each other")))
}

fn find_or_create(path: &Path) -> io::Result<Place> {
    match Place::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir(path)?;
            Place::open(path)
        }
        result => result,
    }
}

/// Refuses a mountpoint that holds what is shown in it, or lies in it: serving it would wait for itself.
fn keep_apart(mountpoint: &Path, directory: &Path) -> io::Result<()> {
    let shown = Place::open(directory)?.path;
    if mountpoint.starts_with(&shown) || shown.starts_with(mountpoint) {
        return Err(io::Error::other(format!("it overlaps with {}, which is shown in it", shown.display())));
    }
    Ok(())
}

fn is_empty(path: &Path) -> io::Result<bool> {
    Ok(fs::read_dir(path)?.next().is_none())
}

/// Says whether nobody serves a mount any more. One that does not answer, or not to us, may still be served.
pub fn is_dead(mounted: &Mounted) -> bool {
    let path = mounted.mountpoint.clone();
    let ask = move || rustix::fs::statx(CWD, &path, AtFlags::STATX_FORCE_SYNC, StatxFlags::BASIC_STATS).err();
    matches!(within(ANSWER_MAX, ask), Some(Some(Errno::NOTCONN | Errno::CONNABORTED)))
}
