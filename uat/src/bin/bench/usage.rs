//! What one command used: wall time, processor time, peak memory.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use swamp_uat::{Outcome, Repository};
use wait4::Wait4 as _;

/// What the kernel says about a finished command.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Usage {
    pub(crate) wall_ms: f64,
    /// User and system time together.
    pub(crate) cpu_ms: f64,
    pub(crate) peak_rss_bytes: u64,
}

/// Runs `program`, writes its usage to `target` and ends as it did.
pub(crate) fn run(target: &Path, program: &[String]) -> ExitCode {
    let started = Instant::now();
    let child = Command::new(&program[0]).args(&program[1..]).spawn().expect("the program can be started");
    let used = child.wait4().expect("our own child can be waited for");
    let usage = Usage {
        wall_ms: started.elapsed().as_secs_f64() * 1000.0,
        cpu_ms: (used.rusage.utime + used.rusage.stime).as_secs_f64() * 1000.0,
        peak_rss_bytes: used.rusage.maxrss,
    };
    fs::write(target, serde_json::to_vec(&usage).expect("numbers are JSON")).expect("the target is writable");
    let code = used.status.code().and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Runs a command that must succeed and returns what it said and what it used.
pub(crate) fn measured(repository: &Repository, args: &[&str]) -> (Outcome, Usage) {
    let target = repository.machine().root().join("tmp").join("usage.json");
    let own = env::current_exe().expect("a running program has a path");
    let wrapper = [
        own.display().to_string(),
        "usage".to_owned(),
        "--to".to_owned(),
        target.display().to_string(),
        "--".to_owned(),
    ];
    let outcome = repository.through(&wrapper).ok(args);
    let usage = fs::read(&target).expect("the wrapper writes it");
    (outcome, serde_json::from_slice(&usage).expect("the wrapper writes JSON"))
}
