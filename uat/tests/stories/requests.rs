//! What a synchronisation costs in requests.

use swamp_uat::{Backend, Repository, Scene};

fn pushed(scene: &Scene) -> Repository {
    let writer = scene.repository("ana", "infra");
    for name in ["a", "b", "c"] {
        writer.put("probe", name, name.as_bytes());
    }
    writer.push();
    writer
}

/// Returns how many requests `action` sent.
fn cost(scene: &Scene, action: impl FnOnce()) -> u64 {
    scene.datastore().server().reset_counters();
    action();
    scene.datastore().server().counters().total()
}

#[test]
fn a_push_with_nothing_to_do_costs_one_request() {
    let scene = Scene::new(Backend::S3);
    let writer = pushed(&scene);

    let requests = cost(&scene, || assert_eq!(writer.push()["filesPushed"], 0));

    assert_eq!(requests, 1);
}

#[test]
fn a_pull_with_nothing_to_do_costs_one_request() {
    let scene = Scene::new(Backend::S3);
    let writer = pushed(&scene);
    let reader = scene.machine("ben").clone_of(&writer);
    reader.pull();

    let of_the_reader = cost(&scene, || assert_eq!(reader.pull()["filesPulled"], 0));
    let of_the_writer = cost(&scene, || assert_eq!(writer.pull()["filesPulled"], 0));

    assert_eq!((of_the_reader, of_the_writer), (1, 1));
}

#[test]
fn a_push_of_one_change_does_not_grow_with_the_namespace() {
    let scene = Scene::new(Backend::S3);
    let writer = pushed(&scene);
    writer.put("probe", "a", b"changed");
    let small = cost(&scene, || drop(writer.push()));
    for model in 0..12 {
        writer.put(&format!("model-{model}"), "result", b"more");
    }
    writer.push();
    writer.put("probe", "a", b"changed again");

    let large = cost(&scene, || drop(writer.push()));

    assert_eq!(large, small);
}

#[test]
fn reading_costs_no_request() {
    let scene = Scene::new(Backend::S3);
    let writer = pushed(&scene);

    let requests = cost(&scene, || {
        writer.listed("probe");
        writer.get("probe", "a");
        writer.json(&["data", "search", "a"]);
    });

    assert_eq!(requests, 0);
}
