//! The same for an ordinary user, through fusermount3.

use std::sync::{MutexGuard, PoisonError};

use super::*;

/// Held while a test needs the device to be everybody's.
static DEVICE: Mutex<()> = Mutex::new(());

/// The device as distributions have it, for everybody; a machine without udev does not, and gets it back as it was.
struct OpenDevice {
    mode: u32,
    _held: MutexGuard<'static, ()>,
}

impl OpenDevice {
    fn new() -> Self {
        let held = DEVICE.lock().unwrap_or_else(PoisonError::into_inner);
        let mode = fs::metadata("/dev/fuse").unwrap().permissions().mode();
        fs::set_permissions("/dev/fuse", fs::Permissions::from_mode(mode | 0o666)).unwrap();
        Self { mode, _held: held }
    }
}

impl Drop for OpenDevice {
    fn drop(&mut self) {
        fs::set_permissions("/dev/fuse", fs::Permissions::from_mode(self.mode)).unwrap();
    }
}

/// A directory of nobody's, and a copy of this program that nobody can start.
fn for_nobody() -> ((OpenDevice, TempDir), PathBuf, PathBuf) {
    let device = OpenDevice::new();
    let directory = directory();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (program, mountpoint) = (directory.path().join("program"), directory.path().join("mnt"));
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::create_dir(&mountpoint).unwrap();
    rustix::fs::chownat(
        CWD,
        &mountpoint,
        Some(rustix::fs::Uid::from_raw(NOBODY)),
        Some(rustix::fs::Gid::from_raw(NOBODY)),
        rustix::fs::AtFlags::empty(),
    )
    .unwrap();
    ((device, directory), program, mountpoint)
}

fn nobody(program: &Path, mountpoint: &Path, access: Access) -> Other {
    let mut command = Other::command(program);
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    Other::spawn(command, mountpoint, access)
}

#[test]
fn an_ordinary_user_mounts_and_unmounts() {
    let (_held, program, mountpoint) = for_nobody();
    let mut other = nobody(&program, &mountpoint, Access::Owner);
    other.told("mounted ");

    let read = Command::new("cat").arg(mountpoint.join("file")).uid(NOBODY).gid(NOBODY).output().unwrap();
    let mounted = mounted_at(&mountpoint).unwrap().unwrap();
    drop(other.process.stdin.take());
    let unmounted = other.told("unmounted ");
    other.process.wait().unwrap();

    assert_eq!(String::from_utf8_lossy(&read.stdout), "bytes");
    assert_eq!((mounted.source.as_str(), mounted.is_ours()), ("test", true));
    assert_eq!((unmounted.as_str(), kind_at(&mountpoint)), ("Drained", None));
}

#[test]
fn an_ordinary_users_dead_mount_is_replaced() {
    let (_held, program, mountpoint) = for_nobody();
    let mut first = nobody(&program, &mountpoint, Access::Owner);
    let dead = first.told("mounted ");
    first.kill();

    let mut second = nobody(&program, &mountpoint, Access::Owner);
    let alive = second.told("mounted ");
    drop(second.process.stdin.take());
    second.told("unmounted ");
    second.process.wait().unwrap();

    assert_ne!(alive, dead);
    assert_eq!(kind_at(&mountpoint), None);
}

#[test]
fn an_ordinary_user_mounts_for_everybody_only_where_allowed() {
    let (_held, program, mountpoint) = for_nobody();

    let mut other = nobody(&program, &mountpoint, Access::Everybody);
    let told = if diagnose(&mountpoint).allows_others { other.told("mounted ") } else { other.told("failed ") };
    drop(other.process.stdin.take());
    other.process.wait().unwrap();

    assert_eq!(told.parse::<MountId>().is_ok(), diagnose(&mountpoint).allows_others, "{told}");
    assert!(told == "NotForEverybody" || told.parse::<MountId>().is_ok(), "{told}");
    assert!(!mounts().unwrap().iter().any(|mounted| mounted.mountpoint == mountpoint));
}
