//! What every command is given: flags, environment, clock, output, and a token that says "stop".

use std::sync::Arc;

use swamp::clock::Clock;
use swamp::repo::{self, EngineOptions, Environment, Repo, RepoError};
use tokio_util::sync::CancellationToken;

use super::args::Global;
use super::output::Output;
use super::progress;

/// The surroundings of one command.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) global: Global,
    pub(crate) environment: Environment,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) output: Output,
    /// Cancelled when the user interrupts; whoever holds a lock ends early and releases it.
    pub(crate) stop: CancellationToken,
}

impl Context {
    pub(crate) fn new(global: Global, environment: Environment, clock: Arc<dyn Clock>) -> Self {
        let output = Output::of(&global);
        Self { global, environment, clock, output, stop: CancellationToken::new() }
    }

    /// Returns what a synchronisation needs from us.
    pub(crate) fn engine_options(&self) -> EngineOptions {
        EngineOptions {
            progress: progress::progress(self.output, &self.clock),
            stop: self.stop.clone(),
            deadline: None,
            downloads_concurrent_max: None,
            uploads_concurrent_max: None,
        }
    }

    /// Opens the repository that the command is about.
    pub(crate) fn repo(&self) -> Result<Repo, RepoError> {
        let root = repo::discover(self.global.repo_dir.as_deref(), &self.environment)?;
        Repo::open(&root, self.environment.clone(), Arc::clone(&self.clock))
    }
}
