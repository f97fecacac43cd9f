//! The rules of the house that a machine can keep: layers, fences, sizes, headers.
//!
//! The module table is the one in the crate documentation of `src/lib.rs`; a row may use only rows above it. Every rule
//! has a test here that shows it catching an offender, and one that runs it over the workspace.

#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/source.rs"]
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use source::Source;

/// Directories that hold what we write.
const ROOTS: &[&str] = &["src", "mount", "tests", "uat", "scripts"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> Source {
    Source::new(path, &fs::read_to_string(root().join(path)).expect("the file is part of the workspace"))
}

fn workspace() -> Vec<Source> {
    let mut found = vec![read("README.md")];
    for directory in ROOTS {
        collect(&root().join(directory), &mut found);
    }
    found
}

fn collect(directory: &Path, found: &mut Vec<Source>) {
    let mut entries: Vec<_> = fs::read_dir(directory)
        .expect("the directory is part of the workspace")
        .map(|entry| entry.expect("entries can be read").path())
        .filter(|path| {
            path.file_name().is_some_and(|name| name != "target" && !name.as_encoded_bytes().starts_with(b"."))
        })
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, found);
        } else if let Ok(text) = fs::read_to_string(&path) {
            let relative = path.strip_prefix(root()).expect("found below the root");
            found.push(Source::new(&relative.to_string_lossy(), &text));
        }
    }
}

fn table() -> Vec<String> {
    rules::module_table(&read("src/lib.rs").text)
}

/// Runs `rule` over every Rust file of the workspace.
fn complaints(rule: impl Fn(&Source) -> Vec<String>) -> Vec<String> {
    workspace().iter().filter(|source| source.is_rust()).flat_map(rule).collect()
}

#[test]
fn the_workspace_keeps_its_layers() {
    let table = table();

    assert!(table.len() > 10, "the module table of src/lib.rs is gone: {table:?}");
    assert_eq!(complaints(|source| rules::imports(source, &table)), [""; 0]);
}

#[test]
fn the_workspace_keeps_its_fences() {
    assert_eq!(complaints(rules::fences), [""; 0]);
}

#[test]
fn every_file_says_what_it_is_for() {
    assert_eq!(complaints(rules::header), [""; 0]);
}

#[test]
fn every_file_is_short_enough() {
    assert_eq!(complaints(rules::length), [""; 0]);
}

#[test]
fn every_public_trait_is_narrow() {
    assert_eq!(complaints(rules::traits), [""; 0]);
}

#[test]
fn nothing_is_left_over() {
    let found: Vec<String> = workspace().iter().flat_map(rules::leftovers).collect();

    assert_eq!(found, [""; 0]);
}

#[test]
fn the_packages_know_only_whom_they_may() {
    let mut found = rules::dependencies(&read("mount/Cargo.toml"), &["swamp", "swamp-testbed"]);
    found.extend(rules::dependencies(&read("uat/Cargo.toml"), &["swamp", "swamp-mount"]));
    found.extend(rules::dependencies(&read("tests/testbed/Cargo.toml"), &["swamp", "swamp-mount"]));

    assert_eq!(found, [""; 0]);
}

#[test]
fn every_promise_has_its_tests() {
    let functions: Vec<String> = workspace().iter().flat_map(rules::functions).collect();

    let promises = ["mount/PROMISES.md", "SECURITY.md"].map(read);
    let found: Vec<String> = promises.iter().flat_map(|source| rules::promises(source, &functions)).collect();

    assert_eq!(found, [""; 0]);
}

/// The checker itself: each rule catches its offender.
mod offenders {
    use super::Source;
    use super::rules;

    fn layers(path: &str, text: &str) -> usize {
        let table: Vec<String> = ["error", "path", "bucket", "cli"].iter().map(|&row| row.to_owned()).collect();
        rules::imports(&Source::new(path, text), &table).len()
    }

    fn fenced(path: &str, text: &str) -> usize {
        rules::fences(&Source::new(path, text)).len()
    }

    #[test]
    fn the_table_is_read_in_order() {
        let text = "//! | other | x |\n//!\n//! | module | responsibility |\n//! |---|---|\n//! | `error` | e |\n//! | `bucket/` | b |\n";

        assert_eq!(rules::module_table(text), ["error", "bucket"]);
    }

    #[test]
    fn a_row_using_a_row_below_is_caught() {
        assert_eq!(layers("src/path.rs", "use crate::bucket::Version;"), 1);
        assert_eq!(layers("src/path.rs", "use crate::{error::Kind, bucket::Version};"), 1);
        assert_eq!(layers("src/path.rs", "fn f(_: crate::bucket::Version) {}"), 1);
        assert_eq!(layers("src/path.rs", "use super::bucket::Version;"), 1);
        assert_eq!(layers("src/path.rs", "mod tests { use super::super::bucket::Version; }"), 1);
        assert_eq!(layers("src/bucket/s3/client.rs", "use super::super::super::cli::Report;"), 1);
    }

    #[test]
    fn a_row_using_rows_above_or_itself_passes() {
        assert_eq!(layers("src/bucket/mod.rs", "use crate::error::Kind; use crate::bucket::x; use super::path::y;"), 0);
        assert_eq!(layers("src/path.rs", "mod tests { use super::bucket; } // crate::bucket::x"), 0);
        assert_eq!(layers("src/main.rs", "use swamp::bucket::Version; use crate::cli::run;"), 0);
    }

    #[test]
    fn a_module_missing_from_the_table_is_caught() {
        assert_eq!(layers("src/helper.rs", ""), 1);
    }

