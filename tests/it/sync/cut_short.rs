//! What the next session makes of one that died at any request.

use std::cell::Cell;

use super::world::{Machine, World};

/// A namespace with one file, which a push is about to rewrite while it publishes another.
pub(super) fn rewriting(world: &World, namespace: &str) -> Machine {
    let writer = world.machine(namespace, "writer");
    writer.change("files/kept", "x");
    writer.change("files/rewritten", "old");
    writer.push();
    writer.change("files/rewritten", "new");
    writer.change("files/added", "x");
    writer
}

/// Lets a push die at each of its requests in turn, each in a namespace of its own, and reopens the machine.
pub(super) fn each_dead_push(start: impl Fn(&World, &str) -> Machine, then: impl Fn(&World, &str, &Machine)) {
    each_dead_push_in(World::namespaced, start, then);
}

fn each_dead_push_in(
    new: fn() -> World,
    start: impl Fn(&World, &str) -> Machine,
    then: impl Fn(&World, &str, &Machine),
) {
    let requests = {
        let probe = new();
        let writer = start(&probe, "probe");
        probe.requests_of(|| drop(writer.push()))
    };
    let world = new();
    for request in 1..=requests {
        let namespace = format!("n{request}");
        let writer = start(&world, &namespace);
        die(&world, &writer, request);
        then(&world, &namespace, &writer.reopened());
    }
}

/// Lets a push die at one of its requests.
fn die(world: &World, writer: &Machine, request: u64) {
    world.hang(request);
    writer.push_and_die();
    world.heal();
    world.forget_locks();
}

/// Lets a push die, changes files, and pushes again: others must see what is here.
fn a_dead_push_is_followed_by(change: impl Fn(&Machine)) {
    each_dead_push(rewriting, |world, namespace, writer| {
        change(writer);
        writer.push();

        let reader = world.machine(namespace, "reader");
        reader.pull();
        assert_eq!(reader.tree(), writer.tree(), "{namespace}");
        assert_eq!(world.dangling_entries(namespace), Vec::<String>::new(), "{namespace}");
        assert_eq!(world.unnamed_files(namespace), Vec::<String>::new(), "{namespace}");
    });
}

#[test]
fn files_deleted_after_a_push_that_died_are_deleted_for_others_too() {
    a_dead_push_is_followed_by(|writer| {
        writer.remove("files/added");
        writer.remove("files/rewritten");
    });
}

#[test]
fn files_deleted_after_two_pushes_that_died_are_deleted_for_others_too() {
    let world = World::namespaced();
    for (first, second) in (1..=12).flat_map(|first| [1, 4, 7, 10].map(|second| (first, second))) {
        let namespace = format!("n{first}-{second}");
        let writer = rewriting(&world, &namespace);
        die(&world, &writer, first);
        let writer = writer.reopened();
        writer.change("files/added", "changed");
        die(&world, &writer, second);

        let writer = writer.reopened();
        writer.remove("files/added");
        writer.push();

        let left: Vec<_> = world.keys_and_sizes().into_iter().filter(|(key, _)| key.contains("added")).collect();
        assert_eq!(left, [], "requests {first}, {second}");
        assert_eq!(world.dangling_entries(&namespace), Vec::<String>::new(), "requests {first}, {second}");
    }
}

#[test]
fn pushes_that_never_live_long_enough_get_done() {
    let world = World::in_parts();
    let mut writer = world.machine("infra", "writer");
    writer.change("files/kept", "x");
    writer.push();
    let files = ["a", "b", "c", "d", "e", "f", "g", "h"].map(|name| format!("files/{name}"));
    for file in &files {
        writer.change(file, "new");
    }

    for _ in 0..files.len() {
        die(&world, &writer, 20);
        writer = writer.reopened();
    }

    assert!(world.keys_and_sizes().iter().any(|(key, _)| key.ends_with("files/h")));
    assert_eq!(world.unnamed_files("infra"), Vec::<String>::new());
    assert_eq!(world.dangling_entries("infra"), Vec::<String>::new());
}

#[test]
fn files_put_back_after_a_push_that_died_are_put_back_for_others_too() {
    a_dead_push_is_followed_by(|writer| writer.change("files/rewritten", "old"));
}

#[test]
fn a_pull_before_the_next_push_does_not_bring_back_what_was_deleted() {
    a_dead_push_is_followed_by(|writer| {
        writer.remove("files/added");
        writer.pull();
        assert!(!writer.tree().contains_key("files/added"));
    });
}

