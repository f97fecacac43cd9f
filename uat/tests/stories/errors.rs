//! What goes wrong says what, why and what to do, with an exit code that a script can act on.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::Value;
use swamp_testbed::faults::{Fault, Rule};
use swamp_uat::{Backend, Datastore, Machine, Repository, Scene, on_every_backend, on_every_server};

on_every_server!(
    an_unreachable_store_asks_to_try_again,
    a_store_that_never_answers_does_not_hang_us,
    a_set_up_that_fails_changes_nothing,
    denied_access_is_told_and_not_skipped,
    a_push_that_fails_says_so_and_the_next_resumes,
);

on_every_backend!(a_missing_artifact_is_not_found, a_bad_key_in_the_marker_is_named, errors_go_to_stderr_only);

fn with_something_to_push(scene: &Scene) -> Repository {
    let writer = scene.repository("ana", "infra");
    writer.put("probe", "result", b"one");
    writer
}

/// Returns the machine without the right to do anything in the datastore.
fn locked_out(scene: &Scene, machine: &Machine) -> Machine {
    if let Datastore::Gcs(server) = scene.datastore() {
        server.faults(Rule::new(Fault::Denied));
    }
    machine.clone().with("AWS_SECRET_ACCESS_KEY", "wrong")
}

/// Points the repository at another endpoint.
fn move_endpoint(repository: &Repository, scene: &Scene, endpoint: &str) {
    let marker = repository.marker();
    let moved = marker.replace(&scene.datastore().endpoint(), endpoint);
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
fn doctor_names_settings_that_have_no_effect() {
    let scene = Scene::new(Backend::Directory);
    let repository = scene.repository("ana", "infra").with("SWAMP_LOCK_TIMEOUT_MS", "soon");
    repository.write_marker(&format!("datastor: {{}}\n{}", repository.marker()));

    let checks = repository.json(&["doctor"])["checks"].take();

    let settings = checks.as_array().and_then(|checks| checks.iter().find(|check| check["check"] == "settings"));
    let message = settings.map_or("", |check| check["message"].as_str().unwrap_or_default());
    assert_eq!(message, "ignored: `datastor` in .swamp.yaml, SWAMP_LOCK_TIMEOUT_MS", "{checks}");
}

fn an_unreachable_store_asks_to_try_again(scene: &Scene) {
    let writer = with_something_to_push(scene);
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    move_endpoint(&writer, scene, &format!("http://{closed}"));

    let outcome = writer
        .start(&["datastore", "sync", "--push", "--timeout", "10", "--json"])
        .finish_within(Duration::from_secs(30));

    let error = writer.expect(outcome, 75).error();
    assert_eq!(error["code"], "unavailable");
    assert!(error["hint"].is_string(), "{error}");
}

fn a_store_that_never_answers_does_not_hang_us(scene: &Scene) {
    let writer = with_something_to_push(scene);
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    move_endpoint(&writer, scene, &format!("http://{}", silent.local_addr().expect("bound")));

    let status = writer.start(&["datastore", "status", "--json"]);
    let outcome = writer
        .start(&["datastore", "sync", "--pull", "--timeout", "4", "--json"])
        .finish_within(Duration::from_secs(20));

    assert_eq!(writer.expect(outcome, 75).error()["code"], "unavailable");
    let outcome = writer.start(&["datastore", "status"]).interrupt_after(Duration::from_secs(1));
    let interrupted = writer.expect(outcome, 130);
    // What holds no lock needs no time to release it.
    assert!(interrupted.wall < Duration::from_secs(4), "{:?}", interrupted.wall);
    let shown = writer.expect(status.finish_within(Duration::from_secs(30)), 0).json();
    assert_eq!(shown["healthy"], false, "{shown}");
}

fn a_set_up_that_fails_changes_nothing(scene: &Scene) {
    let repository = locked_out(scene, &scene.machine("ana")).repository("new");
    let marker = repository.marker();

    let refused = repository.set_up(scene.datastore(), &["--namespace", "infra"]);

    repository.expect(refused, 1);
    assert_eq!(repository.marker(), marker);
    assert_eq!(scene.datastore().objects().len(), 0);
}

fn denied_access_is_told_and_not_skipped(scene: &Scene) {
    let writer = with_something_to_push(scene);
    let other = scene.repository("ben", "security");
    other.put("scanner", "findings", b"none");
    other.push();
    let wrong = writer.on(&locked_out(scene, writer.machine()));

    let catalog = wrong.error(1, &["datastore", "catalog", "pull", "--namespaces", "security"]);
    let push = wrong.error(1, &["datastore", "sync", "--push"]);

    assert_eq!(catalog["code"], "denied");
    assert_eq!(push["code"], "denied");
}

fn a_push_that_fails_says_so_and_the_next_resumes(scene: &Scene) {
    let writer = with_something_to_push(scene);
    let wrong = writer.on(&locked_out(scene, writer.machine()));

    wrong.error(1, &["datastore", "sync", "--push"]);
    scene.datastore().server().clear_faults();
    writer.push();

    let reader = scene.machine("ben").clone_of(&writer);
    reader.pull();
    assert_eq!(reader.get("probe", "result"), b"one");
}

/// Sets a repository up at Google, where it has no credentials, and returns how it was refused.
fn set_up_at_google(variable: &str, value: &str) -> Value {
    let scene = Scene::new(Backend::Directory);
    let repository = scene.machine("ana").with(variable, value).repository("new");
    let marker = repository.marker();

    let outcome = repository
        .start(&["datastore", "setup", "gcs", "--bucket", "team-state", "--namespace", "infra", "--json"])
        .finish_within(Duration::from_secs(20));

    assert_eq!(repository.marker(), marker);
    repository.expect(outcome, 1).error()
}

const SIGN_IN: &str =
    "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a file with credentials";

#[test]
fn missing_google_credentials_say_how_to_get_some() {
    // A machine that is not Google's has nobody to ask; where packets are lost, it takes longer to know.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");

    let refused = set_up_at_google("GCE_METADATA_HOST", "127.0.0.1:1");
    let unanswered = set_up_at_google("GCE_METADATA_HOST", &silent.local_addr().expect("bound").to_string());

    for error in [refused, unanswered] {
        assert_eq!((&error["code"], &error["hint"]), (&"denied".into(), &SIGN_IN.into()), "{error}");
        assert!(error.to_string().contains("there are no Google credentials on this machine"), "{error}");
    }
}

#[test]
fn google_credentials_that_cannot_be_read_are_named() {
    let error = set_up_at_google("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json");

    assert_eq!((&error["code"], &error["hint"]), (&"denied".into(), &SIGN_IN.into()), "{error}");
    assert!(error.to_string().contains("/nowhere/key.json"), "{error}");
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
