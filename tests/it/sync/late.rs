//! Requests that arrive after the lock that they were sent under was lost: they change nothing.

use super::world::{Machine, World};

/// Two machines that have the same files.
fn two(world: &World) -> (Machine, Machine) {
    let (one, other) = (world.machine("infra", "one"), world.machine("infra", "other"));
    one.change("files/shared", "first");
    one.change("files/doomed", "first");
    one.push();
    other.pull();
    (one, other)
}

/// While a push of `one` is about to write or delete `part`, its lock is taken and `other` pushes.
fn overtaken(world: &World, part: &str, one: &Machine, other: Machine) {
    let thief = world.clone();
    world.before_write_of(part, move || {
        thief.forget_locks();
        other.push();
    });
    drop(one.try_push());
    world.heal();
}

/// What a machine that is new to the namespace finds.
fn found(world: &World, file: &str) -> Option<String> {
    let reader = world.machine("infra", &format!("reader of {}", file.replace('/', " ")));
    reader.pull();
    assert_eq!(world.dangling_entries("infra"), Vec::<String>::new());
    reader.tree().get(file).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

#[test]
fn a_listing_that_lags_behind_does_not_let_a_push_replace_what_it_hides() {
    let world = World::solo();
    let (one, other) = (world.solo_machine("one"), world.solo_machine("other"));
    one.stream("vpc", "log", "a\n");
    one.push();
    other.adopt_model("vpc", &one.model_id("vpc"));
    other.pull();
    one.append("vpc", "log", "b\n");
    other.append("vpc", "log", "c\n");
    world.freeze_listings();
    one.push();
    drop(other.try_push());
    world.heal();
    for machine in [&other, &one, &other] {
        machine.pull();
        machine.push();
    }

    let reader = world.solo_machine("reader");
    reader.pull();
    let contents = reader.tree().into_values().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let contents: Vec<_> = contents.filter(|content| content.starts_with("a\n")).collect();
    assert_eq!(contents, ["a\nb\n", "a\nc\n"]);
}

#[test]
fn a_listing_that_lags_behind_does_not_hide_a_commit() {
    let world = World::namespaced();
    let (one, other) = two(&world);
    world.freeze_listings();
    one.change("files/shared", "second");
    one.push();
    other.pull();

    assert_eq!(other.tree(), one.tree());
}

#[test]
fn a_write_that_arrives_late_does_not_undo_a_newer_one() {
    let world = World::namespaced();
    let (one, other) = two(&world);
    one.change("files/shared", "late");
    other.change("files/shared", "newer");

    overtaken(&world, "files/shared", &one, other);

    assert_eq!(found(&world, "files/shared").as_deref(), Some("newer"));
}

#[test]
fn a_deletion_that_arrives_late_does_not_take_a_newer_file() {
    let world = World::namespaced();
    let (one, other) = two(&world);
    one.remove("files/doomed");
    other.change("files/doomed", "newer");

    overtaken(&world, "files/doomed", &one, other);

    assert_eq!(found(&world, "files/doomed").as_deref(), Some("newer"));
}

#[test]
fn a_catalog_that_is_published_late_does_not_replace_a_newer_one() {
    let world = World::namespaced();
    let (one, other) = two(&world);
    one.put("vpc", "late", "x");
    other.put("vpc", "newer", "y");

    overtaken(&world, ".catalog-export.json", &one, other);

    assert_eq!(world.exported_names("infra"), ["newer"]);
}