/// A namespace that has no index yet; a push is about to publish the first.
fn founding(world: &World, namespace: &str) -> Machine {
    let writer = world.machine(namespace, "writer");
    for file in ["files/kept", "files/added", "files/changed"] {
        writer.change(file, "x");
    }
    writer.put("vpc", "kept", "k");
    writer.put("vpc", "added", "a");
    writer
}

#[test]
fn what_is_deleted_after_a_first_push_that_died_does_not_come_back() {
    each_dead_push(founding, |world, namespace, writer| {
        writer.change("files/changed", "y");
        writer.remove("files/added");
        writer.delete("vpc", "added");
        let left = writer.tree();
        writer.push();

        assert_eq!(writer.tree(), left, "{namespace}");
        let reader = world.machine(namespace, "reader");
        reader.pull();
        assert_eq!(reader.tree(), left, "{namespace}");
        assert_eq!(world.dangling_entries(namespace), Vec::<String>::new(), "{namespace}");
        assert_eq!(world.unnamed_files(namespace), Vec::<String>::new(), "{namespace}");
    });
}

#[test]
fn what_others_put_into_a_datastore_without_an_index_is_not_taken_for_what_a_dead_push_left() {
    let checked = Cell::new(0);
    each_dead_push(founding, |world, namespace, writer| {
        if world.has_index(namespace) {
            return;
        }
        checked.set(checked.get() + 1);
        world.put_object(&format!("{namespace}/files/added"), "theirs");
        writer.remove("files/added");

        writer.push();

        assert_eq!(writer.tree().get("files/added").map(Vec::as_slice), Some(&b"theirs"[..]), "{namespace}");
        assert_eq!(world.dangling_entries(namespace), Vec::<String>::new(), "{namespace}");
        assert_eq!(world.unnamed_files(namespace), Vec::<String>::new(), "{namespace}");
    });
    assert!(checked.get() > 5, "{}", checked.get());
}

#[test]
fn objects_of_a_deletion_that_died_are_deleted() {
    let start = |world: &World, namespace: &str| {
        let writer = rewriting(world, namespace);
        writer.push();
        writer.remove("files/added");
        writer
    };
    each_dead_push(start, |world, namespace, writer| {
        writer.push();

        assert_eq!(world.unnamed_files(namespace), Vec::<String>::new(), "{namespace}");
    });
}

/// The files of a namespace that others delete.
const FILES: [&str; 3] = ["files/a", "files/b", "files/c"];

fn publishing(world: &World, namespace: &str) -> Machine {
    let writer = world.machine(namespace, "writer");
    for file in FILES {
        writer.change(file, file);
    }
    writer.push();
    writer
}

#[test]
fn files_that_others_delete_after_a_pull_that_died_do_not_come_back() {
    let requests = {
        let probe = World::namespaced();
        publishing(&probe, "probe");
        let reader = probe.machine("probe", "reader");
        probe.requests_of(|| drop(reader.pull()))
    };
    let world = World::namespaced();
    for request in 1..=requests {
        let namespace = format!("n{request}");
        let writer = publishing(&world, &namespace);
        let reader = world.machine(&namespace, "reader");
        world.hang(request);
        reader.pull_and_die();
        world.heal();
        for file in FILES {
            writer.remove(file);
        }
        writer.push();

        let reader = reader.reopened();
        reader.mark_everything();
        reader.pull();
        reader.push();

        let back: Vec<String> = reader.tree().into_keys().filter(|file| FILES.contains(&file.as_str())).collect();
        assert_eq!(back, [""; 0], "request {request}");
    }
}

#[test]
fn versions_deleted_after_a_push_that_died_do_not_come_back() {
    a_push_of_versions_dies_and_then(
        |writer| writer.delete("vpc", "added"),
        |reader| reader.try_read("vpc", "added"),
        None,
    );
}

#[test]
fn versions_deleted_after_a_push_that_died_do_not_come_back_with_the_first_part_of_the_next() {
    let start = |world: &World, namespace: &str| {
        let writer = world.machine(namespace, "writer");
        writer.put("vpc", "kept", "x");
        writer.push();
        writer.put("vpc", "added", "x");
        writer
    };
    each_dead_push_in(World::in_parts, start, |world, namespace, writer| {
        writer.delete("vpc", "added");
        writer.put("vpc", "one", "x");
        writer.put("vpc", "two", "x");
        writer.push();

        let reader = world.machine(namespace, "reader");
        reader.pull();
        assert_eq!(reader.try_read("vpc", "added"), None, "{namespace}");
        assert_eq!(reader.tree(), writer.tree(), "{namespace}");
        assert_eq!(world.dangling_entries(namespace), Vec::<String>::new(), "{namespace}");
        assert_eq!(world.unnamed_files(namespace), Vec::<String>::new(), "{namespace}");
    });
}

