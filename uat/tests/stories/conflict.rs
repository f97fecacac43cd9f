//! A namespace belongs to the repository that registered it.

#![expect(clippy::disallowed_methods, reason = "the story plays without our own library")]

use std::fs;

use swamp_uat::{Mounted, Scene, on_every_backend, on_every_server};

on_every_backend!(
    a_claimed_namespace_is_refused_at_set_up,
    a_claimed_namespace_is_refused_later,
    the_owner_may_register_again
);

on_every_server!(who_replaces_what_others_wrote_is_told);

fn who_replaces_what_others_wrote_is_told(scene: &Scene) {
    let ana = scene.repository("ana", "infra");
    let ben = scene.machine("ben").clone_of(&ana);
    let mounts = [&ana, &ben].map(|repository| Mounted::new(repository, &["--no-push"]));
    for (mount, text) in mounts.iter().zip(["ana's", "ben's"]) {
        fs::create_dir_all(mount.path("infra/files")).expect("own");
        fs::write(mount.path("infra/files/shared.txt"), text).expect("own");
    }

    let first = ana.ok(&["datastore", "sync", "--push"]);
    let second = ben.ok(&["datastore", "sync", "--push"]);

    assert!(!first.stderr.contains("shared.txt"), "{}", first.stderr);
    assert!(second.stderr.contains("others changed it as well"), "{}", second.stderr);
    assert!(mounts[1].report("errors").contains("files/shared.txt"), "{}", mounts[1].report("errors"));
    assert!(!mounts[0].report("errors").contains("files/shared.txt"));
}

fn a_claimed_namespace_is_refused_at_set_up(scene: &Scene) {
    let owner = scene.repository("ana", "infra");
    owner.put("vpc", "state", b"network");
    owner.push();
    let rival = scene.machine("ben").repository("rival");
    let (marker, objects) = (rival.marker(), scene.datastore().objects());

    let refused = rival.expect(rival.set_up(scene.datastore(), &["--namespace", "infra"]), 1);

    assert!(refused.stderr.contains("`infra` belongs to another repository"), "{}", refused.stderr);
    assert!(refused.stderr.contains("hint: "), "{}", refused.stderr);
    assert_eq!(rival.marker(), marker);
    assert_eq!(scene.datastore().objects(), objects);
}

fn a_claimed_namespace_is_refused_later(scene: &Scene) {
    let _owner = scene.repository("ana", "infra");
    let rival = scene.repository("ben", "security");
    rival.put("scanner", "findings", b"none");
    let (marker, objects) = (rival.marker(), scene.datastore().objects());

    let refused = rival.error(1, &["datastore", "namespace", "set", "infra"]);

    assert_eq!(refused["code"], "conflict");
    assert!(refused["hint"].is_string(), "{refused}");
    assert_eq!(rival.marker(), marker);
    assert_eq!(scene.datastore().objects(), objects);
    assert_eq!(rival.get("scanner", "findings"), b"none");
}

fn the_owner_may_register_again(scene: &Scene) {
    let owner = scene.repository("ana", "infra");
    owner.put("vpc", "state", b"network");

    owner.expect(owner.set_up(scene.datastore(), &["--namespace", "infra"]), 0);

    assert_eq!(owner.get("vpc", "state"), b"network");
    let listed = owner.json(&["datastore", "namespace", "list"]);
    assert_eq!(listed["currentNamespace"], "infra");
    assert_eq!(listed["namespaces"].as_array().map(Vec::len), Some(1));
}
