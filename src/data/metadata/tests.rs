//! Golden metadata survives, written metadata is quoted, wrong metadata says what is wrong.

use super::*;

const GOLDEN: &str = include_str!("../../../tests/data/golden-metadata.txt");

fn sample() -> Metadata {
    let mut tags = IndexMap::new();
    tags.insert("type".to_owned(), "resource".to_owned());
    tags.insert("odd".to_owned(), "0123456789".to_owned());
    let mut owner = Owner::new(OwnerType::ModelMethod, "0bc79a8f-d9d2-4ec5-a37f-8d88bbb3ee27");
    owner.step_name = Some("probe".to_owned());
    Metadata {
        id: "5b7d2c57-6a36-4a1e-9a52-9f7f0d3f5f10".to_owned(),
        name: "result".parse().expect("a name"),
        version: "2".parse().expect("a version"),
        content_type: JSON_CONTENT_TYPE.to_owned(),
        lifetime: Lifetime::Infinite,
        garbage_collection: GarbageCollection::Newest(10),
        streaming: false,
        tags,
        owner,
        created_at: "2026-08-22T10:15:30.123Z".parse().expect("a time"),
        size: Some(17),
        checksum: Some("9f86".to_owned()),
        lifecycle: Some(Lifecycle::Deleted),
        renamed_to: Some("other".parse().expect("a name")),
    }
}

const WRITTEN: &str = r#"id: "5b7d2c57-6a36-4a1e-9a52-9f7f0d3f5f10"
name: "result"
version: 2
contentType: "application/json"
lifetime: "infinite"
garbageCollection: 10
streaming: false
tags:
  type: "resource"
  odd: "0123456789"
ownerDefinition:
  ownerType: "model-method"
  ownerRef: "0bc79a8f-d9d2-4ec5-a37f-8d88bbb3ee27"
  stepName: "probe"
createdAt: "2026-08-22T10:15:30.123Z"
size: 17
checksum: "9f86"
lifecycle: "deleted"
renamedTo: "other"
"#;

fn refusal(line: &str, replacement: &str) -> String {
    let text = WRITTEN.replacen(line, replacement, 1);
    assert_ne!(text, WRITTEN, "{line} is not in the sample");
    Metadata::parse(text.as_bytes()).expect_err("refused").to_string()
}

#[test]
fn every_golden_metadata_survives_the_round_trip() {
    let mut count = 0;
    for document in GOLDEN.split("=== ").skip(1) {
        let (path, text) = document.split_once('\n').expect("a path and a document");

        let metadata = Metadata::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{path}: {error}"));

        assert_eq!(Metadata::parse(metadata.to_yaml().as_bytes()).expect("our own"), metadata, "{path}");
        assert!(path.ends_with(&format!("/{}/{}/metadata.yaml", metadata.name, metadata.version)), "{path}");
        count += 1;
    }
    assert_eq!(count, 245);
}

#[test]
fn every_string_is_written_in_double_quotes() {
    assert_eq!(sample().to_yaml(), WRITTEN);
    assert_eq!(Metadata::parse(WRITTEN.as_bytes()).expect("our own"), sample());
}

#[test]
fn spelling_does_not_matter_to_the_reader() {
    let text = "{createdAt: 2026-08-22T10:15:30.123456Z, version: '2', id: 5b7d2c57-6a36-4a1e-9a52-9f7f0d3f5f10,\n\
                name: result, contentType: application/json, lifetime: 0h, garbageCollection: 2w, unknown: [1],\n\
                tags: {type: resource, a: 0777, b: 1_000, c: yes, d: 12:30:00, e: 2026-01-01, f: ~, g: 0o17},\n\
                ownerDefinition: {ownerType: manual, ownerRef: 007}, lifecycle: active}\n";

    let metadata = Metadata::parse(text.as_bytes()).expect("readable");

    assert_eq!(metadata.created_at.to_string(), "2026-08-22T10:15:30.123Z");
    assert_eq!(metadata.lifetime, Lifetime::Workflow);
    assert_eq!(metadata.owner.owner_ref, "007");
    let tags: Vec<&str> = metadata.tags.values().map(String::as_str).collect();
    assert_eq!(tags, ["resource", "0777", "1_000", "yes", "12:30:00", "2026-01-01", "~", "0o17"]);
    assert!(!metadata.is_deleted());
    assert!(!metadata.to_yaml().contains("unknown"));
}

#[test]
fn refusals_name_field_value_and_rule() {
    assert_eq!(refusal("version: 2", "version: 2x"), "`version` of the metadata is `2x`: use a whole number from 1");
    assert_eq!(
        refusal("createdAt: \"2026-08-22T10:15:30.123Z\"", "createdAt: 2026-08-22T10:15:30+00:00"),
        "`createdAt` of the metadata is `2026-08-22T10:15:30+00:00`: use a time in UTC such as `2026-08-22T10:15:30.123Z`"
    );
    assert_eq!(refusal("  type:", "  kind:"), "the metadata has no `tags.type`");
    assert_eq!(refusal("lifetime: \"infinite\"\n", ""), "the metadata has no `lifetime`");
    assert_eq!(refusal("ownerDefinition:", "owner:"), "the metadata has no `ownerDefinition`");
    assert_eq!(
        refusal("  odd: \"0123456789\"", "  odd: [1]"),
        "`tags.odd` of the metadata is `a list or a mapping`: use one value"
    );
    assert_eq!(
        refusal("ownerType: \"model-method\"", "ownerType: robot"),
        "`ownerDefinition.ownerType` of the metadata is `robot`: use `model-method`, `workflow-step` or `manual`"
    );
    assert_eq!(
        refusal("id: \"5b7d2c57-", "id: \""),
        "`id` of the metadata is `6a36-4a1e-9a52-9f7f0d3f5f10`: use a UUID"
    );
    assert_eq!(refusal("size: 17", "size: -1"), "`size` of the metadata is `-1`: use a length in bytes");
    assert_eq!(refusal("garbageCollection: 10", "garbageCollection: 0d").matches("from 1").count(), 1);
    assert_eq!(refusal("name: \"result\"", "name: ../x").matches("`..`").count(), 1);
}

#[test]
fn hostile_texts_are_errors() {
    for bytes in [&b""[..], b"\xff\xfe", b"[]", b"x", b"a: {b: [", b"tags: &a [*a]"] {
        assert!(Metadata::parse(bytes).is_err(), "{bytes:?} was accepted");
    }
}
