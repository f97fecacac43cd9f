//! What one command used: wall time, processor time, peak memory.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use swamp_uat::{Outcome, Repository};
use wait4::Wait4 as _;

/// How long a measured command may take.
const PATIENCE: Duration = Duration::from_mins(30);

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
    let target = target_of(repository);
    let through = repository.through(&wrapper(&target));
    let outcome = through.start(args).finish_within(PATIENCE);
    (through.expect(outcome, 0), written(&target))
}

/// Runs this program with other arguments, which must succeed, and returns what it printed and what it used.
pub(crate) fn measured_own(repository: &Repository, args: &[&str]) -> (Vec<u8>, Usage) {
    let target = target_of(repository);
    let wrapper = wrapper(&target);
    let own = &wrapper[0];
    let output = Command::new(own).args(&wrapper[1..]).arg(own).args(args).output().expect("we can be started again");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    (output.stdout, written(&target))
}

fn target_of(repository: &Repository) -> PathBuf {
    repository.machine().root().join("tmp").join("usage.json")
}

fn wrapper(target: &Path) -> [String; 5] {
    let own = env::current_exe().expect("a running program has a path").display().to_string();
    [own, "usage".to_owned(), "--to".to_owned(), target.display().to_string(), "--".to_owned()]
}

fn written(target: &Path) -> Usage {
    let usage = fs::read(target).expect("the wrapper writes it");
    serde_json::from_slice(&usage).expect("the wrapper writes JSON")
}
