//! Files that change between the plan of a push and the end of their upload.

use std::path::PathBuf;

use super::cut_short::{each_dead_push, rewriting};
use super::world::{Machine, World};

/// More than is read before it is sent.
const LARGE_BYTES: usize = 3 << 20;

/// Two machines with `files/changing`, and `files/before` which is sent before it.
fn two(world: &World, content: &str) -> (Machine, Machine) {
    let (writer, reader) = (world.machine("infra", "writer"), world.machine("infra", "reader"));
    writer.change("files/before", "first");
    writer.change("files/changing", content);
    writer.push();
    reader.pull();
    (writer, reader)
}

fn file(machine: &Machine, path: &str) -> PathBuf {
    machine.engine().parts().root.join(path)
}

/// Both machines and the index agree once the writer has pushed again.
fn assert_agreement(world: &World, writer: &Machine, reader: &Machine) {
    writer.push();
    reader.pull();
    assert_eq!(world.dangling_entries("infra"), Vec::<String>::new());
    assert_eq!(reader.tree(), writer.tree());
}

#[test]
fn what_is_sent_is_what_the_index_says_though_the_file_becomes_what_was_planned_again() {
    let world = World::namespaced();
    let (writer, reader) = two(&world, "one");
    writer.change("files/before", "second");
    writer.change("files/changing", "two");
    let changing = file(&writer, "files/changing");
    world.before_write_of("files/before", move || std::fs::write(changing, "six").expect("written"));

    writer.push();

    assert_eq!(world.dangling_entries("infra"), Vec::<String>::new());
    writer.change("files/changing", "two");
    assert_agreement(&world, &writer, &reader);
}

#[test]
fn a_file_that_changes_before_it_is_sent_is_dirty_afterwards() {
    let world = World::namespaced();
    let (writer, reader) = two(&world, "one");
    writer.change("files/before", "second");
    writer.change("files/changing", "two");
    let changing = file(&writer, "files/changing");
    world.before_write_of("files/before", move || std::fs::write(changing, "seven").expect("written"));

    writer.push();

    // Whoever is writing to it announced that before the push looked.
    writer.overwrite("files/changing", "eight");
    assert_agreement(&world, &writer, &reader);
}

#[test]
fn a_large_file_that_changes_while_it_is_sent_is_sent_again() {
    let world = World::namespaced();
    let (writer, reader) = two(&world, "one");
    let (planned, other) = ("a".repeat(LARGE_BYTES), "b".repeat(LARGE_BYTES));
    writer.change("files/changing", &planned);
    let changing = file(&writer, "files/changing");
    world.before_write_of("files/changing", move || std::fs::write(changing, other).expect("written"));

    writer.push();

    writer.change("files/changing", &planned);
    assert_agreement(&world, &writer, &reader);
}

#[test]
fn a_large_file_that_is_another_before_it_is_sent_is_not_sent() {
    let world = World::namespaced();
    let (writer, reader) = two(&world, "one");
    writer.change("files/before", "second");
    writer.change("files/changing", &"a".repeat(LARGE_BYTES));
    let (changing, other) = (file(&writer, "files/changing"), "b".repeat(LARGE_BYTES));
    world.before_write_of("files/before", move || std::fs::write(changing, other).expect("written"));

    let report = writer.push();

    assert_eq!(report.uploaded, 1);
    assert_eq!(world.dangling_entries("infra"), Vec::<String>::new());
    assert_agreement(&world, &writer, &reader);
}

#[test]
fn a_large_version_that_grows_while_it_is_sent_keeps_its_number() {
    let world = World::namespaced();
    let (writer, reader) = two(&world, "one");
    writer.stream("vpc", "log", &"a".repeat(LARGE_BYTES));
    let grower = writer.clone();
    world.before_write_of("/log/1/raw", move || grower.append("vpc", "log", "more"));

    writer.push();

    assert_eq!(world.dangling_entries("infra"), Vec::<String>::new());
    assert_agreement(&world, &writer, &reader);
    assert_eq!(reader.contents("vpc", "log"), ["a".repeat(LARGE_BYTES) + "more"]);
}

/// A namespace of which a push is about to send two files that become others after the push was planned.
fn changing(world: &World, namespace: &str) -> Machine {
    let writer = rewriting(world, namespace);
    writer.change("files/a", "sent before them");
    let later = ["files/added", "files/rewritten"].map(|path| file(&writer, path));
    world.before_write_of("files/a", move || {
        for path in later {
            std::fs::write(path, "newer").expect("written");
        }
    });
    writer
}

#[test]
fn files_deleted_after_a_push_that_died_and_had_sent_more_than_it_planned_do_not_come_back() {
    each_dead_push(changing, |world, namespace, writer| {
        writer.remove("files/added");
        writer.remove("files/rewritten");

        writer.push();

        let left: Vec<_> = writer.tree().into_keys().filter(|name| name.starts_with("files/")).collect();
        assert_eq!(left, ["files/a", "files/kept"], "{namespace}");
        assert_eq!(world.dangling_entries(namespace), Vec::<String>::new(), "{namespace}");
        assert_eq!(world.unnamed_files(namespace), Vec::<String>::new(), "{namespace}");
    });
}
