//! Where the built program is.

use std::env;
use std::path::PathBuf;

/// Returns the `swamp` binary under test: `SWAMP_BIN`, else the one built beside the running test.
///
/// # Panics
///
/// When there is none: stories never build what they judge.
pub fn swamp() -> PathBuf {
    let candidates = candidates();
    let found = candidates.iter().find(|path| path.is_file()).cloned();
    let tried: Vec<_> = candidates.iter().map(|path| path.display().to_string()).collect();
    found.unwrap_or_else(|| {
        panic!(
            "no swamp binary at {}: build it with `cargo build --workspace --bins`, or set SWAMP_BIN",
            tried.join(" or ")
        )
    })
}

fn candidates() -> Vec<PathBuf> {
    if let Some(path) = env::var_os("SWAMP_BIN") {
        return vec![PathBuf::from(path)];
    }
    let name = format!("swamp{}", env::consts::EXE_SUFFIX);
    // Tests run from `<target>/<profile>/deps`, programs from `<target>/<profile>`: of both, the program is a neighbour.
    let running = env::current_exe().expect("a running program has a path");
    running.ancestors().skip(1).take(2).map(|directory| directory.join(&name)).collect()
}