    #[test]
    fn every_fence_holds() {
        assert_eq!(fenced("src/data/mod.rs", "use rusqlite::Connection;"), 1);
        assert_eq!(fenced("src/data/mod.rs", "use cel::Program;"), 1);
        assert_eq!(fenced("src/data/mod.rs", "use saphyr_parser::Parser;"), 1);
        assert_eq!(fenced("src/bucket/mod.rs", "use aws_sdk_s3::Client;"), 1);
        assert_eq!(fenced("src/bucket/s3/mod.rs", "use google_cloud_storage::client;"), 1);
        assert_eq!(fenced("src/sync/mod.rs", "use clap::Parser;"), 1);
        assert_eq!(fenced("src/sync/mod.rs", "use indicatif::ProgressBar;"), 1);
        assert_eq!(fenced("src/sync/mod.rs", "fn f() { std::io::stderr(); }"), 1);
        assert_eq!(fenced("src/sync/mod.rs", "use std::io::{self, stdout};"), 1);
        assert_eq!(fenced("src/sync/mod.rs", "fn f() { println!(\"x\"); }"), 1);
        assert_eq!(fenced("src/sync/mod.rs", "fn f() { std::env::var(\"X\"); }"), 1);
        assert_eq!(fenced("src/cli/mod.rs", "fn f() { std::env::var(\"X\"); }"), 1);
        assert_eq!(fenced("src/repo/mod.rs", "fn f() { std::env::args(); }"), 1);
        assert_eq!(fenced("src/sync/mod.rs", "use std::fs; fn f() { fs::write(a, b); }"), 1);
        assert_eq!(fenced("mount/src/fs.rs", "use fuser::FileAttr;"), 1);
    }

    #[test]
    fn fenced_crates_may_be_used_at_home() {
        assert_eq!(fenced("src/catalog/mod.rs", "use rusqlite::Connection;"), 0);
        assert_eq!(fenced("src/yaml/reader.rs", "use saphyr_parser::Parser;"), 0);
        assert_eq!(fenced("src/bucket/s3/mod.rs", "use aws_sdk_s3::Client;"), 0);
        assert_eq!(fenced("src/cli/data.rs", "use clap::Parser; fn f() { println!(); std::io::stdout(); }"), 0);
        assert_eq!(fenced("src/repo/config.rs", "fn f() { std::env::var(\"X\"); }"), 0);
        assert_eq!(fenced("src/cli/mod.rs", "fn f() { std::env::args_os(); }"), 0);
        assert_eq!(fenced("src/fsutil.rs", "fn f() { std::fs::rename(a, b); }"), 0);
        assert_eq!(fenced("mount/src/session.rs", "use fuser::Session;"), 0);
    }

    #[test]
    fn tests_may_change_files_and_comments_may_name_anything() {
        assert_eq!(fenced("src/sync/mod.rs", "mod tests { fn f() { std::fs::write(a, b); } }"), 0);
        assert_eq!(fenced("src/sync/mod.rs", "// clap::Parser, println!\nfn f() { g(\"rusqlite::Error\"); }"), 0);
    }

    #[test]
    fn a_missing_header_is_caught() {
        assert_eq!(rules::header(&Source::new("src/a.rs", "use std::fs;\n")).len(), 1);
        assert_eq!(rules::header(&Source::new("src/a.rs", "//! What it is for.\n")).len(), 0);
    }

    #[test]
    fn a_long_file_is_caught() {
        assert_eq!(rules::length(&Source::new("src/a.rs", &"\n".repeat(501))).len(), 1);
        assert_eq!(rules::length(&Source::new("src/a.rs", &"\n".repeat(500))).len(), 0);
    }

    #[test]
    fn a_wide_trait_is_caught() {
        let of = |methods: usize| {
            let body = "fn f(&self) { fn nested() {} }\n".repeat(methods);
            rules::traits(&Source::new("src/a.rs", &format!("pub trait Wide: Sized {{\n{body}}}\nfn after() {{}}")))
                .len()
        };

        assert_eq!((of(8), of(9)), (0, 1));
    }

    #[test]
    fn leftovers_are_caught() {
        let of = |text: &str| rules::leftovers(&Source::new("scripts/x", text)).len();

        assert_eq!(of(concat!("# FIX", "ME")), 1);
        assert_eq!(of(concat!("// XX", "X: odd")), 1);
        assert_eq!(of(concat!("// TO", "DO: later")), 1);
        assert_eq!(of(concat!("// TO", "DO(#12): later")), 0);
        assert_eq!(of(concat!("mktemp -d /tmp/XX", "XXXX")), 0);
    }

    #[test]
    fn a_forbidden_dependency_is_caught() {
        let of = |text: &str| rules::dependencies(&Source::new("uat/Cargo.toml", text), &["swamp"]).len();

        assert_eq!(of("[dependencies]\nswamp = { path = \"..\" }\n"), 1);
        assert_eq!(of("[dev-dependencies.swamp]\npath = \"..\"\n"), 1);
        assert_eq!(of("[package]\nname = \"swamp\"\n[dependencies]\nswamp-testbed = \"1\"\n"), 0);
    }

    #[test]
    fn promises_without_tests_are_found() {
        let promised = |tests: &str| {
            let table = format!("| | promise | tests |\n|---|---|---|\n| 1 | It works | {tests} |\n");
            rules::promises(&Source::new("x/PROMISES.md", &table), &["it_works".to_owned()]).len()
        };

        assert_eq!((promised("`it_works`"), promised("`it_worked`"), promised("")), (0, 1, 1));
        assert_eq!(rules::functions(&Source::new("a.rs", "    fn it_works() {")), ["it_works"]);
    }
}
