//! `swamp datastore`: where the data is, who shares it, and exchanging it.

mod catalog;
mod lock;
mod migrate_index;
mod namespace;
mod setup;
pub(crate) mod status;
mod sync;

use clap::Subcommand;
use swamp::mounting::{Claim, ClaimError};
use swamp::repo::Repo;

use super::context::Context;
use super::report::Outcome;

#[derive(Debug, Subcommand)]
pub(crate) enum DatastoreCommand {
    /// Choose where the data lives
    ///
    /// Verifies the place, registers the namespace, copies what is here already and exchanges it. Nothing is deleted:
    /// what may be deleted afterwards is told.
    #[command(after_help = "Examples:\n  swamp datastore setup filesystem --path /srv/swamp --namespace infra\n  \
                            swamp datastore setup s3 --bucket team --prefix prod --namespace infra")]
    Setup {
        #[command(subcommand)]
        command: setup::SetupCommand,
    },
    Status(status::StatusArguments),
    Sync(sync::SyncArguments),
    /// See and remove locks
    #[command(after_help = "Examples:\n  swamp datastore lock status\n  swamp datastore lock release --force")]
    Lock {
        #[command(subcommand)]
        command: lock::LockCommand,
    },
    /// Choose this repository's share of the datastore
    #[command(after_help = "Examples:\n  swamp datastore namespace list\n  swamp datastore namespace set infra")]
    Namespace {
        #[command(subcommand)]
        command: namespace::NamespaceCommand,
    },
    MigrateIndex(migrate_index::MigrateIndexArguments),
    /// Learn what other namespaces have
    #[command(after_help = "Examples:\n  swamp datastore catalog pull --namespaces security")]
    Catalog {
        #[command(subcommand)]
        command: catalog::CatalogCommand,
    },
}

/// Refuses to change the place of what is mounted: the mount would go on with the old one, where nobody looks any more.
async fn check_unmounted(repo: &Repo, context: &Context) -> Result<(), ClaimError> {
    match Claim::find(&repo.paths().state, &*context.clock).await? {
        Some(server) => Err(ClaimError::Served { server }),
        None => Ok(()),
    }
}

pub(crate) async fn run(command: DatastoreCommand, context: &Context) -> Outcome {
    match command {
        DatastoreCommand::Setup { command } => setup::run(command, context).await,
        DatastoreCommand::Status(arguments) => status::run(arguments, context).await,
        DatastoreCommand::Sync(arguments) => sync::run(arguments, context).await,
        DatastoreCommand::Lock { command } => lock::run(command, context).await,
        DatastoreCommand::Namespace { command } => namespace::run(command, context).await,
        DatastoreCommand::MigrateIndex(arguments) => migrate_index::run(arguments, context).await,
        DatastoreCommand::Catalog { command } => catalog::run(command, context).await,
    }
}
