//! The known defects of the existing swamp, one test each, named after its number (formats.md 12.2).

use swamp::sync::Depth;

use super::world::World;

#[test]
fn t1_a_changed_pointer_of_equal_size_arrives() {
    let world = World::namespaced();
    let (writer, reader) = (world.machine("infra", "writer"), world.machine("infra", "reader"));
    writer.put("vpc", "state", "one");
    writer.push();
    reader.pull();

    writer.put("vpc", "state", "two");
    writer.push();
    reader.pull();

    assert_eq!(reader.read("vpc", "state"), "two");
    assert_eq!(reader.tree(), writer.tree());
}

#[test]
fn t1_a_reader_that_pushes_everything_does_not_put_the_old_pointer_back() {
    let world = World::namespaced();
    let (writer, reader) = (world.machine("infra", "writer"), world.machine("infra", "reader"));
    writer.put("vpc", "state", "one");
    writer.push();
    reader.pull();
    writer.put("vpc", "state", "two");
    writer.push();

    reader.mark_everything();
    reader.push();

    let third = world.machine("infra", "third");
    third.pull();
    assert_eq!(third.read("vpc", "state"), "two");
}

#[test]
fn t2_many_dirty_paths_delete_nothing_that_was_never_here() {
    let world = World::namespaced();
    let (one, other) = (world.machine("infra", "one"), world.machine("infra", "other"));
    one.put("vpc", "theirs", "precious");
    one.push();

    for index in 0..300 {
        other.put("other", &format!("n{index}"), "x");
    }
    other.push();

    let third = world.machine("infra", "third");
    third.pull();
    assert_eq!(third.read("vpc", "theirs"), "precious");
    assert_eq!(third.names().len(), 301);
}

#[test]
fn t3_a_change_after_a_bulk_push_is_pushed() {
    let world = World::namespaced();
    let (writer, reader) = (world.machine("infra", "writer"), world.machine("infra", "reader"));
    writer.put("vpc", "state", "one");
    writer.mark_everything();
    writer.push();

    writer.put("vpc", "state", "two");
    writer.push();
    reader.pull();

    assert_eq!(reader.read("vpc", "state"), "two");
}

#[test]
fn t4_migrating_the_index_again_changes_nothing() {
    let world = World::solo();
    let writer = world.solo_machine("writer");
    writer.put("vpc", "state", "one");
    writer.push();
    writer.migrate_index();
    writer.put("vpc", "state", "two");
    writer.push();
    let before = world.keys_and_sizes();

    let again = writer.migrate_index();

    assert!(!again.is_new);
    assert!(again.commit_seq > 1);
    assert_eq!(world.keys_and_sizes(), before);
    let reader = world.solo_machine("reader");
    reader.pull();
    assert_eq!(reader.read("vpc", "state"), "two");
}

#[test]
fn t5_a_full_pull_after_a_lazy_one_fetches_the_content() {
    let world = World::namespaced();
    let (writer, reader) = (world.machine("infra", "writer"), world.machine("infra", "reader"));
    writer.put("vpc", "state", "one");
    writer.push();
    reader.pull_at(Depth::Metadata);
    assert_eq!(reader.try_read("vpc", "state"), None);

    reader.reopened().pull_at(Depth::Content);

    assert_eq!(reader.read("vpc", "state"), "one");
    assert_eq!(reader.tree(), writer.tree());
}

#[test]
fn t6_a_namespaced_push_leaves_a_solo_neighbour_alone() {
    let world = World::solo();
    let solo = world.solo_machine("solo");
    solo.put("vpc", "state", "solo's own");
    solo.push();
    let before = world.keys_and_sizes();

    let neighbour = world.machine("infra", "neighbour");
    for content in ["one", "two", "three"] {
        neighbour.put("db", "state", content);
        neighbour.push();
    }

    let after = world.keys_and_sizes();
    let of_solo: Vec<_> = after.into_iter().filter(|(key, _)| !key.starts_with("infra/")).collect();
    assert_eq!(of_solo, before);
}

#[test]
fn t7_content_fetched_on_demand_lands_where_it_is_read() {
    let world = World::namespaced();
    let (writer, reader) = (world.machine("infra", "writer"), world.machine("infra", "reader"));
    writer.put("vpc", "state", "one");
    writer.push();
    reader.pull_at(Depth::Metadata);

    assert!(reader.hydrate("vpc", "state", 1));

    assert_eq!(reader.read("vpc", "state"), "one");
    assert_eq!(reader.tree(), writer.tree());
}

#[test]
fn t8_a_deletion_reaches_other_caches_and_is_not_undone_by_them() {
    let world = World::namespaced();
    let (one, other) = (world.machine("infra", "one"), world.machine("infra", "other"));
    one.put("vpc", "state", "one");
    one.put("vpc", "kept", "kept");
    one.push();
    other.pull();

    one.delete("vpc", "state");
    one.push();
    other.pull();
    other.mark_everything();
    other.push();

    assert_eq!(other.names(), ["kept"]);
    assert!(world.keys_and_sizes().iter().all(|(key, _)| !key.contains("/state/")));
}

