//! Beside the existing swamp, which claims numbers of versions by the lock of a model and writes without conditions.

use swamp::clock::{Clock as _, SystemClock};

use super::world::World;

fn lock_of_another_machine() -> String {
    let now = SystemClock::new().now();
    format!(
        r#"{{"holder":"eve@elsewhere","hostname":"elsewhere","pid":4711,"acquiredAt":"{now}","ttlMs":30000,"nonce":"theirs"}}"#
    )
}

#[test]
fn t23_a_push_waits_for_whoever_works_on_a_model() {
    let world = World::namespaced();
    let (ours, theirs) = (world.machine("infra", "ours"), world.machine("infra", "theirs"));
    ours.put("vpc", "state", "zero");
    ours.push();
    theirs.adopt_model("vpc", &ours.model_id("vpc"));
    theirs.pull();
    ours.put("vpc", "state", "ours");
    theirs.put("vpc", "state", "theirs");
    let model = format!("infra/data/swamp/file/{}", ours.model_id("vpc"));
    let lock = format!("{model}/.lock");
    world.put_object(&lock, &lock_of_another_machine());
    let (upstream, number, held) = (world.clone(), format!("{model}/state/2/"), lock.clone());
    // Seen under the lock of the namespace, which is given back before the second look.
    world.before_read_of(&lock, move || {
        let (again, read) = (upstream.clone(), held.clone());
        again.before_read_of(&read, move || {
            upstream.remove_objects_of(&number);
            upstream.remove_object(&held);
            theirs.push();
        });
    });

    ours.push();

    let reader = world.machine("infra", "reader");
    reader.pull();
    assert_eq!(reader.contents("vpc", "state"), ["ours", "theirs", "zero"]);
    assert_eq!(world.dangling_entries("infra"), Vec::<String>::new());
}
