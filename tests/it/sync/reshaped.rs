//! Files that become directories and the reverse, and others that have no place here.

use swamp::sync::SyncError;

use super::world::{Machine, World};

/// Two machines with one file.
fn two(world: &World, file: &str) -> (Machine, Machine) {
    let (writer, reader) = (world.machine("infra", "writer"), world.machine("infra", "reader"));
    writer.change(file, "x");
    writer.push();
    reader.pull();
    (writer, reader)
}

/// Replaces a file by another.
fn reshape(writer: &Machine, old: &str, new: &str) {
    writer.remove(old);
    if let Some((directory, _)) = old.rsplit_once('/').filter(|(directory, _)| new == *directory) {
        std::fs::remove_dir(writer.engine().parts().root.join(directory)).expect("empty");
    }
    writer.change(new, "y");
    writer.push();
}

#[test]
fn a_file_that_became_a_directory_arrives_with_one_pull() {
    let world = World::namespaced();
    let (writer, reader) = two(&world, "files/a");

    reshape(&writer, "files/a", "files/a/b");
    reader.pull();

    assert_eq!(reader.tree(), writer.tree());
    assert_eq!(world.requests_of(|| drop(reader.pull())), 1);
}

#[test]
fn a_directory_that_became_a_file_arrives_with_one_pull() {
    let world = World::namespaced();
    let (writer, reader) = two(&world, "files/a/b");

    reshape(&writer, "files/a/b", "files/a");
    reader.pull();

    assert_eq!(reader.tree(), writer.tree());
    assert_eq!(world.requests_of(|| drop(reader.pull())), 1);
}

#[test]
fn a_directory_in_the_way_of_a_file_is_named_and_keeps_no_other() {
    let world = World::namespaced();
    let (writer, reader) = two(&world, "files/a/b");
    reader.write_beside("files/a", "stray.tmp");
    writer.change("files/z", "z");

    reshape(&writer, "files/a/b", "files/a");
    let refused = reader.try_pull().expect_err("a directory is in the way");

    let SyncError::Transfers { failures, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!(failures.iter().map(|failed| failed.path.as_str()).collect::<Vec<_>>(), ["files/a"]);
    assert!(reader.tree().contains_key("files/z"));
    std::fs::remove_dir_all(reader.engine().parts().root.join("files/a")).expect("removed");
    reader.pull();
    assert_eq!(reader.tree(), writer.tree());
}

#[test]
fn a_name_that_no_file_can_have_keeps_no_other() {
    let world = World::namespaced();
    let (writer, reader) = (world.machine("infra", "writer"), world.machine("infra", "reader"));
    for index in 0..80 {
        writer.change(&format!("files/{index}"), "x");
    }
    writer.push();
    world.add_entry("files", &format!("files/{}", "-".repeat(300)), 1);

    let refused = reader.try_pull().expect_err("a name is too long");

    let SyncError::Transfers { failures, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!(failures.len(), 1);
    assert_eq!(reader.tree(), writer.tree());
}

#[test]
fn sizes_that_no_files_can_have_are_no_sum() {
    let world = World::namespaced();
    let (writer, reader) = two(&world, "files/a");
    world.add_entry("files", "files/b", u64::MAX);
    world.add_entry("files", "files/c", u64::MAX);
    writer.change("files/d", "x");
    drop(writer.try_push());

    reader.pull();

    assert!(reader.tree().contains_key("files/b"));
}
