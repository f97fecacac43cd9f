//! Two writers of one namespace on two machines, in every order.

use std::collections::BTreeSet;

use swamp_uat::{Repository, Scene, on_every_backend};

on_every_backend!(
    writers_in_alternation_converge,
    writers_that_never_pulled_converge,
    a_machine_that_never_pulled_writes_to_the_same_model,
    pushes_at_the_same_moment_both_land
);

fn two(scene: &Scene) -> (Repository, Repository) {
    let ana = scene.repository("ana", "infra");
    ana.put("probe", "result", b"first");
    ana.push();
    let ben = scene.machine("ben").clone_of(&ana);
    ben.pull();
    (ana, ben)
}

fn contents(repository: &Repository, name: &str) -> Vec<(u64, String)> {
    let of = |version| String::from_utf8_lossy(&repository.get_version("probe", name, version)).into_owned();
    repository.versions("probe", name).into_iter().map(|version| (version, of(version))).collect()
}

/// Brings both to the same state and shows that nothing was lost and nothing doubled.
fn assert_converged(ana: &Repository, ben: &Repository, name: &str, written: &[String]) {
    for repository in [ana, ben, ana, ben] {
        repository.ok(&["datastore", "sync"]);
    }
    assert_eq!(ana.listed("probe"), ben.listed("probe"));
    let seen = contents(ana, name);
    assert_eq!(seen, contents(ben, name));
    let numbers: BTreeSet<u64> = seen.iter().map(|(version, _)| *version).collect();
    assert_eq!(numbers.len(), seen.len(), "version numbers are unique: {seen:?}");
    let mut kept: Vec<String> = seen.into_iter().map(|(_, content)| content).collect();
    kept.sort();
    let mut written = written.to_vec();
    written.sort();
    assert_eq!(kept, written);
}

fn writers_in_alternation_converge(scene: &Scene) {
    let (ana, ben) = two(scene);
    let mut written = vec!["first".to_owned()];

    for round in 0..4 {
        for (name, repository) in [("ana", &ana), ("ben", &ben)] {
            let content = format!("{name} {round}");
            repository.pull();
            repository.put("probe", "result", content.as_bytes());
            repository.push();
            written.push(content);
        }
    }

    assert_converged(&ana, &ben, "result", &written);
}

fn a_machine_that_never_pulled_writes_to_the_same_model(scene: &Scene) {
    let ana = scene.repository("ana", "infra");
    let first = ana.put("probe", "result", b"first");
    ana.push();
    let ben = scene.machine("ben").clone_of(&ana);

    let second = ben.put("probe", "result", b"second");

    assert_eq!(second["modelId"], first["modelId"]);
    assert_converged(&ana, &ben, "result", &["first".to_owned(), "second".to_owned()]);
}

fn writers_that_never_pulled_converge(scene: &Scene) {
    let (ana, ben) = two(scene);
    let mut written = vec!["first".to_owned()];

    for round in 0..3 {
        for (name, repository) in [("ana", &ana), ("ben", &ben)] {
            let content = format!("{name} {round}");
            repository.put("probe", "result", content.as_bytes());
            written.push(content);
        }
        // Both chose the same number; whoever pushes second must not overwrite.
        ana.push();
        ben.push();
    }

    assert_converged(&ana, &ben, "result", &written);
}

fn pushes_at_the_same_moment_both_land(scene: &Scene) {
    let (ana, ben) = two(scene);
    for round in 0..3 {
        ana.put("probe", &format!("ana-{round}"), b"hers");
        ben.put("probe", &format!("ben-{round}"), b"his");
        ana.put("probe", "result", format!("ana {round}").as_bytes());
        let (one, other) = (ana.start(&["datastore", "sync", "--push"]), ben.start(&["datastore", "sync", "--push"]));
        ana.expect(one.finish(), 0);
        ben.expect(other.finish(), 0);
    }

    let written = ["first", "ana 0", "ana 1", "ana 2"].map(str::to_owned);
    assert_converged(&ana, &ben, "result", &written);
    let names: Vec<String> = ana.listed("probe").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["ana-0", "ana-1", "ana-2", "ben-0", "ben-1", "ben-2", "result"]);
}
