//! What goes in comes out, and what is hostile is refused.

use super::*;

fn read(text: &str) -> Node {
    parse(text, Limits::default()).expect("YAML")
}

fn refusal(text: &str) -> String {
    parse(text, Limits::default()).expect_err("refused").to_string()
}

#[test]
fn scalars_keep_text_and_style() {
    let node = read("a: 0123456789\nb: '0777'\nc: \"x\\ty\"\nd: ~\ne: true\n");

    assert_eq!(node.get("a"), Some(&Scalar::bare("0123456789").into()));
    assert_eq!(node.get("b"), Some(&Scalar::quoted("0777").into()));
    assert_eq!(node.get("c"), Some(&Scalar::quoted("x\ty").into()));
    assert!(node.get("d").expect("present").is_null());
    assert_eq!(node.get("e").and_then(Node::as_scalar).and_then(Scalar::as_bool), Some(true));
}

#[test]
fn folded_and_literal_blocks_are_strings() {
    let node = read("folded: >-\n  one\n  two\nliteral: |\n  one\n  two\nlong: >-\n  aaaa\n");

    assert_eq!(node.get("folded"), Some(&Scalar::quoted("one two").into()));
    assert_eq!(node.get("literal"), Some(&Scalar::quoted("one\ntwo\n").into()));
    assert_eq!(node.get("long"), Some(&Scalar::quoted("aaaa").into()));
}

#[test]
fn a_repository_marker_survives_a_change_of_one_key() {
    let text = "swampVersion: 20260822.101500.0\ninitializedAt: \"2026-08-22T10:15:00.000Z\"\n\
                repoId: 1f3c6f1e-8a0b-4d55-9c62-0d6f6f1a2b3c\ntools:\n  - claude\ndatastore:\n  \
                type: \"@swamp/s3-datastore\"\n  config:\n    bucket: team-state\n    forcePathStyle: true\n  \
                unknown:\n    - - 1\n      - 2\n    - a: 1\n      b: {}\n    - []\n";
    let mut node = read(text);
    assert_eq!(emit(&node), text);

    let datastore = node.as_mapping_mut().and_then(|root| root.get_mut("datastore")).expect("a block");
    datastore.as_mapping_mut().expect("a mapping").insert("namespace", Scalar::string("on"));

    assert_eq!(emit(&node), format!("{text}  namespace: \"on\"\n"));
}

/// Texts that some reader or writer of YAML trips over, one per line of a table.
const ODD: &[&str] = &[
    "",
    " ",
    "a",
    "a b",
    " a",
    "a ",
    "-",
    "- a",
    "-a",
    "?",
    ":",
    "a: b",
    "a:",
    "a #b",
    "#a",
    "&a",
    "*a",
    "!a",
    "|",
    ">",
    "'",
    "\"",
    "%a",
    "@a",
    "`a",
    "{}",
    "[]",
    "a, b",
    "---",
    "--- a",
    "...",
    "... a",
    "null",
    "~",
    "yes",
    "No",
    "0",
    "007",
    "1e3",
    "0x1F",
    "0o17",
    "1_000",
    "12:30:00",
    "2026-01-01",
    "2026-01-01T00:00:00Z",
    ".5",
    ".inf",
    "\n",
    "a\nb",
    "a\n",
    "\t",
    "a\tb",
    "\r\n",
    "\0",
    "\u{1}\u{7f}\u{80}\u{85}",
    "\u{a0}x\u{a0}",
    "\u{2028}\u{2029}",
    "\u{feff}x",
    "\u{fffe}\u{ffff}",
    "ünïcode-✓",
    "🦀",
    "\\",
    "\\n",
    "<<",
    "=",
    "key? value",
    "a\u{e000}b",
    "\u{10ffff}",
    "C:\\x",
    "https://x/y#z",
];

#[test]
fn strings_of_every_sort_survive() {
    for text in ODD.iter().copied() {
        for scalar in [Scalar::quoted(text), Scalar::string(text)] {
            let document = Node::Mapping(Mapping::from_iter([(text, Node::Sequence(vec![scalar.clone().into()]))]));
            let written = emit(&document);

            let found = read(&written);

            assert_eq!(found.get(text).and_then(Node::as_sequence), Some(&[scalar.into()][..]), "{written}");
            assert_eq!(read(&emit(&found)), found);
        }
    }
}

#[test]
fn long_keys_survive() {
    let key = "k ".repeat(800) + "k";
    let document = Node::Mapping(Mapping::from_iter([
        (key.as_str(), Node::Sequence(vec![Scalar::quoted("a").into(), Scalar::bare(1).into()])),
        ("b", Mapping::from_iter([(key.as_str(), Scalar::bare(2))]).into()),
    ]));

    assert_eq!(read(&emit(&document)), document);
}

