//! What this process sees mounted where, and how to detach exactly that.
//!
//! Asking and detaching never send a request to the file system in question: it may be dead, or hang. What is detached
//! is what was found, even if something else has been mounted at its place meanwhile.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::io::Errno;
use rustix::mount::UnmountFlags;

use crate::SUBTYPE;
use crate::lifecycle::{Place, fusermount};

/// Names a mount, and no other one even after it is gone.
///
/// The numbers that the list of mounts shows are given anew at once; since Linux 6.8 there is one that never is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MountId {
    number: u64,
    device: (u32, u32),
    /// Zero where the kernel does not tell.
    unique: u64,
}

impl MountId {
    /// Returns the minor device number, which names the connection to the kernel.
    pub(crate) fn connection(self) -> u32 {
        self.device.1
    }

    /// Says whether a directory is in this mount.
    pub(crate) fn holds(self, place: &Place) -> bool {
        self.number == place.mount && (self.unique == place.unique || self.unique == 0 || place.unique == 0)
    }

    /// Says whether both name one mount, as far as both know.
    fn is_same(self, other: Self) -> bool {
        let is_uniquely = self.unique == other.unique || self.unique == 0 || other.unique == 0;
        self.number == other.number && self.device == other.device && is_uniquely
    }
}

impl fmt::Display for MountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}:{}", self.number, self.unique, self.device.0, self.device.1)
    }
}

/// A text does not name a mount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` does not name a mount")]
pub struct InvalidMountId(String);

impl FromStr for MountId {
    type Err = InvalidMountId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (number, rest) = text.split_once(':')?;
            let (unique, device) = rest.split_once(':')?;
            let device = device_number(device.as_bytes())?;
            Some(Self { number: number.parse().ok()?, device, unique: unique.parse().ok()? })
        };
        parse().ok_or_else(|| InvalidMountId(text.to_owned()))
    }
}

/// Whether mounts below a mountpoint appear elsewhere, such as in containers, and the other way round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Propagation {
    /// What is mounted below appears at the peers.
    pub is_shared: bool,
    /// What the master mounts below appears here.
    pub is_slave: bool,
    /// It cannot be bound elsewhere.
    pub is_unbindable: bool,
}

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// Which one it is.
    pub id: MountId,
    /// Where it is.
    pub mountpoint: PathBuf,
    /// The type of the file system.
    pub kind: String,
    /// What is mounted, in the file system's own terms.
    pub source: String,
    /// How mounts below it propagate.
    pub propagation: Propagation,
}

impl Mounted {
    /// Says whether it is a mount of ours, by whichever process.
    pub fn is_ours(&self) -> bool {
        self.kind.strip_prefix("fuse.") == Some(SUBTYPE)
    }

    fn identified(mut self, place: &Place) -> Self {
        self.id.unique = place.unique;
        self
    }
}

/// Returns everything that is mounted, each above what was there before.
pub fn mounts() -> io::Result<Vec<Mounted>> {
    Ok(parse(&fs::read("/proc/self/mountinfo")?))
}

/// Returns the mounts of ours.
pub fn ours() -> io::Result<Vec<Mounted>> {
    Ok(mounts()?.into_iter().filter(Mounted::is_ours).map(identify).collect())
}

/// Returns what is mounted at a path: not what the path merely lies in.
pub fn mounted_at(path: &Path) -> io::Result<Option<Mounted>> {
    let place = Place::open(path)?;
    let found = mounts()?.into_iter().find(|mounted| mounted.id.holds(&place) && mounted.mountpoint == place.path);
    Ok(found.map(|mounted| mounted.identified(&place)))
}

/// Returns a mount as it is listed now, if it still is mounted where it was.
pub(crate) fn find(mountpoint: &Path, id: MountId) -> io::Result<Option<Mounted>> {
    let mut there = mounts()?.into_iter().filter(|mounted| mounted.is_ours() && mounted.mountpoint == mountpoint);
    Ok(there.find_map(|mounted| Some(identify(mounted)).filter(|mounted| mounted.id.is_same(id))))
}

/// Learns which mount of that number it is, unless another mount covers it or it is out of reach.
fn identify(mounted: Mounted) -> Mounted {
    match Place::open(&mounted.mountpoint) {
        Ok(place) if mounted.id.holds(&place) => mounted.identified(&place),
        _ => mounted,
    }
}

/// Detaches a mount from the tree of names; who uses it may finish.
///
/// If it is not there any more, or another is mounted above it, nothing happens and the error is `NotFound`.
pub fn detach(mounted: &Mounted) -> io::Result<()> {
    let place = place_of(mounted)?;
    // By descriptor, so that nothing can come between looking and detaching.
    match rustix::mount::unmount(place.by_descriptor(), UnmountFlags::DETACH) {
        Err(Errno::PERM) => {
            drop(place);
            fusermount::detach(&mounted.mountpoint)
        }
        result => Ok(result?),
    }
}

