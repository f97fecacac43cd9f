//! `swamp unmount`: pushes what is left, then takes the mount away.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use serde::Serialize;
use swamp::mounting::control::{self, Answer, Verb};
use swamp::mounting::{Claim, Flushed, Server};
use swamp::repo::Repo;

use super::arguments::{MOUNTPOINT, UnmountArguments};
use super::failure::MountFailure;
use super::{END_MAX, join};
use crate::cli::context::Context;
use crate::cli::report::{Failed, Outcome};

/// How long a mount may take to say who serves it.
const SAY_MAX: Duration = Duration::from_secs(5);

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    mountpoint: PathBuf,
    unmounted: bool,
    stale: bool,
    left: Vec<String>,
    everything_left: bool,
}

pub(crate) async fn run(arguments: UnmountArguments, context: &Context) -> Outcome {
    let repo = context.repo().ok();
    let asked = arguments.mountpoint.as_ref().map(|path| context.environment.directory().join(path));
    let own = match &repo {
        Some(repo) => Claim::find(&repo.paths().state, &*context.clock).await?,
        None => None,
    };
    let is_meant = |server: &Server| asked.as_ref().is_none_or(|asked| is_same(asked, &server.mountpoint));
    let (mountpoint, socket) = if let Some(server) = own.filter(is_meant) {
        (server.mountpoint, Ok(server.socket))
    } else {
        let mountpoint = asked.unwrap_or_else(|| PathBuf::from(MOUNTPOINT));
        let socket = said_socket(&mountpoint);
        (mountpoint, socket)
    };
    let (left, is_stale) = match socket {
        Ok(socket) => (leave(&socket, arguments.timeout, context).await?, false),
        Err(silence) => {
            let source = join::take_away(&mountpoint, silence)?;
            (left_behind(repo.as_ref().filter(|repo| join::source_of(repo.id()) == source))?, true)
        }
    };
    let shown = Shown {
        mountpoint,
        unmounted: true,
        stale: is_stale,
        left: left.left.clone(),
        everything_left: left.is_everything,
    };
    context.output.emit(&shown, |shown| {
        let how = if shown.stale { "took away the dead mount at" } else { "unmounted" };
        format!("{how} {}\n", shown.mountpoint.display())
    })?;
    if left.is_done() { Ok(()) } else { Err(MountFailure::NotRemote { left }.into()) }
}

async fn leave(socket: &Path, timeout: Duration, context: &Context) -> Result<Flushed, Failed> {
    let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
    let asked = control::ask(&*context.clock, socket, Verb::Unmount { timeout_ms }, timeout + END_MAX);
    match asked.await? {
        Answer::Flushed(left) => Ok(left),
        other => Err(super::unexpected(&other)),
    }
}

/// Returns what the process of a mount left that was taken away because nobody served it.
fn left_behind(repo: Option<&Repo>) -> Result<Flushed, Failed> {
    let reason = Some("the mount was not ended properly".to_owned());
    // What is not known may be anything.
    let Some(repo) = repo else { return Ok(Flushed { is_everything: true, reason, ..Flushed::default() }) };
    let dirty = repo.watermark().peek()?;
    let left = dirty.paths.iter().map(ToString::to_string).collect();
    Ok(Flushed { left, is_everything: dirty.is_everything, reason })
}

/// Returns the socket that a mount says its process answers at, or why it does not say so.
fn said_socket(mountpoint: &Path) -> io::Result<PathBuf> {
    let file = mountpoint.join(".swamp/status.json");
    let (sender, said) = mpsc::channel();
    // A mount that hangs keeps this thread for ever, and not us.
    let read = move || drop(sender.send(std::fs::read(file)));
    std::thread::Builder::new().name("swamp-status".to_owned()).spawn(read)?;
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("it did not answer within {SAY_MAX:?}"));
    let status: serde_json::Value = serde_json::from_slice(&said.recv_timeout(SAY_MAX).map_err(late)??)?;
    let socket = status.get("socket").and_then(serde_json::Value::as_str).map(PathBuf::from);
    socket.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "its status has no `socket`"))
}

/// Whether two paths mean one directory; a mount that is dead cannot be looked at, so its parent is.
fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| {
        let parent = path.parent()?.canonicalize().ok()?;
        Some(parent.join(path.file_name()?))
    };
    one == other || real(one).is_some_and(|one| Some(one) == real(other))
}
