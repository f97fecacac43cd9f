//! Two machines change the same name, each before it hears of the other.

use swamp::sync::Depth;

use super::world::{Machine, World};

/// Two machines of one namespace that call a model by the same id.
fn two(world: &World) -> (Machine, Machine) {
    let (ana, ben) = (world.machine("infra", "ana"), world.machine("infra", "ben"));
    ana.put("vpc", "state", "theirs");
    let id = ana.model_id("vpc");
    ben.adopt_model("vpc", &id);
    (ana, ben)
}

#[test]
fn a_name_that_others_published_first_is_deleted_with_its_pointer() {
    let world = World::namespaced();
    let (ana, ben) = two(&world);
    ben.put("vpc", "state", "ours");
    ben.put("vpc", "state", "ours again");
    ana.push();
    ben.pull();
    ben.delete("vpc", "state");
    ben.push();
    ana.pull();

    let left = |machine: &Machine| machine.tree().into_keys().filter(|path| path.contains("/state/")).count();
    assert_eq!((left(&ana), left(&ben)), (0, 0));
    assert_eq!(world.unnamed_files("infra"), Vec::<String>::new());
    let keys: Vec<_> = world.keys_and_sizes().into_iter().filter(|(key, _)| key.contains("/state/")).collect();
    assert_eq!(keys, []);
}

#[test]
fn a_version_that_is_saved_while_anothers_description_is_fetched_gets_another_number() {
    let world = World::namespaced();
    let (ana, ben) = two(&world);
    ben.change("files/notes", "x");
    let (storm, first, busy) = (world.clone(), ana.clone(), ben.clone());
    world.before_write_of("infra.lock", move || {
        first.push();
        // Under the lock, where nobody looks again.
        storm.before_read_of("metadata.yaml", move || drop(busy.put("vpc", "state", "ours")));
    });
    ben.push();
    for machine in [&ana, &ben, &ana] {
        machine.pull();
        machine.push();
    }

    let mut contents = ana.contents("vpc", "state");
    contents.sort();
    assert_eq!(contents, ["ours", "theirs"]);
    assert_eq!(ben.tree(), ana.tree());
    assert_eq!(world.dangling_entries("infra"), Vec::<String>::new());
}

#[test]
fn a_version_that_others_made_again_comes_whole_after_a_deletion_here() {
    for depth in [Depth::Content, Depth::Metadata] {
        let world = World::namespaced();
        let (ana, ben) = two(&world);
        ana.push();
        ben.pull_at(depth);
        ben.delete("vpc", "state");
        ana.delete("vpc", "state");
        ana.put("vpc", "state", "theirs");
        ana.push();
        ben.pull();
        ben.push();
        ben.pull();

        assert_eq!(ben.try_read("vpc", "state").as_deref(), Some("theirs"), "{depth:?}");
        assert_eq!(ben.tree(), ana.tree(), "{depth:?}");
    }
}