#[test]
fn only_texts_that_every_reader_takes_for_strings_stand_plain() {
    for text in [
        "team-state",
        "20260822.101500.0",
        "2026.02.09.1",
        "1f3c6f1e-8a0b-4d55-9c62-0d6f6f1a2b3c",
        "12345678-1234-4234-8234-123456789012",
        "eu-west-1",
        "30d",
        "a/b",
        "a:b",
        "ünïcode",
        "10.9.0.0/16",
        "nullable",
        "x=y",
        "2026-x",
    ] {
        assert!(!needs_quotes(text), "{text}");
    }
    for text in [
        "",
        "null",
        "NO",
        "y",
        "1",
        "-1",
        "+1",
        "0x1F",
        "0b1",
        "0o17",
        "1_000",
        "1,000",
        "1:30",
        "1.5",
        "1.",
        "1e5",
        ".5",
        ".NaN",
        "-.inf",
        "2026-01-01",
        "2026-1-1 10:00",
        "=",
        "<<",
        "a\nb",
        "a\tb",
        "@x",
        "%x",
        "-x",
        "\u{7f}",
        "a, b",
        "{x",
        "x]",
    ] {
        assert!(needs_quotes(text), "{text}");
    }
}

#[test]
fn repeated_keys_are_an_error() {
    assert_eq!(refusal("a: 1\nb: 2\n'a': 3\n"), "line 3: key `a` is repeated");
}

#[test]
fn several_documents_and_foreign_tags_are_an_error() {
    assert_eq!(refusal("a: 1\n---\nb: 2\n"), "line 2: several documents in one file are not read");
    assert_eq!(refusal("a: !ruby/object x\n"), "line 1: tags of other schemas are not read");
    assert_eq!(refusal("? [a]\n: b\n"), "line 1: keys other than scalars are not read");
    assert_eq!(read("a: !!str 1\n").get("a"), Some(&Scalar::quoted("1").into()));
    assert_eq!(read("a: !!int 1\n").get("a"), Some(&Scalar::bare("1").into()));
}

#[test]
fn aliases_are_copied_within_bounds() {
    assert_eq!(read("a: &x {k: v}\nb: *x\n").get("b"), Some(&Mapping::from_iter([("k", Scalar::bare("v"))]).into()));
    assert_eq!(refusal("a: &x [*x]\n"), "line 1: aliases of an enclosing node are not read");

    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..30 {
        let previous = format!("*a{},", level - 1).repeat(9);
        bomb = format!("{bomb}a{level}: &a{level} [{previous}]\n");
    }
    assert_eq!(refusal(&bomb), "the document has more than 100000 nodes");
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(500_000), "*a,".repeat(10_000));
    assert_eq!(refusal(&long), "the document has more than 2097152 bytes of text");
}

#[test]
fn deep_nesting_is_an_error_and_not_a_crash() {
    assert_eq!(refusal(&"[".repeat(500_000)), "not YAML at line 1, column 256: recursion limit exceeded");
    assert_eq!(refusal(&"- ".repeat(500_000)), "the document has more than 64 levels");
    assert_eq!(refusal(&"{a: ".repeat(100)), "the document has more than 64 levels");
    assert!(refusal(&"? ".repeat(500_000)).contains("keys other than scalars"));
}

#[test]
fn broken_and_oversized_texts_are_an_error() {
    for text in ["a: 'x", "a: b: c", "a: [", "}", "a: \"\\q\"", "a\0b", "- a\nb: c\n", "%FOO\n%"] {
        assert!(parse(text, Limits::default()).is_err(), "{text:?}");
    }
    assert_eq!(refusal(&"x".repeat(1_048_577)), "the document has more than 1048576 bytes");
    assert!(read("").is_null());
}

#[test]
fn mutilated_documents_never_panic() {
    let seed = "a: &x 'b'\n? \"c\\u0041\"\n: - [d, {e: f}]\n  - >-\n    g\n  - |+\n   h\n*x : !!str i # j\n...\n";
    let alphabet: Vec<char> = "[]{},:-?#&*!|>'\"%@`\\ \n\tax0~.<=é\u{feff}\u{85}".chars().collect();
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let mut text: Vec<char> = seed.chars().collect();
        for _ in 0..random.usize(1..8) {
            if text.is_empty() {
                break;
            }
            let place = random.usize(..text.len());
            match random.u8(..3) {
                0 => drop(text.remove(place)),
                1 => text.insert(place, *random.choice(&alphabet).expect("not empty")),
                _ => text.truncate(place + 1),
            }
        }
        let text: String = text.into_iter().collect();

        if let Ok(node) = parse(&text, Limits::default()) {
            let written = emit(&node);
            let again = parse(&written, Limits::default());
            assert!(again.is_ok_and(|again| emit(&again) == written), "{text:?} became {written:?}");
        }
    }
}
