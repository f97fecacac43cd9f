//! How fast names are answered, for whoever asks: `cargo test --release … tree::measure -- --ignored --nocapture`.

#![expect(clippy::print_stdout, reason = "its numbers are for whoever runs it")]

use std::time::Instant;

use super::*;

/// Rows of the measured catalog, unless `SWAMP_MEASURE_ROWS` says otherwise.
const ROWS: u64 = 100_000;

/// Versions of each name, and names of each model.
const VERSIONS: u64 = 2;
const NAMES: u64 = 5;

#[test]
#[ignore = "measures, asserts nothing"]
fn a_walk_of_many_rows() {
    let rows = std::env::var("SWAMP_MEASURE_ROWS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROWS);
    let mounted = Mounted::new();
    let filling = Instant::now();
    let records: Vec<Record> = (0..rows)
        .map(|row| {
            let (name, model) = (row / VERSIONS % NAMES, row / VERSIONS / NAMES);
            Record {
                model_id: format!("0bc79a8f-0000-4000-8000-{model:012}"),
                model_name: format!("model-{model}"),
                type_normalized: format!("aws/type{}", model % 20),
                ..record("security", &format!("name-{name}"), row % VERSIONS + 1, "x")
            }
        })
        .collect();
    mounted.pull(&records);
    drop(records);
    println!("{rows} rows in {:?}, {} KiB resident", filling.elapsed(), resident_kibibytes());

    let start = Instant::now();
    let count = mounted.tree.entries(NodeId::ROOT, None, 100).expect("listed").len();
    println!("first listing ({count} entries) after {:?}", start.elapsed());
    for part in ["data", "models", "history"] {
        let (start, mut entries, mut directories) = (Instant::now(), 0_u64, Vec::new());
        directories.push(mounted.node(&format!("security/{part}")));
        let mut listed = 0_u64;
        while let Some(directory) = directories.pop() {
            let mut after = None;
            loop {
                let page = mounted.tree.entries(directory, after.as_deref(), 128).expect("listed");
                listed += 1;
                entries += page.len() as u64;
                directories
                    .extend(page.iter().filter(|entry| entry.attr.kind == Kind::Directory).map(|entry| entry.node));
                if page.len() < 128 {
                    break;
                }
                after = page.last().map(|entry| entry.cursor.clone());
            }
        }
        let (elapsed, resident) = (start.elapsed(), resident_kibibytes());
        let rate = u128::from(entries) * 1_000_000 / elapsed.as_micros().max(1);
        println!("{part}: {entries} entries in {listed} calls, {elapsed:?}: {rate}/s, {resident} KiB resident");
    }
    lookups(&mounted, rows);
}

fn lookups(mounted: &Mounted, rows: u64) {
    let mut random = fastrand::Rng::with_seed(1);
    let models = mounted.node("security/models");
    let count = 20_000;
    let start = Instant::now();
    let mut found = Vec::new();
    for _ in 0..count {
        let model = random.u64(..rows / VERSIONS / NAMES);
        found.push(mounted.tree.lookup(models, &format!("model-{model}")).expect("there").0);
    }
    println!("lookup of a model: {:?}", start.elapsed() / count);
    let start = Instant::now();
    let mut files = Vec::new();
    for model in found {
        files.push(mounted.tree.lookup(model, "name-3.json").expect("there").0);
    }
    println!("lookup of a file: {:?}", start.elapsed() / count);
    let start = Instant::now();
    for file in files {
        mounted.tree.attr(file).expect("there");
    }
    println!("attributes of a file: {:?}", start.elapsed() / count);
}

fn resident_kibibytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0)
}
