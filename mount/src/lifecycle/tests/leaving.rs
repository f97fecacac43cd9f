//! Going: whoever still uses it, whatever hangs, and whoever else has something mounted there.

use super::*;

#[test]
fn an_unmount_from_outside_is_noticed() {
    let directory = directory();
    let mount = mount(directory.path());

    rustix::mount::unmount(directory.path(), UnmountFlags::empty()).unwrap();

    assert_eq!(mount.wait(LONG).unwrap(), Waited::Unmounted);
    assert_eq!(mount.unmount(LONG), Unmounted::Drained);
}

#[test]
fn a_lazy_unmount_from_outside_is_noticed_though_it_is_still_used() {
    let directory = directory();
    let mount = mount(directory.path());
    let used = File::open(directory.path().join("file")).unwrap();

    rustix::mount::unmount(directory.path(), UnmountFlags::DETACH).unwrap();

    assert_eq!(mount.wait(LONG).unwrap(), Waited::Unmounted);
    assert_eq!(io::read_to_string(&used).unwrap(), "bytes");
    assert_eq!(mount.unmount(SHORT), Unmounted::CutOff);
}

#[test]
fn what_was_mounted_at_its_place_since_is_left_alone() {
    let directory = directory();
    let mount = mount(directory.path());
    rustix::mount::unmount(directory.path(), UnmountFlags::empty()).unwrap();
    mount_tmpfs(directory.path());

    let unmounted = mount.unmount(LONG);
    drop(mount);
    let kind = kind_at(directory.path());
    unmount_tmpfs(directory.path());

    assert_eq!((unmounted, kind), (Unmounted::Drained, Some("tmpfs".to_owned())));
}

#[test]
fn what_is_mounted_above_it_is_left_alone() {
    let directory = directory();
    let mount = mount(directory.path());
    mount_tmpfs(directory.path());

    let unmounted = mount.unmount(SHORT);
    let kind = kind_at(directory.path());
    unmount_tmpfs(directory.path());
    drop(mount);

    assert_eq!((unmounted, kind), (Unmounted::CutOff, Some("tmpfs".to_owned())));
    assert_eq!(kind_at(directory.path()), None);
}

#[test]
fn a_busy_mount_is_unmounted_and_its_users_are_cut_off() {
    let directory = directory();
    let mount = mount(directory.path());
    let used = File::open(directory.path().join("file")).unwrap();

    let unmounted = mount.unmount(SHORT);

    assert_eq!((unmounted, kind_at(directory.path())), (Unmounted::CutOff, None));
    assert_eq!(used.metadata().unwrap_err().raw_os_error(), Some(107));
}

#[test]
fn a_user_that_finishes_in_time_is_not_cut_off() {
    let directory = directory();
    let mount = mount(directory.path());
    let used = File::open(directory.path().join("file")).unwrap();

    let unmounted = thread::scope(|scope| {
        let unmounting = scope.spawn(|| mount.unmount(LONG));
        assert!(eventually(|| kind_at(directory.path()).is_none()));
        assert_eq!(io::read_to_string(&used).unwrap(), "bytes");
        drop(used);
        unmounting.join().unwrap()
    });

    assert_eq!(unmounted, Unmounted::Drained);
}

#[test]
fn a_copy_in_another_mount_namespace_does_not_hang_the_unmount() {
    let directory = directory();
    let mount = mount(directory.path());
    let mut holder = Command::new("unshare").args(["-m", "sleep", "60"]).spawn().unwrap();
    let own = fs::read_link("/proc/self/ns/mnt").unwrap();
    let name = format!("/proc/{}/ns/mnt", holder.id());
    assert!(eventually(|| fs::read_link(&name).is_ok_and(|other| other != own)));

    let clock = Clock::system();
    let unmounted = mount.unmount(SHORT);
    let took = clock.now();
    holder.kill().unwrap();
    holder.wait().unwrap();

    assert_eq!((unmounted, kind_at(directory.path())), (Unmounted::CutOff, None));
    assert!(took < Duration::from_secs(2), "{took:?}");
}

/// A mount on which looking `hang` up does not return until the sender goes away, and a thread that does it already.
fn hanging(path: &Path, in_flight: Arc<InFlight>) -> (Mount, mpsc::Sender<()>, thread::JoinHandle<Option<i32>>) {
    let (release, held) = mpsc::channel::<()>();
    let (started, starts) = mpsc::channel();
    let held = Mutex::new((held, started));
    let lookup = move |_: &str| {
        let held = held.lock().unwrap();
        held.1.send(()).unwrap();
        assert!(held.0.recv().is_err());
        None
    };
    let mount = mount_with(&options(path), in_flight, Box::new(lookup)).unwrap();
    let path = path.join("hang");
    let caller = thread::spawn(move || fs::metadata(path).unwrap_err().raw_os_error());
    starts.recv_timeout(LONG).unwrap();
    (mount, release, caller)
}

#[test]
fn a_hanging_operation_does_not_hang_the_unmount() {
    let directory = directory();
    let (mount, release, caller) = hanging(directory.path(), InFlight::new());

    let clock = Clock::system();
    let unmounted = mount.unmount(SHORT);
    let took = clock.now();

    assert_eq!(unmounted, Unmounted::CutOff);
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(matches!(caller.join().unwrap(), Some(103 | 107)));
    assert_eq!(kind_at(directory.path()), None);
    drop(release);
    assert_eq!(mount.wait(LONG).unwrap(), Waited::Unmounted);
}

