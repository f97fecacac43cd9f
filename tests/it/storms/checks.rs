//! What must be true once everything has come to rest.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use swamp::catalog::Record;
use swamp::fsutil;
use swamp::sync::Depth;

use super::deeds::called;
use super::machine::{Machine, Seen, Setup, files_below};
use super::oracle::{Book, Standing, rest};
use super::run::Run;
use super::watchman::{EXPORT, prefix, rows};

/// Checks everything, with a machine that is new to each namespace.
pub(crate) fn check(run: &mut Run, directory: &Path) {
    for namespace in run.namespaces.clone() {
        let who = run.machines.len();
        let setup = Setup { namespace: namespace.clone(), skew_ms: 0, depth: Depth::Content };
        run.machines.push(Machine::new(who, &setup, directory.join(format!("machine-{who}")), &run.network));
        run.alone(who, "pull", run.machines[who].pull(Depth::Content));
        if !run.trace.complaints().is_empty() {
            return;
        }
        let newcomer = &run.machines[who];
        let mut complaints = same_trees(&run.machines, newcomer);
        complaints.extend(against_book(&run.oracle.book(&namespace), newcomer));
        complaints.extend(pointers(newcomer));
        complaints.extend(index(run, &namespace));
        complaints.extend(export(run, newcomer));
        complaints.extend(catalog(newcomer));
        for complaint in complaints {
            run.trace.complain(complaint);
        }
    }
    for who in 0..run.machines.len() {
        run.alone(who, "pull catalogs", run.machines[who].pull_catalogs(&run.namespaces));
        for complaint in foreign_bytes(run, who) {
            run.trace.complain(complaint);
        }
    }
}

/// Every machine of a namespace has the same files.
fn same_trees(machines: &[Machine], newcomer: &Machine) -> Vec<String> {
    let expected = newcomer.files();
    let mut complaints = Vec::new();
    for machine in machines.iter().filter(|machine| machine.namespace == newcomer.namespace) {
        let files = machine.files();
        let paths: BTreeSet<&String> = expected.keys().chain(files.keys()).collect();
        for path in paths.into_iter().filter(|path| expected.get(*path) != files.get(*path)) {
            let (theirs, ours) = (files.get(path), expected.get(path));
            complaints.push(format!("machine {} has {theirs:?} in `{path}`, the datastore {ours:?}", machine.who));
        }
    }
    complaints
}

/// What was acknowledged is there, what was deleted is not, and nothing else is.
fn against_book(book: &Book, machine: &Machine) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut found: BTreeMap<_, Vec<Seen>> = BTreeMap::new();
    for seen in machine.seen() {
        found.entry(seen.fact.clone()).or_default().push(seen);
    }
    for (fact, known) in &book.versions {
        let (label, copies) = (&known.label, found.remove(fact).unwrap_or_default());
        match (known.standing, copies.is_empty()) {
            (Standing::Kept, true) => complaints.push(format!("{label} of {} is lost", fact.directory)),
            (Standing::Deleted, false) => complaints.push(format!("{label} of {} is back", fact.directory)),
            (Standing::Kept | Standing::Deleted | Standing::Either, _) => {}
        }
        let contents: Vec<String> = copies.iter().filter_map(|seen| seen.content.clone()).collect();
        if known.standing == Standing::Kept && copies.len() > 1 && known.pieces.len() == 1 {
            complaints.push(format!("{label} of {} is there {} times", fact.directory, copies.len()));
        }
        for content in &contents {
            let rest = rest(content, &known.pieces);
            if !rest.is_empty() {
                complaints.push(format!("{label} of {} contains {rest:?}", fact.directory));
            }
        }
        let is_there = |piece: &&String| contents.iter().any(|content| content.contains(*piece));
        // Tombstones of one version share its id.
        if known.standing == Standing::Kept && !contents.is_empty() && !fact.is_tombstone {
            for piece in known.pieces.iter().filter(|piece| !is_there(piece)) {
                complaints.push(format!("{} of {} is lost", piece.trim(), fact.directory));
            }
        }
    }
    for fact in found.keys() {
        complaints.push(format!("nobody wrote {fact:?}"));
    }
    for (path, rewrites) in &book.files {
        match machine.file(&path.parse().expect("a path")) {
            Some(content) if !rewrites.written.contains_key(&content) => {
                complaints.push(format!("nobody wrote {content:?} to `{path}`"));
            }
            Some(content) if rewrites.replaced.contains(&content) && !rewrites.untold.contains(&content) => {
                complaints.push(format!("{content} is back in `{path}`"));
            }
            None if !rewrites.was_deleted && !rewrites.written.is_empty() => {
                complaints.push(format!("`{path}` is lost"));
            }
            Some(_) | None => {}
        }
    }
    complaints
}

