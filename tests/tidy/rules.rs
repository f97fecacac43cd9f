//! The rules, each a pure function from sources to complaints.

use crate::source::{Named, Source, blank};

/// The longest file that is still readable at a sitting.
const FILE_LINES_MAX: usize = 500;
/// Traits with more methods than this age badly.
const TRAIT_METHODS_MAX: usize = 8;

/// A place a path may be named from: a directory with its final slash, a file, or a stem that covers both.
type Home = &'static str;

/// A crate or a piece of `std` that has one home.
struct Fence {
    what: &'static str,
    matches: fn(&Named) -> bool,
    homes: &'static [Home],
    /// Whether test code in `src/` is bound as well.
    binds_tests: bool,
}

const FENCES: &[Fence] = &[
    Fence { what: "rusqlite", matches: |p| p.segments[0] == "rusqlite", homes: &["src/catalog/"], binds_tests: true },
    Fence { what: "cel", matches: |p| p.segments[0] == "cel", homes: &["src/query/"], binds_tests: true },
    Fence {
        what: "saphyr_parser",
        matches: |p| p.segments[0].starts_with("saphyr"),
        homes: &["src/yaml/", "src/yaml.rs"],
        binds_tests: true,
    },
    Fence {
        what: "the AWS crates",
        matches: |p| p.segments[0].starts_with("aws_"),
        homes: &["src/bucket/s3/", "src/bucket/s3.rs"],
        binds_tests: true,
    },
    Fence {
        what: "the Google crates",
        matches: |p| p.segments[0].starts_with("google_"),
        homes: &["src/bucket/gcs/", "src/bucket/gcs.rs"],
        binds_tests: true,
    },
    Fence { what: "clap", matches: |p| p.segments[0] == "clap", homes: CLI, binds_tests: true },
    Fence { what: "indicatif", matches: |p| p.segments[0] == "indicatif", homes: CLI, binds_tests: true },
    Fence {
        what: "stdout and stderr",
        matches: |p| p.contains(&["io", "stdout"]) || p.contains(&["io", "stderr"]),
        homes: CLI,
        binds_tests: true,
    },
    Fence {
        what: "fuser",
        matches: |p| p.segments[0] == "fuser",
        homes: &["mount/src/fuse.rs", "mount/src/fuse/", "mount/src/session.rs", "mount/src/errno.rs"],
        binds_tests: true,
    },
    Fence {
        what: "the environment",
        matches: |p| is_env(p) && !reads_arguments(p),
        homes: &["src/repo/"],
        binds_tests: false,
    },
    Fence { what: "the arguments", matches: reads_arguments, homes: CLI, binds_tests: false },
    Fence {
        what: "mutating std::fs",
        matches: mutates_files,
        homes: &["src/fsutil.rs", "src/fsutil/", "mount/"],
        binds_tests: false,
    },
];

const CLI: &[Home] = &["src/cli/", "src/main.rs"];

const PRINT_MACROS: &[&str] = &["print", "println", "eprint", "eprintln", "dbg"];

const FS_MUTATIONS: &[&str] = &[
    "write",
    "rename",
    "copy",
    "hard_link",
    "create_dir",
    "create_dir_all",
    "remove_dir",
    "remove_dir_all",
    "remove_file",
    "set_permissions",
];

fn is_env(path: &Named) -> bool {
    path.contains(&["std", "env"]) || (path.segments[0] == "env" && path.segments.len() > 1)
}

fn reads_arguments(path: &Named) -> bool {
    is_env(path) && (path.contains(&["env", "args"]) || path.contains(&["env", "args_os"]))
}

fn mutates_files(path: &Named) -> bool {
    FS_MUTATIONS.iter().any(|function| path.contains(&["fs", function]))
        || path.contains(&["File", "create"])
        || path.contains(&["File", "create_new"])
}

/// Returns the rows of the module table: the first cells of the markdown table in the crate documentation.
pub(crate) fn module_table(crate_root: &str) -> Vec<String> {
    crate_root
        .lines()
        .filter_map(|line| line.strip_prefix("//! |"))
        .filter_map(|row| row.split('|').next())
        .map(|cell| cell.trim().trim_matches('`').trim_end_matches('/').to_owned())
        .skip_while(|cell| cell != "module")
        .skip(2)
        .collect()
}

/// Complains about a module of `src/` that the table does not list, and about uses of rows below.
pub(crate) fn imports(source: &Source, table: &[String]) -> Vec<String> {
    let Some(module) = source.module() else { return Vec::new() };
    let row = |name: &str| table.iter().position(|listed| listed == name);
    let Some(own) = row(module) else {
        return vec![format!("{}: module `{module}` is not in the table of src/lib.rs", source.path)];
    };
    source
        .paths()
        .iter()
        .filter_map(|path| Some((path, used_module(source, path)?)))
        .filter(|(_, used)| row(used).is_some_and(|used| used > own))
        .map(|(path, used)| format!("{}:{}: `{module}` uses `{used}`, a row below it", source.path, path.line))
        .collect()
}

/// Returns the top-level module that `path` leads into, spelled `crate::x`, `swamp::x` or through `super`.
fn used_module<'a>(source: &Source, path: &'a Named) -> Option<&'a str> {
    let segments = &path.segments;
    let root = match segments[0].as_str() {
        "crate" | "swamp" => 1,
        "super" => {
            let supers = segments.iter().take_while(|segment| *segment == "super").count();
            if supers < source.depth() + path.inline_depth {
                return None;
            }
            supers
        }
        _ => return None,
    };
    segments.get(root).map(String::as_str)
}

