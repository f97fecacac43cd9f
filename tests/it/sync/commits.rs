//! What survives crashes, lost replies and concurrent writers.

use swamp::sync::Depth;

use super::world::World;

/// Hurts every request of a push once, each in a namespace of its own; the next push must complete it.
fn the_next_push_completes_it(hurt: impl Fn(&World, u64)) {
    let world = World::namespaced();
    let all = {
        let probe = World::namespaced();
        let writer = probe.machine("infra", "writer");
        writer.put("vpc", "state", "one");
        probe.requests_of(|| drop(writer.push()))
    };
    for request in 1..=all {
        let namespace = format!("n{request}");
        let writer = world.machine(&namespace, "writer");
        writer.put("vpc", "state", "one");

        hurt(&world, request);
        drop(writer.try_push());
        world.heal();
        world.forget_locks();
        writer.push();

        let reader = world.machine(&namespace, "reader");
        reader.pull();
        assert_eq!(reader.tree(), writer.tree(), "request {request}");
        assert_eq!(reader.contents("vpc", "state"), ["one"], "request {request}");
        assert_eq!(world.dangling_entries(&namespace), Vec::<String>::new(), "request {request}");
        assert_eq!(world.exported_names(&namespace), ["state"], "request {request}");
    }
}

#[test]
fn a_push_that_fails_anywhere_is_completed_by_the_next_one() {
    the_next_push_completes_it(World::fail_request);
}

#[test]
fn a_write_whose_reply_is_lost_is_recognised() {
    the_next_push_completes_it(World::lose_reply);
}

#[test]
fn t25_a_commit_under_a_stolen_lock_loses_no_update() {
    let world = World::namespaced();
    let (one, other) = (world.machine("infra", "one"), world.machine("infra", "other"));
    one.put("vpc", "first", "x");
    one.push();
    other.pull();
    one.put("vpc", "mine", "x");
    other.put("vpc", "yours", "y");

    // While `one` is about to write its first shard, its lock is taken and `other` commits.
    let (thief, accomplice) = (world.clone(), other);
    world.before_write_of("_index/data--swamp--file", move || {
        thief.forget_locks();
        accomplice.push();
    });
    drop(one.try_push());
    world.heal();
    one.push();

    let reader = world.machine("infra", "reader");
    reader.pull();
    assert_eq!(reader.names(), ["first", "mine", "yours"]);
    assert_eq!(world.dangling_entries("infra"), Vec::<String>::new());
}

#[test]
fn an_emptied_bucket_deletes_nothing_here_and_is_filled_again_by_a_push() {
    let world = World::namespaced();
    let writer = world.machine("infra", "writer");
    writer.put("vpc", "state", "one");
    writer.push();
    world.empty();

    let refused = writer.try_pull().expect_err("the index is gone");
    writer.push();

    assert!(refused.to_string().contains("has disappeared"), "{refused}");
    let reader = world.machine("infra", "reader");
    reader.pull();
    assert_eq!(reader.tree(), writer.tree());
}

#[test]
fn files_without_an_index_are_discovered() {
    let world = World::namespaced();
    let writer = world.machine("infra", "writer");
    writer.put("vpc", "state", "one");
    writer.push();
    world.remove_index("infra");

    let reader = world.machine("infra", "reader");
    reader.pull();
    assert_eq!(reader.read("vpc", "state"), "one");

    reader.put("vpc", "second", "two");
    reader.push();
    let third = world.machine("infra", "third");
    third.pull();
    assert_eq!(third.names(), ["second", "state"]);
}

#[test]
fn two_writers_that_alternate_converge() {
    let world = World::namespaced();
    let (one, other) = (world.machine("infra", "one"), world.machine("infra", "other"));
    one.put("vpc", "shared", "0");
    one.push();
    other.pull();
    for round in 1..6 {
        one.put("vpc", "shared", &format!("one {round}"));
        other.put("vpc", "shared", &format!("other {round}"));
        one.push();
        other.push();
    }
    one.pull();
    other.pull();

    assert_eq!(one.tree(), other.tree());
    assert_eq!(one.contents("vpc", "shared").len(), 11);
}

#[test]
fn a_model_that_lost_its_last_artifact_does_not_make_the_index_unreadable() {
    let world = World::namespaced();
    let writer = world.machine("infra", "writer");
    writer.put("vpc", "only", "x");
    writer.put("db", "other", "x");
    writer.push();
    writer.delete("vpc", "only");
    writer.push();
    writer.put("db", "other", "y");
    writer.push();

    let reader = world.machine("infra", "reader");
    reader.pull();

    assert_eq!(reader.names(), ["other"]);
    assert_eq!(reader.tree(), writer.tree());
}

