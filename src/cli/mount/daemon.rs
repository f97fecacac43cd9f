//! The mount in the background: another process of ours, which answers through a pipe when it is ready.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use serde::Serialize;
use swamp::fsutil::{self, FileError};

use super::failure::MountFailure;
use crate::cli::context::Context;
use crate::cli::report::{Failed, Outcome};

/// This program, also if its file was replaced meanwhile.
pub(super) const PROGRAM: &str = "/proc/self/exe";

/// What the process in the background writes when the mount answers.
const READY: &[u8] = b"ready\n";

/// A mount that answers.
#[derive(Serialize)]
struct Mounted {
    mountpoint: PathBuf,
    pid: u32,
}

/// Starts the mount in the background, with the arguments of this process; returns when it answers or has failed. What it
/// has to say before that, it says on our stderr.
pub(super) fn start(mountpoint: PathBuf, context: &Context) -> Outcome {
    let arguments = std::env::args_os().skip(1).map(|argument| match argument.to_str() {
        Some("--daemon") => "--detached".into(),
        _ => argument,
    });
    let mut command = Command::new(PROGRAM);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    let failed = || FileError::at("start", Path::new(PROGRAM));
    let mut child = command.spawn().map_err(failed())?;
    let mut told = Vec::new();
    if let Some(mut pipe) = child.stdout.take() {
        pipe.read_to_end(&mut told).map_err(failed())?;
    }
    if told == READY {
        let mounted = Mounted { mountpoint, pid: child.id() };
        // A person has been told by the process itself.
        return context.output.emit(&mounted, |_| String::new());
    }
    let status = child.wait().map_err(failed())?;
    Err(relayed(status))
}

/// It has said why; we end as it did.
fn relayed(status: ExitStatus) -> Failed {
    match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(code @ 1..) => Failed::Told(code),
        _ => MountFailure::NotStarted.into(),
    }
}

/// Leaves the session of whoever started us, so that closing a terminal does not end the mount.
pub(super) fn detach() -> Result<(), FileError> {
    let left = rustix::process::setsid().map(drop);
    // Whoever leads a process group already cannot lead a session; then we are on our own anyway.
    left.or_else(|error| if error == rustix::io::Errno::PERM { Ok(()) } else { Err(io::Error::from(error)) })
        .map_err(FileError::at("leave", Path::new("the session")))
}

/// Tells whoever started us that the mount answers; from now on stderr is the log file, and stdout nothing.
pub(super) fn ready(log: &Path) -> Result<(), FileError> {
    let failed = || FileError::at("write to", log);
    if let Some(parent) = log.parent() {
        fsutil::create_directory(parent)?;
    }
    let log_file = File::options().create(true).append(true).open(log).map_err(failed())?;
    let nothing = File::options().write(true).open("/dev/null").map_err(failed())?;
    rustix::stdio::dup2_stderr(&log_file).map_err(|error| failed()(error.into()))?;
    // Who started us may be gone, which is no reason to end.
    drop(crate::cli::output::print(READY));
    rustix::stdio::dup2_stdout(&nothing).map_err(|error| failed()(error.into()))
}
