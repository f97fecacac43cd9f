//! Objects that lie where they were before the datastore had namespaces.

use swamp::sync::Depth;

use super::world::{Machine, World};

/// A namespace whose objects lie where those of a datastore without namespaces lie, but for their contents.
fn moved(world: &World, content: &str) -> Machine {
    let writer = world.machine("infra", "writer");
    writer.put("vpc", "state", "one");
    writer.change("files/a", "one");
    writer.push();
    for (key, _) in world.keys_and_sizes() {
        if let Some(former) = key.strip_prefix("infra/").filter(|key| key.ends_with("/raw") || *key == "files/a") {
            world.put_object(former, content);
            world.remove_object(&key);
        }
    }
    writer
}

#[test]
fn what_our_index_promises_is_found_where_it_was_before_there_were_namespaces() {
    let world = World::namespaced();
    let writer = moved(&world, "one");
    let (reader, lazy) = (world.machine("infra", "reader"), world.machine("infra", "lazy"));

    reader.pull();
    lazy.pull_at(Depth::Metadata);

    assert_eq!(reader.tree(), writer.tree());
    assert!(lazy.hydrate("vpc", "state", 1));
    assert_eq!(lazy.read("vpc", "state"), "one");
    reader.change("files/a", "two");
    reader.push();
    assert_eq!(world.dangling_entries("infra").len(), 1);
}

#[test]
fn what_another_repository_has_in_the_same_place_is_not_fetched() {
    let world = World::namespaced();
    moved(&world, "two");
    let reader = world.machine("infra", "reader");

    let report = reader.pull();

    assert_eq!(report.dangling.len(), 2);
    assert!(!reader.tree().contains_key("files/a"));
    assert!(!reader.hydrate("vpc", "state", 1));
}
