//! Rows whose texts, numbers, times and tags are as unpleasant as a catalog takes.

use fastrand::Rng;
use swamp::catalog::{Record, Tags};
use swamp::clock::Timestamp;

/// How many rows there are.
pub(super) const COUNT: usize = 90;

/// Whose they are.
pub(super) const NAMESPACES: [&str; 2] = ["infra", "security"];

/// Texts that SQL, LIKE, GLOB, JSON paths, collations and case mappings treat in ways of their own.
pub(super) const TEXTS: [&str; 34] = [
    "",
    "a",
    "A",
    "ab",
    "aB",
    "abc",
    "b",
    "%",
    "_",
    "a%",
    "a_b",
    "*",
    "?",
    "[a]",
    "'",
    "\"",
    "a'b",
    "\\",
    "1",
    "1.0",
    "01",
    "true",
    "null",
    " a",
    "a ",
    "caf\u{e9}",
    "cafe\u{301}",
    "\u{c9}",
    "\u{df}",
    "\u{1F600}",
    "\u{FFFD}",
    "\u{E000}",
    "\u{10FFFF}",
    "a\n\u{1}",
];

/// Keys of tags.
pub(super) const KEYS: [&str; 9] = ["env", "a", "A", "k8s.io/name", "", "\"", "$.a", "caf\u{e9}", "[0]"];

/// Whole numbers at the edges of what they are stored and compared as.
pub(super) const NUMBERS: [u64; 9] = [1, 2, 3, 10, 1024, (1 << 31) - 1, 1 << 31, (1 << 53) - 2, (1 << 53) - 1];

/// Times, of which CEL does not know the first two.
pub(super) const TIMES: [&str; 8] = [
    "0000-01-01T00:00:00.000Z",
    "0000-12-31T23:59:59.999Z",
    "0001-01-01T00:00:00.000Z",
    "1969-12-31T23:59:59.999Z",
    "2026-01-15T10:30:00.000Z",
    "2026-01-15T10:30:00.001Z",
    "2026-01-15T12:00:00.000Z",
    "9999-12-31T23:59:59.999Z",
];

/// Returns the rows, those of the first namespace first.
pub(super) fn hostile() -> Vec<Record> {
    let mut random = Rng::with_seed(7);
    (0..COUNT).map(|index| record(&mut random, index)).collect()
}

fn record(random: &mut Rng, index: usize) -> Record {
    let mut text = || TEXTS[random.usize(..TEXTS.len())].to_owned();
    let texts: [String; 11] = std::array::from_fn(|_| text());
    let [model_name, spec_name, data_type, hostile_type, lifetime, owner_type, owner_ref, run, workflow, job, step] =
        texts;
    let content_type = if random.bool() { "application/json".to_owned() } else { hostile_type };
    Record {
        namespace: Some(NAMESPACES[index * NAMESPACES.len() / COUNT].parse().expect("a namespace")),
        type_normalized: pick(random, &["a", "a/b", "A", "caf\u{e9}"]).to_owned(),
        model_id: format!("model-{index}"),
        data_name: pick(random, &["a", "A", "ab", "%", "_", "a'b", "\u{1F600}", "caf\u{e9}", "1", "episode-1"])
            .to_owned(),
        id: format!("row-{index:02}"),
        version: NUMBERS[random.usize(..NUMBERS.len())],
        is_latest: random.bool(),
        model_name,
        spec_name,
        data_type,
        content_type,
        lifetime,
        owner_type,
        streaming: random.bool(),
        size: if random.u8(..5) == 0 { 0 } else { NUMBERS[random.usize(..NUMBERS.len())] },
        created_at: time(random),
        tags: tags(random),
        owner_ref,
        workflow_run_id: run,
        workflow_name: workflow,
        job_name: job,
        step_name: step,
        source: pick(random, &TEXTS).to_owned(),
    }
}

fn time(random: &mut Rng) -> Timestamp {
    pick(random, &TIMES).parse().expect("a time")
}

fn tags(random: &mut Rng) -> Tags {
    let mut tags = Tags::new();
    for key in KEYS {
        if random.u8(..3) == 0 {
            tags.insert(key.to_owned(), pick(random, &TEXTS).to_owned());
        }
    }
    tags
}

fn pick<'a>(random: &mut Rng, from: &[&'a str]) -> &'a str {
    from[random.usize(..from.len())]
}
