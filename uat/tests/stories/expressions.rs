//! What expressions refer to, and what hostile ones do to the program: nothing.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt as _;
use std::time::Duration;

use serde_json::{Value, json};
use swamp_uat::{Backend, Outcome, Repository, Scene, on_every_backend};

use super::query::{put_json, reader_and_writer};

on_every_backend!(t9_a_reference_to_another_namespace_always_means_that_namespace);

fn t9_a_reference_to_another_namespace_always_means_that_namespace(scene: &Scene) {
    let (reader, writer) = reader_and_writer(scene);
    put_json(&reader, "mine", "state", &json!({"cidr": "10.9.0.0/16"}), &["--tag", "specName=net"]);
    put_json(&reader, "vpc", "extra", &json!({"cidr": "10.8.0.0/16"}), &["--tag", "specName=net"]);
    let value = |expression: &str| reader.json(&["eval", expression]);

    // Both have a model `vpc` with a `state`; the reader's has two versions.
    assert_eq!(value("data.latest('security:vpc', 'state').attributes.cidr"), "10.1.0.0/16");
    assert_eq!(value("data.latest('infra:vpc', 'state').attributes.cidr"), "10.0.0.0/16");
    assert_eq!(value("data.listVersions('security:vpc', 'state')"), json!([1]));
    assert_eq!(value("data.version('security:vpc', 'state', 1).attributes.status"), "failed");
    assert_eq!(value("data.version('security:vpc', 'state', 2)"), Value::Null);
    assert_eq!(reader.ok(&["data", "get", "security:vpc", "state"]).json()["cidr"], "10.1.0.0/16");
    // What only we have is not there under another's name, and what only they have not under ours.
    assert_eq!(value("data.latest('security:mine', 'state')"), Value::Null);
    assert_eq!(value("data.latest('security:vpc', 'extra')"), Value::Null);
    assert_eq!(value("data.findBySpec('security:vpc', 'net')"), json!([]));
    assert_eq!(value("data.latest('fleet', 'host')"), Value::Null);
    assert_eq!(value("data.latest('infra:fleet', 'host')"), Value::Null);
    // Theirs remains theirs when they change it, and ours when we do.
    put_json(&writer, "vpc", "state", &json!({"cidr": "10.2.0.0/16"}), &[]);
    writer.push();
    put_json(&reader, "vpc", "state", &json!({"cidr": "10.3.0.0/16"}), &[]);
    reader.ok(&["datastore", "catalog", "pull"]);
    assert_eq!(value("data.latest('security:vpc', 'state').attributes.cidr"), "10.2.0.0/16");
    assert_eq!(value("data.latest('vpc', 'state').attributes.cidr"), "10.3.0.0/16");
}

/// How many random expressions each command is given; `--cfg slow` takes its time.
const EXPRESSIONS: usize = if cfg!(slow) { 5_000 } else { 100 };

/// The longest an expression may keep a debug build busy.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn hostile_expressions_end_with_a_message_and_not_with_a_signal() {
    let scene = Scene::new(Backend::Directory);
    let reader = scene.repository("ana", "infra");
    let expressions = [
        format!("1{}", "+1".repeat(998)),
        format!("{}1{}", "(".repeat(64), ")".repeat(64)),
        format!("{}1{}", "[".repeat(60), "]".repeat(60)),
        format!("true{}", "?true:true".repeat(490)),
        format!("{}true", "!".repeat(998)),
        format!("{}1", "-".repeat(998)),
        format!("data{}", ".a".repeat(998)),
        format!("\"x\"{}.size()", ".trim()".repeat(300)),
        format!("1{}", "==1".repeat(998)),
        format!("[1]{}", "[0]".repeat(490)),
        format!("{{}}{}", ".?a".repeat(490)),
        "(".repeat(8_000),
        "a".repeat(100_000),
        "\"".repeat(4_000),
        format!("\"x\"{}.size()", ".replace(\"x\", \"xxxxxxxxxx\")".repeat(20)),
        format!("[\"x\"]{}.size()", ".map(a, a + a)".repeat(60)),
        "lists.range(1000000).map(x, lists.range(1000000).map(y, x)).size()".to_owned(),
    ];

    for expression in &expressions {
        assert_ends_well(&reader, &["eval", expression]);
    }
}

