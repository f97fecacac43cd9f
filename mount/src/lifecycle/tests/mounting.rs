//! Coming: what is mounted, and what is refused or replaced.

use super::*;
use crate::{Changing, Made, Observer, Writable};

#[test]
fn mounting_and_unmounting_leaves_nothing_behind() {
    let directory = directory();

    for _ in 0..CYCLES {
        let mount = mount(directory.path());
        assert_eq!(fs::read(directory.path().join("file")).unwrap(), b"bytes");
        assert_eq!(kind_at(directory.path()), Some("fuse.swamp".to_owned()));
        assert_eq!(mount.wait(Duration::ZERO).unwrap(), Waited::Served);
        assert_eq!(mount.unmount(LONG), Unmounted::Drained);
        assert_eq!((mount.wait(LONG).unwrap(), mount.unmount(LONG)), (Waited::Unmounted, Unmounted::Drained));
    }

    assert_eq!((kind_at(directory.path()), fs::read_dir(directory.path()).unwrap().count()), (None, 0));
}

#[test]
fn a_dropped_mount_is_unmounted() {
    let directory = directory();

    drop(mount(directory.path()));

    assert_eq!(kind_at(directory.path()), None);
}

#[test]
fn the_list_of_mounts_shows_source_and_options() {
    let directory = directory();
    let mount = mount(directory.path());

    let line = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = line.lines().find(|line| line.contains(directory.path().to_str().unwrap())).unwrap();
    let mounted = mounted_at(directory.path()).unwrap().unwrap();

    assert!(line.contains("nosuid,nodev,noatime") && line.contains("default_permissions"), "{line}");
    assert_eq!((mounted.source.as_str(), mounted.is_ours(), mounted.id), ("test", true, mount.id()));
    assert!(!line.contains("allow_other"), "{line}");
}

#[test]
fn a_missing_mountpoint_is_made() {
    let directory = directory();
    let path = directory.path().join("new");

    let mount = mount(&path);

    assert_eq!((mount.mountpoint(), kind_at(&path)), (path.as_path(), Some("fuse.swamp".to_owned())));
}

#[test]
fn what_cannot_be_a_mountpoint_is_refused() {
    let directory = directory();
    let file = directory.path().join("file");
    File::create(&file).unwrap();

    let refusals = [refusal(&file), refusal(&directory.path().join("a/b")), refusal(directory.path())];

    assert!(
        matches!(
            &refusals,
            [MountError::Mountpoint { .. }, MountError::Mountpoint { .. }, MountError::NotEmpty { .. }]
        ),
        "{refusals:?}"
    );
}

#[derive(Debug)]
struct Deaf;

impl Observer for Deaf {
    fn admits(&self, _: &Path, _: Made) -> bool {
        true
    }

    fn changing(&self, _: &Path) -> io::Result<Changing> {
        Ok(Box::new(()))
    }

    fn changed(&self, _: &Path) {}

    fn settle(&self) -> io::Result<()> {
        Ok(())
    }

    fn failed(&self, _: &'static str, _: &Path, _: i32) {}
}

#[test]
fn what_is_shown_in_it_cannot_hold_it() {
    let directory = directory();
    let inner = directory.path().join("inner");
    fs::create_dir(&inner).unwrap();

    let tried = [(&inner, directory.path()), (&directory.path().to_path_buf(), &inner), (&inner, &inner)];
    let refusals = tried.map(|(mountpoint, shown)| {
        let (name, overlay) = ("own".to_owned(), Vec::new());
        let writable = Writable { name, directory: shown.to_path_buf(), overlay, observer: Arc::new(Deaf) };
        let options = Options { writable: Some(writable), ..options(mountpoint) };
        mount_with(&options, InFlight::new(), Box::new(|_| None)).unwrap_err()
    });

    assert!(
        matches!(
            &refusals,
            [MountError::Mountpoint { .. }, MountError::Mountpoint { .. }, MountError::Mountpoint { .. }]
        ),
        "{refusals:?}"
    );
    assert_eq!(kind_at(&inner), None);
}

#[test]
fn a_process_that_serves_leaves_no_core_dump() {
    let directory = directory();

    let _mount = mount(directory.path());

    let behavior = rustix::process::dumpable_behavior().unwrap();
    assert_eq!(behavior, rustix::process::DumpableBehavior::NotDumpable);
}

#[test]
fn the_connection_is_shown_before_anything_is_asked() {
    let directory = directory();
    let in_flight = InFlight::new();
    let asked = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&asked);
    let lookup: Lookup = Box::new(move |_| Some(counted.fetch_add(1, Ordering::SeqCst)));
    let simple = Simple { in_flight: Arc::clone(&in_flight), lookup, ttl: Duration::ZERO };
    let mut shown = None;

