//! The catalog follows pull, and travels between namespaces.

use super::world::World;

#[test]
fn a_reader_lists_the_writers_data_after_a_pull() {
    let world = World::namespaced();
    let (writer, reader) = (world.machine("infra", "writer"), world.machine("infra", "reader"));
    reader.pull();
    writer.put("vpc", "state", "one");
    writer.push();

    reader.pull();

    assert_eq!(reader.names(), ["state"]);
    assert_eq!(reader.rows(Some("infra")), writer.rows(Some("infra")));
}

#[test]
fn another_namespace_is_seen_by_its_catalog_only() {
    let world = World::namespaced();
    let (infra, security) = (world.machine("infra", "one"), world.machine("security", "two"));
    infra.put("vpc", "state", "secret bytes");
    infra.push();

    let pulled = security.pull_catalogs(&["infra", "ghost"]);
    security.pull();

    assert_eq!(pulled, [("infra".to_owned(), Some(1)), ("ghost".to_owned(), None)]);
    assert_eq!(security.rows(Some("infra")), infra.rows(Some("infra")));
    assert!(security.tree().is_empty());
}

#[test]
fn a_catalog_that_did_not_change_is_confirmed_by_one_request() {
    let world = World::namespaced();
    let (infra, security) = (world.machine("infra", "one"), world.machine("security", "two"));
    infra.put("vpc", "state", "x");
    infra.push();
    security.pull_catalogs(&["infra"]);

    let requests = world.requests_of(|| {
        security.pull_catalogs(&["infra"]);
    });

    assert_eq!(requests, 1);
    assert_eq!(security.rows(Some("infra")).len(), 1);
}

#[test]
fn rows_that_vanish_there_vanish_here() {
    let world = World::namespaced();
    let (infra, security) = (world.machine("infra", "one"), world.machine("security", "two"));
    infra.put("vpc", "state", "x");
    infra.put("vpc", "kept", "x");
    infra.push();
    security.pull_catalogs(&["infra"]);
    infra.delete("vpc", "state");
    infra.push();

    security.pull_catalogs(&["infra"]);

    assert_eq!(security.rows(Some("infra")), infra.rows(Some("infra")));
}

#[test]
fn t18_a_denied_catalog_is_an_error_and_not_a_skipped_one() {
    let world = World::namespaced();
    let security = world.machine("security", "two");
    world.deny("infra/.catalog-export.json");

    let refused = security.try_pull_catalogs(&["infra"]).expect_err("denied");

    assert_eq!(refused.to_string(), "cannot pull the catalog of namespace `infra`");
}

#[test]
fn foreign_content_is_one_request_and_remembered() {
    let world = World::namespaced();
    let (infra, security) = (world.machine("infra", "one"), world.machine("security", "two"));
    let directory = infra.put("vpc", "state", "secret bytes");
    infra.push();

    let requests = world.requests_of(|| {
        for _ in 0..3 {
            assert_eq!(security.fetch("infra", &format!("{directory}/1/raw")).as_deref(), Some("secret bytes"));
            assert_eq!(security.fetch("infra", "data/none"), None);
        }
    });

    assert_eq!(requests, 2);
    assert!(security.tree().is_empty());
}

#[test]
fn a_published_catalog_shows_only_what_the_datastore_holds() {
    let world = World::namespaced();
    let writer = world.machine("infra", "writer");
    writer.put("vpc", "state", "one");
    let beside = writer.clone();
    world.before_write_of("state/latest", move || {
        beside.put("vpc", "state", "two");
        beside.put("vpc", "later", "three");
    });

    writer.push();
    let during = (world.exported_names("infra"), world.exported_latest("infra"));
    writer.push();

    assert_eq!(during, (vec!["state".to_owned()], vec![("state".to_owned(), 1)]));
    assert_eq!(world.exported_latest("infra"), [("later".to_owned(), 1), ("state".to_owned(), 2)]);
}

#[test]
fn a_catalog_whose_publisher_failed_is_published_again_though_its_rows_are_as_before() {
    let world = World::namespaced();
    let writer = world.machine("infra", "writer");
    writer.put("vpc", "first", "1");
    writer.push();
    writer.put("vpc", "second", "2");
    world.fail_writes_of("_index/_root.json");
    writer.try_push().expect_err("the shard of the catalog is not written");
    assert_eq!(world.exported_names("infra"), ["first", "second"]);
    world.heal();

    writer.delete("vpc", "second");
    writer.push();

    assert_eq!(world.exported_names("infra"), ["first"]);
    assert_eq!(world.dangling_entries("infra"), Vec::<String>::new());
}

#[test]
fn a_catalog_lacks_no_version_that_arrives_while_another_is_saved_in_its_place() {
    let world = World::namespaced();
    let (one, other) = (world.machine("infra", "one"), world.machine("infra", "other"));
    one.put("vpc", "first", "x");
    one.push();
    other.pull();
    one.put("vpc", "state", "theirs");
    one.push();
    let theirs = world.exported_ids("infra");
    other.put("vpc", "more", "x");
    let saver = other.clone();
    world.before_read_of("/state/1/metadata.yaml", move || drop(saver.put("vpc", "state", "ours")));

    other.export();
    let meanwhile = world.exported_ids("infra");
    other.push();

    assert!(theirs.iter().all(|id| meanwhile.contains(id)), "{theirs:?} {meanwhile:?}");
    let latest = [("first", 1), ("more", 1), ("state", 2)].map(|(name, version)| (name.to_owned(), version));
    assert_eq!(world.exported_latest("infra"), latest);
}

#[test]
fn a_version_with_the_content_of_the_one_it_replaces_is_shown_when_it_is_published() {
    let world = World::namespaced();
    let (one, other) = (world.machine("infra", "one"), world.machine("infra", "other"));
    one.put("vpc", "kept", "x");
    one.put("vpc", "state", "same");
    one.push();
    other.pull();
    other.change("files/x", "x");
    let saver = other.clone();
    world.before_write_of("files/x", move || {
        saver.delete("vpc", "state");
        saver.put("vpc", "state", "same");
    });

    other.push();
    let while_replaced = world.exported_ids("infra");
    other.push();

    let rows = other.rows(Some("infra"));
    let ours = rows.iter().find(|row| row.data_name == "state").expect("saved");
    assert!(!while_replaced.contains(&ours.id), "{while_replaced:?}");
    assert!(world.exported_ids("infra").contains(&ours.id));
}
