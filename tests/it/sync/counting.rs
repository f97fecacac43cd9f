//! Requests are the unit of cost.

use super::world::World;

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
    // Probe, two version files, lock, probe, pointer, two shards, export, its shard, meta, unlock (look and delete).
    assert_eq!(small, 13);
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