/// Returns the root of a mount; the error is `NotFound` if it cannot be reached, or is not there any more.
pub(crate) fn place_of(mounted: &Mounted) -> io::Result<Place> {
    let place = Place::open(&mounted.mountpoint)?;
    let mut listed = mounts()?.into_iter();
    if listed.any(|listed| listed.id.is_same(mounted.id) && listed.id.holds(&place) && mounted.id.holds(&place)) {
        return Ok(place);
    }
    Err(io::Error::new(io::ErrorKind::NotFound, "it is not mounted there any more"))
}

/// Reads the kernel's list; lines that it would not write are left out.
pub(crate) fn parse(text: &[u8]) -> Vec<Mounted> {
    text.split(|byte| *byte == b'\n').filter_map(parse_line).collect()
}

// 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
fn parse_line(line: &[u8]) -> Option<Mounted> {
    let mut fields = line.split(|byte| *byte == b' ');
    let number = text(fields.next()?).parse().ok()?;
    let device = device_number(fields.nth(1)?)?;
    let mountpoint = PathBuf::from(OsString::from_vec(unescape(fields.nth(1)?)));
    let mut propagation = Propagation::default();
    // After the mount's options come fields of which there may be none, then a hyphen.
    fields.next()?;
    loop {
        match fields.next()? {
            b"-" => break,
            b"unbindable" => propagation.is_unbindable = true,
            field if field.starts_with(b"shared:") => propagation.is_shared = true,
            field if field.starts_with(b"master:") => propagation.is_slave = true,
            _ => {}
        }
    }
    let (kind, source) = (text(&unescape(fields.next()?)), text(&unescape(fields.next()?)));
    Some(Mounted { id: MountId { number, device, unique: 0 }, mountpoint, kind, source, propagation })
}

fn device_number(field: &[u8]) -> Option<(u32, u32)> {
    let (major, minor) = std::str::from_utf8(field).ok()?.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Undoes the kernel's `\ooo` for blanks, line ends and backslashes.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, after @ ..] = rest {
        if let [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] = rest {
            plain.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
            rest = after;
        } else {
            plain.push(*first);
            rest = after;
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escape(plain: &[u8]) -> Vec<u8> {
        let mut escaped = Vec::new();
        for &byte in plain {
            if b" \t\n\\#".contains(&byte) {
                escaped.extend(format!("\\{byte:03o}").into_bytes());
            } else {
                escaped.push(byte);
            }
        }
        escaped
    }

    #[test]
    fn a_line_of_the_kernels_is_read() {
        let line =
            b"41 27 0:38 / /mnt/a\\040b rw,nosuid shared:5 master:7 propagate_from:2 - fuse.swamp repo\\134x rw,x\n";

        let wanted = Mounted {
            id: MountId { number: 41, device: (0, 38), unique: 0 },
            mountpoint: PathBuf::from("/mnt/a b"),
            kind: "fuse.swamp".to_owned(),
            source: "repo\\x".to_owned(),
            propagation: Propagation { is_shared: true, is_slave: true, is_unbindable: false },
        };
        assert_eq!(parse(line), [wanted]);
    }

    #[test]
    fn a_line_without_optional_fields_is_read() {
        let found = parse(b"27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n");

        assert_eq!(found.len(), 1);
        assert_eq!((found[0].is_ours(), found[0].kind.as_str()), (false, "ext4"));
    }

    #[test]
    fn every_path_survives() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..2_000 {
            let path: Vec<u8> =
                (0..random.usize(1..20)).map(|_| *random.choice(b" \t\n\\#071a/\xff").unwrap()).collect();
            let mut line = b"1 2 0:3 / ".to_vec();
            line.extend(escape(&path));
            line.extend_from_slice(b" rw - fuse.swamp s rw\n");

            let found: Vec<PathBuf> = parse(&line).into_iter().map(|mounted| mounted.mountpoint).collect();

            assert_eq!(found, [PathBuf::from(OsString::from_vec(path))]);
        }
    }

    #[test]
    fn rubbish_is_left_out() {
        let mut random = fastrand::Rng::with_seed(8);
        let line = b"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
        for _ in 0..5_000 {
            let mut broken = line[..random.usize(0..=line.len())].to_vec();
            for _ in 0..random.usize(0..4) {
                let at = random.usize(0..=broken.len());
                broken.insert(at, random.u8(..));
            }

            assert!(parse(&broken).len() <= 2);
        }
        assert_eq!(parse(b"36 35 98 /mnt1 /mnt2 rw - ext3 /dev/root rw\n\n36 35 9:8 / /mnt rw master:1"), []);
    }

    #[test]
    fn an_id_survives_its_text() {
        let id = MountId { number: 41, device: (0, 38), unique: 1 << 31 };

        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("41:x".parse::<MountId>(), Err(InvalidMountId("41:x".to_owned())));
    }

    #[test]
    fn only_mountpoints_have_something_mounted() {
        let found = [Path::new("/proc"), Path::new("/proc/self")].map(|path| mounted_at(path).unwrap());

        assert_eq!(found.map(|mounted| mounted.map(|mounted| mounted.kind)), [Some("proc".to_owned()), None]);
    }
}
