//! A writer pushes; a reader on another machine pulls and sees where everything comes from.

use serde_json::Value;
use swamp_uat::{Repository, Scene, on_every_backend};

on_every_backend!(
    a_reader_lists_what_a_writer_pushed,
    a_reader_gets_every_version,
    every_kind_of_name_and_content_arrives
);

/// What must not change between machines, of the document `data get` shows.
fn provenance(repository: &Repository, model: &str, name: &str) -> Vec<Value> {
    let shown = repository.json(&["data", "get", model, name, "--no-content"]);
    [
        "id",
        "name",
        "modelId",
        "modelName",
        "modelType",
        "version",
        "contentType",
        "lifetime",
        "garbageCollection",
        "streaming",
        "tags",
        "ownerDefinition",
        "createdAt",
        "size",
        "checksum",
    ]
    .iter()
    .map(|key| shown[key].clone())
    .collect()
}

fn a_reader_lists_what_a_writer_pushed(scene: &Scene) {
    let writer = scene.repository("ana", "infra");
    let args = ["--type", "aws/ec2/vpc", "--content-type", "application/json", "--tag", "env=prod", "--spec", "state"];
    let put = writer.put_with("vpc-main", "state", br#"{"cidr":"10.0.0.0/16"}"#, &args);
    writer.push();
    let reader = scene.machine("ben").clone_of(&writer);

    reader.pull();

    assert_eq!(reader.listed("vpc-main"), [("state".to_owned(), 1)]);
    let shown = reader.json(&["data", "get", "vpc-main", "state"]);
    assert_eq!(shown["modelType"], "aws/ec2/vpc");
    assert_eq!(shown["modelName"], "vpc-main");
    assert_eq!(shown["tags"]["env"], "prod");
    assert_eq!(shown["tags"]["specName"], "state");
    assert_eq!(shown["ownerDefinition"]["ownerType"], "manual");
    assert_eq!(shown["createdAt"], put["createdAt"]);
    assert_eq!(shown["content"]["cidr"], "10.0.0.0/16");
    assert_eq!(provenance(&reader, "vpc-main", "state"), provenance(&writer, "vpc-main", "state"));
    assert_eq!(reader.get("vpc-main", "state"), br#"{"cidr":"10.0.0.0/16"}"#);
    let models = reader.json(&["data", "search", "state"]);
    assert_eq!(models["results"][0]["modelName"], "vpc-main");
    let listing = reader.json(&["data", "list", "vpc-main"]);
    assert_eq!(listing["namespace"], "infra");
}

fn a_reader_gets_every_version(scene: &Scene) {
    let writer = scene.repository("ana", "infra");
    writer.put("probe", "result", b"one");
    writer.push();
    let reader = scene.machine("ben").clone_of(&writer);
    reader.pull();
    writer.put("probe", "result", b"two");
    writer.put("probe", "result", b"three");
    writer.push();

    reader.pull();

    assert_eq!(reader.versions("probe", "result"), [3, 2, 1]);
    assert_eq!(reader.get_version("probe", "result", 1), b"one");
    assert_eq!(reader.get_version("probe", "result", 2), b"two");
    // `latest` went from one byte to another of equal size, which must arrive all the same.
    assert_eq!(reader.get("probe", "result"), b"three");
}

fn every_kind_of_name_and_content_arrives(scene: &Scene) {
    let writer = scene.repository("ana", "infra");
    let names = ["with space", "per%cent", "hash#mark", "what?", "plus+", "ünïcode", "123", "a:b", "{brace}"];
    let binary: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    for name in names {
        writer.put("odd", name, name.as_bytes());
    }
    writer.put("odd", "binary", &binary);
    writer.put("odd", "empty", b"");
    writer.push();
    let reader = scene.machine("ben").clone_of(&writer);

    reader.pull();

    let arrived: Vec<Vec<u8>> = names.iter().map(|name| reader.get("odd", name)).collect();
    let sent: Vec<Vec<u8>> = names.iter().map(|name| name.as_bytes().to_vec()).collect();
    assert_eq!(arrived, sent);
    assert_eq!(reader.get("odd", "binary"), binary);
    assert_eq!(reader.get("odd", "empty"), b"");
    assert_eq!(reader.listed("odd"), writer.listed("odd"));
}
