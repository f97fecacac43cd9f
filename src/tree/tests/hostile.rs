//! Catalogs that somebody made to hurt, and ones that only look like it.

use super::*;

#[test]
fn names_that_no_file_can_have_are_shown_by_others() {
    let fixture = Fixture::new();
    let names = ["a/b", "..", ".", "%2F", "%@", "x%#y", "new\nline", "tab\t", "é", "É", " ", "a%@b%@c", "Vpc", "vpc"];
    let mut records: Vec<Record> = Vec::new();
    for (index, name) in names.into_iter().enumerate() {
        records.push(of_model("security", (name, "t/u", &index.to_string()), "state"));
    }
    fixture.pull("security", &records);

    let files = fixture.files("security/models");

    assert_eq!(files.len(), names.len());
    let shown = fixture.names("security/models");
    for expected in ["a%2Fb", "%2E%2E", "%2E", "%252F", "%25@", "new%0Aline", "é", " ", "Vpc", "vpc"] {
        assert!(shown.iter().any(|name| name == expected), "{expected} is not in {shown:?}");
    }
}

#[test]
fn names_that_are_too_long_are_cut_and_found_again() {
    let fixture = Fixture::new();
    let long = "n".repeat(300);
    let records = [
        of_model("security", (&format!("{long}1"), "t", "1"), &format!("{}a", "d".repeat(300))),
        of_model("security", (&format!("{long}2"), "t", "2"), &format!("{}b", "d".repeat(300))),
        of_model("security", (&format!("{long}2"), "t", "3"), "state"),
        of_model("security", ("", "t", &"i".repeat(300)), "state"),
        of_model("security", ("", &"t".repeat(300), "5"), "state"),
        of_model("security", ("twins", "t", &format!("{}1", "i".repeat(300))), "state"),
        of_model("security", ("twins", "t", &format!("{}2", "i".repeat(300))), "state"),
    ];
    fixture.pull("security", &records);

    assert_eq!(fixture.files("security/models").len(), records.len());
    assert_eq!(fixture.files("security/history").len(), records.len());
    // No directory could hold the names of most, so that the layout has only this one.
    assert_eq!(fixture.names("security/data/t/3"), ["state"]);
    assert_eq!(fixture.at(&format!("security/data/t/{}", "i".repeat(300))), Err(TreeError::NotFound));
}

#[test]
fn long_names_that_differ_late_are_told_apart_within_a_model() {
    let fixture = Fixture::new();
    let named = |end: &str| record("security", &format!("{}{end}", "d".repeat(300)), 1);
    fixture.pull("security", &[named("a"), named("b"), named(""), named(".json")]);

    let files = fixture.files("security/models");

    assert_eq!(files.len(), 4);
}

#[test]
fn types_within_types_share_their_directories() {
    let fixture = Fixture::new();
    let of = |model_type, id, name| of_model("security", ("m", model_type, id), name);
    fixture.pull(
        "security",
        &[
            of("a", "b", "c"),
            of("a/b", "c", "1"),
            of("a/b/c", "1", "raw"),
            of("a/b/c/1", "latest", "x"),
            of("a/b-x", "c", "d"),
            of("a/b", "latest", "e"),
            of("a", "b", "1"),
            of("data", "latest", "raw"),
            of("models", "..x", "metadata.yaml"),
        ],
    );

    let files = fixture.files("security/data");

    assert_eq!(fixture.names("security/data/a"), ["b", "b-x"]);
    // A model, an artifact that hides the file of a version, a version, and what is left of another version's files.
    assert_eq!(fixture.names("security/data/a/b/c/1"), ["latest", "raw", "1", "metadata.yaml"]);
    assert!(files.contains_key("security/data/a/b/c/1/1/raw"), "{files:?}");
    assert!(files.contains_key("security/data/a/b/c/1/raw/1/raw"), "{files:?}");
    assert!(files.contains_key("security/data/a/b/c/1/latest/x/1/raw"), "{files:?}");
    assert!(files.contains_key("security/data/a/b/c/latest"), "{files:?}");
}

#[test]
fn types_are_listed_whatever_sorts_between_a_name_and_its_subtree() {
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..60 {
        let fixture = Fixture::new();
        let mut expected = std::collections::BTreeSet::new();
        let mut records = Vec::new();
        for index in 0..random.usize(1..12) {
            let segment = |random: &mut fastrand::Rng| -> String {
                (0..random.usize(1..4)).map(|_| ["a", "-", "!", "0", "b", "."][random.usize(..6)]).collect()
            };
            let depth = random.usize(1..3);
            let segments: Vec<String> = (0..depth)
                .map(|_| segment(&mut random))
                .map(|text| if text.chars().all(|c| c == '.') { "a".to_owned() } else { text })
                .collect();
            expected.insert(segments[0].clone());
            records.push(of_model("security", ("m", &segments.join("/"), &format!("id{index}")), "state"));
        }
        fixture.pull("security", &records);

        let listed = fixture.names("security/data");

        assert_eq!(listed, expected.into_iter().collect::<Vec<_>>());
        let files = fixture.files("security/data");
        let raws = files.keys().filter(|path| path.ends_with("/raw")).count();
        assert_eq!(raws, records.len());
    }
}

#[test]
fn random_catalogs_show_every_artifact_once() {
    let mut random = fastrand::Rng::with_seed(9);
    let pick = |random: &mut fastrand::Rng, of: &[&str]| of[random.usize(..of.len())].to_owned();
    for _ in 0..40 {
        let fixture = Fixture::new();
        let mut records: BTreeMap<_, Record> = BTreeMap::new();
        for _ in 0..random.usize(1..40) {
            let mut made = of_model(
                "security",
                (
                    &pick(&mut random, &["", "web", "%", "web%@a", "a.b"]),
                    &pick(&mut random, &["a", "a/1", "a/b", "a/b/state", "b", "b-c"]),
                    &pick(&mut random, &["1", "b", "state", "latest", "raw"]),
                ),
                &pick(&mut random, &["state", "state.json", "1", "raw", "x.txt", "x", "."]).replace('.', ".d"),
            );
            made.version = random.u64(1..4);
            made.content_type = pick(&mut random, &["application/json", "text/plain", "x/y"]);
            records.insert((made.name(), made.version), made);
        }
        let records: Vec<Record> = records.into_values().collect();
        fixture.pull("security", &records);

        let names: std::collections::BTreeSet<_> = records.iter().map(Record::name).collect();
        assert_eq!(fixture.files("security/models").len(), names.len());
        assert_eq!(fixture.files("security/history").len(), records.len());
        fixture.files("security/data");
    }
}
