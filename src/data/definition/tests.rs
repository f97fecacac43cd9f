//! Names are found in both roots; missing definitions are written once, marked first.

use super::super::testing::{Bed, Marks};
use super::*;

fn model_type(text: &str) -> ModelType {
    text.parse().expect("a type")
}

fn roots(bed: &Bed) -> Vec<PathBuf> {
    vec![bed.directory.path().join("models"), bed.store.auto_definitions()]
}

#[test]
fn a_new_model_is_defined_once_and_marked_first() {
    let bed = Bed::new();

    let first = bed.store.define(&model_type("@acme/probe"), "web-probe").expect("defined");
    let second = bed.store.define(&model_type("@acme/probe"), "web-probe").expect("defined");

    assert_eq!(first.written.expect("written").as_str(), "auto-definitions/@acme/probe/web-probe.yaml");
    assert_eq!(second, Defined { definition: first.definition.clone(), written: None });
    // Before it is written, and once more when it is there.
    assert_eq!(*bed.marks.seen.lock().expect("not poisoned"), ["auto-definitions/@acme/probe"; 2]);
    assert_eq!(find_definition(&roots(&bed), "web-probe").expect("walked"), Some(first.definition.clone()));
    assert_eq!(find_definition(&roots(&bed), first.definition.id.as_str()).expect("walked"), Some(first.definition));
}

#[test]
fn a_definition_has_the_shape_that_the_existing_swamp_reads() {
    let bed = Bed::new();

    let id = bed.store.define(&model_type("@acme/probe"), "web-probe").expect("defined").definition.id;

    assert_eq!(
        bed.read("auto-definitions/@acme/probe/web-probe.yaml"),
        format!(
            "type: \"@acme/probe\"\nid: \"{id}\"\nname: \"web-probe\"\nversion: 1\ntags: {{}}\n\
             globalArguments: {{}}\nmethods: {{}}\n"
        )
    );
}

#[test]
fn names_that_are_no_file_names_are_filed_under_their_id() {
    let bed = Bed::new();
    for name in ["Web Probe", "../../x", "é", &"x".repeat(65), "_x"] {
        let first = bed.store.define(&model_type("t"), name).expect("defined");
        let second = bed.store.define(&model_type("t"), name).expect("defined");

        assert_eq!(first.definition, second.definition);
        assert_eq!(
            first.written.expect("written").as_str(),
            format!("auto-definitions/t/{}.yaml", first.definition.id)
        );
    }
    for name in ["", " ", "a\nb", &"x".repeat(257)] {
        assert!(bed.store.define(&model_type("t"), name).is_err(), "{name:?} was accepted");
    }
}

#[test]
fn hand_written_definitions_come_first_and_may_leave_out_the_type() {
    let bed = Bed::new();
    bed.plant("../models/aws/ec2/one.yaml", "id: id-1\nname: one\n");
    bed.plant("../models/aws/bad.yaml", "id: [");
    bed.plant("../models/aws/two.yaml", "type: AWS::S3\nid: id-2\nname: one\nx: &a 1\ny: *a\n");
    bed.plant("auto-definitions/t/one.yaml", "type: t\nid: id-3\nname: one\n");

    let found = find_definitions(&roots(&bed)).expect("walked");

    let found: Vec<_> = found.iter().map(|found| (found.id.as_str(), found.model_type.as_str())).collect();
    assert_eq!(found, [("id-1", "aws/ec2"), ("id-2", "aws/s3"), ("id-3", "t")]);
    assert_eq!(find_definition(&roots(&bed), "one").expect("walked").expect("found").id.as_str(), "id-1");
    assert_eq!(find_definition(&roots(&bed), "none").expect("walked"), None);
}

#[test]
fn a_definition_is_found_in_whatever_file_it_is() {
    let bed = Bed::new();
    bed.plant("../models/t/web.yaml", "type: t\nid: id-1\nname: web-old\n");
    bed.plant("../models/t/x.yaml", "type: t\nid: id-2\nname: web\n");
    bed.plant("../models/t/y.yml", "type: t\nid: id-3\nname: >-\n  Web\n  Probe\n");
    bed.plant("auto-definitions/t/web.yaml", "type: t\nid: id-4\nname: web\n");
    bed.plant("auto-definitions/t/other.yaml", "type: t\nid: id-5\nname: other\n");

    let id = |reference: &str| {
        let found = find_definition(&roots(&bed), reference).expect("looked for");
        found.map(|found| found.id.as_str().to_owned())
    };

    let found = ["web", "web-old", "Web Probe", "other", "id-4", "../web", ""].map(id);
    let expected = [Some("id-2"), Some("id-1"), Some("id-3"), Some("id-5"), Some("id-4"), None, None];
    assert_eq!(found, expected.map(|id| id.map(str::to_owned)));
}

#[test]
fn a_foreign_file_in_the_place_is_not_overwritten() {
    let bed = Bed::new();
    bed.plant("auto-definitions/t/one.yaml", "not: [a definition");

    let refused = bed.store.define(&model_type("t"), "one").expect_err("taken");

    assert_eq!(refused.kind(), Kind::Conflict);
    assert_eq!(bed.read("auto-definitions/t/one.yaml"), "not: [a definition");
}

#[test]
fn nothing_is_written_if_marking_fails() {
    let bed = Bed::with_marks(Marks { refuses: true, ..Marks::default() });

    let refused = bed.store.define(&model_type("t"), "one").expect_err("not marked");

    assert_eq!(refused.kind(), Kind::Unavailable);
    assert_eq!(bed.files(), [""; 0]);
}
