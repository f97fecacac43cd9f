//! The bridge from `main` to async code, and what happens on Ctrl-C and when the terminal is closed.

use std::path::Path;
use std::time::Duration;

use swamp::fsutil::FileError;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::report::{Failed, Outcome};

/// How long an interrupted command may take to release its locks.
const GRACE: Duration = Duration::from_secs(5);

/// What the first interrupt means to a command.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// It ends wherever it is: it holds no lock and changes nothing.
    AtOnce,
    /// It ends before it has done what it was asked.
    Early,
    /// It ends as it should, which may take this long.
    Orderly {
        /// How long.
        grace: Duration,
    },
}

/// Runs a command to its end. The first interrupt cancels `stop` and lets the command release its locks; the second,
/// or the end of the grace, drops it where it is. To what ends orderly, the end of its terminal is a first interrupt, and
/// never a second one: shell and kernel both tell of it.
#[expect(clippy::disallowed_methods, reason = "this is the bridge")]
pub(crate) fn run(stop: &CancellationToken, ending: Ending, command: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(FileError::at("start", Path::new("the async runtime")))?;
    let outcome = runtime.block_on(async {
        let mut command = std::pin::pin!(command);
        tokio::select! {
            // In this order, so that signals are heard before the command begins, which may take long to give way.
            biased;
            received = interrupted() => received?,
            received = hung_up(), if matches!(ending, Ending::Orderly { .. }) => received?,
            outcome = &mut command => return outcome,
        }
        stop.cancel();
        let grace = match ending {
            Ending::AtOnce => return Err(Failed::Interrupted),
            Ending::Early => GRACE,
            Ending::Orderly { grace } => grace,
        };
        tokio::select! {
            outcome = &mut command => match ending {
                Ending::AtOnce | Ending::Early => {}
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
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Completes when the terminal is closed, never if whoever started us wants that to be ignored, as `nohup` does.
async fn hung_up() -> Result<(), FileError> {
    if std::fs::read_to_string("/proc/self/status").is_ok_and(|status| is_hangup_ignored(&status)) {
        std::future::pending::<()>().await;
    }
    listen(SignalKind::hangup())?.recv().await;
    Ok(())
}

fn listen(kind: SignalKind) -> Result<Signal, FileError> {
    signal(kind).map_err(FileError::at("listen to", Path::new("signals")))
}

fn is_hangup_ignored(status: &str) -> bool {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // The first bit is that of signal 1.
    ignored.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).is_some_and(|bits| bits & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hangup_is_ignored_if_its_bit_is_set() {
        let lines = ["SigIgn:\t0000000000001001\n", "SigIgn:\t0000000000001000\nSigCgt:\t0000000000000001\n", ""];

        assert_eq!(lines.map(is_hangup_ignored), [true, false, false]);
    }
}