#[test]
fn t10_a_fresh_machine_never_shrinks_the_published_catalog() {
    let world = World::namespaced();
    let writer = world.machine("infra", "writer");
    for index in 0..5 {
        writer.put("vpc", &format!("n{index}"), "x");
    }
    writer.push();

    let fresh = world.machine("infra", "fresh");
    fresh.put("db", "mine", "y");
    fresh.push();

    assert_eq!(world.exported_names("infra"), ["mine", "n0", "n1", "n2", "n3", "n4"]);
}

#[test]
fn t16_stray_files_are_never_uploaded_and_do_not_block_a_migration() {
    let world = World::solo();
    let writer = world.solo_machine("writer");
    let directory = writer.put("vpc", "state", "one");
    for stray in [".1f2a.tmp", ".fuse_hidden0003", ".nfs0001", "raw.swp"] {
        writer.write_beside(&directory, stray);
    }
    writer.mark_everything();

    let report = writer.push();

    assert_eq!(report.strays.len(), 4);
    let keys: Vec<_> = world.keys_and_sizes().into_iter().map(|(key, _)| key).collect();
    assert!(keys.iter().all(|key| !key.contains(".tmp") && !key.contains("fuse_hidden")), "{keys:?}");
    assert!(writer.migrate_index().is_new);
}

#[test]
fn t17_model_definitions_are_pushed_with_the_data() {
    let world = World::namespaced();
    let writer = world.machine("infra", "writer");

    writer.put("vpc", "state", "one");
    writer.push();

    let keys = world.keys_and_sizes();
    assert!(keys.iter().any(|(key, _)| key.starts_with("infra/auto-definitions/")), "{keys:?}");
}

#[test]
fn t19_pointers_and_definitions_arrive_with_the_versions() {
    let world = World::namespaced();
    let (writer, reader) = (world.machine("infra", "writer"), world.machine("infra", "reader"));
    writer.put("vpc", "state", "one");
    writer.push();

    reader.pull();

    assert_eq!(reader.tree(), writer.tree());
    assert!(reader.tree().keys().any(|path| path.ends_with("/state/latest")));
}

#[test]
fn t20_a_local_write_does_not_make_the_next_pull_slow() {
    let world = World::namespaced();
    let writer = world.machine("infra", "writer");
    writer.put("vpc", "state", "one");
    writer.push();

    writer.put("vpc", "state", "two");

    assert_eq!(world.requests_of(|| drop(writer.pull())), 1);
}

#[test]
fn t21_one_unreadable_description_hides_only_itself() {
    let world = World::namespaced();
    let (writer, reader) = (world.machine("infra", "writer"), world.machine("infra", "reader"));
    writer.put("vpc", "good", "x");
    let bad = writer.put("vpc", "bad", "y");
    writer.overwrite(&format!("{bad}/1/metadata.yaml"), "version: [");
    writer.push();

    reader.pull();

    assert_eq!(reader.names(), ["good"]);
}

#[test]
fn t23_two_machines_that_take_one_version_number_both_keep_their_content() {
    let world = World::namespaced();
    let (one, other) = (world.machine("infra", "one"), world.machine("infra", "other"));
    one.put("vpc", "state", "from one");
    let model = one.model_id("vpc");
    other.adopt_model("vpc", &model);
    other.put("vpc", "state", "from other");

    one.push();
    let report = other.push();
    one.pull();

    assert_eq!(report.caught_up.renumbered.len(), 1);
    assert_eq!(one.tree(), other.tree());
    assert_eq!(one.contents("vpc", "state"), ["from one", "from other"]);
    assert_eq!(one.read("vpc", "state"), "from other");
}

#[test]
fn t24_objects_are_deleted_only_after_no_index_names_them() {
    let world = World::namespaced();
    let writer = world.machine("infra", "writer");
    writer.put("vpc", "state", "one");
    writer.put("vpc", "kept", "kept");
    writer.push();

    writer.delete("vpc", "state");
    world.fail_writes_of("_index/_meta.json");
    writer.try_push().expect_err("the commit fails");

    assert_eq!(world.dangling_entries("infra"), Vec::<String>::new());
    world.heal();
    writer.push();
    assert_eq!(world.dangling_entries("infra"), Vec::<String>::new());
    assert!(world.keys_and_sizes().iter().all(|(key, _)| !key.contains("/state/")));
}

#[test]
fn t26_a_deleted_name_is_as_absent_before_a_rebuild_as_after() {
    let world = World::namespaced();
    let writer = world.machine("infra", "writer");
    writer.put("vpc", "old", "x");
    writer.rename("vpc", "old", "new");
    let before = writer.names();

    writer.rebuild_catalog();

    assert_eq!(before, ["new"]);
    assert_eq!(writer.names(), before);
}

#[test]
fn t28_a_reader_of_a_monolith_notices_the_migration() {
    let world = World::solo();
    let (writer, reader) = (world.solo_machine("writer"), world.solo_machine("reader"));
    writer.put("vpc", "state", "one");
    writer.push();
    reader.pull();
    writer.migrate_index();
    writer.put("vpc", "state", "two");
    writer.push();

    reader.pull();

    assert_eq!(reader.read("vpc", "state"), "two");
    assert_eq!(reader.tree(), writer.tree());
    assert_eq!(world.requests_of(|| drop(reader.pull())), 1);
}
