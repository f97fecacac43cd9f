//! Everything that reads what a datastore, a repository or an environment says, as functions of bytes.
//!
//! They must not panic and not take memory without bound, and what they accept must be as safe as it claims to be. The
//! fuzz targets below `fuzz/` call the same functions.

use std::path::Path;

use swamp::catalog::parse_export;
use swamp::data::layout::Location;
use swamp::data::metadata::Metadata;
use swamp::datastore::{Places, parse_environment};
use swamp::index::{Body, Head, Meta, PartitionKey, Record};
use swamp::namespace::Namespace;
use swamp::path::RelPath;
use swamp::{lock, manifest, yaml};

/// A parser under test.
pub(crate) type Parser = fn(&[u8]);

/// The parsers by the name of their corpus.
pub(crate) const PARSERS: [(&str, Parser); 10] = [
    ("index", index),
    ("meta", meta),
    ("export", export),
    ("metadata", metadata),
    ("yaml", document),
    ("datastore", datastore),
    ("lock", lock_body),
    ("manifest", manifest_body),
    ("key", key),
    ("state", state),
];

/// The longest key there is, in bytes.
const KEY_BYTES_MAX: usize = 1024;

fn check_path(path: &RelPath) {
    assert!(path.as_str().len() <= KEY_BYTES_MAX, "{path} is too long");
    assert!(
        path.segments().all(|segment| !segment.is_empty() && segment != "." && segment != ".."),
        "{path:?} leads away"
    );
    assert!(!path.as_str().contains('\0'), "{path:?} has a NUL");
    let root = Path::new("/root/of/all");
    assert!(path.under(root).starts_with(root), "{path:?} leads away");
}

fn index(bytes: &[u8]) {
    let Ok(body) = Body::parse(bytes) else { return };
    for entry in body.entries.values() {
        check_path(&entry.key);
    }
    // What is said about refusals is for people to read, however long the names were.
    assert!(body.refused.iter().all(|refused| refused.key.len() < 10 * KEY_BYTES_MAX));
}

/// What this cache remembers of an index, which other implementations keep in a sidecar: ours, but on a disk.
fn state(bytes: &[u8]) {
    drop(serde_json::from_slice::<Head>(bytes));
    let Ok(record) = serde_json::from_slice::<Record>(bytes) else { return };
    for (key, entry) in &record.entries {
        assert_eq!(*key, entry.key, "an entry names another path than its key");
        check_path(key);
    }
    record.known.keys().for_each(check_path);
}

fn meta(bytes: &[u8]) {
    let Some(meta) = Meta::parse(bytes) else { return };
    for partition in meta.partition_keys() {
        let path = partition.to_path();
        check_path(&path);
        assert!(path.as_str().starts_with("_index/"), "{path} is no shard");
    }
}

fn export(bytes: &[u8]) {
    let namespace: Namespace = "infra".parse().expect("a slug");
    let Ok((records, _)) = parse_export(bytes, &namespace) else { return };
    assert!(records.iter().all(|record| record.namespace.as_ref() == Some(&namespace)));
}

fn metadata(bytes: &[u8]) {
    drop(Metadata::parse(bytes));
}

fn document(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(node) = yaml::parse(text, yaml::Limits::default()) {
        let emitted = yaml::emit(&node);
        let again = yaml::parse(&emitted, yaml::Limits { bytes_max: usize::MAX, ..yaml::Limits::default() });
        assert!(again.is_ok(), "what was read cannot be read again: {emitted}");
    }
}

fn datastore(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let places = Places { repository: Path::new("/r"), home: None, variable: &|_| None };
    drop(parse_environment(text, &places));
}

fn lock_body(bytes: &[u8]) {
    let Ok(body) = serde_json::from_slice::<lock::Body>(bytes) else { return };
    // Neither forever nor negative: it is waited for.
    assert!(body.ttl() < std::time::Duration::from_secs(u64::from(u32::MAX)));
}

fn manifest_body(bytes: &[u8]) {
    drop(serde_json::from_slice::<manifest::Manifest>(bytes));
}

fn key(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    drop(text.parse::<Namespace>());
    let Ok(path) = text.parse::<RelPath>() else { return };
    check_path(&path);
    if let Some(location) = Location::parse(&path) {
        assert_eq!(location.artifact.path(location.part), path, "a location is its path");
    }
    if let Some(partition) = PartitionKey::of(&path) {
        check_path(&partition.to_path());
    }
}

/// Runs the parser of a name.
pub(crate) fn run(name: &str, bytes: &[u8]) {
    let found = PARSERS.iter().find(|(known, _)| *known == name);
    let (_, parser) = found.expect("a parser of that name");
    parser(bytes);
}