    let mount = Mount::new(&options(directory.path()), simple, in_flight, |mounted, connection| {
        let kind = rustix::fs::fstat(connection).map(|found| rustix::fs::FileType::from_raw_mode(found.st_mode));
        shown = Some((mounted.id, kind, asked.load(Ordering::SeqCst)));
    });

    let id = mount.unwrap().id();
    assert_eq!(shown, Some((id, Ok(rustix::fs::FileType::CharacterDevice), 0)));
}

#[test]
fn somebody_elses_mount_is_refused_and_left_alone() {
    let directory = directory();
    mount_tmpfs(directory.path());

    let refusal = refusal(directory.path());
    let kind = kind_at(directory.path());
    unmount_tmpfs(directory.path());

    assert_eq!(refusal.to_string(), format!("`other` (tmpfs) is mounted at {} already", directory.path().display()));
    assert_eq!(kind, Some("tmpfs".to_owned()));
}

#[test]
fn a_mount_that_is_served_is_refused_and_left_alone() {
    let directory = directory();
    let first = mount(directory.path());

    assert!(matches!(refusal(directory.path()), MountError::Occupied { .. }));
    assert_eq!(mounted_at(directory.path()).unwrap().map(|mounted| mounted.id), Some(first.id()));
}

#[test]
fn a_dead_mount_is_replaced() {
    let directory = directory();
    let (mut other, dead) = Other::mounting(directory.path());
    other.kill();
    assert_eq!(fs::metadata(directory.path()).unwrap_err().raw_os_error(), Some(107));

    let mount = mount(directory.path());

    assert_ne!(mount.id(), dead);
    assert_eq!(fs::read(directory.path().join("file")).unwrap(), b"bytes");
    drop(mount);
    assert_eq!(kind_at(directory.path()), None);
}

#[test]
fn a_dead_mount_of_another_source_is_left_alone() {
    let directory = directory();
    let (mut other, dead) = Other::mounting(directory.path());
    other.kill();

    let elsewhere = Options { source: "elsewhere".to_owned(), ..options(directory.path()) };
    let refusal = mount_with(&elsewhere, InFlight::new(), Box::new(|_| None)).unwrap_err();
    let left = mounted_at(directory.path()).unwrap().unwrap();
    detach(&left).unwrap();

    assert!(matches!(refusal, MountError::Occupied { .. }), "{refusal:?}");
    assert_eq!(left.id, dead);
}

#[test]
fn names_are_asked_for_again_after_a_notification() {
    let directory = directory();
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let lookup = move |_: &str| Some(counted.fetch_add(1, Ordering::SeqCst) + 5);
    let mount = mount_with(&options(directory.path()), InFlight::new(), Box::new(lookup)).unwrap();
    let path = directory.path().join("file");
    for _ in 0..3 {
        fs::metadata(&path).unwrap();
    }
    let before = count.load(Ordering::SeqCst);

    mount.notifier().names_changed();

    assert!(mount.notifier().has_epochs(), "this kernel is older than 6.16");
    assert!(eventually(|| fs::metadata(&path).is_ok() && count.load(Ordering::SeqCst) == 2));
    assert_eq!(before, 1);
    mount.unmount(LONG);
    mount.notifier().names_changed();
}
