//! `swamp mount` and `swamp unmount`: the namespaces as a file system.

mod arguments;
mod daemon;
mod failure;
mod guardian;
mod join;
mod notify;
mod serve;
mod unmount;

use std::time::Duration;

use swamp::mounting::control::{Answer, ControlError};

use super::context::Context;
use super::report::{Failed, Outcome};

pub(crate) use arguments::{GuardianArguments, MOUNTPOINT, MountArguments, UnmountArguments};
pub(crate) use serve::log_file;

/// How long the end of a mount may take beside pushing: users finish, threads end, locks are released.
const END_MAX: Duration = Duration::from_secs(30);

/// Returns the failure that an answer to another question is.
pub(crate) fn unexpected(answer: &Answer) -> Failed {
    tracing::debug!(?answer, "an answer to another question");
    let source = std::io::Error::other("its answer is one to another question");
    ControlError::Foreign { source }.into()
}

pub(crate) async fn mount(arguments: MountArguments, context: &Context) -> Outcome {
    serve::run(arguments, context).await
}

pub(crate) async fn unmount(arguments: UnmountArguments, context: &Context) -> Outcome {
    unmount::run(arguments, context).await
}

pub(crate) fn guard(arguments: &GuardianArguments) -> Outcome {
    guardian::guard(arguments)
}