/// Complains about crates and macros used outside their home.
pub(crate) fn fences(source: &Source) -> Vec<String> {
    if !source.path.starts_with("src/") && !source.path.starts_with("mount/src/") {
        return Vec::new();
    }
    let at_home = |homes: &[Home]| homes.iter().any(|home| source.path.starts_with(home));
    let mut complaints: Vec<String> = Vec::new();
    for path in source.paths() {
        for fence in FENCES.iter().filter(|fence| (fence.matches)(&path) && !at_home(fence.homes)) {
            if fence.binds_tests || !path.in_tests {
                complaints.push(format!("{}:{}: {} outside its home", source.path, path.line, fence.what));
            }
        }
    }
    if !at_home(CLI) && !source.is_tests() {
        complaints.extend(prints(source));
    }
    complaints
}

fn prints(source: &Source) -> Vec<String> {
    let code = blank(&source.text);
    let calls = |line: &str, name: &&str| {
        line.match_indices(&format!("{name}!"))
            .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    code.lines()
        .enumerate()
        .filter(|(_, line)| PRINT_MACROS.iter().any(|name| calls(line, name)))
        .map(|(index, _)| format!("{}:{}: prints outside `cli`", source.path, index + 1))
        .collect()
}

/// Complains about a Rust file that does not open with what it is for.
pub(crate) fn header(source: &Source) -> Vec<String> {
    if source.text.starts_with("//! ") { Vec::new() } else { vec![format!("{}: no `//!` header", source.path)] }
}

/// Complains about files nobody reads in one go.
pub(crate) fn length(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    if lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    vec![format!("{}: {lines} lines, at most {FILE_LINES_MAX} are allowed", source.path)]
}

/// Complains about public traits with too many methods.
pub(crate) fn traits(source: &Source) -> Vec<String> {
    let code = blank(&source.text);
    let mut complaints = Vec::new();
    for (at, _) in code.match_indices("pub trait ").chain(code.match_indices("pub(crate) trait ")) {
        let methods = methods(&code[at..]);
        if methods > TRAIT_METHODS_MAX {
            let line = code[..at].lines().count() + 1;
            complaints.push(format!("{}:{line}: trait of {methods} methods, at most {TRAIT_METHODS_MAX}", source.path));
        }
    }
    complaints
}

/// Returns how many functions the first braces of `code` hold, not counting nested ones.
fn methods(code: &str) -> usize {
    let (mut depth, mut count, mut word) = (0_usize, 0, String::new());
    for c in code.chars() {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        if depth == 1 && word == "fn" {
            count += 1;
        }
        word.clear();
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            _ => {}
        }
    }
    count
}

/// Complains about notes to oneself that no issue keeps.
pub(crate) fn leftovers(source: &Source) -> Vec<String> {
    // Spelled in halves: this file is checked too.
    let allowed_with_issue = concat!("TO", "DO");
    let never = [concat!("FIX", "ME"), concat!("XX", "X")];
    let is_leftover = |line: &str| {
        never.iter().any(|word| words(line, word).next().is_some())
            || words(line, allowed_with_issue).any(|rest| !is_issue(rest))
    };
    source
        .text
        .lines()
        .enumerate()
        .filter(|(_, line)| is_leftover(line))
        .map(|(index, _)| format!("{}:{}: leftover without an issue", source.path, index + 1))
        .collect()
}

/// Returns what follows each occurrence of `word` as a word of its own.
fn words<'a>(line: &'a str, word: &'a str) -> impl Iterator<Item = &'a str> {
    line.match_indices(word).filter_map(move |(at, _)| {
        let rest = &line[at + word.len()..];
        let joins = |c: char| c.is_alphanumeric() || c == '_';
        (!line[..at].ends_with(joins) && !rest.starts_with(joins)).then_some(rest)
    })
}

fn is_issue(rest: &str) -> bool {
    rest.strip_prefix("(#")
        .and_then(|rest| rest.split_once(')'))
        .is_some_and(|(number, _)| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()))
}

/// Complains about a manifest that depends on packages its package must not know.
pub(crate) fn dependencies(manifest: &Source, forbidden: &[&str]) -> Vec<String> {
    let mut in_dependencies = false;
    let mut complaints: Vec<&str> = Vec::new();
    for line in manifest.text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            in_dependencies = section.contains("dependencies");
            complaints
                .extend(forbidden.iter().copied().filter(|name| section.ends_with(&format!("dependencies.{name}]"))));
        } else if in_dependencies {
            let name = line.split(['=', '.', ' ']).next().unwrap_or("");
            complaints.extend(forbidden.iter().copied().filter(|forbidden| *forbidden == name));
        }
    }
    complaints.into_iter().map(|name| format!("{}: depends on `{name}`", manifest.path)).collect()
}

/// Returns the names of the functions a file has.
pub(crate) fn functions(source: &Source) -> Vec<String> {
    let lines = source.text.lines().filter(|_| source.is_rust());
    let signatures = lines.map(str::trim_start).map(|line| line.strip_prefix("async ").unwrap_or(line));
    let named = signatures.filter_map(|line| line.strip_prefix("fn ")?.split_once('('));
    named.map(|(name, _)| name.to_owned()).collect()
}

/// Every promise names tests, and they exist. A promise is a row of a table whose last column has the names.
pub(crate) fn promises(source: &Source, functions: &[String]) -> Vec<String> {
    let rows = source.text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| |"));
    let mut complaints = Vec::new();
    for row in rows {
        let column = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        let tests: Vec<&str> = column.split('`').skip(1).step_by(2).collect();
        if tests.is_empty() {
            complaints.push(format!("{}: no test shows it: {row}", source.path));
        }
        let missing = tests.into_iter().filter(|test| !functions.iter().any(|function| function == test));
        complaints.extend(missing.map(|test| format!("{}: there is no test `{test}`", source.path)));
    }
    complaints
}
