//! Parsers meet the corpus of `fuzz/corpus` and many mutilations of it.

mod parsers;

use std::panic::catch_unwind;
use std::path::Path;

use parsers::PARSERS;

/// Mutilations of every file of the corpus.
const MUTATIONS: u64 = 400;

/// What documents are made of, to be put where it does not belong.
const TOKENS: [&[u8]; 16] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b",",
    b":",
    b"\\",
    b"\0",
    b"\n",
    b"../",
    b"&a",
    b"*a",
    b"\xff",
    b"99999999999999999999",
    b"\\ud800",
];

fn mutilated(bytes: &[u8], rng: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..rng.usize(1..5) {
        let at = rng.usize(0..=bytes.len());
        let end = rng.usize(at..=bytes.len().min(at + 64));
        match rng.u32(0..5) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => drop(bytes.splice(at..at, rng.choice(TOKENS).expect("there are some").iter().copied())),
            3 => {
                let copied = bytes[at..end].repeat(rng.usize(1..4));
                drop(bytes.splice(at..at, copied));
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << rng.u32(0..8);
                }
            }
        }
    }
    bytes
}

#[test]
fn no_parser_panics_or_accepts_what_is_unsafe() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut tried = 0;
    for (name, _) in PARSERS {
        let mut files: Vec<_> = std::fs::read_dir(corpus.join(name))
            .expect("every parser has a corpus")
            .map(|entry| entry.expect("readable").path())
            .collect();
        files.sort();
        assert!(!files.is_empty(), "{name} has no corpus");
        for file in files {
            let whole = std::fs::read(&file).expect("readable");
            for seed in 0..=MUTATIONS {
                let mut rng = fastrand::Rng::with_seed(seed);
                let bytes = if seed == 0 { whole.clone() } else { mutilated(&whole, &mut rng) };
                let outcome = catch_unwind(|| parsers::run(name, &bytes));
                assert!(outcome.is_ok(), "{name}: {} with seed {seed}: {}", file.display(), bytes.escape_ascii());
                tried += 1;
            }
        }
    }
    assert!(tried > 10 * MUTATIONS, "only {tried} texts were tried");
}
