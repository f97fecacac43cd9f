//! Objects of the index that are lost, damaged or made anew by others: no file is deleted for that, and there is a way back.

use swamp::error::Failure as _;

use super::world::{Machine, World};

const MONOLITH: &str = "infra/.datastore-index.json";

fn shard_of(machine: &Machine, model: &str) -> String {
    format!("infra/_index/data--swamp--file--{}.json", machine.model_id(model))
}

/// A machine that published two names of one model and one of another, and one that pulled them.
fn two(world: &World) -> (Machine, Machine) {
    let (writer, other) = (world.machine("infra", "writer"), world.machine("infra", "other"));
    writer.put("vpc", "first", "x");
    writer.put("vpc", "second", "y");
    writer.put("db", "third", "z");
    writer.push();
    other.pull();
    (writer, other)
}

#[test]
fn a_push_that_misses_a_shard_writes_it_again() {
    let world = World::namespaced();
    let (writer, other) = two(&world);
    world.remove_object(&shard_of(&writer, "vpc"));

    writer.put("vpc", "later", "w");
    writer.push();
    other.pull();

    assert_eq!(other.names(), ["first", "later", "second", "third"]);
    assert_eq!(other.tree(), writer.tree());
    assert_eq!(world.dangling_entries("infra"), Vec::<String>::new());
}

#[test]
fn a_damaged_object_keeps_nothing_from_being_sent() {
    let world = World::namespaced();
    let (writer, _) = two(&world);
    world.put_object(&format!("infra/data/swamp/file/{}/first/1/metadata.yaml", writer.model_id("vpc")), "torn");
    let newcomer = world.machine("infra", "newcomer");
    newcomer.change("files/mine", "x");

    let told = newcomer.try_push().expect_err("something did not arrive");

    assert!(told.to_string().contains("1 of"), "{told}");
    assert!(told.hint().is_some_and(|hint| hint.contains("`swamp data delete`")), "{told:?}");
    assert!(world.object("infra/files/mine").is_some());
    assert_eq!(newcomer.names(), ["second", "third"]);
    // What it cannot show it takes from nobody.
    assert_eq!(world.exported_names("infra"), ["first", "second", "third"]);
    // What the error says helps.
    writer.delete("vpc", "first");
    writer.push();
    newcomer.push();
    assert_eq!(world.exported_names("infra"), ["second", "third"]);
}

#[test]
fn a_directory_where_others_have_a_file_keeps_nothing_from_being_sent() {
    let world = World::namespaced();
    let (writer, other) = two(&world);
    other.change("files/d/mine", "x");
    writer.change("files/d", "theirs");
    writer.push();
    other.change("files/z", "x");

    let told = other.try_push().expect_err("a file cannot be where a directory is");
    assert!(told.hint().is_some_and(|hint| hint.contains("move away what is in that place")), "{told:?}");

    assert!(world.object("infra/files/z").is_some());
    assert_eq!(other.tree().get("files/d/mine").map(Vec::as_slice), Some(&b"x"[..]));
}

#[test]
fn what_nobody_can_read_makes_way_for_a_version_of_others() {
    let world = World::namespaced();
    let (writer, other) = two(&world);
    let unread = format!("data/swamp/file/{}/first/2/raw", writer.model_id("vpc"));
    other.overwrite(&unread, "by hand");
    writer.put("vpc", "first", "theirs");
    writer.push();
    other.change("files/z", "x");

    other.push();

    assert!(world.object("infra/files/z").is_some());
    assert_eq!(other.read("vpc", "first"), "theirs");
    assert!(other.tree().iter().any(|(path, content)| path.ends_with("first/3/raw") && content == b"by hand"));
}

/// Makes the size of a file's entry one that no file has, as a newer swamp might.
fn spoil_entry(world: &World, index: &str, file: &str) {
    let text = world.object(index).expect("an index");
    let mut body: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let entry = body["entries"].as_object_mut().expect("entries").iter_mut().find(|(key, _)| key.ends_with(file));
    entry.expect("it is named").1["size"] = 17.5.into();
    world.put_object(index, &body.to_string());
}

fn is_spoilt(world: &World, index: &str) -> bool {
    world.object(index).is_some_and(|text| String::from_utf8_lossy(&text).contains("17.5"))
}

#[test]
fn an_entry_that_cannot_be_used_is_no_deletion() {
    let world = World::namespaced();
    let (writer, other) = two(&world);
    let shard = shard_of(&writer, "vpc");
    let before = writer.tree();
    spoil_entry(&world, &shard, "first/1/raw");

    other.put("vpc", "later", "w");
    other.push();
    writer.pull();
    other.pull();

    assert!(is_spoilt(&world, &shard));
    assert_eq!(writer.tree(), other.tree());
    assert!(before.iter().all(|(path, content)| writer.tree().get(path) == Some(content)));
    // Nor is what is done here to such a file done there.
    writer.delete("vpc", "first");
    writer.push();
    assert!(is_spoilt(&world, &shard));
    assert!(world.keys_and_sizes().iter().any(|(key, _)| key.ends_with("first/1/raw")));
}

