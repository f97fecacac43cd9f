//! The bridge from `main` to async code, and what happens on Ctrl-C.

use std::io;
use std::path::Path;
use std::time::Duration;

use swamp::fsutil::FileError;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::report::{Failed, Outcome};

/// How long an interrupted command may take to release its locks.
const GRACE: Duration = Duration::from_secs(5);

/// What the first interrupt means to a command.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// It ends before it has done what it was asked.
    Early,
    /// It ends as it should, which may take this long.
    Orderly {
        /// How long.
        grace: Duration,
    },
}

/// Runs a command to its end. The first interrupt cancels `stop` and lets the command release its locks; the second,
/// or the end of the grace, drops it where it is.
#[expect(clippy::disallowed_methods, reason = "this is the bridge")]
pub(crate) fn run(stop: &CancellationToken, ending: Ending, command: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(FileError::at("start", Path::new("the async runtime")))?;
    let outcome = runtime.block_on(async {
        let mut command = std::pin::pin!(command);
        tokio::select! {
            outcome = &mut command => return outcome,
            received = interrupted() => received?,
        }
        stop.cancel();
        let grace = match ending {
            Ending::Early => GRACE,
            Ending::Orderly { grace } => grace,
        };
        tokio::select! {
            outcome = &mut command => match ending {
                Ending::Early => {}
                Ending::Orderly { .. } => return outcome,
            },
            received = interrupted() => received?,
            () = tokio::time::sleep(grace) => {}
        }
        Err(Failed::Interrupted)
    });
    // Threads that still wait for a store must not delay the end of the process.
    runtime.shutdown_background();
    outcome
}

/// Waits for a future on a thread that is not one of the runtime's.
#[expect(clippy::disallowed_methods, reason = "this is the bridge")]
pub(crate) fn wait<T>(runtime: &tokio::runtime::Handle, future: impl Future<Output = T>) -> T {
    runtime.block_on(future)
}

/// Runs work that may take long on a thread of its own; an interrupt is passed on by `interrupt`.
pub(crate) async fn blocking<T: Send + 'static>(
    stop: &CancellationToken,
    interrupt: impl FnOnce(),
    work: impl FnOnce() -> Result<T, Failed> + Send + 'static,
) -> Result<T, Failed> {
    let mut work = tokio::task::spawn_blocking(work);
    let outcome = tokio::select! {
        outcome = &mut work => outcome,
        () = stop.cancelled() => {
            interrupt();
            work.await
        }
    };
    outcome.map_err(swamp::repo::RepoError::from)?
}

/// Completes at the next SIGINT or SIGTERM.
async fn interrupted() -> Result<(), FileError> {
    let listen = |kind: SignalKind| -> io::Result<_> { signal(kind) };
    let failed = FileError::at("listen to", Path::new("signals"));
    let both = listen(SignalKind::interrupt()).and_then(|first| Ok((first, listen(SignalKind::terminate())?)));
    let (mut interrupt, mut terminate) = both.map_err(failed)?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