/// Publishes one change, lets the pushes of two more die, pushes again, and returns what a reader has then: the same as the
/// writer, and as the index says.
fn two_dead_pushes_later(world: &World, (first, second): (u64, u64), changes: [&dyn Fn(&Machine); 3]) -> Machine {
    let namespace = format!("n{first}-{second}");
    let [published, earlier, later] = changes;
    let writer = world.machine(&namespace, "writer");
    published(&writer);
    writer.push();
    earlier(&writer);
    die(world, &writer, first);
    let writer = writer.reopened();
    later(&writer);
    die(world, &writer, second);

    let writer = writer.reopened();
    writer.put("vpc", "one", "x");
    writer.put("vpc", "two", "x");
    writer.push();

    let reader = world.machine(&namespace, "reader");
    reader.adopt_model("vpc", &writer.model_id("vpc"));
    reader.pull();
    assert_eq!(reader.tree(), writer.tree(), "requests {first}, {second}");
    assert_eq!(world.dangling_entries(&namespace), Vec::<String>::new(), "requests {first}, {second}");
    reader
}

#[test]
fn versions_deleted_after_two_pushes_that_died_do_not_come_back() {
    let published = |writer: &Machine| drop(writer.put("vpc", "kept", "x"));
    let added = |writer: &Machine| drop(writer.put("vpc", "added", "x"));
    let deleted = |writer: &Machine| writer.delete("vpc", "added");
    // While they commit.
    for world in [World::namespaced(), World::in_parts()] {
        for requests in (6..=9).flat_map(|first| (5..=9).map(move |second| (first, second))) {
            let reader = two_dead_pushes_later(&world, requests, [&published, &added, &deleted]);
            assert_eq!(reader.try_read("vpc", "added"), None, "requests {requests:?}");
        }
    }
}

#[test]
fn a_stream_whose_appends_died_twice_is_whole_and_has_its_number() {
    let published = |writer: &Machine| writer.stream("vpc", "log", "a\n");
    let [earlier, later] = ["b\n", "c\n"].map(|piece| move |writer: &Machine| writer.append("vpc", "log", piece));
    let world = World::in_parts();
    for requests in (6..=9).flat_map(|first| (3..=8).map(move |second| (first, second))) {
        let reader = two_dead_pushes_later(&world, requests, [&published, &earlier, &later]);
        assert_eq!(reader.contents("vpc", "log"), ["a\nb\nc\n"], "requests {requests:?}");
    }
}

#[test]
fn names_put_back_after_a_deletion_that_died_stay() {
    let put_back = |writer: &Machine| drop(writer.put("vpc", "deleted", "again"));
    a_push_of_versions_dies_and_then(put_back, |reader| reader.try_read("vpc", "deleted"), Some("again"));
}

/// Lets a push that deletes one name and publishes another die at each of its requests in turn, changes names, and
/// pushes: others must see what is here, also after the next change.
fn a_push_of_versions_dies_and_then(
    change: impl Fn(&Machine),
    look: impl Fn(&Machine) -> Option<String>,
    expected: Option<&str>,
) {
    let start = |world: &World, namespace: &str| {
        let writer = world.machine(namespace, "writer");
        writer.put("vpc", "kept", "x");
        writer.put("vpc", "deleted", "x");
        writer.push();
        writer.delete("vpc", "deleted");
        writer.put("vpc", "added", "x");
        writer
    };
    each_dead_push(start, |world, namespace, writer| {
        change(writer);
        writer.pull();
        writer.push();
        writer.put("vpc", "kept", "y");
        writer.push();
        writer.pull();

        let reader = world.machine(namespace, "reader");
        reader.pull();
        assert_eq!(look(&reader).as_deref(), expected, "{namespace}");
        assert_eq!(reader.tree(), writer.tree(), "{namespace}");
        assert_eq!(world.dangling_entries(namespace), Vec::<String>::new(), "{namespace}");
    });
}
