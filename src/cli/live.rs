//! Commands of a repository that is mounted: the process that serves the mount does what they ask.

use std::time::Duration;

use swamp::mounting::control::{self, Answer, Verb};
use swamp::mounting::{CatalogOutcome, Claim, Pulled, Pushed, Server};
use swamp::namespace::Namespace;
use swamp::repo::Repo;

use super::context::Context;
use super::mount::unexpected;
use super::report::Failed;

/// The process that serves the mount of a repository.
#[derive(Debug)]
pub(super) struct Live<'a> {
    server: Server,
    context: &'a Context,
    patience: Duration,
}

impl<'a> Live<'a> {
    /// Returns the process that serves the mount of `repo`, `None` if it is not mounted.
    pub(super) async fn find(
        repo: &Repo,
        patience: Option<Duration>,
        context: &'a Context,
    ) -> Result<Option<Self>, Failed> {
        let found = Claim::find(&repo.paths().state, &*context.clock).await?;
        let patience = patience.unwrap_or_else(|| context.environment.sync_timeout());
        Ok(found.map(|server| Self { server, context, patience }))
    }

    pub(super) async fn push(&self) -> Result<Pushed, Failed> {
        match self.ask(Verb::Push).await? {
            Answer::Pushed(pushed) => Ok(pushed),
            other => Err(unexpected(&other)),
        }
    }

    pub(super) async fn pull(&self, metadata_only: bool) -> Result<Pulled, Failed> {
        match self.ask(Verb::Pull { metadata_only }).await? {
            Answer::Pulled(pulled) => Ok(pulled),
            other => Err(unexpected(&other)),
        }
    }

    pub(super) async fn pull_catalogs(&self, namespaces: Vec<Namespace>) -> Result<Vec<CatalogOutcome>, Failed> {
        match self.ask(Verb::CatalogPull { namespaces }).await? {
            Answer::Catalogs(outcomes) => Ok(outcomes),
            other => Err(unexpected(&other)),
        }
    }

    async fn ask(&self, verb: Verb) -> Result<Answer, Failed> {
        tracing::debug!(pid = self.server.pid, ?verb, "asked of the mount");
        let asked = control::ask(&*self.context.clock, &self.server.socket, verb, self.patience);
        tokio::select! {
            answer = asked => Ok(answer?),
            () = self.context.stop.cancelled() => Err(Failed::Interrupted),
        }
    }
}
