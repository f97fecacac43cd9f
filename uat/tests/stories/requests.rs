//! What a synchronisation costs in requests.

use swamp_uat::{Repository, Scene, on_every_server};

on_every_server!(
    a_push_with_nothing_to_do_costs_one_request,
    a_pull_with_nothing_to_do_costs_one_request,
    a_push_of_one_change_does_not_grow_with_the_namespace,
    reading_costs_no_request,
    only_a_new_model_costs_a_put_a_request,
);

fn pushed(scene: &Scene) -> Repository {
    let writer = scene.repository("ana", "infra");
    for name in ["a", "b", "c"] {
        writer.put("probe", name, name.as_bytes());
    }
    writer.push();
    writer
}

fn a_push_with_nothing_to_do_costs_one_request(scene: &Scene) {
    let writer = pushed(scene);

    let requests = scene.requests_of(|| assert_eq!(writer.push()["filesPushed"], 0));

    assert_eq!(requests, 1);
}

fn a_pull_with_nothing_to_do_costs_one_request(scene: &Scene) {
    let writer = pushed(scene);
    let reader = scene.machine("ben").clone_of(&writer);
    reader.pull();

    let of_the_reader = scene.requests_of(|| assert_eq!(reader.pull()["filesPulled"], 0));
    let of_the_writer = scene.requests_of(|| assert_eq!(writer.pull()["filesPulled"], 0));

    assert_eq!((of_the_reader, of_the_writer), (1, 1));
}

fn a_push_of_one_change_does_not_grow_with_the_namespace(scene: &Scene) {
    let writer = pushed(scene);
    writer.put("probe", "a", b"changed");
    let small = scene.requests_of(|| drop(writer.push()));
    for model in 0..12 {
        writer.put(&format!("model-{model}"), "result", b"more");
    }
    writer.push();
    writer.put("probe", "a", b"changed again");

    let large = scene.requests_of(|| drop(writer.push()));

    assert_eq!(large, small);
}

fn reading_costs_no_request(scene: &Scene) {
    let writer = pushed(scene);

    let requests = scene.requests_of(|| {
        writer.listed("probe");
        writer.get("probe", "a");
        writer.json(&["data", "search", "a"]);
    });

    assert_eq!(requests, 0);
}

fn only_a_new_model_costs_a_put_a_request(scene: &Scene) {
    let writer = pushed(scene);

    let new = scene.requests_of(|| drop(writer.put("another", "a", b"first")));
    let known = scene.requests_of(|| drop(writer.put("another", "a", b"second")));

    assert_eq!((new, known), (1, 0));
}
