//! Which model a name means.

#![expect(clippy::disallowed_methods, reason = "the story plays without our own library")]

use std::fs;
use std::path::Path;

use swamp_uat::{Scene, on_every_backend, on_every_server};

on_every_backend!(a_name_means_the_model_that_is_defined_so);

on_every_server!(doctor_names_models_that_two_machines_called_the_same);

fn doctor_names_models_that_two_machines_called_the_same(scene: &Scene) {
    let ana = scene.repository("ana", "infra");
    let ben = scene.machine("ben").clone_of(&ana);
    let stored = [(&ana, "one"), (&ben, "two")].map(|(repository, name)| repository.put("web", name, name.as_bytes()));
    ana.push();
    ben.push();
    ana.pull();

    let checks = ana.json(&["doctor"])["checks"].take();

    let models = checks.as_array().and_then(|checks| checks.iter().find(|check| check["check"] == "models"));
    let message = models.map_or("", |check| check["message"].as_str().unwrap_or_default());
    for (stored, name) in stored.iter().zip(["one", "two"]) {
        let id = stored["modelId"].as_str().expect("an id");
        assert!(message.contains(&format!("swamp/file/{id}")), "{checks}");
        assert_eq!(ana.get(id, name), name.as_bytes());
    }
    let got = ["one", "two"].map(|name| ana.run(&["data", "get", "web", name]));
    let (right, wrong): (Vec<_>, Vec<_>) = got.into_iter().partition(|outcome| outcome.code == Some(0));
    assert_eq!((right.len(), wrong.len()), (1, 1));
    for told in [&right[0].stderr, &wrong[0].stderr] {
        assert!(told.contains("another model is called `web`"), "{told}");
    }
}

fn a_name_means_the_model_that_is_defined_so(scene: &Scene) {
    let repository = scene.repository("ana", "infra");
    let before = repository.put("web", "state", b"of the old model");
    let old = before["modelId"].as_str().expect("an id").to_owned();
    let root = Path::new(before["path"].as_str().expect("a path")).ancestors().nth(7).expect("a root");
    fs::remove_file(root.join("auto-definitions/swamp/file/web.yaml")).expect("the model was defined");
    let models = repository.path().join("models/swamp/file");
    fs::create_dir_all(&models).expect("the scene is writable");
    let new = "0bc79a8f-d9d2-4ec5-a37f-8d88bbb3ee27";
    for (file, id, name) in [("web-old", old.as_str(), "web-old"), ("web", new, "web")] {
        let text = format!("type: swamp/file\nid: {id}\nname: {name}\n");
        fs::write(models.join(format!("{file}.yaml")), text).expect("the scene is writable");
    }

    let stored = repository.put("web", "state", b"of the new model");
    let kept = repository.get("web-old", "state");
    let deleted = repository.json(&["data", "delete", "web", "state", "--yes"]);

    assert_eq!(stored["modelId"], new);
    assert_eq!(kept, b"of the old model");
    assert_eq!(deleted["modelId"], new);
    assert_eq!(repository.get(&old, "state"), b"of the old model");
}