/// `latest` names the highest version.
fn pointers(machine: &Machine) -> Vec<String> {
    let mut highest: BTreeMap<String, u64> = BTreeMap::new();
    for seen in machine.seen() {
        let slot = highest.entry(seen.fact.directory).or_default();
        *slot = seen.number.get().max(*slot);
    }
    let pointer = |directory: &str| machine.file(&format!("{directory}/latest").parse().expect("a path"));
    let is_wrong = |(directory, number): &(&String, &u64)| pointer(directory) != Some(number.to_string());
    let wrong = highest.iter().filter(is_wrong);
    wrong
        .map(|(directory, number)| format!("latest of {directory} is {:?}, not {number}", pointer(directory)))
        .collect()
}

/// Every index entry has its object with its size and hash.
fn index(run: &Run, namespace: &str) -> Vec<String> {
    let (shelf, prefix) = (&run.network.shelf, prefix(namespace));
    let json = |key: &str| -> Option<serde_json::Value> {
        shelf.bytes(&format!("{prefix}{key}")).map(|bytes| serde_json::from_slice(&bytes).expect("JSON"))
    };
    let mut bodies = Vec::new();
    if let Some(meta) = json("_index/_meta.json").filter(|meta| meta["version"] == 2) {
        for partition in meta["partitions"].as_array().expect("partitions") {
            let name = partition.as_str().expect("a name");
            match json(&format!("_index/{name}.json")) {
                Some(body) => bodies.push(body),
                None => return vec![format!("shard {name} of `{namespace}` is missing")],
            }
        }
    } else {
        bodies.extend(json(".datastore-index.json"));
    }
    let mut complaints = Vec::new();
    for body in &bodies {
        for (key, entry) in body["entries"].as_object().expect("entries") {
            let digested = shelf.bytes(&format!("{prefix}{key}")).map(|bytes| fsutil::digest_bytes(&bytes));
            let is_right = digested.is_some_and(|digested| {
                entry["size"] == digested.size
                    && (entry["sha256"].is_null() || entry["sha256"] == digested.sha256.as_str())
            });
            if !is_right {
                complaints.push(format!("the index entry of `{prefix}{key}` is not what its object is"));
            }
        }
    }
    complaints
}

/// The published catalog shows what the tree holds.
fn export(run: &Run, newcomer: &Machine) -> Vec<String> {
    let namespace = &newcomer.namespace;
    if namespace.is_empty() {
        return Vec::new();
    }
    let published = run.network.shelf.bytes(&format!("{namespace}/{EXPORT}"));
    let published = published.map(|bytes| rows(&bytes)).unwrap_or_default();
    let expected: BTreeSet<_> = records(newcomer).iter().map(row).collect();
    if published == expected {
        return Vec::new();
    }
    let (more, less) = (published.difference(&expected), expected.difference(&published));
    vec![format!(
        "the catalog of `{namespace}` has {:?} too much and lacks {:?}",
        more.collect::<Vec<_>>(),
        less.collect::<Vec<_>>()
    )]
}

fn row(record: &Record) -> (String, String) {
    (format!("data/{}/{}/{}", record.type_normalized, record.model_id, record.data_name), record.id.clone())
}

/// The rows of a machine are those of its tree.
fn catalog(machine: &Machine) -> Vec<String> {
    let before = records(machine);
    machine.engine.rebuild_catalog().expect("rebuilt");
    let after = records(machine);
    let is_same = before == after;
    if is_same { Vec::new() } else { vec![format!("machine {} has other rows than files", machine.who)] }
}

fn records(machine: &Machine) -> Vec<Record> {
    let namespace = machine.namespace();
    let mut names: Vec<_> = machine.seen().iter().map(|seen| seen.artifact.clone()).collect();
    names.dedup();
    let catalog = &machine.engine.parts().catalog;
    let mut records = Vec::new();
    for artifact in names {
        let name = swamp::catalog::Name {
            type_normalized: artifact.model_type().as_str().to_owned(),
            model_id: artifact.model_id().as_str().to_owned(),
            data_name: artifact.name().as_str().to_owned(),
        };
        records.extend(catalog.versions(namespace.as_ref(), &name).expect("readable"));
    }
    records
}

/// No byte of another namespace's content is anywhere on a machine.
fn foreign_bytes(run: &Run, who: usize) -> Vec<String> {
    let machine = &run.machines[who];
    let others = run.namespaces.iter().filter(|other| **other != machine.namespace);
    let marks: Vec<String> = others.map(|other| format!("<{}#", called(other))).collect();
    let files = files_below(&machine.home);
    let is_foreign = |content: &String| marks.iter().any(|mark| content.contains(mark.as_str()));
    let found = files.iter().filter(|(_, content)| is_foreign(content));
    found.map(|(path, _)| format!("machine {who} has content of another namespace in `{path}`")).collect()
}
