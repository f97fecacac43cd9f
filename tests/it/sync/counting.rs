//! Requests are the unit of cost.

use super::world::{Machine, World};

#[test]
fn a_pull_with_nothing_to_do_costs_one_request() {
    let world = World::namespaced();
    let (writer, reader) = (world.machine("infra", "writer"), world.machine("infra", "reader"));
    writer.put("vpc", "state", "1");
    writer.push();
    reader.pull();

    assert_eq!(world.requests_of(|| drop(reader.pull())), 1);
}

#[test]
fn a_push_with_nothing_to_do_costs_one_request() {
    let world = World::namespaced();
    let writer = world.machine("infra", "writer");
    writer.put("vpc", "state", "1");
    writer.push();

    assert_eq!(world.requests_of(|| drop(writer.push())), 1);
}

#[test]
fn a_machine_that_only_pulled_does_not_publish_the_catalog_again() {
    let world = World::namespaced();
    let (writer, reader) = (world.machine("infra", "writer"), world.machine("infra", "reader"));
    for (model, name) in [("vpc", "zebra"), ("db", "state"), ("vpc", "ant"), ("vpc", "zebra")] {
        writer.put(model, name, "x");
        writer.push();
    }
    reader.pull();

    assert_eq!(world.requests_of(|| assert!(!reader.push().exported)), 1);
    assert_eq!(world.requests_of(|| drop(reader.push())), 1);
}

#[test]
fn solo_pulls_and_pushes_with_nothing_to_do_cost_one_request() {
    let world = World::solo();
    let writer = world.solo_machine("writer");
    writer.put("vpc", "state", "1");
    writer.push();
    writer.pull();

    assert_eq!(world.requests_of(|| drop(writer.pull())), 1);
    assert_eq!(world.requests_of(|| drop(writer.push())), 1);
}

#[test]
fn the_cost_of_a_push_follows_the_change_and_not_the_namespace() {
    let cost_of_one_more_version = |names: usize| {
        let world = World::namespaced();
        let writer = world.machine("infra", "writer");
        for index in 0..names {
            writer.put("vpc", &format!("state-{index}"), "1");
        }
        writer.push();
        writer.put("vpc", "state-0", "2");
        world.requests_of(|| drop(writer.push()))
    };

    let (small, large) = (cost_of_one_more_version(2), cost_of_one_more_version(60));

    assert_eq!(small, large);
    // Probe, two version files, lock, probe, lock of the model, pointer, two shards, export, its shard, meta, unlock (look
    // and delete).
    assert_eq!(small, 14);
}

#[test]
fn a_pull_before_a_push_does_not_make_it_look_at_what_it_rewrites() {
    let cost_of_rewriting = |is_pulled_meanwhile: bool| {
        let world = World::namespaced();
        let (one, other) = (world.machine("infra", "one"), world.machine("infra", "other"));
        one.change("files/shared", "first");
        one.push();
        other.pull();
        other.change("files/other", "x");
        other.push();
        if !is_pulled_meanwhile {
            one.pull();
        }
        one.change("files/shared", "second");
        if is_pulled_meanwhile {
            one.pull();
        }
        world.requests_of(|| drop(one.push()))
    };

    assert_eq!(cost_of_rewriting(true), cost_of_rewriting(false));
}

/// A machine that has pushed, with ten files to push.
fn ten_files(world: &World) -> Machine {
    let writer = world.machine("infra", "writer");
    writer.change("files/first", "x");
    writer.push();
    for index in 0..10 {
        writer.change(&format!("files/{index}"), "x");
    }
    writer
}

#[test]
fn a_file_that_vanishes_while_others_are_sent_costs_nothing() {
    let world = World::namespaced();
    let whole = {
        let writer = ten_files(&world);
        world.requests_of(|| drop(writer.push()))
    };

    let world = World::namespaced();
    let (writer, file) = (ten_files(&world), "files/7");
    let path = writer.engine().parts().root.join(file);
    world.before_write_of("files/3", move || std::fs::remove_file(path).expect("removed"));

    assert_eq!(world.requests_of(|| drop(writer.push())), whole - 1);
    writer.push();
    let reader = world.machine("infra", "reader");
    reader.pull();
    assert_eq!(reader.tree(), writer.tree());
    assert_eq!(world.dangling_entries("infra"), Vec::<String>::new());
}

#[test]
fn a_version_that_vanishes_while_it_is_sent_leaves_nothing_behind() {
    let world = World::namespaced();
    let writer = ten_files(&world);
    let directory = writer.put("vpc", "state", "1");
    let path = writer.engine().parts().root.join(&directory);
    world.before_write_of("/state/1/metadata.yaml", move || std::fs::remove_dir_all(path).expect("removed"));

    writer.push();

    let left: Vec<_> = world.keys_and_sizes().into_iter().filter(|(key, _)| key.contains("/state/")).collect();
    assert_eq!(left, []);
    assert_eq!(world.dangling_entries("infra"), Vec::<String>::new());
}
