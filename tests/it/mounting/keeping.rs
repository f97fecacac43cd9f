//! Changes become rows within a moment and pushes a little later.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use swamp::error::{Failure as _, Kind};
use swamp::mounting::control::{Answer, Verb};
use swamp::mounting::{Flushed, Phase};
use swamp_mount::Observer as _;

use super::rig::{Rig, eventually};

const FILE: &str = "outputs/swamp/file/run/x.yaml";

#[test]
fn a_change_is_pushed_without_being_asked() {
    let rig = Rig::pushing();

    rig.write(FILE, "one");

    eventually("pushed", || rig.is_remote(FILE, 3));
    eventually("clean", || rig.watermark().peek().expect("read").is_empty());
}

#[test]
fn a_file_that_stays_open_is_pushed_and_stays_dirty() {
    let rig = Rig::pushing();
    let change = rig.recorder.changing(Path::new("outputs/swamp/file/run")).expect("recorded");
    rig.machine.overwrite(FILE, "one");

    eventually("pushed", || rig.is_remote(FILE, 3));

    eventually("pushing is over", || rig.links_phase() != Phase::Pushing);
    assert_eq!(rig.watermark().peek().expect("read").paths.len(), 1);
    drop(change);
}

#[test]
fn rows_follow_a_change_without_a_push() {
    let rig = Rig::waiting();
    let directory = rig.machine.put("vpc", "state", "one");
    assert_eq!(rig.machine.names(), ["state"]);

    let change = rig.recorder.changing(Path::new(&directory)).expect("recorded");
    std::fs::remove_dir_all(rig.machine.engine().parts().root.join(&directory).join("1")).expect("removed");
    drop(change);
    rig.recorder.changed(&Path::new(&directory).join("1"));

    eventually("no rows", || rig.machine.names().is_empty());
    eventually("told", || rig.around.changes.load(Ordering::Relaxed) > 0);
}

#[test]
fn rows_that_could_not_be_read_are_read_again() {
    let rig = Rig::waiting();
    let directory = rig.machine.put("vpc", "state", "one");
    rig.readings_failing.store(1, Ordering::Relaxed);

    let change = rig.recorder.changing(Path::new(&directory)).expect("recorded");
    std::fs::remove_dir_all(rig.machine.engine().parts().root.join(&directory).join("1")).expect("removed");
    drop(change);
    rig.recorder.changed(&Path::new(&directory).join("1"));

    eventually("no rows", || rig.machine.names().is_empty());
    assert_eq!(rig.links.failures().last().0, 1);
}

#[test]
fn rows_that_stay_unreadable_keep_nothing_from_being_pushed() {
    let rig = Rig::pushing();
    rig.readings_failing.store(u64::MAX, Ordering::Relaxed);
    let directory = rig.machine.put("vpc", "state", "one");
    drop(rig.recorder.changing(Path::new(&directory)).expect("recorded"));
    rig.recorder.changed(&Path::new(&directory).join("1"));
    eventually("tried", || rig.links.failures().last().0 > 0);

    for size in 1..4 {
        rig.write(FILE, &"x".repeat(size));
        eventually("pushed", || rig.is_remote(FILE, size as u64));
    }
}

#[test]
fn a_flush_that_has_no_time_pushes_nothing() {
    let rig = Rig::waiting();
    rig.write(FILE, "one");

    let left = rig.flush(Duration::ZERO);

    assert_eq!(left.left, ["outputs/swamp/file/run"]);
    assert!(left.reason.is_some_and(|reason| reason.contains("`--no-push`")));
    std::thread::sleep(Duration::from_millis(300));
    assert!(!rig.is_remote(FILE, 3));
}

#[test]
fn a_directory_in_use_alone_is_nothing_that_a_flush_is_late_for() {
    let rig = Rig::waiting();
    let _change = rig.recorder.changing(Path::new("outputs/swamp/file/run")).expect("recorded");

    let left = rig.flush(Duration::ZERO);

    assert_eq!(left, Flushed::default());
}

#[test]
fn a_flush_goes_on_after_a_push_that_failed() {
    let rig = Rig::waiting();
    rig.world.fail_writes_of("outputs");
    rig.write(FILE, "one");

    let left = std::thread::scope(|scope| {
        scope.spawn(|| {
            eventually("failed", || rig.links.failures().last().0 > 0);
            rig.world.heal();
        });
        rig.flush(Duration::from_secs(15))
    });

    assert!(left.is_done(), "{left:?}");
    assert!(rig.is_remote(FILE, 3));
}

