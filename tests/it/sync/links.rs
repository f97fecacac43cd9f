//! Links in the tree of a namespace: whoever made them may not be allowed to see, or change, what they lead to.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::world::{Machine, World};

/// A directory outside the tree of a machine, with one file.
fn outside(machine: &Machine, file: &str) -> PathBuf {
    let outside = machine.engine().parts().state.join("outside");
    fs::create_dir(&outside).expect("made");
    fs::copy("/proc/self/comm", outside.join(file)).expect("made");
    outside
}

fn in_tree(machine: &Machine, path: &str) -> PathBuf {
    machine.engine().parts().root.join(path)
}

#[test]
fn what_a_link_in_the_tree_leads_to_is_not_pushed() {
    let world = World::namespaced();
    let (writer, reader) = (world.machine("infra", "writer"), world.machine("infra", "reader"));
    writer.change("files/d.tmp/shadow", "mine");
    writer.push();
    let secret = outside(&writer, "shadow");

    writer.change("files/e.tmp/shadow", "mine");
    fs::remove_dir_all(in_tree(&writer, "files/d.tmp")).expect("moved");
    symlink(&secret, in_tree(&writer, "files/d.tmp")).expect("linked");
    writer.mark_everything();
    writer.change("files/d.tmp.mark", "x");
    writer.push();
    reader.pull();

    let found = reader.tree().into_values().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert_eq!(found.filter(|content| content != "mine" && content != "x").collect::<Vec<_>>(), [""; 0]);
    assert!(reader.tree().contains_key("files/e.tmp/shadow"));
}

#[test]
fn nothing_is_pulled_to_where_a_link_leads() {
    let world = World::namespaced();
    let (writer, reader) = (world.machine("infra", "writer"), world.machine("infra", "reader"));
    let target = outside(&reader, "kept");
    fs::create_dir(in_tree(&reader, "files")).expect("made");
    symlink(&target, in_tree(&reader, "files/q.tmp")).expect("linked");
    for file in ["files/a", "files/q.tmp/evil", "files/q.tmp/sub/evil", "files/z"] {
        writer.change(file, "x");
    }
    writer.push();

    reader.try_pull().expect_err("two files have no place");

    assert_eq!(fs::read_dir(&target).expect("listed").count(), 1);
    assert_eq!(reader.tree().into_keys().collect::<Vec<_>>(), ["files/a", "files/z"]);
}

#[test]
fn nothing_is_removed_where_a_link_leads() {
    let world = World::namespaced();
    let (writer, reader) = (world.machine("infra", "writer"), world.machine("infra", "reader"));
    writer.change("files/d/kept", "x");
    writer.push();
    reader.pull();
    let target = in_tree(&reader, "moved");
    fs::create_dir(&target).expect("made");
    fs::hard_link(in_tree(&reader, "files/d/kept"), target.join("kept")).expect("linked");
    fs::remove_dir_all(in_tree(&reader, "files/d")).expect("removed");
    symlink(&target, in_tree(&reader, "files/d")).expect("linked");

    writer.remove("files/d/kept");
    writer.push();
    reader.pull();

    assert!(target.join("kept").exists());
}