#[test]
fn a_pull_reads_on_when_a_shard_is_emptied_under_it() {
    let world = World::namespaced();
    let (writer, reader) = (world.machine("infra", "writer"), world.machine("infra", "reader"));
    writer.put("vpc", "going", "x");
    writer.put("db", "kept", "y");
    writer.push();
    let beside = writer.clone();
    // The reader has seen which shards there are, and reads the first of them.
    world.before_read_of("_index/_root", move || {
        beside.delete("vpc", "going");
        beside.push();
    });

    reader.pull();

    assert_eq!(reader.names(), ["kept"]);
    assert_eq!(reader.tree(), writer.tree());
}

#[test]
fn a_solo_datastore_that_was_emptied_can_be_filled_again() {
    let world = World::solo();
    let (writer, other) = (world.solo_machine("writer"), world.solo_machine("other"));
    writer.put("vpc", "only", "x");
    writer.push();
    other.pull();
    writer.delete("vpc", "only");
    writer.remove_definition("vpc");
    writer.push();
    other.pull();

    writer.put("vpc", "first", "y");
    writer.push();
    other.put("vpc", "second", "z");
    other.push();

    let reader = world.solo_machine("reader");
    reader.pull();
    assert_eq!(reader.names(), ["first", "second"]);
}

#[test]
fn a_version_put_during_a_push_is_uploaded_before_any_index_names_it() {
    let world = World::namespaced();
    let writer = world.machine("infra", "writer");
    writer.put("vpc", "state", "one");
    let beside = writer.clone();
    world.before_write_of(".locks/", move || {
        beside.put("vpc", "state", "two");
    });

    writer.push();

    assert_eq!(world.dangling_entries("infra"), Vec::<String>::new());
    writer.push();
    let reader = world.machine("infra", "reader");
    reader.pull();
    assert_eq!(reader.contents("vpc", "state"), ["one", "two"]);
}

#[test]
fn a_lost_copy_of_the_index_loses_no_entry() {
    let world = World::namespaced();
    let writer = world.machine("infra", "writer");
    writer.put("vpc", "first", "x");
    writer.put("vpc", "second", "x");
    writer.push();
    writer.lose_index_records();
    writer.put("vpc", "third", "x");
    writer.push();

    let reader = world.machine("infra", "reader");
    reader.pull();

    assert_eq!(reader.names(), ["first", "second", "third"]);
}

#[test]
fn renumbered_versions_keep_their_order() {
    let world = World::namespaced();
    let (one, other) = (world.machine("infra", "one"), world.machine("infra", "other"));
    one.put("vpc", "state", "base");
    one.push();
    other.pull();
    other.put("vpc", "state", "older");
    other.put("vpc", "state", "newest");
    one.put("vpc", "state", "theirs");
    one.push();

    other.push();
    one.pull();

    assert_eq!(one.read("vpc", "state"), "newest");
    assert_eq!(one.contents("vpc", "state"), ["base", "newest", "older", "theirs"]);
    assert_eq!(one.tree(), other.tree());
}

#[test]
fn a_version_put_while_a_pull_fetches_the_same_number_is_kept() {
    let world = World::namespaced();
    let (one, other) = (world.machine("infra", "one"), world.machine("infra", "other"));
    one.put("vpc", "state", "base");
    one.push();
    other.pull();
    one.put("vpc", "state", "theirs");
    one.push();
    let beside = other.clone();
    world.before_read_of("state/2/raw", move || {
        beside.put("vpc", "state", "ours");
    });

    other.pull();
    other.push();
    one.pull();

    assert_eq!(one.contents("vpc", "state"), ["base", "ours", "theirs"]);
    assert_eq!(one.tree(), other.tree());
}

#[test]
fn a_frozen_monolith_is_never_the_truth_again() {
    let world = World::solo();
    let writer = world.solo_machine("writer");
    writer.put("vpc", "state", "one");
    writer.push();
    writer.migrate_index();
    writer.put("vpc", "later", "two");
    writer.push();
    world.remove_object("_index/_meta.json");

    let refused = writer.try_pull().expect_err("the shards are gone");

    assert!(refused.to_string().contains("has disappeared"), "{refused}");
    assert_eq!(writer.names(), ["later", "state"]);
}

