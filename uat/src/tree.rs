//! Many artifacts at once: a writer's tree filled in the documented layout, without a process for each.
//!
//! One artifact per model is put by the program; the others are copies of it with names, ids, sizes and checksums of
//! their own. Removing the record of what is dirty makes everything count as dirty.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::files::files_below;
use crate::machine::Repository;
use sha2::{Digest as _, Sha256};

/// Models the artifacts belong to; each has a shard of its own.
pub const MODELS: u64 = 20;

/// Files of one artifact of one version: `raw`, `metadata.yaml`, `latest`.
pub const FILES_PER_ARTIFACT: u64 = 3;

/// Fills the tree of a writer of `namespace` with artifacts of at least `files` files; returns how many files there are.
pub fn fill(writer: &Repository, namespace: &str, files: u64) -> u64 {
    let artifacts = files.div_ceil(FILES_PER_ARTIFACT).max(MODELS);
    for model in 0..MODELS {
        writer.put_with(&model_name(model), "sample", &content(model), &["--type", "bench/file"]);
    }
    let cache = cache_of(writer, namespace);
    let tree = tree_of(writer, namespace);
    let models = tree.join("data/bench/file");
    let mut directories: Vec<PathBuf> =
        fs::read_dir(&models).expect("the layout is documented").map(|entry| entry.expect("readable").path()).collect();
    directories.sort();
    for number in MODELS..artifacts {
        let model = &directories[usize::try_from(number % MODELS).expect("a small number")];
        copy_artifact(&model.join("sample"), &model.join(format!("artifact-{number:06}")), number);
    }
    forget_what_is_dirty(&cache);
    u64::try_from(files_below(&tree).len()).expect("a small number")
}

/// Returns where the files of a namespace are in a machine's cache.
pub fn tree_of(repository: &Repository, namespace: &str) -> PathBuf {
    cache_of(repository, namespace).join("tree").join(namespace)
}

/// Returns the name of a model.
pub fn model_name(number: u64) -> String {
    format!("model-{number:02}")
}

/// Returns 100 to 400 bytes that no other number has.
fn content(number: u64) -> Vec<u8> {
    let line = format!("{{\"number\":{number},\"of\":\"benchmark\"}}\n");
    let length = 100 + usize::try_from(number * 37 % 300).expect("a small number");
    line.bytes().cycle().take(length).collect()
}

fn copy_artifact(sample: &Path, target: &Path, number: u64) {
    let raw = content(number);
    let metadata = fs::read_to_string(sample.join("1/metadata.yaml")).expect("the sample was put");
    let name = target.file_name().expect("artifacts have names").to_string_lossy();
    let checksum = hex(&Sha256::digest(&raw));
    let rewritten: String = metadata
        .lines()
        .map(|line| match line.split_once(": ").map(|(key, _)| key) {
            Some("id") => format!("id: \"00000000-0000-4000-8000-{number:012}\"\n"),
            Some("name") => format!("name: \"{name}\"\n"),
            Some("size") => format!("size: {}\n", raw.len()),
            Some("checksum") => format!("checksum: \"{checksum}\"\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let version = target.join("1");
    fs::create_dir_all(&version).expect("the tree is writable");
    fs::write(version.join("raw"), raw).expect("the tree is writable");
    fs::write(version.join("metadata.yaml"), rewritten).expect("the tree is writable");
    fs::write(target.join("latest"), "1").expect("the tree is writable");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string works");
        text
    })
}

/// Returns the directory of the writer's cache: the one with a tree, among those of datastores it had before.
fn cache_of(writer: &Repository, namespace: &str) -> PathBuf {
    let below = |directory: PathBuf| {
        fs::read_dir(directory).expect("the cache is there").map(|entry| entry.expect("readable").path())
    };
    let mut caches = below(writer.machine().root().join("swamp-home/caches")).flat_map(below);
    caches.find(|cache| cache.join("tree").join(namespace).join("data").is_dir()).expect("the layout is documented")
}

fn forget_what_is_dirty(cache: &Path) {
    let state = cache.join("state");
    let records: Vec<PathBuf> = fs::read_dir(&state)
        .expect("the cache has state")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains("watermark")))
        .collect();
    assert!(!records.is_empty(), "no watermark in {}", state.display());
    for record in records {
        fs::remove_file(record).expect("the cache is writable");
    }
}
