//! Where the file system itself is joined to everything else; nothing above knows how it is made.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use swamp::error::Kind;
use swamp::mounting::{Links, MountFacts, MountReports};
use swamp::repo::Repo;

use super::arguments::MountArguments;
use super::failure::MountFailure;
use crate::cli::context::Context;
use crate::cli::report::{Failed, Outcome};

/// A file system that is mounted. Dropping it unmounts.
pub(super) trait Served: Send + Sync + fmt::Debug {
    /// Waits until it is unmounted, at most for `timeout`; returns whether it is still mounted.
    fn wait(&self, timeout: Duration) -> Result<bool, Failed>;

    /// Takes it away; who uses it may finish within `grace`.
    fn unmount(&self, grace: Duration);

    /// Returns what names it to a guardian.
    fn id(&self) -> String;

    /// Tells the kernel that names have changed.
    fn names_changed(&self);

    /// Returns what it knows about itself.
    fn facts(&self) -> MountFacts;
}

/// What is mounted, and who hears of it.
#[derive(Debug)]
#[expect(dead_code, reason = "for the file system that is joined here")]
pub(super) struct Parts<'a> {
    pub(super) repo: &'a Arc<Repo>,
    pub(super) links: &'a Links,
    pub(super) reports: &'a Arc<MountReports>,
    pub(super) mountpoint: &'a Path,
    pub(super) arguments: &'a MountArguments,
}

/// Mounts.
pub(super) fn mount(parts: &Parts<'_>, _: &Context) -> Result<Arc<dyn Served>, Failed> {
    let source = format!("nothing here can serve `{}`", parts.mountpoint.display()).into();
    Err(MountFailure::Mechanism { kind: Kind::Unavailable, hint: None, source }.into())
}

/// Detaches a mount of ours that nobody serves; returns whether there was one.
#[expect(clippy::unnecessary_wraps, reason = "the file system that is joined here can fail")]
pub(super) fn detach(_: &Path) -> Result<bool, Failed> {
    Ok(false)
}

/// Waits until the process that serves a mount is gone, then takes away what is left of it.
#[expect(clippy::unnecessary_wraps, reason = "the file system that is joined here can fail")]
pub(super) fn guard(_: &Path, _: &str) -> Outcome {
    Ok(())
}