#[test]
fn a_shard_read_by_a_pull_that_failed_is_not_believed_once_it_is_gone() {
    let world = World::namespaced();
    let (writer, other) = (world.machine("infra", "writer"), world.machine("infra", "other"));
    writer.put("vpc", "going", "x");
    writer.change("workflow-runs/w/run.yaml", "x");
    writer.push();
    other.adopt_model("vpc", &writer.model_id("vpc"));
    // The last shard; those before it arrive.
    world.deny("infra/_index/workflow-runs--w.json");
    other.try_pull().expect_err("a shard cannot be read");
    world.heal();
    writer.delete("vpc", "going");
    writer.push();

    other.put("vpc", "mine", "y");
    other.push();

    assert_eq!(world.dangling_entries("infra"), Vec::<String>::new());
    let reader = world.machine("infra", "reader");
    reader.pull();
    assert_eq!(reader.names(), ["mine"]);
}

#[test]
fn two_machines_that_append_to_one_version_both_keep_what_they_wrote() {
    let world = World::namespaced();
    let (one, other) = (world.machine("infra", "one"), world.machine("infra", "other"));
    one.stream("vpc", "log", "base\n");
    one.push();
    other.pull();
    one.append("vpc", "log", "one\n");
    other.append("vpc", "log", "other\n");

    one.push();
    other.push();
    one.pull();

    assert_eq!(one.contents("vpc", "log"), ["base\none\n", "base\nother\n"]);
    assert_eq!(one.tree(), other.tree());
}

#[test]
fn a_version_whose_description_did_not_arrive_is_not_taken_for_a_deleted_one() {
    let world = World::namespaced();
    let (one, other) = (world.machine("infra", "one"), world.machine("infra", "other"));
    one.put("vpc", "state", "theirs");
    one.push();
    other.adopt_model("vpc", &one.model_id("vpc"));
    other.put("vpc", "state", "first");
    other.put("vpc", "state", "second");
    one.put("vpc", "state", "newest");
    one.put("vpc", "state", "last");
    one.push();
    world.deny(&format!("infra/data/swamp/file/{}/state/3/metadata.yaml", one.model_id("vpc")));
    other.try_push().expect_err("a description cannot be read");
    world.heal();

    other.pull();
    other.push();
    one.pull();

    assert_eq!(one.contents("vpc", "state"), ["first", "last", "newest", "second", "theirs"]);
    assert_eq!(one.tree(), other.tree());
}

#[test]
fn a_number_given_again_after_a_lazy_pull_does_not_bring_the_deleted_version_back() {
    let world = World::namespaced();
    let (one, other) = (world.machine("infra", "one"), world.machine("infra", "other"));
    one.put("vpc", "state", "old");
    one.push();
    other.pull_at(Depth::Metadata);
    other.adopt_model("vpc", &one.model_id("vpc"));
    other.delete("vpc", "state");
    other.put("vpc", "state", "new");

    other.pull();
    other.push();
    one.pull();

    assert_eq!(one.contents("vpc", "state"), ["new"]);
    assert_eq!(one.tree(), other.tree());
}

#[test]
fn a_stream_that_its_writer_has_not_committed_yet_can_be_pulled() {
    let world = World::namespaced();
    let (writer, reader) = (world.machine("infra", "writer"), world.machine("infra", "reader"));
    writer.stream("vpc", "log", "one\n");
    writer.push();
    writer.append("vpc", "log", "two\n");
    world.fail_writes_of("_index/data--");
    writer.try_push().expect_err("the commit fails");
    world.heal();

    reader.pull();
    assert_eq!(reader.read("vpc", "log"), "one\ntwo\n");

    world.forget_locks();
    writer.push();
    reader.pull();
    assert_eq!(reader.tree(), writer.tree());
}

#[test]
fn what_others_took_for_theirs_and_deleted_is_sent_again_before_an_index_names_it() {
    let world = World::namespaced();
    let (one, other) = (world.machine("infra", "one"), world.machine("infra", "other"));
    one.put("vpc", "state", "x");
    // There is no index yet: the other machine finds what was sent, and deletes it, before the lock is taken.
    world.before_write_of(".locks/", move || {
        other.pull();
        other.delete("vpc", "state");
        other.put("db", "mine", "y");
        other.push();
        assert_eq!(other.names(), ["mine"]);
    });

    one.push();

    assert_eq!(world.dangling_entries("infra"), Vec::<String>::new());
    let reader = world.machine("infra", "reader");
    reader.pull();
    assert_eq!(reader.names(), ["mine", "state"]);
}
