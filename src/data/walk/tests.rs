//! What is there is found, what is bad is reported, what is outside stays outside.

use std::os::unix::fs::symlink;

use super::super::testing::{Bed, artifact, number};
use super::*;

fn metadata(created: &str) -> String {
    format!(
        "id: 5b7d2c57-6a36-4a1e-9a52-9f7f0d3f5f10\nname: x\nversion: 1\ncontentType: text/plain\nlifetime: infinite\n\
         garbageCollection: 5\ntags: {{type: file}}\nownerDefinition: {{ownerType: manual, ownerRef: me}}\n\
         createdAt: {created}\n"
    )
}

fn good() -> String {
    metadata("2026-08-22T10:15:30.123Z")
}

fn found_in(bed: &Bed) -> Vec<String> {
    let mut found = Vec::new();
    let skipped = walk(&bed.root(), |name| -> Result<(), ()> {
        let versions = name.versions.iter().map(|version| match &version.metadata {
            Ok(metadata) => metadata.version.to_string(),
            Err(_) => format!("({})", version.number),
        });
        found.push(format!("{} {}", name.artifact, versions.collect::<Vec<_>>().join(" ")));
        Ok(())
    });
    assert_eq!(skipped.expect("visited").len(), 0);
    found
}

#[test]
fn types_of_any_depth_and_numeric_names_are_found() {
    let bed = Bed::new();
    for path in ["data/a/id/x/1", "data/a/id/x/10", "data/a/id/x/9", "data/a/b/c/id/7/3", "data/a/b/id-2/y z/2"] {
        bed.plant(&format!("{path}/metadata.yaml"), &good());
    }
    bed.plant("data/a/id/empty/latest", "1");
    bed.plant("data/_catalog.db", "x");
    bed.plant("data/a/id/.lock", "{}");

    assert_eq!(found_in(&bed), ["a/b/c/id/7 3", "a/b/id-2/y z 2", "a/id/x 1 9 10"]);
}

#[test]
fn one_bad_version_hides_no_other() {
    let bed = Bed::new();
    bed.plant("data/a/id/x/1/metadata.yaml", &good());
    bed.plant("data/a/id/x/2/metadata.yaml", &metadata("yesterday"));
    bed.plant("data/a/id/x/3/raw", "dangling");
    bed.plant("data/a/id/y/1/metadata.yaml", "[");
    bed.plant("data/a/id/z/1/metadata.yaml", &good());
    bed.plant("data/a/id/x/12abc/metadata.yaml", &good());

    assert_eq!(found_in(&bed), ["a/id/x 1 (2) (3)", "a/id/y (1)", "a/id/z 1"]);
    let found = scan_name(
        &bed.root(),
        &"data/a/id/x".parse().map(|path| Artifact::from_directory(&path)).expect("a path").expect("a name"),
    );
    assert_eq!(found.expect("listed").latest().map(|metadata| metadata.version), Some(number(1)));
}

#[test]
fn odd_directories_are_reported_and_hide_no_other() {
    let bed = Bed::new();
    bed.plant("data/a/id/v1..2/1/metadata.yaml", &good());
    bed.plant("data/a/id/x/1/metadata.yaml", &good());
    bed.plant("data/Upper/id/x/1/metadata.yaml", &good());
    let mut names = Vec::new();

    let skipped = walk_names(&bed.root(), |artifact| -> Result<(), ()> {
        names.push(artifact.to_string());
        Ok(())
    })
    .expect("visited");

    assert_eq!(names, ["a/id/x"]);
    assert_eq!(skipped.len(), 2);
}

#[test]
fn links_are_not_followed() {
    let bed = Bed::new();
    bed.plant("../outside/id/x/1/metadata.yaml", &good());
    bed.plant("data/a/id/x/1/metadata.yaml", &good());
    let outside = bed.directory.path().join("outside");
    symlink(&outside, bed.root().join("data/linked")).expect("linked");
    symlink(outside.join("id/x"), bed.root().join("data/a/id/y")).expect("linked");
    symlink(outside.join("id/x/1"), bed.root().join("data/a/id/x/2")).expect("linked");
    fs::create_dir(bed.root().join("data/a/id/x/3")).expect("made");
    symlink(outside.join("id/x/1/metadata.yaml"), bed.root().join("data/a/id/x/3/metadata.yaml")).expect("linked");

    assert_eq!(found_in(&bed), ["a/id/x 1 (3)"]);
}

#[test]
fn the_latest_of_old_repositories_is_a_link_to_a_number() {
    let bed = Bed::new();
    bed.plant("data/a/id/x/3/metadata.yaml", &good());
    let path = bed.root().join("data/a/id/x/latest");
    for (target, marker) in [("3/", Some(3)), ("3", Some(3)), ("../../../../etc/passwd", None), ("03", None)] {
        symlink(target, &path).expect("linked");
        assert_eq!(read_marker(&path), marker.map(number));
        fs::remove_file(&path).expect("removed");
    }
    for (text, marker) in [("3", Some(3)), (" 3\n", Some(3)), ("", None), ("3x", None)] {
        bed.plant("data/a/id/x/latest", text);
        assert_eq!(read_marker(&path), marker.map(number));
    }
}

#[test]
fn a_visitor_can_stop_the_walk() {
    let bed = Bed::new();
    for name in ["x", "y"] {
        bed.plant(&format!("data/a/id/{name}/1/metadata.yaml"), &good());
    }
    let mut count = 0;

    let stopped = walk(&bed.root(), |_name| {
        count += 1;
        Err("enough")
    });

    assert_eq!((stopped.expect_err("stopped"), count), ("enough", 1));
}

#[test]
fn what_is_not_there_is_empty() {
    let bed = Bed::new();

    assert_eq!(found_in(&bed), [""; 0]);
    assert_eq!(scan_name(&bed.root(), &artifact("x")).expect("absent").versions.len(), 0);
}
