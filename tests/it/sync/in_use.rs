//! Files that are open for writing through a mount while others change them.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::sync::{Arc, Mutex};

use swamp::sync::Hold;

use super::world::{Machine, World};

/// Two machines with two files; one of them is about to append to `files/log`.
fn two(world: &World) -> (Machine, Machine) {
    let (one, other) = (world.machine("infra", "one"), world.machine("infra", "other"));
    one.change("files/log", "first\n");
    one.change("files/other", "x");
    one.push();
    other.pull();
    (one, other)
}

fn open(machine: &Machine) -> (Hold, File) {
    let file = machine.engine().parts().root.join("files/log");
    (hold(machine), OpenOptions::new().append(true).open(file).expect("opened"))
}

fn hold(machine: &Machine) -> Hold {
    let watermark = Arc::clone(&machine.engine().parts().watermark);
    watermark.hold(&"files".parse().expect("a path")).expect("held")
}

fn log(machine: &Machine) -> Option<String> {
    machine.tree().get("files/log").map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

#[test]
fn a_file_that_is_open_for_writing_is_not_replaced_until_it_is_closed() {
    let world = World::namespaced();
    let (one, other) = two(&world);
    let (hold, mut file) = open(&one);
    other.change("files/log", "theirs\n");
    other.push();

    one.pull();
    file.write_all(b"ours\n").expect("written");
    assert_eq!(log(&one).as_deref(), Some("first\nours\n"));
    drop((hold, file));
    one.push();
    other.pull();

    assert_eq!(log(&other).as_deref(), Some("first\nours\n"));
}

#[test]
fn a_file_that_was_open_and_not_written_to_is_fetched_when_it_is_closed() {
    let world = World::namespaced();
    let (one, other) = two(&world);
    let opened = open(&one);
    other.change("files/log", "theirs\n");
    other.push();

    one.change("files/other", "y");
    one.push();
    assert_eq!(log(&one).as_deref(), Some("first\n"));
    drop(opened);
    one.pull();
    other.pull();

    assert_eq!(log(&one).as_deref(), Some("theirs\n"));
    assert_eq!(one.tree(), other.tree());
    assert_eq!(world.dangling_entries("infra"), Vec::<String>::new());
}

#[test]
fn a_file_that_is_open_for_writing_is_not_removed_until_it_is_closed() {
    let world = World::namespaced();
    let (one, other) = two(&world);
    let opened = open(&one);
    other.remove("files/log");
    other.push();

    one.change("files/other", "y");
    one.push();
    assert_eq!(log(&one).as_deref(), Some("first\n"));
    drop(opened);
    one.pull();
    one.push();
    other.pull();

    assert_eq!(log(&one), None);
    assert_eq!(log(&other), None);
}

#[test]
fn a_file_that_is_opened_while_its_successor_is_fetched_is_not_replaced() {
    let world = World::namespaced();
    let (one, other) = two(&world);
    other.change("files/log", "theirs\n");
    other.push();
    let (held, machine) = (Arc::new(Mutex::new(None)), one.clone());
    let slot = Arc::clone(&held);
    world.before_read_of("files/log", move || *slot.lock().expect("free") = Some(hold(&machine)));

    one.pull();

    assert_eq!(log(&one).as_deref(), Some("first\n"));
    drop(held.lock().expect("free").take());
    one.pull();
    assert_eq!(log(&one).as_deref(), Some("theirs\n"));
}
