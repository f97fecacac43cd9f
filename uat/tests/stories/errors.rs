//! What goes wrong says what, why and what to do, with an exit code that a script can act on.

use std::net::TcpListener;
use std::time::Duration;

use swamp_uat::{Backend, Repository, Scene, on_every_backend};

on_every_backend!(a_missing_artifact_is_not_found, a_bad_key_in_the_marker_is_named, errors_go_to_stderr_only);

fn on_s3() -> (Scene, Repository) {
    let scene = Scene::new(Backend::S3);
    let writer = scene.repository("ana", "infra");
    writer.put("probe", "result", b"one");
    (scene, writer)
}

/// Points the repository at another endpoint.
fn move_endpoint(repository: &Repository, scene: &Scene, endpoint: &str) {
    let marker = repository.marker();
    let moved = marker.replace(&scene.datastore().server().endpoint(), endpoint);
    assert_ne!(moved, marker);
    repository.write_marker(&moved);
}

#[test]
fn outside_a_repository_is_a_usage_error() {
    let scene = Scene::new(Backend::Directory);
    let nowhere = scene.machine("ana").plain_directory("nowhere");

    let error = nowhere.error(2, &["data", "list"]);

    assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("swamp repo init")), "{error}");
}

#[test]
fn an_unknown_command_is_a_usage_error() {
    let scene = Scene::new(Backend::Directory);
    let nowhere = scene.machine("ana").plain_directory("nowhere");

    nowhere.fails(2, &["datastore", "explode"]);
}

#[test]
fn a_repository_is_made_once() {
    let scene = Scene::new(Backend::Directory);
    let repository = scene.machine("ana").repository("once");
    let marker = repository.marker();

    repository.error(1, &["repo", "init"]);
    repository.ok(&["repo", "init", "--force"]);

    let id = |text: &str| text.lines().find(|line| line.starts_with("repoId:")).map(str::to_owned);
    assert_eq!(id(&repository.marker()), id(&marker));
}

#[test]
fn an_unreachable_store_asks_to_try_again() {
    let (scene, writer) = on_s3();
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    move_endpoint(&writer, &scene, &format!("http://{closed}"));

    let outcome = writer
        .start(&["datastore", "sync", "--push", "--timeout", "10", "--json"])
        .finish_within(Duration::from_secs(30));

    let error = writer.expect(outcome, 75).error();
    assert_eq!(error["code"], "unavailable");
    assert!(error["hint"].is_string(), "{error}");
}

#[test]
fn a_store_that_never_answers_does_not_hang_us() {
    let (scene, writer) = on_s3();
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    move_endpoint(&writer, &scene, &format!("http://{}", silent.local_addr().expect("bound")));

    let outcome = writer
        .start(&["datastore", "sync", "--pull", "--timeout", "4", "--json"])
        .finish_within(Duration::from_secs(20));

    assert_eq!(writer.expect(outcome, 75).error()["code"], "unavailable");
}

#[test]
fn a_set_up_that_fails_changes_nothing() {
    let scene = Scene::new(Backend::S3);
    let repository = scene.machine("ana").with("AWS_SECRET_ACCESS_KEY", "wrong").repository("new");
    let marker = repository.marker();

    let refused = repository.set_up(scene.datastore(), &["--namespace", "infra"]);

    repository.expect(refused, 1);
    assert_eq!(repository.marker(), marker);
    assert_eq!(scene.datastore().objects().len(), 0);
}

#[test]
fn wrong_credentials_are_denied_and_not_skipped() {
    let (scene, writer) = on_s3();
    let other = scene.repository("ben", "security");
    other.put("scanner", "findings", b"none");
    other.push();
    let wrong = writer.with("AWS_SECRET_ACCESS_KEY", "wrong");

    let catalog = wrong.error(1, &["datastore", "catalog", "pull", "--namespaces", "security"]);
    let push = wrong.error(1, &["datastore", "sync", "--push"]);

    assert_eq!(catalog["code"], "denied");
    assert_eq!(push["code"], "denied");
}

#[test]
fn a_push_that_fails_says_so_and_the_next_resumes() {
    let (scene, writer) = on_s3();
    let wrong = writer.with("AWS_SECRET_ACCESS_KEY", "wrong");

    wrong.error(1, &["datastore", "sync", "--push"]);
    writer.push();

    let reader = scene.machine("ben").clone_of(&writer);
    reader.pull();
    assert_eq!(reader.get("probe", "result"), b"one");
}

fn a_missing_artifact_is_not_found(scene: &Scene) {
    let writer = scene.repository("ana", "infra");
    writer.put("probe", "result", b"one");

    let artifact = writer.error(1, &["data", "get", "probe", "nothing"]);
    let version = writer.error(1, &["data", "get", "probe", "result", "--version", "9"]);
    let model = writer.error(1, &["data", "list", "nobody"]);

    assert_eq!(artifact["code"], "not_found");
    assert_eq!(version["code"], "not_found");
    assert_eq!(model["code"], "not_found");
    assert!(artifact["error"].as_str().is_some_and(|text| text.contains("nothing")), "{artifact}");
}

fn a_bad_key_in_the_marker_is_named(scene: &Scene) {
    let writer = scene.repository("ana", "infra");
    writer.write_marker(&writer.marker().replace("namespace: infra", "namespace: \"In Fra\""));

    let error = writer.error(2, &["data", "list"]);

    let text = error.to_string();
    assert!(text.contains("namespace") && text.contains("In Fra"), "{text}");
}

fn errors_go_to_stderr_only(scene: &Scene) {
    let writer = scene.repository("ana", "infra");

    let plain = writer.fails(1, &["data", "get", "probe", "nothing"]);
    let json = writer.error(1, &["data", "get", "probe", "nothing"]);

    assert_eq!(plain.text(), "");
    assert!(plain.stderr.starts_with("error: "), "{}", plain.stderr);
    assert!(json["error"].is_string() && json["code"].is_string(), "{json}");
}
