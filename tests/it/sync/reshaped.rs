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

#[test]
fn what_the_store_cannot_hold_is_told_and_keeps_nothing_else() {
    let world = World::namespaced();
    let (writer, reader) = (world.machine("infra", "writer"), world.machine("infra", "reader"));
    world.refuse("odd");
    writer.change("files/odd", "x");
    writer.change("files/even", "x");
    writer.put("vpc", "odd-data", "1");
    writer.put("vpc", "data", "1");

    let report = writer.push();

    let told: Vec<&str> = report.strays.iter().map(|stray| stray.path.as_str()).collect();
    assert_eq!(told.iter().filter(|path| path.contains("odd-data")).count(), 3, "{told:?}");
    assert!(told.contains(&"files/odd"));
    reader.pull();
    assert!(reader.tree().contains_key("files/even") && !reader.tree().contains_key("files/odd"));
    assert_eq!(reader.names(), ["data"]);
    let export = world.object("infra/.catalog-export.json").expect("published");
    assert!(!String::from_utf8_lossy(&export).contains("odd-data"));
    world.refuse("nothing at all");
    writer.mark_everything();
    writer.push();
    reader.pull();
    assert_eq!(reader.tree(), writer.tree());
}
