//! What this machine offers to a mount, as plain facts.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::{Place, abort, fusermount};
use crate::SUBTYPE;
use crate::mounts::{self, Propagation};

/// The bit of `CAP_SYS_ADMIN`.
const SYS_ADMIN: u32 = 21;

/// Whether the kernel's device can be used by this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// It can be opened.
    Usable,
    /// It is not there: the module is not loaded, or the container does not have it.
    Missing,
    /// It is there and cannot be opened, except perhaps by the helper.
    Denied,
}

/// What matters to a mount on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// `/dev/fuse`.
    pub device: Device,
    /// Where the helper of ordinary users is installed.
    pub fusermount: Option<PathBuf>,
    /// Whether ordinary users may mount for everybody.
    pub allows_others: bool,
    /// Whether this process may mount by itself and let the kernel read backing files without asking.
    pub is_privileged: bool,
    /// The kernel's release.
    pub kernel: String,
    /// Whether hanging connections can be given up by whoever owns them.
    pub has_control: bool,
    /// How mounts at the mountpoint propagate; `None` if the directory it is in cannot be found.
    pub propagation: Option<Propagation>,
    /// Whether the indexer of file names leaves mounts of ours alone; `None` if there is none.
    pub is_pruned: Option<bool>,
    /// How long idle processors of this virtual machine of KVM stay awake, in nanoseconds; `None` if nothing sets that. Where
    /// they sleep at once, programs that wait for each other, as those that walk a mount and the mount, are woken late.
    pub halt_poll_ns: Option<u64>,
}

/// The kernel's setting for how long an idle virtual processor stays awake, in nanoseconds.
pub const HALT_POLL_SETTING: &str = "/sys/module/haltpoll/parameters/guest_halt_poll_ns";

/// Looks at this machine; `mountpoint` need not exist.
pub fn diagnose(mountpoint: &Path) -> Diagnosis {
    let read = |path| fs::read_to_string(path).ok();
    Diagnosis {
        device: device(),
        fusermount: fusermount::path(),
        allows_others: read("/etc/fuse.conf").is_some_and(|conf| allows_others(&conf)),
        is_privileged: read("/proc/self/status").is_some_and(|status| is_privileged(&status)),
        kernel: read("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
        has_control: abort::is_controlled(),
        propagation: propagation(mountpoint),
        is_pruned: read("/etc/updatedb.conf").map(|conf| is_pruned(&conf)),
        halt_poll_ns: read(HALT_POLL_SETTING).and_then(|text| text.trim().parse().ok()),
    }
}

fn device() -> Device {
    match OpenOptions::new().read(true).write(true).open("/dev/fuse") {
        Ok(_) => Device::Usable,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Device::Denied,
        Err(_) => Device::Missing,
    }
}

fn allows_others(conf: &str) -> bool {
    conf.lines().any(|line| line.trim() == "user_allow_other")
}

fn is_privileged(status: &str) -> bool {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).is_some_and(|bits| bits >> SYS_ADMIN & 1 == 1)
}

fn is_pruned(conf: &str) -> bool {
    let listed = conf.lines().filter_map(|line| line.trim().strip_prefix("PRUNEFS")?.trim_start().strip_prefix('='));
    let kind = format!("fuse.{SUBTYPE}");
    listed.flat_map(|names| names.trim().trim_matches('"').split_whitespace()).any(|name| name == kind)
}

fn propagation(mountpoint: &Path) -> Option<Propagation> {
    let parent = mountpoint.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let place = Place::open(parent).ok()?;
    let found = mounts::mounts().ok()?.into_iter().find(|mounted| mounted.id.holds(&place))?;
    Some(found.propagation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commented_line_allows_nothing() {
        let confs = ["#user_allow_other\n", "mount_max = 10\n user_allow_other\n", "user_allow_others\n", ""];

        assert_eq!(confs.map(allows_others), [false, true, false, false]);
    }

    #[test]
    fn privilege_is_one_bit_of_many() {
        let lines = ["CapEff:\t000001ffffffffff\n", "CapEff:\t0000000000200000\n", "CapEff:\t00000000a80425fb\n", ""];

        assert_eq!(lines.map(is_privileged), [true, true, false, false]);
    }

    #[test]
    fn only_the_whole_name_is_pruned() {
        let confs = ["PRUNEFS = \"NFS fuse.swamp tmpfs\"", "PRUNEFS=\"fuse.swamps\"\n# fuse.swamp", ""];

        assert_eq!(confs.map(is_pruned), [true, false, false]);
    }

    #[test]
    fn this_machine_is_diagnosed() {
        let found = diagnose(Path::new("/tmp/not-there"));

        assert_eq!((found.device, found.is_privileged, found.propagation.is_some()), (Device::Usable, true, true));
        assert!(found.kernel.contains('.'), "{found:?}");
    }
}