/// A sequence of numbers that look random.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).expect("less than a size")
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// What is repeated before and after something, each a way to depth, length or work.
const BOMBS: [(&str, &str); 24] = [
    ("(", ")"),
    ("[", "]"),
    ("{1:", "}"),
    ("has(", ".a)"),
    ("!", ""),
    ("-", ""),
    ("(", ""),
    ("", "+1"),
    ("", ".a"),
    ("", ".?a"),
    ("", "[0]"),
    ("", "[?0]"),
    ("", "?1:1"),
    ("", "==1"),
    ("", "||true"),
    ("", ".trim()"),
    ("", ".map(x,[x,x])"),
    ("", ".replace(\"x\",\"xxxxxxxx\")"),
    ("[1,2].map(x,", ")"),
    ("cel.bind(x,[1,1],", ")"),
    ("lists.range(99999).map(x,", ")"),
    ("'''", ""),
    ("b\"\\", "\""),
    ("//", "\n"),
];

const TOKENS: [&str; 40] = [
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ".",
    ".?",
    "?",
    ":",
    ",",
    "+",
    "-",
    "*",
    "/",
    "%",
    "!",
    "==",
    "!=",
    "<",
    "&&",
    "||",
    "in",
    "has",
    "map",
    "exists",
    "name",
    "size",
    "tags",
    "attributes",
    "data",
    "1",
    "0x",
    "1e999",
    "\"a\"",
    "'",
    "\"",
    "null",
    "\u{1F600}",
    "\u{1}",
];

fn hostile(numbers: &mut Numbers) -> String {
    match numbers.below(4) {
        0 => (0..numbers.below(300)).map(|_| numbers.pick(&TOKENS)).collect(),
        1 => (0..numbers.below(300)).flat_map(|_| [numbers.pick(&TOKENS), " "]).collect(),
        _ => {
            let count = numbers.pick(&[1, 3, 20, 63, 65, 332, 999, 1_001, 4_000]);
            let core = numbers.pick(&["1", "\"x\"", "[1]", "{}", "name", "tags.env", "data"]);
            let (before, after) = numbers.pick(&BOMBS);
            format!("{}{core}{}", before.repeat(count), after.repeat(count))
        }
    }
}

#[test]
fn random_hostile_expressions_end_with_a_message_and_not_with_a_signal() {
    let scene = Scene::new(Backend::Directory);
    let (reader, _writer) = reader_and_writer(&scene);
    let mut numbers = Numbers(4);

    for _ in 0..EXPRESSIONS {
        let expression = hostile(&mut numbers);
        assert_ends_well(&reader, &["eval", &expression]);
        assert_ends_well(&reader, &["query", &expression]);
        assert_ends_well(&reader, &["query", "true", "--select", &expression]);
    }
}

/// Runs a command that may fail, but neither by a signal nor silently.
fn assert_ends_well(reader: &Repository, args: &[impl AsRef<OsStr>]) {
    let Outcome { code, stderr, .. } = reader.start_with(args, b"").finish_within(PATIENCE);
    let shown: Vec<_> = args.iter().map(AsRef::as_ref).collect();
    assert!(matches!(code, Some(0 | 2)), "{shown:?} ended with {code:?}: {stderr}");
    let has_message = stderr.starts_with("error: ") && stderr.len() < 64 * 1024;
    assert!(code == Some(0) || has_message, "{shown:?}: {stderr}");
}

#[test]
fn arguments_that_are_no_text_are_mistakes() {
    let scene = Scene::new(Backend::Directory);
    let reader = scene.repository("ana", "infra");
    let broken = || OsString::from_vec(b"name == \"\xff\xfe\"".to_vec());
    let word = |word: &str| OsString::from(word);

    for args in [
        vec![word("query"), broken()],
        vec![word("eval"), broken()],
        vec![word("query"), word("true"), word("--select"), broken()],
        vec![word("query"), OsString::from_vec(vec![0x80; 9_000])],
    ] {
        let outcome = reader.start_with(&args, b"").finish();

        assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("UTF-8"), "{}", outcome.stderr);
    }
}