#[test]
fn an_entry_that_cannot_be_used_survives_a_migration() {
    let world = World::solo();
    let writer = world.solo_machine("writer");
    writer.put("vpc", "first", "x");
    writer.push();
    spoil_entry(&world, ".datastore-index.json", "first/1/raw");
    let before = writer.tree();

    writer.migrate_index();
    writer.put("vpc", "first", "xy");
    writer.push();
    writer.pull();

    assert!(is_spoilt(&world, &format!("_index/data--swamp--file--{}.json", writer.model_id("vpc"))));
    assert!(before.keys().all(|path| writer.tree().contains_key(path)));
}

/// What the error says helps a machine that has the data and nothing to push.
fn a_machine_with_the_data_repairs(hurt: impl Fn(&World, &str)) {
    let world = World::namespaced();
    let (writer, other) = two(&world);
    hurt(&world, &shard_of(&writer, "vpc"));
    let reader = world.machine("infra", "reader");

    let refused = reader.try_pull().expect_err("a shard cannot be read");
    writer.migrate_index();
    reader.pull();
    other.pull();

    assert!(refused.hint().is_some_and(|hint| hint.contains("`swamp datastore migrate-index`")), "{refused:?}");
    assert_eq!((reader.tree(), other.tree()), (writer.tree(), writer.tree()));
    assert_eq!(world.dangling_entries("infra"), Vec::<String>::new());
}

#[test]
fn a_lost_shard_is_published_again_by_a_machine_that_has_the_data() {
    a_machine_with_the_data_repairs(World::remove_object);
}

#[test]
fn a_damaged_shard_is_published_again_by_a_machine_that_has_the_data() {
    a_machine_with_the_data_repairs(|world, shard| world.put_object(shard, "{\"version\":1,\"entr"));
}

#[test]
fn a_machine_that_never_saw_a_lost_shard_finds_its_files() {
    let world = World::namespaced();
    let (writer, other) = two(&world);
    let before = writer.tree();
    writer.put("vpc", "unseen", "w");
    writer.push();
    world.remove_object(&shard_of(&writer, "vpc"));

    other.migrate_index();
    for machine in [&other, &writer] {
        machine.pull();
        machine.push();
    }

    assert!(writer.tree().len() > before.len());
    assert_eq!(other.tree(), writer.tree());
    assert_eq!(other.names(), ["first", "second", "third", "unseen"]);
}

#[test]
fn files_that_were_lost_with_their_shard_are_sent_again() {
    let world = World::namespaced();
    let (writer, _) = two(&world);
    let before = writer.tree();
    let model = writer.model_id("vpc");
    for part in [format!("{model}.json"), format!("{model}/first/1/"), format!("{model}/second/1/")] {
        world.remove_objects_of(&part);
    }

    writer.migrate_index();
    writer.push();

    let reader = world.machine("infra", "reader");
    reader.pull();
    assert_eq!((writer.tree(), reader.tree()), (before.clone(), before));
    assert_eq!(world.dangling_entries("infra"), Vec::<String>::new());
}

#[test]
fn a_monolith_that_replaced_the_shards_is_adopted_by_a_push() {
    let world = World::namespaced();
    let (writer, other) = two(&world);
    let before = writer.tree();
    // As others repair a namespace: what is found becomes a monolith without hashes, and the list of shards is deleted.
    world.put_object(MONOLITH, &world.discovered("infra"));
    world.remove_object("infra/_index/_meta.json");

    let refused = writer.try_pull().expect_err("these shards are gone");
    writer.push();
    other.push();
    writer.put("vpc", "later", "w");
    writer.push();
    other.pull();

    let is_helpful = refused.hint().is_some_and(|hint| hint.contains("`swamp datastore sync --push`"));
    assert!(is_helpful, "{refused:?}");
    assert!(before.keys().all(|file| writer.tree().contains_key(file)));
    assert_eq!(other.names(), ["first", "later", "second", "third"]);
    assert_eq!(other.tree(), writer.tree());
    assert!(other.migrate_index().is_new);
}

#[test]
fn shards_beside_a_monolith_that_says_nothing_are_kept_by_a_migration() {
    let world = World::namespaced();
    let (writer, _) = two(&world);
    world.remove_object("infra/_index/_meta.json");
    world.put_object(MONOLITH, r#"{"version":1,"lastPulled":"2026-01-01T00:00:00.000Z","entries":{}}"#);
    world.put_object("infra/_index/data--damaged.json", "{");
    let fresh = world.machine("infra", "fresh");

    let migrated = fresh.migrate_index();
    fresh.pull();

    assert!(migrated.is_new);
    assert!(!migrated.partitions.contains(&"data--damaged".to_owned()), "{migrated:?}");
    assert_eq!(fresh.tree(), writer.tree());
    assert_eq!(fresh.names(), ["first", "second", "third"]);
}

#[test]
fn what_others_added_to_the_list_of_shards_survives_a_push() {
    let world = World::namespaced();
    let (writer, other) = two(&world);
    let mut meta = world.meta("infra");
    meta["lastCompacted"] = "yesterday".into();
    world.put_object("infra/_index/_meta.json", &meta.to_string());

    writer.put("vpc", "first", "xx");
    writer.push();
    other.put("db", "third", "zz");
    other.push();

    assert_eq!(world.meta("infra")["lastCompacted"], "yesterday");
}