#[test]
fn without_automatic_pushes_a_push_is_made_when_it_is_asked_for() {
    let rig = Rig::waiting();
    rig.write(FILE, "one");

    let Answer::Pushed(pushed) = rig.ask(Verb::Push).expect("pushed") else { panic!("another answer") };

    assert_eq!(pushed.uploaded, 1);
    assert!(rig.is_remote(FILE, 3));
}

#[test]
fn a_flush_waits_until_everything_is_remote() {
    let rig = Rig::waiting();
    rig.write(FILE, "one");

    assert!(rig.flush(Duration::from_secs(10)).is_done());

    assert!(rig.is_remote(FILE, 3));
}

#[test]
fn a_flush_names_what_could_not_be_sent_in_time() {
    let rig = Rig::pushing();
    rig.world.fail_writes_of("outputs");
    rig.write(FILE, "one");

    let left = rig.flush(Duration::from_millis(300));

    assert_eq!(left.left, ["outputs/swamp/file/run"]);
    assert!(left.reason.is_some());
}

#[test]
fn a_push_that_failed_is_made_good_by_the_next() {
    let rig = Rig::pushing();
    rig.world.fail_writes_of("outputs");
    rig.write(FILE, "one");
    eventually("failed", || rig.links.failures().last().0 > 0);

    rig.world.heal();
    rig.ask(Verb::Push).expect("pushed");

    assert!(rig.is_remote(FILE, 3));
    assert!(rig.watermark().peek().expect("read").is_empty());
}

#[test]
fn a_refused_push_pauses_and_says_so() {
    let rig = Rig::pushing();
    rig.world.deny(&format!("infra/{FILE}"));
    rig.write(FILE, "one");

    eventually("denied", || rig.links_phase() == Phase::Denied);

    let refused = rig.ask(Verb::Push).expect_err("refused");
    assert_eq!(refused.kind(), Kind::Denied);
    let left = rig.flush(Duration::from_secs(10));
    assert_eq!(left.left, ["outputs/swamp/file/run"]);
}

#[test]
fn a_change_through_a_mapping_after_the_file_was_closed_is_found() {
    let rig = Rig::waiting();
    rig.write(FILE, "one");
    assert!(rig.flush(Duration::from_secs(10)).is_done());

    rig.write_unnoticed(FILE, "three");
    assert!(rig.flush(Duration::from_secs(10)).is_done());

    assert!(rig.is_remote(FILE, 5));
}

#[test]
fn files_of_editors_stay_here_and_are_named() {
    let rig = Rig::waiting();

    rig.write("outputs/swamp/file/run/.x.yaml.swp", "swap");
    rig.write(FILE, "one");
    rig.ask(Verb::Push).expect("pushed");

    assert!(!rig.world.keys_and_sizes().iter().any(|(key, _)| key.contains(".swp")));
    eventually("named", || rig.links_local() == ["outputs/swamp/file/run/.x.yaml.swp"]);
}

#[test]
fn what_one_mount_left_the_next_one_pushes() {
    let rig = Rig::waiting();
    rig.write(FILE, "one");

    let rig = rig.remounted();

    eventually("pushed", || rig.is_remote(FILE, 3));
}

#[test]
fn a_deleted_file_is_deleted_there() {
    let rig = Rig::pushing();
    rig.write(FILE, "one");
    assert!(rig.flush(Duration::from_secs(10)).is_done());

    let change = rig.recorder.changing(Path::new("outputs/swamp/file/run")).expect("recorded");
    std::fs::remove_file(rig.machine.engine().parts().root.join(FILE)).expect("removed");
    drop(change);
    rig.recorder.changed(Path::new(FILE));

    eventually("deleted", || !rig.is_remote(FILE, 3));
}

#[test]
fn a_renamed_directory_is_renamed_there() {
    let moved = "outputs/swamp/file/walk/x.yaml";
    let rig = Rig::pushing();
    rig.write(FILE, "one");
    assert!(rig.flush(Duration::from_secs(10)).is_done());

    let parent = Path::new("outputs/swamp/file");
    let changes = [parent.to_owned(), parent.join("run"), parent.join("walk")]
        .map(|directory| rig.recorder.changing(&directory).expect("recorded"));
    let root = &rig.machine.engine().parts().root;
    std::fs::rename(root.join(parent.join("run")), root.join(parent.join("walk"))).expect("renamed");
    drop(changes);
    rig.recorder.changed(&parent.join("run"));
    rig.recorder.changed(&parent.join("walk"));

    eventually("renamed", || rig.is_remote(moved, 3) && !rig.is_remote(FILE, 3));
}