#[test]
fn a_notification_does_not_wait_for_an_operation_that_hangs() {
    let directory = directory();
    let (mount, release, caller) = hanging(directory.path(), InFlight::new());

    mount.notifier().names_changed();

    assert!(eventually(|| mount.notifier().is_told()));
    drop(release);
    assert_eq!(caller.join().unwrap(), Some(2));
}

#[test]
fn a_stuck_thread_gives_the_mount_up() {
    let directory = directory();
    let seconds = Arc::new(AtomicU64::new(0));
    let shown = Arc::clone(&seconds);
    let in_flight = InFlight::with_clock(Clock::reading(move || Duration::from_secs(shown.load(Ordering::SeqCst))));
    let (mount, release, caller) = hanging(directory.path(), Arc::clone(&in_flight));

    for _ in 0..61 {
        seconds.fetch_add(1, Ordering::SeqCst);
        in_flight.look();
    }
    let error = mount.wait(LONG).unwrap_err();

    assert!(matches!(error, ServeError::Stuck { operation: "lookup", seconds: 61 }), "{error:?}");
    assert!(matches!(caller.join().unwrap(), Some(103 | 107)));
    assert_eq!(kind_at(directory.path()), None);
    let clock = Clock::system();
    drop(mount);
    assert!(clock.now() < Duration::from_secs(1), "{:?}", clock.now());
    drop(release);
}

/// Kills a process that serves a mount under the eyes of a guardian that was told so much; returns what it did.
fn guarded(told: impl FnOnce(&Path) -> Vec<u8>, source: &'static str) -> (bool, Option<String>) {
    let directory = directory();
    let path = directory.path().to_path_buf();
    let (other, _) = Other::mounting(&path);
    let Other { mut process, output } = other;
    let told = io::Cursor::new(told(&path));
    let guarded = path.clone();
    let guardian = thread::spawn(move || guard(told.chain(output), &guarded, source).unwrap());

    let clock = Clock::system();
    process.kill().unwrap();
    process.wait().unwrap();
    let was_there = guardian.join().unwrap();
    let took = clock.now();

    assert!(took < Duration::from_secs(1), "{took:?}");
    let left = kind_at(&path);
    if left.is_some() {
        detach(&mounted_at(&path).unwrap().unwrap()).unwrap();
    }
    (was_there, left)
}

fn told_of(mounted: &Mounted) -> Vec<u8> {
    let mut told = Vec::new();
    tell(&mut told, mounted).unwrap();
    told
}

#[test]
fn the_guardian_takes_away_the_mount_of_a_killed_process() {
    let told = |path: &Path| told_of(&mounted_at(path).unwrap().unwrap());

    assert_eq!(guarded(told, "another"), (true, None));
}

#[test]
fn the_guardian_takes_away_a_mount_that_it_was_not_told_of_before_the_process_was_killed() {
    assert_eq!(guarded(|_| Vec::new(), "test"), (true, None));
}

#[test]
fn the_guardian_leaves_a_dead_mount_of_another_repository() {
    assert_eq!(guarded(|_| Vec::new(), "another"), (false, Some("fuse.swamp".to_owned())));
}

#[test]
fn the_guardian_leaves_every_other_mount_alone() {
    let directory = directory();
    let first = {
        let mount = mount(directory.path());
        told_of(&mounted_at(mount.mountpoint()).unwrap().unwrap())
    };
    let second = mount(directory.path());

    let told = guard(first.as_slice(), directory.path(), "test").unwrap();
    let untold = guard(io::empty(), directory.path(), "test").unwrap();
    let elsewhere = guard(io::empty(), Path::new("/tmp"), "test").unwrap();

    assert_eq!((told, untold, elsewhere), (false, false, false));
    assert_eq!(mounted_at(directory.path()).unwrap().map(|mounted| mounted.id), Some(second.id()));
}

#[test]
fn an_abort_from_outside_is_noticed_and_leaves_nothing() {
    let directory = directory();
    let mount = mount(directory.path());

    abort(&mounted_at(directory.path()).unwrap().unwrap()).unwrap();

    assert_eq!(mount.wait(LONG).unwrap(), Waited::Unmounted);
    assert_eq!((mount.unmount(LONG), kind_at(directory.path())), (Unmounted::Drained, None));
}

#[test]
fn unmounting_under_load_never_hangs() {
    let directory = directory();
    let path = directory.path().join("file");

    thread::scope(|scope| {
        let (stop, stopped) = mpsc::channel::<()>();
        let stopped = Arc::new(Mutex::new(stopped));
        for _ in 0..2 {
            let (path, stopped) = (&path, Arc::clone(&stopped));
            scope.spawn(move || {
                while stopped.lock().unwrap().try_recv() == Err(mpsc::TryRecvError::Empty) {
                    // It is there or it is not: both are as they should be.
                    drop((fs::read(path), fs::read_dir(path.parent().unwrap()).map(Iterator::count)));
                }
            });
        }
        for _ in 0..CYCLES {
            let mount = mount(directory.path());
            mount.notifier().names_changed();
            fs::metadata(&path).unwrap();
            assert_eq!(mount.unmount(LONG), Unmounted::Drained);
        }
        drop(stop);
    });

    assert_eq!(kind_at(directory.path()), None);
}
