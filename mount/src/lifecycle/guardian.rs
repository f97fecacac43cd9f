//! What is left when the process that serves a mount is killed: somebody who takes the dead mount away.
//!
//! The guardian is there before the mount is: killed between the two, a process would leave a mount that nobody guards. It
//! is told of the mount before anything is answered through it.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use tracing::info;

use super::preflight::is_dead;
use crate::mounts::{self, MountId, Mounted};

/// The longest that a guardian is told, in bytes: a name and a path.
const TOLD_MAX: u64 = 64 << 10;

/// Tells a guardian which mount it is about.
pub fn tell(mut lifeline: impl Write, mounted: &Mounted) -> io::Result<()> {
    let mut told = format!("{}\0", mounted.id).into_bytes();
    told.extend_from_slice(mounted.mountpoint.as_os_str().as_bytes());
    told.push(0);
    lifeline.write_all(&told)
}

/// Waits until the other end of `lifeline` is closed, then detaches the mount if it is still there; true if it was.
///
/// It is the whole life of a small process of its own, whose standard input is a pipe that the serving process holds
/// open and writes only to [`tell`]. It must not be in that process' group, or a signal to the group ends both. A mount
/// it was never told of was never used: then it is a dead one of ours of that `source` at `mountpoint`.
pub fn guard(mut lifeline: impl Read, mountpoint: &Path, source: &str) -> io::Result<bool> {
    let mut told = Vec::new();
    lifeline.by_ref().take(TOLD_MAX).read_to_end(&mut told)?;
    io::copy(&mut lifeline, &mut io::sink())?;
    let found = match parse(&told) {
        Some((id, path)) => mounts::find(path, id)?,
        None => untold(mountpoint, source)?,
    };
    let Some(mounted) = found else { return Ok(false) };
    mounts::detach(&mounted)?;
    info!(path = %mounted.mountpoint.display(), id = %mounted.id, "mount of a killed process detached");
    Ok(true)
}

fn parse(told: &[u8]) -> Option<(MountId, &Path)> {
    let [id, path, b""] = told.split(|byte| *byte == 0).collect::<Vec<_>>()[..] else { return None };
    let id = std::str::from_utf8(id).ok()?.parse().ok()?;
    Some((id, Path::new(OsStr::from_bytes(path))))
}

fn untold(mountpoint: &Path, source: &str) -> io::Result<Option<Mounted>> {
    match mounts::mounted_at(mountpoint) {
        Ok(mounted) => Ok(mounted.filter(|it| it.is_ours() && it.source == source && is_dead(it))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn what_is_told_is_understood_and_nothing_else_is() {
        let mounted = Mounted {
            id: "41:7:0:38".parse().unwrap(),
            mountpoint: PathBuf::from("/mnt/a\nb c"),
            kind: "fuse.swamp".to_owned(),
            source: "swamp-x".to_owned(),
            propagation: mounts::Propagation::default(),
        };
        let mut told = Vec::new();
        tell(&mut told, &mounted).unwrap();

        assert_eq!(parse(&told), Some((mounted.id, mounted.mountpoint.as_path())));
        for length in 0..told.len() {
            assert_eq!(parse(&told[..length]), None, "{length}");
        }
        assert_eq!(parse(b"x\0/mnt\0"), None);
    }
}
